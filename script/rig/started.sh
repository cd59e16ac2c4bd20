# Who started what runs: the engine and the server each have a state file whose last word is the session.
# shellcheck shell=bash

# What bootstrap started, all of it or what one session's call did.
stop_started() {
  [[ ! -f $SERVER_STATE ]] || stop_server
  [[ ! -f $ENGINE_STATE ]] || stop_engine
}

stop_started_by() {
  local session=$1
  [[ $(started_by "$SERVER_STATE") != "$session" ]] || stop_server
  [[ $(started_by "$ENGINE_STATE") != "$session" ]] || stop_engine
}

# The session is the last word of a state file.
started_by() {
  local words=()
  [[ ! -f $1 ]] || read -r -a words <"$1"
  ((${#words[@]} == 0)) || echo "${words[-1]}"
}
