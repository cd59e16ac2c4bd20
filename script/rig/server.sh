# The gem server: a container that serves the gems and the Rubies on the engine's bridge gateway, which
# every build reaches, whatever network of its own pack makes for it. Nothing outside of this machine does.
# shellcheck shell=bash

SERVER=formation-gem-server
SERVER_STATE=$STATE/server # "CONTAINER SESSION" of the server that bootstrap started
SERVER_KEY_LABEL=formation.rig.server-key
SERVER_PORT=${FORMATION_RIG_PORT:-8808}

server_title() { echo "gem server at $(server_url)"; }
server_duration() { echo "about 1 s"; }
server_url() { echo "http://$(gateway):$SERVER_PORT"; }

# An engine before its first restart names only the subnet (docker 20.10); the gateway is its first address.
gateway() {
  docker network inspect bridge --format '{{with index .IPAM.Config 0}}{{or .Gateway .Subnet}}{{end}}' |
    sed -E 's|[0-9]+/[0-9]+$|1|'
}

# By the folders' names, not their content: the gems' name changes with its content, and the Rubies are
# served as they are at the moment.
server_key() { key_of "gems: $(gems_folder)" "rubies: $RUBIES" "$(image_id "$SERVER_IMAGE")" "$(server_url)"; }

server_current() {
  local running
  running=$(docker container inspect --format "{{.State.Running}} {{index .Config.Labels \"$SERVER_KEY_LABEL\"}}" "$SERVER") &&
    [[ $running == "true $(server_key)" ]] && server_answers
}

server_make() {
  local owner=$SESSION
  # One that only changes what it serves stays whose it was.
  if [[ $(docker container inspect --format '{{.State.Running}}' "$SERVER" 2>/dev/null) == true ]]; then
    owner=$(started_by "$SERVER_STATE")
  fi
  remove_server
  # Recorded before it is there: a name is enough to find it by, and the label says whose it is.
  echo "$SERVER ${owner:-by-hand}" >"$SERVER_STATE"
  docker run --detach --name "$SERVER" --label "$SERVER_KEY_LABEL=$(server_key)" --user 0:0 \
    --publish "$(gateway):$SERVER_PORT:80" \
    --volume "$(gems_folder):/srv/gems:ro" --volume "$RUBIES:/srv/rubies:ro" \
    "$SERVER_IMAGE"
  local deadline=$((SECONDS + 20))
  until server_answers; do
    ((SECONDS < deadline)) || { docker logs "$SERVER" && return 1; }
    sleep 0.2
  done
}

server_help() {
  echo "If another program has the port $SERVER_PORT, name another: FORMATION_RIG_PORT=… script/bootstrap"
}

server_answers() {
  curl --noproxy '*' --silent --fail --max-time 5 --output /dev/null "$(server_url)/versions" "$(server_url)/rubies/inventory.toml"
}

# Only a container that bootstrap labelled is ever removed; another one of that name is an error of docker run's.
remove_server() {
  if docker container inspect --format "{{index .Config.Labels \"$SERVER_KEY_LABEL\"}}" "$SERVER" 2>/dev/null | grep -q .; then
    docker rm --force "$SERVER" >/dev/null
  fi
}

stop_server() {
  if engine_current; then
    echo "==> stopping the gem server that bootstrap started"
    remove_server
  fi
  rm -f "$SERVER_STATE"
}
