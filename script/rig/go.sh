# Programs that come as Go modules: each is pinned by the go.mod and go.sum of a folder here.
# shellcheck shell=bash

# go_build FOLDER MODULE PACKAGE OUT [VARIABLE]: PACKAGE is a folder of the module, or empty. The module's
# version is put where the program expects its own. Static, because the lifecycle runs in any image.
go_build() {
  local folder=$1 module=$2 package=$2${3:+/$3} out=$4 variable=${5:-} flags="-s -w"
  command -v go >/dev/null || { echo "go: not found" && return 1; }
  [[ -z $variable ]] || flags+=" -X $module/$variable=$(module_version "$folder" "$module")"
  (cd "$rig/$folder" && CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$out.new" "$package")
  mv "$out.new" "$out"
}

# module_version FOLDER MODULE, without the v
module_version() {
  awk -v module="$2" '{ sub(/^require /, "") } $1 == module { sub(/^v/, "", $2); print $2 }' "$rig/$1/go.mod"
}
