# The inside of script/build-ruby: compiles /source and leaves the archive and its inventory row in
# /result. Progress goes to standard output, everything else to standard error.
# Usage: compile.sh JOBS shared|static
# shellcheck shell=bash
set -euo pipefail
exec 3>&1 1>&2

jobs=$1
shape=$2
prefix=/opt/ruby
export LC_ALL=C.UTF-8

phase() {
  local name=$1 start=$SECONDS
  printf '%s … ' "$name" >&3
  set +e
  (set -e && "${@:2}")
  local status=$?
  set -e
  ((status == 0)) || { echo failed >&3 && exit 1; }
  echo "$((SECONDS - start)) s" >&3
}

unpack() {
  mkdir /build
  tar -C /build --strip-components 1 -xf /source
  [[ -x /build/configure ]] || { echo "No configure in the archive's top folder: is it a release of Ruby?" && return 1; }
}

# What stays in this container and goes with it.
install_packages() {
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# The linker takes the shared library where it finds both. libcrypto.a does not say what it needs itself.
hide_shared_libraries() {
  local libraries pkg_config
  install_packages libzstd-dev
  libraries=/usr/lib/$(gcc -dumpmachine)
  rm "$libraries"/lib{crypto,ffi,ssl,yaml}.so
  mv "$libraries/libffi_pic.a" "$libraries/libffi.a"
  pkg_config=$(command -v pkg-config)
  mv "$pkg_config" "$pkg_config.shared"
  printf '#!/bin/sh\nexec %s --static "$@"\n' "$pkg_config.shared" >"$pkg_config"
  chmod +x "$pkg_config"
}

# Not the default flags: debug symbols would double the time and are stripped anyway.
configure() {
  local options=(--prefix="$prefix" --enable-load-relative)
  if [[ $shape == static ]]; then
    # zlib in its extension alone.
    options+=(--disable-install-doc --without-gmp ac_cv_lib_z_uncompress=no)
  else
    options+=(--enable-shared --disable-install-doc --disable-install-static-library)
  fi
  [[ ! -f yjit/Cargo.toml ]] || ! command -v rustc || options+=(--enable-yjit)
  ./configure "${options[@]}" debugflags= optflags=-O2 cflags=-O2
}

compile() { make -j "$jobs"; }

install_ruby() { make install; }

# As the publishers have it: the issuers that were trusted on the day.
add_certificates() {
  local library
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$prefix/libexec/cert.pem"
  library=$(echo "$prefix"/lib/ruby/[0-9]*/openssl.rb)
  sed -i "0,/^require 'openssl.so'/s||ENV['SSL_CERT_FILE'] \|\|= File.expand_path('../../libexec/cert.pem', RbConfig.ruby)\n&|" "$library"
  grep -q libexec/cert.pem "$library"
}

# What neither runs nor compiles gems: manuals, static libraries, the bundled gems' archives and tests.
slim() {
  rm -rf "$prefix"/share
  [[ $shape == static ]] || find "$prefix" -name '*.a' -delete
  find "$prefix"/lib/ruby/gems/*/cache -name '*.gem' -delete
  find "$prefix"/lib/ruby/gems/*/{extensions,gems} \( -name gem_make.out -o -name mkmf.log -o -name '*.o' -o -name Makefile \) -delete
  find "$prefix" \( -name '*.so' -o -name '*.so.*' -o -path "$prefix/bin/ruby" \) -type f -exec strip --strip-unneeded {} +
}

# From another path than the one it was built for, which no longer exists by then.
check() {
  mkdir /moved
  mv "$prefix" "/moved/$root"
  cd /
  "/moved/$root/bin/ruby" -ropenssl -rpsych -rzlib -rfiddle -e '
    abort "not relocatable: #{RbConfig.ruby}" unless RbConfig.ruby.start_with?("/moved/")
    puts OpenSSL::OPENSSL_LIBRARY_VERSION, Psych.dump([1]), Zlib.crc32("x")'
  "/moved/$root/bin/gem" --version
  [[ $shape == shared ]] || check_static
  if [[ -f /build/yjit/Cargo.toml ]] && command -v rustc; then
    "/moved/$root/bin/ruby" --yjit -e 'abort "no YJIT" unless RubyVM::YJIT.enabled?'
  fi
}

check_static() {
  local file
  find "/moved/$root" \( -name '*.so' -o -path '*/bin/ruby' \) | while read -r file; do
    ! ldd "$file" | grep -E '\blib(crypto|ffi|ruby|ssl|yaml)\b' || { echo "$file needs it" && return 1; }
  done
  [[ -f /moved/$root/lib/libruby-static.a ]]
}

pack() {
  tar -C /moved --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$root" | gzip -9n >"/result/$file"
  cat >/result/row.toml <<TOML
[[artifacts]]
version = "$version"
os = "linux"
arch = "$arch"
url = "$file"
checksum = "sha256:$(sha256sum "/result/$file" | cut -d' ' -f1)"

[artifacts.metadata]
${distribution}libc = "$libc"
root = "$root"
TOML
  chown --reference=/result /result/*
}

# Of the names that machines have for themselves, the inventory's are those of container images.
image_architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
  esac
}

phase "unpack" unpack
cd /build
# Ruby's generated gemspecs carry a date: that of the source, not of the day.
SOURCE_DATE_EPOCH=$(stat -c %Y configure)
export SOURCE_DATE_EPOCH

# YJIT is written in Rust since Ruby 3.2.
if [[ -f yjit/Cargo.toml ]] && ! command -v rustc; then
  if command -v apt-get; then
    phase "install the Rust compiler, for YJIT" install_packages rustc
  else
    echo "no Rust compiler in this image: a Ruby without YJIT" >&3
  fi
fi
[[ $shape == shared ]] || phase "hide shared libraries" hide_shared_libraries
phase "configure" configure
phase "make, $jobs at a time" compile
phase "install" install_ruby
[[ $shape == shared ]] || phase "certificates" add_certificates
phase "strip" slim

# shellcheck source=/dev/null
source /etc/os-release
# Musl's ldd, alone, names itself.
if [[ $(ldd --version 2>&1) == *musl* ]]; then libc=musl; else libc=glibc; fi
arch=$(image_architecture)
# A preview or a development version says so in its RubyGems version alone.
version=$("$prefix/bin/ruby" -rrubygems -e 'puts RUBY_PATCHLEVEL.negative? ? Gem.ruby_version : RUBY_VERSION')
root=ruby-$version
if [[ $shape == static ]]; then
  # Any distribution whose glibc is no older.
  libc="glibc>=$(ldd --version | sed -n '1s/.* //p')"
  distribution=
  file=$root-${libc/>=/-}-$arch.tar.gz
else
  distribution="distro_name = \"$ID\"
distro_version = \"$VERSION_ID\"
"
  file=$root-$ID-$VERSION_ID-$arch.tar.gz
fi
phase "check" check
phase "pack" pack
echo "$root: $(du -sm "/moved/$root" | cut -f1) MB, as an archive $(du -sm "/result/$file" | cut -f1) MB" >&3
