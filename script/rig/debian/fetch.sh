# Runs in a container of the build image: fetches Debian packages into /out. Each line of the standard
# input is `binary SUITE PACKAGE`, `source SUITE PACKAGE` (of a source package, upstream's archive), or
# `patched SUITE PACKAGE` (Debian's changes besides).
# shellcheck shell=bash
set -euo pipefail
cd /out

mapfile -t wanted < <(grep -vE '^[[:space:]]*(#|$)')

# The image's own mirror, for every suite that is asked for. The container is thrown away.
mirror=$(grep -rhoE 'https?://[^ ]+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | sed -n 1p)
rm -f /etc/apt/sources.list.d/*
for suite in $(printf '%s\n' "${wanted[@]}" | awk '{ print $2 }' | sort -u); do
  echo "deb $mirror $suite main"
  echo "deb-src $mirror $suite main"
done >/etc/apt/sources.list
echo 'Acquire::Retries "3";' >/etc/apt/apt.conf.d/91retries
apt-get update

binary=() source=() patched=()
for line in "${wanted[@]}"; do
  read -r kind suite package <<<"$line"
  case $kind in
    binary) binary+=("$package/$suite") ;;
    source) source+=("$package/$suite") ;;
    patched) patched+=("$package/$suite") ;;
    *) echo "neither binary, source nor patched: $line" >&2 && exit 1 ;;
  esac
done
((${#binary[@]} == 0)) || apt-get download "${binary[@]}"
# Upstream's archive alone: not every mirror has all the rest of every source package.
((${#source[@]} == 0)) || apt-get source --download-only --tar-only "${source[@]}"
((${#patched[@]} == 0)) || apt-get source --download-only "${patched[@]}"
find . -type f ! -name '*.deb' ! -name '*.debian.tar.*' ! -name '*.orig.tar.*' -delete
find . -name '*.orig*.asc' -delete
chown --reference=/out ./*
