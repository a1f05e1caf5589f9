#!/usr/bin/env bash
# What `cmake --install` writes works by itself: moved elsewhere after the installation, with the
# source and build trees out of sight. Other programs find the library with pkg-config and CMake.
#
# usage: install_test.sh BUILD-FOLDER CMAKE
. "$(dirname "$0")/support.sh"
build=$1 cmake=$2
source=$(cd "$(dirname "$0")/../.." && pwd)

# step WHAT COMMAND...: fails with the command's words.
step() {
  local what=$1
  shift
  "$@" >"$work/words" 2>&1 || {
    fail "$what"
    tail -20 "$work/words"
  }
}

# DESTDIR and the prefix add up; then the tree moves.
DESTDIR=$work/dest step "install" "$cmake" --install "$build" --prefix /opt/first --strip
mv "$work/dest/opt/first" "$work/moved"
[ -z "$(find "$work/dest" -type f)" ] || fail "files outside of the prefix"
lib=$(dirname "$(find "$work/moved" -name libcurlew.a)")
real=$(readlink -f "$lib/libcurlew.so")
cd "$work" || exit 1

# One run path, and nothing names a place on this machine.
for file in moved/bin/curlew "$real"; do
  readelf -d "$file" | grep -q 'R.*PATH.*\[$ORIGIN[^:]*\]' || fail "$file: run path"
  if readelf -p .rodata "$file" | grep -F "$source"; then fail "$file names the source tree"; fi
done
readelf -d "$real" | grep -q 'SONAME.*\[libcurlew\.so\.[0-9]*\]' || fail "no soname"

# The shared library exports what the public headers declare, and nothing else.
nm -D --defined-only "$real" | awk '{ print $3 }' | sort >exported
cat moved/include/curlew/*.h | grep -oE '\bcw_[a-z0-9_]+\(' | tr -d '(' | sort -u >declared
[ "$(wc -l <declared)" -gt 20 ] || fail "the headers declare nothing"
diff declared exported >differ || { fail "declared (<) and exported (>)"; cat differ; }

# Programs against the installed library. The machine's own curlew, if any, is not meant.
export PKG_CONFIG_PATH=$lib/pkgconfig
example=$work/own_world.c
# The example as it is, but for a run of a second.
sed 's/"train.frames", "2000"/"train.frames", "90"/; s/"200"}/"50"}/; s/"5"}/"1"}/' \
  moved/share/doc/curlew/examples/own_world.c >"$example"
flags='-std=c11 -Wall -Wextra -Werror'
# shellcheck disable=SC2046,SC2086
{
  step "pkg-config, shared" cc $flags "$example" -o by_shared -Wl,-rpath,"$lib" \
    $(pkg-config --cflags --libs curlew) -lm
  step "pkg-config, static" cc $flags "$example" -o by_static \
    $(pkg-config --cflags --libs curlew-static) -lm
  printf '#include <curlew/env.h>\n#include <curlew/names.h>\n#include <curlew/run.h>\n%s\n' \
    'int main() { return cw_status_text(CW_OK) && *cw_version() ? 0 : 1; }' >all.cpp
  step "C++" c++ -std=c++11 -pedantic -Wall -Wextra -Werror all.cpp -o by_cxx -Wl,-rpath,"$lib" \
    $(pkg-config --cflags --libs curlew)
}
mkdir -p project
cat >project/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C)
find_package(curlew 0.1 REQUIRED COMPONENTS static)
add_executable(shared $example)
target_link_libraries(shared PRIVATE curlew::curlew m)
add_executable(static $example)
target_link_libraries(static PRIVATE curlew::static m)
END
step "CMake configures" "$cmake" -G Ninja -S project -B project/build -DCMAKE_PREFIX_PATH="$work/moved"
step "CMake builds" "$cmake" --build project/build
ldd by_shared | grep -q libcurlew || fail "by_shared is not linked with the shared library"
if ldd by_static | grep -q libcurlew; then fail "by_static is linked with the shared library"; fi

# Everything from here on runs without the source and build trees where that can be had.
cat >run.sh <<'END'
set -e
./by_cxx
for program in by_shared by_static project/build/shared project/build/static; do
  "./$program" "runs/$(basename "$program")" >words.txt
  grep -q '^mean return [1-9]' words.txt
  rm -r runs
done
moved/bin/curlew doctor
moved/bin/curlew train cartpole-swingup --steps 64 --out runs/cartpole --quiet --profile tiny \
  train.seed_steps=24 train.eval_episodes=1 train.eval_every=64
test -f runs/cartpole/weights.safetensors
END
hidden="mount -t tmpfs none '$source' && exec bash -x run.sh"
if unshare -m true 2>/dev/null && [ "${work#"$source"}" = "$work" ]; then
  echo "with the source tree hidden"
  step "hidden" unshare -m bash -c "$hidden"
else
  step "run" bash -x run.sh
fi
finish
