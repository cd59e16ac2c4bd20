# To be sourced by a script that works with the rig:
#
#   source "$(dirname "$0")/rig/session.sh" demo
#
# It makes the rig (demo, all or bench, as script/bootstrap has it), sets its variables, and when the script ends
# stops what this call started: an engine or a server that ran before goes on running. A script with an
# EXIT trap of its own calls end_rig_session in it.
# shellcheck shell=bash

FORMATION_RIG_SESSION=$$-$(date +%s)
export FORMATION_RIG_SESSION
rig_bootstrap=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/bootstrap

end_rig_session() { "$rig_bootstrap" stop --session "$FORMATION_RIG_SESSION"; }
# Before the call, so that an interrupted one is cleared up too. The signals, because bash does not run
# the EXIT trap for a signal that it has no trap for.
trap end_rig_session EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$rig_bootstrap" "${1:-all}"
# shellcheck source=/dev/null
source "${FORMATION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/formation}/rig.env"
