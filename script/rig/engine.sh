# The container engine: the one that answers, or Debian's docker.io started here.
# shellcheck shell=bash

ENGINE_STATE=$STATE/engine # "PID START-TIME SESSION" of the dockerd that bootstrap started

engine_title() { echo "container engine"; }
engine_duration() { echo "Debian's docker.io, about 15 s"; }

# A client is often installed without an engine behind it: ask for the server's version.
engine_current() { [[ -n $(timeout 20 docker info --format '{{.ServerVersion}}' 2>/dev/null) ]]; }

engine_make() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "There is no container engine, and only root on Debian or Ubuntu can be given one here."
    return 1
  fi
  if ! command -v dockerd >/dev/null; then
    install_debian_packages docker.io iptables
  fi
  # Newer Debians have the client in a package of its own.
  if ! command -v docker >/dev/null; then
    install_debian_packages docker-cli
  fi
  # Where services start on install, the engine is up by now or in a moment.
  if [[ -d /run/systemd/system ]]; then
    wait_for_engine 15 && return
    systemctl start docker && wait_for_engine 30 && return
  fi
  start_dockerd
  wait_for_engine 60
}

engine_help() {
  echo "Install and start Docker (docker info must answer), then run script/bootstrap again."
}

# The package lists may be missing or old: refresh them only where an install fails without.
install_debian_packages() {
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
  "${install[@]}" "$@" || { apt-get update && "${install[@]}" "$@"; }
}

# The new process records itself and then becomes dockerd, so there is no moment at which dockerd
# runs unrecorded. It gets a session of its own, for Ctrl-C in this terminal not to end it.
start_dockerd() {
  # shellcheck disable=SC2016
  setsid bash -c '
    read -r -a stat </proc/$$/stat
    echo "$$ ${stat[21]} $2" >"$1.new" && mv "$1.new" "$1"
    exec dockerd' dockerd "$ENGINE_STATE" "$SESSION" </dev/null >"$LOGS/dockerd.log" 2>&1 9>&- &
}

wait_for_engine() {
  local deadline=$((SECONDS + $1))
  until engine_current; do
    if ((SECONDS >= deadline)); then
      [[ ! -f $LOGS/dockerd.log ]] || tail -n 20 "$LOGS/dockerd.log"
      echo "No container engine answers."
      return 1
    fi
    sleep 0.5
  done
}

# Prints the process id of the dockerd that bootstrap started, if it is still that process.
recorded_dockerd() {
  local pid start_time stat
  [[ -f $ENGINE_STATE ]] || return 1
  read -r pid start_time _ <"$ENGINE_STATE"
  [[ -r /proc/$pid/stat && $(<"/proc/$pid/comm") == dockerd ]] || return 1
  read -r -a stat <"/proc/$pid/stat"
  [[ ${stat[21]} == "$start_time" ]] || return 1
  echo "$pid"
}

stop_engine() {
  local pid
  if pid=$(recorded_dockerd); then
    echo "==> stopping the container engine that bootstrap started (process $pid)"
    kill "$pid"
    # Where no init reaps it, an ended process stays in /proc, without a command line.
    while [[ -n $(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline") ]]; do sleep 0.2; done
  fi
  rm -f "$ENGINE_STATE"
}
