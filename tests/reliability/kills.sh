#!/usr/bin/env bash
# kills.sh CURLEW KILLS [TASK]: SIGKILL at random instants of real training, again and again, until KILLS
# of them have hit a run. Each start must go on from the last checkpoint, and each finished run must
# have the bits of one that was never disturbed.
. "$(dirname "$0")/support.sh"
want=$2
task=${3:-toy}
case $task in
toy) size=(train.frames=500 train.eval_every=200) ;;
*) size=(train.frames=1600 train.eval_every=800) ;;
esac
words=(train "$task" --profile tiny --seed 7 --threads 1 train.seed_steps=100
  train.eval_episodes=1 train.checkpoint_every=50 train.log_every=10 "${size[@]}")

begin=$(date +%s%N)
"$curlew" "${words[@]}" --quiet --out "$work/whole" || fail "the undisturbed run ended with $?"
took=$((($(date +%s%N) - begin) / 1000000)) # ms
whole=$(fingerprint "$work/whole")
RANDOM=${SEED:-1}
kills=0 runs=0 lost=0 went_on=0
while [ "$kills" -lt "$want" ]; do
  run=$work/run
  rm -rf "$run" "$run.log"
  while :; do
    "$curlew" "${words[@]}" --out "$run" >>"$run.log" 2>&1 &
    pid=$!
    # 15 random bits over 0 to a third of the run's time: about five kills a run
    sleep "$(awk -v r=$RANDOM -v t="$took" 'BEGIN { printf "%.4f", r / 32768 * t / 3000 }')"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    [ $code -eq 137 ] || break
    kills=$((kills + 1))
  done
  [ -t 1 ] || [ $((runs % 10)) -ne 9 ] || echo "$task: $kills kills so far"
  runs=$((runs + 1))
  if [ $code -ne 0 ]; then
    lost=$((lost + 1))
    fail "the run ended with $code: $(tail -n 2 "$run.log")"
  elif [ "$whole" != "$(fingerprint "$run")" ]; then
    lost=$((lost + 1))
    fail "run $runs differs from the undisturbed one"
  fi
  went_on=$((went_on + $(grep -c "going on from" "$run.log")))
done
echo "$task: $kills kills of $runs runs; $went_on starts went on from a checkpoint; $lost runs lost, $((runs - lost)) bit-equal"
[ "$went_on" -gt $((kills / 3)) ] || fail "runs hardly ever went on: nothing was tested"
finish
