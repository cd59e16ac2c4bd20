# The Rubies: built from Debian's source packages, whose archives are upstream's byte for byte.
# shellcheck shell=bash

# VERSION/SUITE/SOURCE-PACKAGE. The first is the one whose compiled gems Debian trixie has.
DEMO_RUBIES=(3.3.8/trixie/ruby3.3)
TEST_RUBIES=(3.1.2/bookworm/ruby3.1) # to change a version, a second one is enough
RUBIES=$CACHE/rubies

ruby_title() { echo "Ruby ${1%%/*} from source"; }
ruby_duration() { echo "about 3 minutes"; }

ruby_current() { [[ -f $(ruby_archive "$1") ]] && has_key "$(ruby_stamp "$1")" "$(ruby_key "$1")"; }

ruby_make() {
  local version suite package sources
  IFS=/ read -r version suite package <<<"$1"
  sources=$CACHE/sources/$package-$suite
  if [[ ! -d $sources ]]; then
    fetch_debian "$sources" <<<"source $suite $package"
  fi
  rm -rf "$RUBIES"/.build-ruby.* # of a killed run
  "$rig/../build-ruby" "$sources"/*.orig.tar.* "$RUBIES"
  [[ -f $(ruby_archive "$1") ]] || { echo "$package of $suite is not Ruby $version any more." && return 1; }
  ruby_key "$1" >"$(ruby_stamp "$1")"
}

# By the Dockerfiles, not the images' ids: a Ruby outlives a rebuild of the same image.
ruby_key() {
  key_of "$rig/rubies" "$rig/images/run.Dockerfile" "$rig/images/build.Dockerfile" "$1"
}

ruby_stamp() { echo "$RUBIES/.${1%%/*}.key"; }
ruby_archive() { echo "$RUBIES/ruby-${1%%/*}-debian-13-$(docker version --format '{{.Server.Arch}}').tar.gz"; }

# The next patch release of the demo's Ruby, to see what outlives the change: made of the same source by raising the patch number in
# version.h, and so nothing that ruby-lang.org has. Its inventory is its own, so that only who asks for it gets it.
NEXT_PATCH=$RUBIES/next-patch

next_patch_title() { echo "Ruby $(next_patch_version), made of the source of ${DEMO_RUBIES[0]%%/*}"; }
next_patch_duration() { echo "about 3 minutes"; }
next_patch_current() { [[ -f $NEXT_PATCH/inventory.toml ]] && has_key "$NEXT_PATCH/.key" "$(next_patch_key)"; }

next_patch_make() {
  local suite package scratch source
  IFS=/ read -r _ suite package <<<"${DEMO_RUBIES[0]}"
  scratch=$(scratch_folder)
  tar -C "$scratch" -xf "$CACHE/sources/$package-$suite"/*.orig.tar.*
  source=$(echo "$scratch"/*)
  raise_patch_number "$source/version.h"
  tar -C "$scratch" -cf "$scratch/source.tar" "${source##*/}"
  rm -rf "$NEXT_PATCH"
  "$rig/../build-ruby" "$scratch/source.tar" "$NEXT_PATCH"
  rm -rf "$scratch"
  grep -q "^version = \"$(next_patch_version)\"" "$NEXT_PATCH/inventory.toml"
  next_patch_key >"$NEXT_PATCH/.key"
}

next_patch_version() {
  local version=${DEMO_RUBIES[0]%%/*}
  echo "${version%.*}.$((${version##*.} + 1))"
}

next_patch_key() { key_of "$(ruby_key "${DEMO_RUBIES[0]}")" "$(next_patch_version)"; }

# The demo's Ruby once more, in the shape in which most of Formation's inventory is published: static libraries linked in, for any
# distribution. Its inventory is its own too.
STATIC_RUBY=$RUBIES/static

static_ruby_title() { echo "Ruby ${DEMO_RUBIES[0]%%/*}, static as published ones"; }
static_ruby_duration() { echo "about 3 minutes"; }
static_ruby_current() { [[ -f $STATIC_RUBY/inventory.toml ]] && has_key "$STATIC_RUBY/.key" "$(static_ruby_key)"; }

static_ruby_make() {
  local suite package
  IFS=/ read -r _ suite package <<<"${DEMO_RUBIES[0]}"
  rm -rf "$STATIC_RUBY"
  "$rig/../build-ruby" --static "$CACHE/sources/$package-$suite"/*.orig.tar.* "$STATIC_RUBY"
  static_ruby_key >"$STATIC_RUBY/.key"
}

static_ruby_key() { key_of "$(ruby_key "${DEMO_RUBIES[0]}")" static; }

# As old as it was: whatever is made of it is not made again.
raise_patch_number() {
  local version
  version=$(next_patch_version)
  touch -r "$1" "$1.time"
  sed -i "s/^\(#define RUBY_VERSION_TEENY\) .*/\1 ${version##*.}/" "$1"
  touch -r "$1.time" "$1"
  rm "$1.time"
}

# fetch_debian FOLDER <LIST: the packages of a list (see debian/fetch.sh) in a new folder.
fetch_debian() {
  local folder=$1
  mkdir -p "$(dirname "$folder")"
  rm -rf "$folder.new" && mkdir "$folder.new"
  docker run --rm --interactive --network host --user 0:0 \
    --env http_proxy --env https_proxy --env no_proxy \
    --volume "$folder.new:/out" --volume "$rig/debian/fetch.sh:/fetch.sh:ro" \
    "$BUILD_IMAGE" bash /fetch.sh
  mv "$folder.new" "$folder"
}
