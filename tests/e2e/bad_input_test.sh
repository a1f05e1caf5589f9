#!/usr/bin/env bash
# Bad input: the documented exit code, one line on stderr that names what is wrong, nothing written.
. "$(dirname "$0")/support.sh"
cd "$work" || exit 1

# expect CODE TEXT -- WORDS...: the command must end so and say so in one line.
expect() {
  local code=$1 text=$2
  shift 3
  "$curlew" "$@" >"$work/out" 2>"$work/err"
  local got=$?
  [ "$got" -eq "$code" ] || fail "curlew $*: exit code $got, not $code ($(head -c 300 "$work/err"))"
  [ "$(wc -l <"$work/err")" -eq 1 ] || fail "curlew $*: not one line: $(cat "$work/err")"
  grep -qF -- "$text" "$work/err" || fail "curlew $*: no '$text' in: $(cat "$work/err")"
  [ ! -e "$work/o" ] || { fail "curlew $*: left something behind: $(find "$work/o")"; rm -rf "$work/o"; }
}

touch "$work/file"
head -c 64 /dev/urandom >"$work/noise.safetensors"
mkdir "$work/empty"
mkfifo "$work/pipe"
printf '[env]\n\033[2Jkey = 1\n' >"$work/escape.ini"

expect 2 "toy" -- train tpy --out o
expect 2 "cartpole-swingup" -- train cartpole-swingpu --out o
expect 2 "paper" -- train toy --profile papre --out o
expect 2 "encoder.filters" -- train toy --out o encoder.filter=3
expect 2 "update.batch_size" -- train toy --out o update.batch_size=many
expect 2 "update.batch_size" -- train toy --out o update.batch_size=-1
expect 2 "augment.crop_size" -- train toy --out o augment.crop_size=500
expect 2 "encoder.layers" -- train toy --out o env.image_size=32 augment.crop_size=28 encoder.layers=16
expect 2 "--bogus" -- train toy --bogus --out o
expect 1 "file" -- train toy --profile tiny --out "$work/file/run"
expect 1 "replay.capacity" -- train toy --profile tiny --out o train.frames=1000000000 replay.capacity=1000000000
expect 1 "empty" -- eval "$work/empty"
expect 1 "empty" -- record "$work/empty"
expect 1 "empty" -- export "$work/empty" --onnx o
expect 2 "--onnx" -- export "$work/empty"
expect 1 "file exists already" -- export "$work/empty" --onnx "$work/file"
expect 1 "missing.safetensors" -- rollout toy --seed 1 --actions missing.safetensors --out o
expect 1 "noise.safetensors" -- rollout cartpole-swingup --seed 1 --actions noise.safetensors --out o
expect 1 "missing.safetensors" -- update --in missing.safetensors --out o
expect 1 "noise.safetensors" -- update --in noise.safetensors --out o
# What is no plain file is refused at once: a pipe would wait for its writer.
expect 1 "is not a regular file" -- rollout toy --seed 1 --actions "$work/pipe" --out o
expect 1 "is not a regular file" -- update --in "$work/empty" --out o
expect 2 "is not a regular file" -- train toy --config "$work/pipe" --out o
expect 2 "is not a regular file" -- train toy --config /dev/zero --out o
expect 2 "env.?[2Jkey" -- train toy --config "$work/escape.ini" --out o
CURLEW_MODELS=$work/empty expect 1 "cartpole.xml" -- train cartpole-swingup --out o
finish
