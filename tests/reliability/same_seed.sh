#!/usr/bin/env bash
# same_seed.sh CURLEW [REPEATS]: the same seed again and again while another program takes a core, with
# the threads of the machine and with one: always the same bits.
. "$(dirname "$0")/support.sh"
repeats=${2:-20}
(while :; do :; done) &
load=$!
trap 'kill $load; rm -rf "$work"' EXIT
for threads in 1 2; do
  words=(train toy --profile tiny --seed 3 --threads "$threads" --quiet train.frames=300
    train.seed_steps=100 train.eval_every=100 train.eval_episodes=2 train.checkpoint_every=50
    train.log_every=10)
  first="" same=0
  for ((i = 1; i <= repeats; i++)); do
    rm -rf "$work/run"
    "$curlew" "${words[@]}" --out "$work/run" || fail "run $i ended with $?"
    now=$(fingerprint "$work/run")
    [ "${first:=$now}" = "$now" ] && same=$((same + 1))
  done
  echo "$threads threads: $same of $repeats runs have the same bits"
  [ "$same" -eq "$repeats" ] || fail "runs of one seed differ"
done
finish
