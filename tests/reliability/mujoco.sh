#!/usr/bin/env bash
# mujoco.sh CURLEW FAULT_MUJOCO.so: the simulator or its renderer goes wrong in the middle of a run
# (fault_mujoco.c): before the first checkpoint, beside learning, in an evaluation. One line
# that names the step and exit code 1, the last checkpoint as it was, and the same command goes on to
# the bits of a run that nothing happened to.
. "$(dirname "$0")/support.sh"
shim=$(realpath "$2")
curlew=$(realpath "$curlew")
run=$work/run
# 8 simulation steps and one picture to an agent step, 125 agent steps to an episode.
words=(train cartpole-swingup --profile tiny --seed 7 --threads 1 --quiet train.frames=400
  train.seed_steps=20 train.eval_every=0 train.eval_episodes=1 train.checkpoint_every=80
  train.video=false)

LD_PRELOAD=$shim FAULT_MARK=$work/mark "$curlew" "${words[@]}" --out "$work/whole" ||
  fail "the undisturbed run ended with $?"
read -r steps _ <"$work/mark"
[ "$steps" -eq 1400 ] || fail "$steps simulation steps: 400 of training, an episode"
whole=$(fingerprint "$work/whole")

# fault KIND N TEXT FRAMES: the line on stderr must have TEXT in it, and the run go on from FRAMES.
fault() {
  rm -rf "$run"
  LD_PRELOAD=$shim FAULT_KIND=$1 FAULT_AT=$2 "$curlew" "${words[@]}" --out "$run" \
    >"$work/out" 2>"$work/err"
  code=$?
  [ $code -eq 1 ] || fail "$1 $2: exit code $code"
  [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$1 $2: not one line: $(cat "$work/err")"
  grep -q "$3" "$work/err" || fail "$1 $2: $(cat "$work/err")"
  "$curlew" "${words[@]}" --out "$run" >"$work/out" 2>&1 ||
    fail "$1 $2: going on ended with $?: $(tail -n 2 "$work/out")"
  [ "$4" -eq 0 ] || grep -q "going on from $4 frames" "$run/log.txt" ||
    fail "$1 $2: $(grep "going on" "$run/log.txt")"
  [ "$whole" = "$(fingerprint "$run")" ] || fail "$1 $2: the run differs"
}
fault error 50 "agent step 6: MuJoCo: the simulator gives up" 0
fault position 250 "agent step 31: cartpole-swingup: the simulation went wrong: .*QPOS" 240
fault picture 42 "agent step 40: MuJoCo: the graphics card is gone" 320
fault velocity 600 "agent step 24 of an evaluation: .*QVEL" 320
finish
