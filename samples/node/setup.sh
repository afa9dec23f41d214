#!/bin/sh
# Installs the modules that the plugins run on, from the lock file.
# usage: setup.sh [FOLDER]      FOLDER is target/node/plugin of the repository unless told
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${1:-$root/target/node/plugin}

mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$folder"
cd "$folder"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --cache "$folder/../cache"

echo "ready: NODE_PATH=$folder/node_modules node $here/vault.js"
