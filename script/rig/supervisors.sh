# What `formation run` is measured against (script/bench supervisors): an image with foreman, hivemind and overmind.
# shellcheck shell=bash

SUPERVISORS_IMAGE=formation/supervisors:trixie

supervisors_title() { echo "image of other supervisors $SUPERVISORS_IMAGE"; }
supervisors_duration() { echo "foreman from Debian, hivemind and overmind from source, about 30 s"; }
supervisors_current() { image_current "$SUPERVISORS_IMAGE" "$(supervisors_key)"; }
supervisors_key() {
  key_of "$rig/supervisors" "$rig/images/supervisors.Dockerfile" "$(image_id "$RUN_IMAGE")"
}

supervisors_make() {
  local programs name package
  programs=$(scratch_folder)
  for package in github.com/DarthSim/hivemind github.com/DarthSim/overmind/v2; do
    name=$(cut -d/ -f3 <<<"$package")
    (cd "$rig/supervisors" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$programs/$name" "$package")
  done
  build_image_from supervisors "$SUPERVISORS_IMAGE" "$RUN_IMAGE" "$(supervisors_key)" "$programs"/*
}

supervisors_help() {
  echo "Go 1.24 or newer is needed to build two of these: check \`go version\`."
}
