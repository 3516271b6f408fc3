#!/bin/sh
# Bundles the package in the current directory into a few files, of which
# `cli.js` is the program. DENO names the Deno that does it, and TOOLS_DENO_DIR a
# directory for tools that only the bundle needs.
#
# usage: bundle.sh DIRECTORY

set -eu

deno="${DENO:-deno}"

main() {
  "$deno" bundle --quiet --code-splitting --platform deno --outdir "$1" cli.ts
  load_node_late "$1"
  DENO_DIR="${TOOLS_DENO_DIR:-${DENO_DIR:-}}" "$deno" run --quiet --no-config \
    --lock="$(dirname "$0")/join_chunks.lock" --frozen --allow-all \
    "$(dirname "$0")/join_chunks.ts" "$1"
}

# The bundle begins with what its packages from npm need to `require` modules of
# Node.js. To load that costs 25 ms, and no usual run requires any.
load_node_late() {
  require='var __require ='
  made='__deno_internal_createRequire'
  sed -i "/^import { createRequire as $made } from \"node:module\";\$/ {
    N
    s/.*\n$require $made(import.meta.url);\$/$require (name) => process.getBuiltinModule(\"node:module\").createRequire(import.meta.url)(name);/
  }" "$1"/*.js
}

main "$@"
