#!/usr/bin/env bash
#
# Builds the base images of the Dockerfile under their public names, if no image
# registry can be reached: Debian from its packages, Deno from the npm registry.
# Existing images are kept.
#
# usage: scripts/base_images.sh [DENO_VERSION]

set -euo pipefail

docker="${DOCKER:-docker}"
deno_version="${1:-2.9.6}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/runnerlib"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

main() {
  has debian:bookworm-slim || import_debian
  has "denoland/deno:bin-$deno_version" || import_deno
}

has() {
  "$docker" image inspect "$1" >/dev/null 2>&1
}

import_debian() {
  local archive="$cache/debian-bookworm-slim.tar"
  [ -f "$archive" ] || make_debian "$archive"
  "$docker" import "$archive" debian:bookworm-slim
}

make_debian() {
  debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" ||
    { tail -n 20 "$work/log" && return 1; }
  slim_down "$work/debian"
  mkdir -p "$cache"
  tar -C "$work/debian" --numeric-owner -cf "$work/debian.tar" .
  mv "$work/debian.tar" "$1"
}

# The slim image of Debian omits the same files.
slim_down() {
  rm -rf "$1"/usr/share/{doc,info,locale,man}/* "$1"/var/cache/apt/*.bin \
    "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/log/*
  printf 'path-exclude /usr/share/%s/*\n' doc info locale man \
    >"$1/etc/dpkg/dpkg.cfg.d/slim"
  printf 'deb http://deb.debian.org/%s main\n' \
    'debian bookworm' 'debian bookworm-updates' \
    'debian-security bookworm-security' >"$1/etc/apt/sources.list"
  # A build also needs the certificate authorities of this machine.
  local own=/usr/local/share/ca-certificates
  [ ! -d "$own" ] || cp -R "$own" "$1/usr/local/share/"
}

import_deno() {
  local path
  path="$(npx -y "deno@$deno_version" eval 'console.log(Deno.execPath())')"
  install -m 0755 "$path" "$work/deno"
  tar -C "$work" --numeric-owner --owner=0 --group=0 -c deno |
    "$docker" import - "denoland/deno:bin-$deno_version"
}

main
