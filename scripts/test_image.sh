#!/usr/bin/env bash
#
# Builds the image and its variants, and tests them with a real engine: the one in
# DOCKER_HOST, or else one that this script installs and starts, which requires
# root.
#
# FULL=1 also builds the target `full`, which takes minutes; without it, only
# its packages are resolved. BENCH=1 also measures how fast a container starts.

set -euo pipefail
cd "$(dirname "$0")/.."

deno=(npx -y deno@2.9.6)
image=runnerlib:test
work="$(mktemp -d)"
trap 'scripts/docker_engine.sh stop "$work/engine"; rm -rf "$work"' EXIT

main() {
  if [ -z "${DOCKER_HOST:-}" ]; then start_engine; fi
  scripts/base_images.sh
  local target
  for target in default node python; do build "$target"; done
  [ -z "${FULL:-}" ] || build full
  build_newcomer
  RUNNERLIB_TEST_IMAGE=$image REQUIRE_IMAGE=1 RUNNERLIB_TEST_FULL="${FULL:-}" \
    "${deno[@]}" test -A tests/image/
  [ -z "${BENCH:-}" ] || "${deno[@]}" task bench container
}

start_engine() {
  install_missing
  DOCKER_HOST="$(scripts/docker_engine.sh start "$work/engine")"
  export DOCKER_HOST
}

install_missing() {
  local packages=()
  command -v dockerd >/dev/null || packages+=(docker.io)
  command -v debootstrap >/dev/null || packages+=(debootstrap)
  [ "${#packages[@]}" -gt 0 ] || return 0
  apt-get update
  apt-get install -y --no-install-recommends ca-certificates "${packages[@]}"
}

# The part of Deno that `RUNNER=compile` needs is downloaded from Deno's host.
build() {
  local name=$image
  [ "$1" = default ] || name="$image-$1"
  docker_build "$name" --target="$1" --build-arg=RUNNER="${RUNNER:-bundle}" .
}

# Machine of a user who follows the quick start.
build_newcomer() {
  docker_build "$image-newcomer" --build-arg=NODE_IMAGE="$image-node" - \
    <tests/image/newcomer.dockerfile
}

docker_build() {
  echo "Building $1"
  DOCKER_BUILDKIT=0 docker build --network=host --tag="$1" "${@:2}" \
    >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" && return 1; }
}

main
