#!/usr/bin/env bash
# clock.sh CURLEW FAULT_CALLS.so: a wall clock that jumps three years to and fro from call to call, a kill
# in the middle, and a folder that is moved in between change no bit of a run.
. "$(dirname "$0")/support.sh"
shim=$(realpath "$2")
words=(train toy --profile tiny --seed 7 --threads 1 --quiet train.frames=120 train.seed_steps=40
  train.eval_every=60 train.eval_episodes=1 train.checkpoint_every=30 train.log_every=10)

"$curlew" "${words[@]}" --out "$work/whole" || fail "the undisturbed run ended with $?"
LD_PRELOAD=$shim FAULT_CLOCK=94608000 FAULT_KIND=kill FAULT_AT=600 FAULT_UNDER=$work/jumpy \
  "$curlew" "${words[@]}" --out "$work/jumpy" 2>/dev/null
[ $? -eq 137 ] || fail "the run was not killed"
mv "$work/jumpy" "$work/moved"
LD_PRELOAD=$shim FAULT_CLOCK=94608000 "$curlew" "${words[@]}" --out "$work/moved" ||
  fail "going on ended with $?"
grep -q "going on from" "$work/moved/log.txt" || fail "the run began anew"
years=$(cut -c1-4 "$work/moved/log.txt" | sort -u | wc -l)
[ "$years" -ge 2 ] || fail "the clock did not jump"
[ "$(fingerprint "$work/whole")" = "$(fingerprint "$work/moved")" ] || fail "the run differs"
finish
