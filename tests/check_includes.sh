#!/usr/bin/env bash
# Checks what no compiler does: which room includes which, that a vendor's header stays in its
# room, and that no file outgrows one sitting. Prints every violation; status 1 when there is one.
#
# usage: tests/check_includes.sh [ROOT]       (default: the tree that this script lies in)
set -euo pipefail

root=${1:-$(dirname "$0")/..}
max_lines=700

# Arrows: a room includes itself, the rooms named here, and what those may include. The order is
# that of src/CMakeLists.txt: every room comes after those that it names.
declare -A uses=(
    [base]=''
    [tensor]='base'
    [data]='tensor'
    [config]='base'
    [ops]='tensor'
    [backend]='ops'
    [nn]='ops'
    [algo]='nn data config'
    [replay]='data tensor base'
    [env]='data config base'
    [io]='tensor base'
    [dist]='tensor'
    [train]='base tensor data config ops backend nn algo replay env io dist'
    [bench]='train'
)

# Headers from outside of C and POSIX: folder of src that may include them, and a pattern of theirs.
vendors=(
    'base ^omp\.h$'
    'config ^ini\.h$'
    'backend/onednn ^(oneapi/dnnl/)?dnnl[a-z_]*\.h$'
    'backend/cuda ^(cuda|cublas|cudnn|nccl)[A-Za-z_]*\.h$'
    'backend ^[a-z]+mmintrin\.h$|^immintrin\.h$|^cpuid\.h$'
    'env/dmcontrol ^(mujoco|EGL|GL|GLES[23]?|KHR)/[A-Za-z0-9_]+\.h$'
    'io ^(cairo[a-z-]*|png|zlib|jansson)\.h$|^lib(av|sw)[a-z]+/[a-z_]+\.h$'
    'io ^protobuf-c/protobuf-c\.h$|^[a-z_]+\.pb-c\.h$'
    'dist ^mpi\.h$'
)

# What C11 and POSIX (with Linux) bring: open to every room.
system='^(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal)\.h$'
system+='|^std(align|arg|atomic|bool|def|int|io|lib|noreturn)\.h$|^(string|strings|tgmath|time)\.h$'
system+='|^(dirent|dlfcn|fcntl|ftw|getopt|glob|libgen|link|malloc|poll|pthread|pwd|sched)\.h$'
system+='|^(semaphore|spawn|termios|unistd|wchar|wctype)\.h$|^(sys|linux)/[a-z_0-9]+\.h$'

violations=0
violation() {
    printf '%s\n' "$*"
    violations=$((violations + 1))
}

# may_use FROM TO: is there a path of arrows?
may_use() {
    local room
    [ "$1" != "$2" ] || return 0
    for room in ${uses[$1]}; do
        if may_use "$room" "$2"; then return 0; fi
    done
    return 1
}

# check_vendor FILE LINE HEADER FOLDER: HEADER in angle brackets, FOLDER below src ('' elsewhere).
check_vendor() {
    local entry folder pattern
    if [[ $3 == curlew/* ]] || [[ $3 =~ $system ]]; then return 0; fi
    for entry in "${vendors[@]}"; do
        folder=${entry%% *} pattern=${entry#* }
        [[ $3 =~ $pattern ]] || continue
        if [[ $4/ == "$folder"/* ]]; then return 0; fi
        violation "$1:$2: <$3> belongs to src/$folder alone"
        return 0
    done
    violation "$1:$2: <$3> is neither C11, POSIX nor known to tests/check_includes.sh"
}

# check_room FILE LINE HEADER ROOM: HEADER in quotes, in a file of src/ROOM.
check_room() {
    local target=${3%%/*}
    if [[ $3 != */* || ! -v uses[$target] ]]; then
        violation "$1:$2: \"$3\" should be \"room/file.h\", with a room of src/"
    elif ! may_use "$4" "$target"; then
        violation "$1:$2: $4 may not include $target (\"$3\"); its arrows: ${uses[$4]:-none}"
    fi
}

# check_include FILE LINE KIND HEADER: KIND is < or ".
check_include() {
    local folder=''
    case $1 in
    src/*/*) folder=${1#src/} folder=${folder%/*} ;;
    esac
    case $3-$1 in
    '<-'*) check_vendor "$1" "$2" "$4" "$folder" ;;
    '"-src/'*) check_room "$1" "$2" "$4" "${folder%%/*}" ;;
    '"-include/'*) violation "$1:$2: \"$4\": public headers include <curlew/...>" ;;
    *)
        # cli/ and examples/ stand on the public headers; their own lie beside them.
        [ -f "${1%/*}/$4" ] ||
            violation "$1:$2: \"$4\": ${1%%/*} includes public headers alone"
        ;;
    esac
}

# find_files PATTERN FOLDER...: sorted, of those folders that there are.
find_files() {
    local pattern=$1 folder folders=()
    shift
    for folder in "$@"; do [ ! -d "$folder" ] || folders+=("$folder"); done
    [ ${#folders[@]} -eq 0 ] ||
        find "${folders[@]}" -regextype posix-extended -regex "$pattern" | LC_ALL=C sort
}

cd "$root"
mapfile -t sources < <(find_files '.*\.[ch]' src cli include examples)
mapfile -t others < <(find_files '.*\.([ch]|sh)' tests tools bench)
files=${#sources[@]}

for file in "${sources[@]}"; do
    case $file in
    src/*/*) room=${file#src/} room=${room%%/*} ;;
    src/*) room=none ;;
    *) continue ;;
    esac
    [[ -v uses[$room] ]] ||
        violation "$file: src/$room is no room known to tests/check_includes.sh"
done
include='^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]+)[>"]'
while IFS= read -r line; do
    [[ $line =~ $include ]] || continue
    check_include "${BASH_REMATCH[@]:1:4}"
done < <([ "$files" -eq 0 ] || grep -HnE '^[[:space:]]*#[[:space:]]*include' "${sources[@]}")
while read -r lines file; do
    [ "$file" = total ] || [ "$lines" -le "$max_lines" ] ||
        violation "$file: $lines lines, more than $max_lines"
done < <([ "$files" -eq 0 ] || wc -l "${sources[@]}" "${others[@]}")

if [ "$files" -eq 0 ]; then
    violation "$root: no source files there"
fi
if [ "$violations" -gt 0 ]; then
    printf '%d violations in %d files\n' "$violations" "$files"
    exit 1
fi
printf '%d files keep to the arrows\n' "$files"
