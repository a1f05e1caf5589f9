#!/bin/sh
# Downloads MuJoCo's C library and the DeepMind Control Suite's model files (third_party.txt) and
# unpacks what curlew needs of them. Does nothing when they are already there and intact.
#
# usage: tools/fetch_third_party.sh [DEST]     (default: build/third_party)
#
# For another processor than this machine's, CURLEW_MACHINE is what `uname -m` says there.
# Needs python3 with pip, nothing else; installs nothing. pip's own settings apply: for a machine
# without network, put the two wheels into a folder and set PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
pins=$root/third_party.txt
dest=${1:-$root/build/third_party}
python=${PYTHON:-python3}
machine=${CURLEW_MACHINE:-$(uname -m)}

fail() {
    echo "fetch_third_party: $*" >&2
    exit 1
}

[ -r "$pins" ] || fail "cannot read $pins"

# Intact: the list of sums was made from these very pins and every file still matches it.
intact() {
    [ -f "$dest/SHA256SUMS" ] && cmp -s "$pins" "$dest/third_party.txt" &&
        (cd "$dest" && sha256sum --check --quiet --strict SHA256SUMS) >/dev/null 2>&1
}

if intact; then
    echo "fetch_third_party: $dest is complete"
    exit 0
fi

command -v "$python" >/dev/null 2>&1 ||
    fail "python3 not found; install it (Debian: apt-get install python3 python3-pip)"
"$python" -m pip --version >/dev/null 2>&1 ||
    fail "pip not found for $python; install it (Debian: apt-get install python3-pip)"

case $machine in
x86_64 | aarch64) ;;
*) fail "MuJoCo's library exists for x86_64 and aarch64 (64-bit ARM); this machine is $machine" ;;
esac

mkdir -p "$(dirname "$dest")" || fail "cannot make the folder of $dest"
work=$(mktemp -d "$dest.new.XXXXXX") || fail "cannot write next to $dest"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "fetch_third_party: downloading into $dest (about 83 MB)"
if ! "$python" -m pip download --no-deps --only-binary=:all: --python-version 311 \
    --platform "manylinux_2_28_$machine" --require-hashes --disable-pip-version-check --no-input \
    --quiet --dest "$work/wheels" -r "$pins" >"$work/pip.log" 2>&1; then
    tail -n 12 "$work/pip.log" >&2
    if grep -q 'DO NOT MATCH THE HASHES' "$work/pip.log"; then
        fail "a downloaded file does not have the sha256 that third_party.txt states;" \
            "nothing was unpacked"
    elif grep -qi 'no space left' "$work/pip.log"; then
        fail "the disk is full (200 MB are needed next to $dest and in the temporary folder)"
    fi
    fail "pip could not download the files of third_party.txt (its last words are above);" \
        "check the network and pip's index settings"
fi

# Only what is needed leaves the wheels, and only after their sums are checked once more.
"$python" - "$pins" "$work/wheels" "$work/tree" <<'END' || fail "unpacking failed; $dest is as it was"
import hashlib, os, re, sys, zipfile

pins, wheels, tree = sys.argv[1:]
wanted = [
    (r"mujoco/(libmujoco\.so\.[0-9.]+)", r"mujoco/lib/\1"),
    (r"mujoco/(include/mujoco/[a-z_]+\.h)", r"mujoco/\1"),
    (r"mujoco-[0-9.]+\.dist-info/licenses/(.+)", r"mujoco/licenses/\1"),
    (r"dm_control/suite/((common/)?[a-z_]+\.xml)", r"dm_control/suite/\1"),
    (r"dm_control-[0-9.]+\.dist-info/licenses/(.+)", r"dm_control/licenses/\1"),
]
sums = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", open(pins).read()))
found = set()
for wheel in sorted(os.listdir(wheels)):
    path = os.path.join(wheels, wheel)
    if hashlib.sha256(open(path, "rb").read()).hexdigest() not in sums:
        sys.exit(wheel + ": its sha256 is not in third_party.txt")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            for pattern, target in wanted:
                match = re.fullmatch(pattern, name)
                if match and ".." not in name:
                    out = os.path.join(tree, match.expand(target))
                    os.makedirs(os.path.dirname(out), exist_ok=True)
                    with open(out, "wb") as file:
                        file.write(archive.read(name))
                    found.add(pattern)
for pattern, target in wanted:
    if pattern not in found:
        sys.exit("no file like " + pattern + " in the downloaded wheels")
END

cp "$pins" "$work/tree/third_party.txt"
(cd "$work/tree" && find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum >SHA256SUMS)
chmod -R go+rX "$work/tree"

# The old folder, if any, gives way in one rename, the new one comes in one rename.
if [ -e "$dest" ]; then
    mv -T "$dest" "$work/old" || fail "cannot replace $dest"
fi
mv -T "$work/tree" "$dest" || fail "cannot write $dest"
echo "fetch_third_party: done"
