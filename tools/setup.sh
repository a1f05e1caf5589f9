# shellcheck shell=bash
# What curlew needs on a machine and how it gets there; sourced by quickstart, check and
# tools/lint.sh. The sourcing script is bash with `set -euo pipefail`, stands in the root of the
# source tree and sets SETUP_NAME, the name its messages begin with.

# Debian packages by purpose: "package  what it is for". `run` is what quickstart needs.
declare -A setup_packages_of
setup_packages_of[run]='
gcc               compiles curlew
libc6-dev         headers of the C library
cmake             configures the build
ninja-build       runs the build
pkg-config        tells the build where libraries are
python3-pip       downloads MuJoCo and the task models (curlew itself needs no Python)
libdnnl-dev       oneDNN, the convolutions and matrix products of an update
libcairo2-dev     draws the learning curve
libinih-dev       reads INI files, the configurations
libjansson-dev    reads JSON, the header of safetensors files
libprotobuf-c-dev writes TensorBoard and ONNX files
protobuf-c-compiler  makes their C code at build time
libavcodec-dev    encodes videos
libavformat-dev   writes MP4 files
libavutil-dev     part of the two above
libswscale-dev    converts frames to the colours of a video
libegl1           opens the renderer without a screen
libegl-mesa0      draws the environments without a screen
libgl1-mesa-dri   software rendering where there is no graphics card
libosmesa6        the renderer to fall back on where EGL does not work
'
setup_packages_of[test]='
libcmocka-dev     the unit-test library
libsimde-dev      AVX-512 in C, for tests of its loops on processors without it
mandoc            checks the man pages
zsh               its completion is tried; bash is there
fish              the same
g++               compiles the public headers as C++
'
setup_packages_of[browser]='
chromium          looks at the page of curlew report
'
setup_packages_of[interop]='
python3-venv      a place of its own for the Python packages of tests/interop
'
setup_packages_of[lint]='
clang-format      checks the layout of the source
clang-tidy        static analysis
shellcheck        checks the scripts
'
setup_packages_of[coverage]='
gcovr             tables of the lines and branches that tests reach
'
setup_packages_of[valgrind]='
valgrind          finds use of memory that was never written
'
setup_packages_of[arm64]='
gcc-aarch64-linux-gnu  compiles for 64-bit ARM
qemu-user-static       runs what was compiled
'
setup_packages_of[debian]='
debootstrap       unpacks another Debian into a folder
'
setup_packages_of[clang]='
clang             the second compiler
libomp-dev        its OpenMP
'

setup_say() {
    printf '%s\n' "$*"
}

setup_fail() {
    printf '%s: %s\n' "$SETUP_NAME" "$*" >&2
    exit 1
}

# setup_logged LOG TITLE COMMAND...: runs a command with its output in LOG, a line every half
# minute while it lasts, the end of LOG when it fails.
setup_logged() {
    local log=$1 title=$2 beat status=0 start=$SECONDS
    shift 2
    setup_say "$SETUP_NAME: $title ..."
    (
        # $$ is the script itself: the beat ends with it, and its sleep holds no output open.
        while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
            setup_say "    still at it, $((SECONDS - start)) s"
        done
    ) &
    beat=$!
    "$@" >>"$log" 2>&1 </dev/null || status=$?
    kill "$beat" 2>/dev/null || true
    wait "$beat" 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        tail -n 30 "$log" >&2
        printf '%s: %s failed (status %s); the end of %s is above\n' \
            "$SETUP_NAME" "$title" "$status" "$log" >&2
    fi
    return "$status"
}

# The lines "package  what it is for" of what is missing, for the groups named.
setup_missing() {
    local group list='' installed package reason
    for group in "$@"; do list+=${setup_packages_of[$group]}; done
    installed=$(awk 'NF { print $1 }' <<<"$list" |
        xargs dpkg-query -W -f="\${db:Status-Status} \${Package}\n" 2>/dev/null |
        awk '$1 == "installed" { print $2 }' || true)
    while read -r package reason; do
        [ -n "$package" ] || continue
        grep -qxF "$package" <<<"$installed" || printf '%-17s %s\n' "$package" "$reason"
    done <<<"$list"
}

# Root by itself, or sudo that needs no password or has somebody to ask for it.
setup_become_root=()
setup_can_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null || return 1
    setup_become_root=(sudo DEBIAN_FRONTEND=noninteractive)
    sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ] && sudo -v; }
}

setup_apt() {
    DEBIAN_FRONTEND=noninteractive "${setup_become_root[@]}" apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

# setup_packages GROUP...: installs what is missing of the groups; nothing missing, nothing done.
setup_packages() {
    local missing log lists
    local -a names
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        setup_say "$SETUP_NAME: this is no Debian; going on with what is installed." \
            "tools/setup.sh lists what is needed."
        return 0
    fi
    missing=$(setup_missing "$@")
    [ -n "$missing" ] || return 0
    mapfile -t names < <(awk '{ print $1 }' <<<"$missing")
    if ! setup_can_be_root; then
        local as='' who=' as root'
        [ ${#setup_become_root[@]} -eq 0 ] || { as='sudo ' who=''; }
        {
            printf '%s: %d Debian packages are missing, and installing them needs root:\n' \
                "$SETUP_NAME" "${#names[@]}"
            awk '{ print "    " $0 }' <<<"$missing"
            printf 'Run this%s, then ./%s again:\n\n' "$who" "$SETUP_NAME"
            printf '%sapt-get update && %sapt-get install -y --no-install-recommends %s\n' \
                "$as" "$as" "${names[*]}"
        } >&2
        exit 1
    fi
    setup_say "$SETUP_NAME: installing ${#names[@]} Debian packages:"
    awk '{ print "    " $0 }' <<<"$missing"
    mkdir -p build
    log=build/setup.log
    # find also fails where it may not look: apt keeps one folder to itself.
    lists=$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1 || true)
    if [ -n "$lists" ] && setup_logged "$log" "apt-get install" \
        setup_apt install --no-install-recommends "${names[@]}"; then
        return 0
    fi
    # No package lists yet, or lists too old to find the files that they name.
    setup_logged "$log" "apt-get update" setup_apt update ||
        setup_fail "apt-get update failed; is there a network, and are apt's sources right?"
    setup_logged "$log" "apt-get install" \
        setup_apt install --no-install-recommends "${names[@]}" ||
        setup_logged "$log" "apt-get install, second try" \
            setup_apt install --no-install-recommends "${names[@]}" ||
        setup_fail "apt-get install failed"
}

# MuJoCo and the task models, checked or downloaded; a failed download is tried once more.
setup_third_party() {
    sh tools/fetch_third_party.sh || {
        setup_say "$SETUP_NAME: trying once more"
        sh tools/fetch_third_party.sh || exit 1
    }
}

# setup_configure FOLDER CMAKE-ARGUMENTS...: (again) quick when nothing changed.
setup_configure() {
    local folder=$1 compiler generator=()
    shift
    [ -f "$folder/CMakeCache.txt" ] || generator=(-G Ninja)
    # Warnings are errors with the compilers that the project is checked with, and only there.
    compiler=$(gcc -dumpversion 2>/dev/null || echo none)
    case ${compiler%%.*} in
    12 | 14) ;;
    *) set -- -DCW_WERROR=OFF "$@" ;;
    esac
    mkdir -p "$folder"
    cmake -S . -B "$folder" "${generator[@]}" -DCW_THIRD_PARTY="$PWD/build/third_party" "$@" \
        >"$folder/configure.log" 2>&1 || {
        cat "$folder/configure.log" >&2
        setup_fail "cmake could not configure $folder (its words are above)"
    }
}

# setup_build FOLDER [TARGET...]: ninja's own progress line on a terminal, else few lines.
setup_build() {
    local folder=$1
    shift
    if [ -t 1 ]; then
        cmake --build "$folder" ${1:+--target "$@"} || setup_fail "the build in $folder failed"
    else
        : >"$folder/build.log"
        setup_logged "$folder/build.log" "building in $folder" \
            cmake --build "$folder" ${1:+--target "$@"} || exit 1
    fi
}
