# The programs that build and package: pack, the lifecycle, cargo-libcnb.
# shellcheck shell=bash

LIBCNB_CARGO_VERSION=0.30.4
TOOLS=$CACHE/tools/$(key_of "$rig/tools" "$rig/tools.sh" "$rig/go.sh" "$(uname -sm)")

tools_title() { echo "pack, lifecycle and cargo-libcnb from source"; }
tools_duration() { echo "about 2 minutes"; }

tools_current() {
  lifecycle_current && { pack_installed || [[ -x $TOOLS/bin/pack ]]; } &&
    { cargo_libcnb_installed || [[ -x $TOOLS/bin/cargo-libcnb ]]; }
}

lifecycle_current() { [[ -f $TOOLS/lifecycle.tgz ]]; }

# Any pack since 0.36 has what is used here (--trust-extra-buildpacks).
pack_installed() {
  local version
  version=$(pack version 2>/dev/null) || return 1
  [[ $(printf '%s\n' 0.36.0 "${version%%[+-]*}" | sort -V | head -n 1) == 0.36.0 ]]
}

cargo_libcnb_installed() { [[ $(cargo libcnb --version 2>/dev/null) == *" $LIBCNB_CARGO_VERSION" ]]; }

tools_make() {
  mkdir -p "$TOOLS/bin"
  lifecycle_current || make_lifecycle
  pack_installed || [[ -x $TOOLS/bin/pack ]] || make_pack
  cargo_libcnb_installed || [[ -x $TOOLS/bin/cargo-libcnb ]] || make_cargo_libcnb
}

tools_help() {
  echo "Go 1.24 or newer and Rust are needed to build these: check \`go version\` and \`cargo --version\`."
}

make_pack() {
  go_build tools github.com/buildpacks/pack "" "$TOOLS/bin/pack" pkg/client.Version
}

# The archive that `pack builder create` wants: one program under the names of its phases, and the launcher.
make_lifecycle() {
  local phase root=$TOOLS/lifecycle.new lifecycle=github.com/buildpacks/lifecycle
  rm -rf "$root" && mkdir -p "$root/lifecycle"
  go_build tools "$lifecycle" cmd/lifecycle "$root/lifecycle/lifecycle" cmd.Version
  go_build tools "$lifecycle" cmd/launcher "$root/lifecycle/launcher" cmd.Version
  for phase in analyzer builder creator detector exporter extender rebaser restorer; do
    ln -s lifecycle "$root/lifecycle/$phase"
  done
  cat >"$root/lifecycle.toml" <<TOML
[apis]
  [apis.buildpack]
    deprecated = []
    supported = ["0.7", "0.8", "0.9", "0.10", "0.11"]
  [apis.platform]
    deprecated = []
    supported = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14"]

[lifecycle]
  version = "$(module_version tools "$lifecycle")"
TOML
  tar -C "$root" -czf "$TOOLS/lifecycle.tgz.new" lifecycle.toml lifecycle
  mv "$TOOLS/lifecycle.tgz.new" "$TOOLS/lifecycle.tgz"
  rm -rf "$root"
}

# cargo install writes its program last, by a rename.
make_cargo_libcnb() {
  cargo install --locked --version "$LIBCNB_CARGO_VERSION" libcnb-cargo --root "$TOOLS"
}
