#!/usr/bin/env bash
# Runs COMMAND in a bare Debian of its own: SUITE (trixie is Debian 13), unpacked by debootstrap into
# FOLDER/root with this machine's mirror, this tree's files copied to /root/curlew there (built files
# stay from one call to the next). As root; changes nothing outside FOLDER, and what it mounts is gone
# when it ends.
#
# usage: tools/debian.sh SUITE FOLDER COMMAND
set -euo pipefail

suite=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
command=$3
root=$folder/root
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || {
    echo "debian.sh: chroot needs root" >&2
    exit 1
}

if [ "$(cat "$folder/suite" 2>/dev/null)" != "$suite" ]; then
    rm -rf "$root"
    mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([a-z]*:[^ ]*\).*/\2/p' |
        sed -n 1p) || true
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" \
        ${mirror:+"$mirror"} >"$folder/debootstrap.log" 2>&1 || {
        tail -n 20 "$folder/debootstrap.log" >&2
        exit 1
    }
    echo "$suite" >"$folder/suite"
fi

# What this machine needs to reach the network.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -f "$file" ] || cp -L "$file" "$root$file"
done
apt-config dump | grep -E '^Acquire::(Check|http|Retries)' >"$root/etc/apt/apt.conf.d/90host" || true
mkdir -p "$root/root/curlew"
find "$root/root/curlew" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
git ls-files --cached --others --exclude-standard -z |
    tar --null --files-from=- --ignore-failed-read --create | tar --extract --directory "$root/root/curlew"

export root command
# shellcheck disable=SC2016 # the inner shell expands them
unshare --mount --pid --fork bash -euc '
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" bash -euc "cd /root/curlew; $command" </dev/null'
