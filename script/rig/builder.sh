# The builder: build image, run image and lifecycle in one. Formation itself is not in it: it is
# given to each `pack build` by --buildpack.
# shellcheck shell=bash

BUILDER=formation/builder:trixie
BUILDER_KEY_LABEL=formation.rig.builder-key # not KEY_LABEL: the build image's label is inherited

builder_title() { echo "builder $BUILDER"; }
builder_duration() { echo "about 2 s"; }
builder_current() { [[ $(image_label "$BUILDER" $BUILDER_KEY_LABEL) == "$(builder_key)" ]]; }
builder_key() { key_of "$rig/builder.sh" "$(basename "$TOOLS")" "$(image_id "$BUILD_IMAGE")" "$(image_id "$RUN_IMAGE")"; }

builder_make() {
  local folder
  folder=$(scratch_folder)
  cat >"$folder/builder.toml" <<TOML
description = "Debian trixie, with no buildpacks of its own"

[build]
image = "$BUILD_IMAGE"

[run]
[[run.images]]
image = "$RUN_IMAGE"

[lifecycle]
uri = "$TOOLS/lifecycle.tgz"
TOML
  PATH=$TOOLS/bin:$PATH pack builder create "$BUILDER" --config "$folder/builder.toml" --pull-policy never \
    --target "linux/$(docker version --format '{{.Server.Arch}}')" --label "$BUILDER_KEY_LABEL=$(builder_key)"
}
