#!/usr/bin/env bash
# Source layout (clang-format), static analysis (clang-tidy), scripts (shellcheck) and the arrows
# between rooms (tests/check_includes.sh). clang-tidy reads build/compile_commands.json.
#
# usage: tools/lint.sh [FILE ...]       (default: every C file and script of the project)
set -euo pipefail
cd "$(dirname "$0")/.."

# Newer versions lay code out differently: where several are installed, take Debian 12's.
tool() {
    command -v "$1-14" || command -v "$1" || {
        echo "lint: $1 not found; ./check lint installs it" >&2
        exit 1
    }
}
format=$(tool clang-format)
tidy=$(tool clang-tidy)
command -v shellcheck >/dev/null || tool shellcheck
database=${CW_COMPILE_COMMANDS:-build}
[ -f "$database/compile_commands.json" ] || {
    echo "lint: $database/compile_commands.json not found; ./check lint makes it" >&2
    exit 1
}

# The project's files: those that git tracks, or all where there is no git.
if [ $# -gt 0 ]; then
    files=("$@")
elif git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -t files < <(git ls-files)
else
    mapfile -t files < <(find . -path './build*' -prune -o -type f -printf '%P\n')
fi
sources=() code=() scripts=()
for file in "${files[@]}"; do
    [ -f "$file" ] || continue
    case $file in
    *.[ch]) code+=("$file") ;;
    esac
    case $file in
    # Only what the build knows how to compile can be analysed.
    *.c) ! grep -qF "/$file\"" "$database/compile_commands.json" || sources+=("$file") ;;
    *.sh | quickstart | check | .ci/run) scripts+=("$file") ;;
    esac
done

failed=()
part() {
    local title=$1
    echo "lint: $title, $2 files"
    shift 2
    "$@" || failed+=("$title")
}

tidy_all() {
    printf '%s\0' "${sources[@]}" |
        xargs -0 -n 4 -P "$(nproc)" "$tidy" -p "$database" --quiet 2>&1 |
        { grep -vE '^[0-9]+ warnings? (generated|treated as error)' || true; }
}

[ ${#code[@]} -eq 0 ] || part "layout" ${#code[@]} "$format" --dry-run -Werror "${code[@]}"
[ ${#scripts[@]} -eq 0 ] || part "scripts" ${#scripts[@]} shellcheck -S warning -x \
    -e SC2034,SC2043,SC2148,SC2154 "${scripts[@]}"
[ ${#sources[@]} -eq 0 ] || part "analysis" ${#sources[@]} tidy_all
[ $# -gt 0 ] || part "arrows" ${#code[@]} tests/check_includes.sh

if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: failed: ${failed[*]}" >&2
    exit 1
fi
echo "lint: clean"
