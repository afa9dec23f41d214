#!/bin/sh
# Builds the plugins with Maven, the messages of the contract included.
# usage: setup.sh [FOLDER]      FOLDER is target/java/plugin of the repository unless told
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${1:-$root/target/java/plugin}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
mvn --batch-mode --quiet --file "$here/pom.xml" "-Dbuild.folder=$folder" \
    "-Dmaven.repo.local=$(dirname "$folder")/repository" compile

echo "ready: java -cp $folder/classes:$folder/lib/* sample.Vault"
