#!/bin/sh
# Makes the Debian package, target/debian/replug_VERSION_ARCH.deb, with cargo-deb
# (`cargo install cargo-deb`).
#
# usage: deploy/package.sh [PROFILE [OPTION...]]
#
# PROFILE is the build that is packaged: `dist` unless told. OPTIONs go to cargo-deb, such as
# `--output FILE`. With PACKAGE_REPLUG=BINARY, that binary is packaged and nothing is built.
set -eu
cd "$(dirname "$0")/.."

profile=${1:-dist}
[ $# -eq 0 ] || shift
folder=$profile
[ "$profile" != dev ] || folder=debug

replug=${PACKAGE_REPLUG:-target/$folder/replug}
[ -n "${PACKAGE_REPLUG:-}" ] || cargo build --locked --profile "$profile" -p replug

# What cargo-deb looks for: see [package.metadata.deb] in Cargo.toml.
made=target/package
rm -rf "$made"
mkdir -p "$made/man" "$made/completions"
cp "$replug" "$made/replug"
"$replug" man --dir "$made/man"
for shell in bash zsh fish; do
    "$replug" completions $shell >"$made/completions/$shell"
done
exec cargo deb --no-build --locked -p replug "$@"
