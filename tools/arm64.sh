#!/usr/bin/env bash
# Puts what curlew is built with on 64-bit ARM into FOLDER/root: Debian's arm64 packages, unpacked and
# not installed, and into FOLDER/third_party MuJoCo's library for that processor. Needs no root;
# changes nothing outside FOLDER. Does nothing when both are there.
#
# usage: tools/arm64.sh FOLDER PACKAGE...
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
CURLEW_MACHINE=aarch64 sh tools/fetch_third_party.sh "$folder/third_party"

list=$(printf '%s\n' "$@" | LC_ALL=C sort)
[ "$(cat "$folder/packages" 2>/dev/null)" = "$list" ] && exit 0
rm -rf "$folder/root" "$folder/apt" "$folder/packages"
mkdir -p "$folder/root" "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
: >"$folder/apt/status" # of a machine where nothing is installed

apt() {
    apt-get -q -y -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Debug::NoLocking=true \
        -o Dir::State="$folder/apt" -o Dir::State::status="$folder/apt/status" \
        -o Dir::Cache="$folder/apt/cache" "$@"
}
apt update
apt install --download-only --no-install-recommends "$@"
for package in "$folder"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder/root"
done
# Links that name their targets from the root on lead out of the folder.
find "$folder/root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfnr "$folder/root$(readlink "$link")" "$link"
done
printf '%s\n' "$list" >"$folder/packages"
rm -rf "$folder/apt"
