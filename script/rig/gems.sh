# The gems, from Debian's packages and Ruby's own source, and the index that a gem server has.
# shellcheck shell=bash

gems_title() { echo "gems from Debian's packages and Ruby's source"; }
gems_duration() { echo "about 30 s"; }

# Ruby's series decides which compiled gems fit; the demo's Ruby is it.
gems_folder() { echo "$CACHE/gems/$(key_of "$rig/gems" "$rig/debian" "$(ruby_key "${DEMO_RUBIES[0]}")")"; }
gems_current() { [[ -f $(gems_folder)/versions ]]; }

gems_make() {
  local ruby=${DEMO_RUBIES[0]} folder packages suite source
  folder=$(gems_folder)
  packages=$CACHE/sources/gems-$(key_of "$rig/gems/packages.txt")
  [[ -d $packages ]] || fetch_debian "$packages" <"$rig/gems/packages.txt"
  IFS=/ read -r _ suite source <<<"$ruby"

  rm -rf "$folder.new" && mkdir -p "$folder.new"
  docker run --rm --network host --user 0:0 --env LC_ALL=C.UTF-8 \
    --env http_proxy --env https_proxy --env no_proxy \
    --volume "$packages:/debian:ro" \
    --volume "$CACHE/sources/$source-$suite:/ruby-source:ro" \
    --volume "$(ruby_archive "$ruby"):/ruby.tar.gz:ro" \
    --volume "$rig/gems:/rig:ro" \
    --volume "$folder.new:/out" \
    "$BUILD_IMAGE" bash -euc '
      apt-get update && apt-get install -y patchelf
      mkdir /ruby /tree
      tar -C /ruby --strip-components 1 -xf /ruby.tar.gz
      tar -C /tree --strip-components 1 -xf /ruby-source/*.orig.tar.*
      /ruby/bin/ruby /rig/build.rb /debian /tree /out
      chown -R --reference=/out /out'
  mv "$folder.new" "$folder"
}
