#!/bin/sh
# Makes the virtual environment that the plugin runs in, with the gRPC stubs inside it.
# usage: setup.sh [FOLDER]      FOLDER is target/python/plugin of the repository unless told
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:-$root/target/python/plugin}

python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt"

# The stubs go where imports find them, and never into the repository.
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cd "$root/proto"
"$venv/bin/python" -m grpc_tools.protoc --proto_path=. \
    --python_out="$packages" --pyi_out="$packages" --grpc_python_out="$packages" \
    dapr/proto/components/v1/*.proto

echo "ready: $venv/bin/python $here/plugin.py"
