# The Debian images: base, run image, build image, and the gem server's.
# shellcheck shell=bash

BASE_IMAGE=formation/base:trixie
RUN_IMAGE=formation/run:trixie
BUILD_IMAGE=formation/build:trixie
SERVER_IMAGE=formation/gem-server:trixie
# The label under which an image carries the key of its inputs.
KEY_LABEL=formation.rig.key

image_exists() { docker image inspect "$1" >/dev/null 2>&1; }
image_label() { docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null; }

# Debian's own slim image where it is there already; it is not pulled, the rig needs no image registry.
base_image() {
  if image_exists debian:trixie-slim; then echo debian:trixie-slim; else echo "$BASE_IMAGE"; fi
}

base_image_title() { echo "base image $(base_image)"; }
base_image_duration() { echo "Debian trixie by debootstrap, about 40 s"; }
base_image_current() { image_exists "$(base_image)"; }

base_image_make() {
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "Without root on Debian or Ubuntu there is no debootstrap here."
    return 1
  fi
  command -v debootstrap >/dev/null && [[ -f $DEBIAN_KEYRING ]] ||
    install_debian_packages debootstrap debian-archive-keyring
  local root
  root=$(scratch_folder)
  trap clean_scratch EXIT
  # No mirror named: debootstrap takes its own default.
  # shellcheck disable=SC2046
  debootstrap --variant=minbase --keyring="$DEBIAN_KEYRING" trixie "$root" $(debian_mirror)
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  # The engine would also keep what it has of an interrupted import: the real name comes last.
  tar -C "$root" -c . | docker import - "$BASE_IMAGE-incomplete"
  docker tag "$BASE_IMAGE-incomplete" "$BASE_IMAGE"
  docker rmi "$BASE_IMAGE-incomplete"
}

base_image_help() {
  echo "Where an image registry is in reach: docker pull debian:trixie-slim, then run script/bootstrap again."
}

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian mirror that this machine uses; nothing where it is no Debian or has no package lists.
debian_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && !mirror { mirror = $3 } END { print mirror }'
}

run_image_title() { echo "run image $RUN_IMAGE"; }
run_image_duration() { echo "about 10 s"; }
run_image_current() { image_current "$RUN_IMAGE" "$(run_image_key)"; }
run_image_make() { build_image_from run "$RUN_IMAGE" "$(base_image)" "$(run_image_key)"; }
run_image_key() { key_of "$rig/images/run.Dockerfile" "$(apt_configuration)" "$(image_id "$(base_image)")"; }

build_image_title() { echo "build image $BUILD_IMAGE"; }
build_image_duration() { echo "about 30 s"; }
build_image_current() { image_current "$BUILD_IMAGE" "$(build_image_key)"; }
build_image_make() { build_image_from build "$BUILD_IMAGE" "$RUN_IMAGE" "$(build_image_key)"; }
build_image_key() { key_of "$rig/images/build.Dockerfile" "$(image_id "$RUN_IMAGE")"; }

server_image_title() { echo "gem server's image $SERVER_IMAGE"; }
server_image_duration() { echo "about 5 s"; }
server_image_current() { image_current "$SERVER_IMAGE" "$(server_image_key)"; }
server_image_make() { build_image_from server "$SERVER_IMAGE" "$RUN_IMAGE" "$(server_image_key)"; }
server_image_key() {
  key_of "$rig/images/server.Dockerfile" "$rig/images/nginx.conf" "$(image_id "$RUN_IMAGE")"
}

image_id() { docker image inspect --format '{{.Id}}' "$1"; }
image_current() { [[ $(image_label "$1" $KEY_LABEL) == "$2" ]]; }

# build_image_from DOCKERFILE TAG BASE KEY [FILE…]. The host's network, so that apt reaches what the host's reaches.
build_image_from() {
  local dockerfile=$1 tag=$2 base=$3 key=$4 context
  context=$(scratch_folder)
  cp "$rig"/images/* "${@:5}" "$context"
  write_apt_settings "$context/apt"
  # No attestations: newer engines would make an index of a single image, which is no base for the next.
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --network host --label "$KEY_LABEL=$key" --build-arg "BASE=$base" \
    --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
    --file "$context/$dockerfile.Dockerfile" --tag "$tag" "$context"
}

# apt inside the images uses the host's mirror, proxies, certificates, and its word on old package lists.
write_apt_settings() {
  local folder=$1 mirror certificates=/etc/ssl/certs/ca-certificates.crt
  mkdir -p "$folder/apt.conf.d"
  apt_configuration >"$folder/apt.conf.d/90rig"
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || return 0
  echo "deb $mirror trixie main" >"$folder/sources.list"
  if [[ $mirror == https:* && -f $certificates ]]; then
    cp "$certificates" "$folder/host-certificates.crt"
    echo 'Acquire::https::CAInfo "/etc/apt/host-certificates.crt";' >>"$folder/apt.conf.d/90rig"
  fi
}

apt_configuration() {
  echo 'APT::Install-Recommends "false"; Acquire::Languages "none";'
  ! command -v apt-config >/dev/null ||
    apt-config dump | grep -E '^Acquire::(Check-.*|https?::.*Proxy.*) "' || true
}
