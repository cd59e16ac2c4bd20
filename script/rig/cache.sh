# The cache folder, and the keys of what is in it. Everything expensive is kept under a key made of
# its inputs and appears there by a rename, so a killed run leaves nothing that a later one would trust.
# shellcheck shell=bash

CACHE=${FORMATION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/formation}
LOGS=$CACHE/log
# What runs now and who started it: gone stale after a reboot, and checked before use.
STATE=$CACHE/state
# One call of bootstrap, or one script that called it: only the one that started a thing stops it.
SESSION=${FORMATION_RIG_SESSION:-by-hand-$$}

# For what is thrown away at the end of a step, or, where a run was killed, at the start of the next.
SCRATCH=$CACHE/scratch

mkdir -p "$CACHE" "$LOGS" "$STATE"

# A shell that has sourced rig.env must not make its programs look like ones that the machine has of its own.
PATH=$(tr : '\n' <<<"$PATH" | grep -vF "$CACHE/tools/" | paste -sd :)

# has_key FILE KEY. A killed run may have left the thing without its key, and bash ends at once where `$(<FILE)` has no file.
has_key() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# key_of INPUT…: a hash of files (their content), folders (all files in them) and plain words.
key_of() {
  local input
  for input in "$@"; do
    if [[ -d $input ]]; then
      find "$input" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat
    elif [[ -f $input ]]; then
      cat "$input"
    else
      printf '%s\n' "$input"
    fi
  done | sha256sum | cut -c1-16
}

scratch_folder() {
  mkdir -p "$SCRATCH"
  mktemp -d "$SCRATCH/XXXXXX"
}

# A killed debootstrap leaves file systems mounted in its folder.
clean_scratch() {
  [[ -d $SCRATCH ]] || return 0
  local mounted
  for mounted in "$SCRATCH"/*/{proc,sys}; do
    ! mountpoint -q "$mounted" 2>/dev/null || umount "$mounted"
  done
  rm -rf --one-file-system "$SCRATCH"
}

# Two calls at once would build the same things twice; the second waits for the first.
take_lock() {
  command -v flock >/dev/null || return 0
  exec 9>"$CACHE/lock"
  if ! flock -n 9; then
    echo "==> another script/bootstrap is at work: waiting for it"
    flock 9
  fi
}
