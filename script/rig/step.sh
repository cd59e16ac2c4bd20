# How a step is run and shown. A step NAME is these functions:
#   NAME_title    what it makes
#   NAME_duration how long that takes on two processors
#   NAME_current  succeeds where there is nothing to do
#   NAME_make     does it; its output goes to a log
#   NAME_help     (optional) what a person can do when it failed
# shellcheck shell=bash

background_pid=
background_start=
logged_status=

# step NAME [ARGUMENT…]
step() {
  local name=$1 start=$SECONDS
  if "${name}_current" "${@:2}" >/dev/null 2>&1; then
    echo "==> $("${name}_title" "${@:2}"): reused"
    return
  fi
  echo "==> $("${name}_title" "${@:2}") ($("${name}_duration")) …"
  run_logged "$@"
  ((logged_status == 0)) || fail_step "$@"
  echo "    done in $((SECONDS - start)) s"
}

# begin NAME … finish NAME: a step that runs beside the ones in between. One at a time is enough.
begin() {
  local name=$1
  background_start=$SECONDS
  if "${name}_current" >/dev/null 2>&1; then
    echo "==> $("${name}_title"): reused"
    return
  fi
  echo "==> $("${name}_title") ($("${name}_duration"), in the background) …"
  # With a process group of its own, so that stopping it stops the compilers that it started.
  set -m
  (run_logged "$name"; exit "$logged_status") &
  background_pid=$!
  set +m
}

finish() {
  local name=$1
  [[ -n $background_pid ]] || return 0
  wait "$background_pid" || fail_step "$name"
  background_pid=
  echo "    $("${name}_title"): done after $((SECONDS - background_start)) s"
}

stop_background() {
  [[ -n $background_pid ]] || return 0
  kill -- "-$background_pid" 2>/dev/null || true
  wait "$background_pid" 2>/dev/null || true
  background_pid=
}

# Sets logged_status rather than failing: bash ignores `set -e` in whatever is called before `||` or in an
# `if`, subshells included, and a step must end with its first failing command.
run_logged() {
  local name=$1
  set +e
  (
    set -euo pipefail
    "${name}_make" "${@:2}"
  ) >"$LOGS/$name.log" 2>&1
  logged_status=$?
  set -e
}

fail_step() {
  local name=$1
  {
    echo "    failed. The end of $LOGS/$name.log:"
    tail -n 30 "$LOGS/$name.log" | sed 's/^/    | /'
    if declare -F "${name}_help" >/dev/null; then
      "${name}_help" "${@:2}" | sed 's/^/    /'
    else
      echo "    Run script/bootstrap again: what is done is kept. The whole log: $LOGS/$name.log"
    fi
  } >&2
  exit 1
}
