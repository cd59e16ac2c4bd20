# What other scripts need to know of the rig, as a file to be sourced.
# shellcheck shell=bash

write_environment() {
  {
    echo "# Written by script/bootstrap."
    # What the machine had already was not built, so there is nothing here that could hide it.
    printf 'export PATH=%q:"$PATH"\n' "$TOOLS/bin:$COMPOSE/bin:$KUBECTL_VALIDATE/bin"
    export_line PACK_VOLUME_KEY formation
    export_line FORMATION_BUILDER "$BUILDER"
    export_line FORMATION_RUN_IMAGE "$RUN_IMAGE"
    export_line FORMATION_SUPERVISORS_IMAGE "$SUPERVISORS_IMAGE"
    export_line FORMATION_BUILD_IMAGE "$BUILD_IMAGE"
    export_line FORMATION_SERVER_IMAGE "$SERVER_IMAGE"
    export_line FORMATION_GEM_SERVER "$(server_url)"
    export_line FORMATION_RUBY_INVENTORY "$(server_url)/rubies/inventory.toml"
    export_line FORMATION_NEXT_PATCH_INVENTORY "$(server_url)/rubies/next-patch/inventory.toml"
    export_line FORMATION_STATIC_RUBY_INVENTORY "$(server_url)/rubies/static/inventory.toml"
    export_line FORMATION_REDMINE "$(redmine_folder)"
    [[ -z ${DOCKER_HOST:-} ]] || export_line DOCKER_HOST "$DOCKER_HOST"
  } >"$CACHE/rig.env.new"
  mv "$CACHE/rig.env.new" "$CACHE/rig.env"
}

export_line() { printf 'export %s=%q\n' "$1" "$2"; }
