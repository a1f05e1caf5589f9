#!/bin/sh
# tools/fetch_third_party.sh without a network: what it says when something is missing, that it
# notices damage, that it unpacks what it was given and leaves nothing half done.
set -eu
root=$1
script=$root/tools/fetch_third_party.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect STATUS TEXT COMMAND...: the command's exit status and a part of what it prints.
expect() {
    status=$1 text=$2
    shift 2
    got=0
    "$@" >"$work/log" 2>&1 || got=$?
    if [ "$got" -ne "$status" ] || ! grep -q -- "$text" "$work/log"; then
        echo "FAILED: $*: status $got, expected $status and \"$text\":"
        cat "$work/log"
        failures=$((failures + 1))
    fi
}
# check WHAT COMMAND...
check() {
    what=$1
    shift
    if ! "$@"; then
        echo "FAILED: $what"
        failures=$((failures + 1))
    fi
}
empty_parent() { [ -z "$(ls -A "$work/dest")" ]; }

export PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/wheels" PIP_CONFIG_FILE=/dev/null
mkdir "$work/wheels" "$work/dest"

# A python without pip, and none at all.
printf '#!/bin/sh\nexit 1\n' >"$work/python"
chmod +x "$work/python"
expect 1 'pip not found' env PYTHON="$work/python" "$script" "$work/dest/t"
expect 1 'python3 not found' env PYTHON="$work/none" "$script" "$work/dest/t"

expect 1 'this machine is riscv64' env CURLEW_MACHINE=riscv64 "$script" "$work/dest/t"

# Nothing to download from.
expect 1 'could not download' "$script" "$work/dest/t"
check 'a failed download leaves nothing' empty_parent

# A copy of the script with pins of its own and small wheels to match.
mkdir -p "$work/copy/tools" "$work/make"
cp "$script" "$work/copy/tools/"
python3 - "$work" <<'END'
import hashlib, platform, sys, zipfile
work = sys.argv[1]
def wheel(name, version, tag, members):
    path = "%s/wheels/%s-%s-%s.whl" % (work, name, version, tag)
    info = "%s-%s.dist-info/" % (name, version)
    members = dict(members)
    members[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)
    members[info + "WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: %s\n" % tag
    members[info + "RECORD"] = ""
    members[info + "licenses/LICENSE"] = "licence"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return hashlib.sha256(open(path, "rb").read()).hexdigest()
a = wheel("mujoco", "3.17.0", "cp311-cp311-manylinux_2_28_" + platform.machine(),
          {"mujoco/libmujoco.so.3.17.0": "library", "mujoco/include/mujoco/mujoco.h": "header",
           "mujoco/plugin/x.so": "unwanted"})
b = wheel("dm_control", "1.0.50", "py3-none-any",
          {"dm_control/suite/cartpole.xml": "model", "dm_control/suite/common/visual.xml": "c",
           "dm_control/suite/cartpole.py": "unwanted"})
open(work + "/copy/third_party.txt", "w").write(
    "mujoco==3.17.0 --hash=sha256:%s\ndm-control==1.0.50 --hash=sha256:%s\n" % (a, b))
END
copy=$work/copy/tools/fetch_third_party.sh
dest=$work/dest/t
expect 0 'done' "$copy" "$dest"
for file in mujoco/lib/libmujoco.so.3.17.0 mujoco/include/mujoco/mujoco.h mujoco/licenses/LICENSE \
    dm_control/suite/cartpole.xml dm_control/suite/common/visual.xml dm_control/licenses/LICENSE; do
    check "$file is there" test -s "$dest/$file"
done
check 'nothing else is there' test "$(find "$dest" -type f | wc -l)" -eq 8

# Complete: no pip is needed. Damaged, missing or other pins: fetched again.
expect 0 'is complete' env PYTHON="$work/none" "$copy" "$dest"
echo more >>"$dest/dm_control/suite/cartpole.xml"
expect 0 'done' "$copy" "$dest"
check 'the damage is gone' test "$(cat "$dest/dm_control/suite/cartpole.xml")" = model
rm "$dest/mujoco/include/mujoco/mujoco.h"
expect 0 'done' "$copy" "$dest"
echo '# changed' >>"$work/copy/third_party.txt"
expect 0 'done' "$copy" "$dest"

# A wheel with another sum is refused, and the old folder stays as it is.
sed 's/sha256:..../sha256:0000/' "$work/copy/third_party.txt" >"$work/pins"
mv "$work/pins" "$work/copy/third_party.txt"
expect 1 'does not have the sha256' "$copy" "$dest"
check 'the old folder stays' test -s "$dest/mujoco/include/mujoco/mujoco.h"
check 'no temporary folder stays' test "$(ls -A "$work/dest")" = t

[ "$failures" -eq 0 ] && echo "all checks passed"
exit "$failures"
