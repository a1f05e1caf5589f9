#!/usr/bin/env bash
# ramp.sh CURLEW FAULT_CALLS.so KIND new|on [STEP]: the whole command, with fault KIND (fault_calls.c:
# error, full, readonly, kill, memory) at call 1, 1 + STEP, ... until a run is over before its fault.
# `new` begins a run, `on` goes on with half of one, so that loading comes first. After each fault: one
# clear line (or the kill), nothing broken, and the run that goes on ends in the bits of an undisturbed
# one.
. "$(dirname "$0")/support.sh"
shim=$(realpath "$2")
kind=$3
phase=$4
step=${5:-1}
curlew=$(realpath "$curlew")
words=(train toy --profile tiny --seed 7 --threads 1 --quiet train.frames=60 train.seed_steps=40
  train.eval_every=0 train.eval_episodes=1 train.checkpoint_every=30 train.log_every=10
  replay.capacity=100)
run=$work/run

"$curlew" "${words[@]}" --out "$work/whole" || fail "the undisturbed run ended with $?"
whole=$(fingerprint "$work/whole")
if [ "$phase" = on ]; then
  # Killed at call 330: after the checkpoint at 30 frames, inside of the one at 60.
  LD_PRELOAD=$shim FAULT_KIND=kill FAULT_AT=330 FAULT_UNDER=$work/half \
    "$curlew" "${words[@]}" --out "$work/half" 2>/dev/null
  ls "$work"/half/checkpoint/manifest-1 >/dev/null 2>&1 || fail "half a run has no checkpoint"
fi

n=1 failed=0 unharmed=0
while :; do
  rm -rf "$run" "$work/mark"
  [ "$phase" = new ] || cp -r "$work/half" "$run"
  LD_PRELOAD=$shim FAULT_KIND=$kind FAULT_AT=$n FAULT_UNDER=$run FAULT_MARK=$work/mark \
    "$curlew" "${words[@]}" --out "$run" >"$work/out" 2>"$work/err"
  code=$?
  [ -e "$work/mark" ] || break
  case $kind-$code in
  kill-137) failed=$((failed + 1)) ;;
  kill-*) fail "$kind $n: exit code $code" ;;
  *-0) unharmed=$((unharmed + 1)) ;; # what failed was the removal of an old file, or only a message
  *-1)
    failed=$((failed + 1))
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$kind $n: not one line: $(cat "$work/err")"
    ;;
  *) fail "$kind $n: exit code $code: $(tail -n 2 "$work/err")" ;;
  esac
  "$curlew" "${words[@]}" --out "$run" >"$work/out" 2>&1 ||
    fail "$kind $n: going on ended with $?: $(tail -n 2 "$work/out")"
  [ "$whole" = "$(fingerprint "$run")" ] || fail "$kind $n: the run differs"
  n=$((n + step))
done
[ "$failed" -gt 0 ] && [ "$n" -gt 50 ] || fail "hardly a call was counted"
echo "$kind, $phase: N = 1 to $((n - step)) by $step: $failed runs ended by it, $unharmed went on, 0 lost, all bit-equal"
finish
