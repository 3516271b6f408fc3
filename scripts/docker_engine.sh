#!/usr/bin/env bash
#
# Starts or stops a private Docker engine, which has only the networks `none` and
# `host`.
#
# usage: scripts/docker_engine.sh start|stop DIRECTORY
#
# `start` prints the value for DOCKER_HOST.

set -euo pipefail

main() {
  case "$1" in
    start) start "$2" ;;
    stop) stop "$2" ;;
    *) echo "Unknown action \"$1\"; use start or stop" >&2 && exit 2 ;;
  esac
}

# Copying every layer works on all file systems, but takes seconds per container.
start() {
  mkdir -p "$1"
  local driver
  for driver in overlay2 vfs; do
    if try_start "$1" "$driver"; then
      echo "unix://$1/socket"
      return
    fi
    rm -rf "$1/data"
  done
  tail -n 20 "$1/log" >&2
  return 1
}

try_start() {
  setsid dockerd --iptables=false --bridge=none --storage-driver="$2" \
    --host="unix://$1/socket" --data-root="$1/data" --exec-root="$1/exec" \
    --pidfile="$1/pid" </dev/null >>"$1/log" 2>&1 &
  local pid=$! tries
  for tries in $(seq 150); do
    if docker --host="unix://$1/socket" version >/dev/null 2>&1; then return; fi
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.2
  done
  kill "$pid"
  return 1
}

stop() {
  local pid
  pid="$(cat "$1/pid" 2>/dev/null)" || return 0
  kill "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  # The namespace of containers with the network of the host stays mounted.
  umount "$1"/exec/netns/* 2>/dev/null || true
  rm -rf "$1"
}

main "$@"
