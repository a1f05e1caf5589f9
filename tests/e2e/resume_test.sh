#!/usr/bin/env bash
# A run that was stopped and killed again and again ends with the same bits as one that was not.
. "$(dirname "$0")/support.sh"
words=(train toy --profile tiny --seed 7 train.frames=600 train.eval_every=200 train.eval_episodes=2
  train.checkpoint_every=50 train.seed_steps=100 train.log_every=10)

# Everything that a run leaves but the times in it.
fingerprint() {
  (cd "$1" && sha256sum weights.safetensors video/final.mp4 && cut -d, -f1-15 metrics.csv &&
    cut -d, -f1-8 eval.csv)
}

checkpoints() {
  grep -c "^checkpoint at" "$1"
}

"$curlew" "${words[@]}" --out "$work/whole" >"$work/whole.log" 2>&1 ||
  fail "the uninterrupted run ended with $?: $(tail -n 3 "$work/whole.log")"

for signal in INT TERM KILL; do
  run=$work/$signal
  code=1
  for try in 1 2 3 4; do
    "$curlew" "${words[@]}" --out "$run" >>"$run.log" 2>&1 &
    pid=$!
    # just after one checkpoint more than before, each time a little later: between two of them,
    # inside of the next one, inside of an evaluation
    seen=$(checkpoints "$run.log")
    while kill -0 $pid 2>/dev/null && [ "$(checkpoints "$run.log")" -le "$seen" ]; do sleep 0.02; done
    sleep "$(awk -v t="$try" 'BEGIN { print 0.06 * (t - 1) }')"
    kill -$signal $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    case $signal-$code in
    *-0 | INT-130 | TERM-143 | KILL-137) ;;
    *) fail "SIG$signal ended the run with $code: $(tail -n 2 "$run.log")" ;;
    esac
  done
  "$curlew" "${words[@]}" --out "$run" >>"$run.log" 2>&1 ||
    fail "going on after SIG$signal ended with $?: $(tail -n 3 "$run.log")"
  resumed=$(grep -c "going on from" "$run.log")
  echo "SIG$signal: the run went on $resumed times"
  [ "$resumed" -ge 2 ] || fail "SIG$signal: the run hardly ever went on: nothing was tested"
  diff <(fingerprint "$work/whole") <(fingerprint "$run") >"$work/diff" ||
    fail "after SIG$signal the run differs: $(head -n 5 "$work/diff")"
done

# Going on with another seed is refused, by name, and changes nothing.
before=$(fingerprint "$work/whole")
"$curlew" train toy --profile tiny --seed 8 --out "$work/whole" >/dev/null 2>"$work/err" &&
  fail "another seed was accepted"
grep -q "run.seed" "$work/err" || fail "the refusal does not name run.seed: $(cat "$work/err")"
[ "$before" = "$(fingerprint "$work/whole")" ] || fail "the refused run changed the folder"
finish
