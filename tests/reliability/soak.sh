#!/usr/bin/env bash
# soak.sh CURLEW [SECONDS] [section.key=value ...]: one training process for an hour (or SECONDS), with
# a checkpoint and an evaluation every few seconds. Its own memory and its open files must not grow.
. "$(dirname "$0")/support.sh"
seconds=${2:-3600}
shift $(($# < 2 ? $# : 2))
samples=$work/samples # seconds, KiB of memory of its own, open files, threads

"$curlew" train toy --profile tiny --seed 5 --threads 1 --out "$work/run" --quiet \
  train.frames=1000000000 train.seed_steps=200 train.eval_every=5000 train.eval_episodes=2 \
  train.checkpoint_every=1000 train.log_every=100 replay.capacity=3000 "$@" >"$work/log" 2>&1 &
pid=$!
began=$SECONDS
while kill -0 $pid 2>/dev/null && [ $((SECONDS - began)) -lt "$seconds" ]; do
  sleep 1
  own=$(awk '/^RssAnon/ { print $2 }' /proc/$pid/status 2>/dev/null)
  threads=$(awk '/^Threads/ { print $2 }' /proc/$pid/status 2>/dev/null)
  [ -n "$own" ] && echo "$((SECONDS - began)) $own $(find /proc/$pid/fd -mindepth 1 2>/dev/null | wc -l) $threads"
done >"$samples"
kill -0 $pid 2>/dev/null || fail "the run ended by itself: $(tail -n 2 "$work/log")"
kill -TERM $pid
wait $pid
[ $? -eq 143 ] || fail "SIGTERM did not end the run with 143: $(tail -n 2 "$work/log")"
saves=$(grep -c "checkpoint at" "$work/run/log.txt")
evaluations=$(grep -c "evaluation at" "$work/run/log.txt")
echo "$seconds s: $(tail -n 1 "$work/run/metrics.csv" | cut -d, -f3) updates, $saves checkpoints, $evaluations evaluations"

# The first tenth fills the replay. Then the maximum of the last half may not be above that of the
# time before it: by a page table's worth (1 MiB) for memory, by nothing for files and threads.
awk -v n="$seconds" '
  $1 < n / 10 { next }
  { half = $1 < n / 2 ? 0 : 1
    for (i = 2; i <= 4; i++) if ($i > top[half, i]) top[half, i] = $i }
  END {
    printf "memory of its own, maximum: %.1f MiB, then %.1f MiB\n", top[0, 2] / 1024, top[1, 2] / 1024
    printf "open files, maximum: %d, then %d; threads: %d, then %d\n", top[0, 3], top[1, 3], top[0, 4], top[1, 4]
    exit !(top[1, 2] <= top[0, 2] + 1024 && top[1, 3] <= top[0, 3] && top[1, 4] <= top[0, 4] && top[0, 2] > 0)
  }' "$samples" || fail "something grows"
finish
