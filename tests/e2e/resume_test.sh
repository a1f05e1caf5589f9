#!/usr/bin/env bash
# A run that was stopped and killed again and again ends with the same bits as one that was not.
. "$(dirname "$0")/support.sh"
words=(train toy --profile tiny --seed 7 train.frames=600 train.eval_every=200 train.eval_episodes=2
  train.checkpoint_every=50 train.seed_steps=100 train.log_every=10)

# Everything that a run leaves but the times in it.
fingerprint() {
  (cd "$1" && sha256sum weights.safetensors best.safetensors video/final.mp4 && cut -d, -f1-15 metrics.csv &&
    cut -d, -f1-8 eval.csv && stat -c %s events.out.tfevents.0.curlew)
}

# start RUN WORDS...: in the background, output to RUN.log; the shell's own children would ignore
# SIGINT. Sets pid.
start() {
  local log=$1.log
  shift
  touch "$log" # it can be read before the command gets to it
  env --default-signal=INT "$curlew" "$@" >>"$log" 2>&1 &
  pid=$!
}

checkpoints() {
  grep -c "^checkpoint at" "$1"
}

"$curlew" "${words[@]}" --out "$work/whole" >"$work/whole.log" 2>&1 ||
  fail "the uninterrupted run ended with $?: $(tail -n 3 "$work/whole.log")"

for signal in INT TERM KILL; do
  run=$work/$signal
  stops=0
  for try in 1 2 3 4; do
    start "$run" "${words[@]}" --out "$run"
    # just after one checkpoint more than before, each time a little later: between two of them,
    # inside of the next one, inside of an evaluation
    seen=$(checkpoints "$run.log")
    while kill -0 $pid 2>/dev/null && [ "$(checkpoints "$run.log")" -le "$seen" ]; do sleep 0.02; done
    sleep "$(awk -v t="$try" 'BEGIN { print 0.06 * (t - 1) }')"
    kill -$signal $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    case $signal-$code in
    INT-130 | TERM-143 | KILL-137) stops=$((stops + 1)) ;;
    *-0) ;; # it was done first
    *) fail "SIG$signal ended the run with $code: $(tail -n 2 "$run.log")" ;;
    esac
  done
  "$curlew" "${words[@]}" --out "$run" >>"$run.log" 2>&1 ||
    fail "going on after SIG$signal ended with $?: $(tail -n 3 "$run.log")"
  resumed=$(grep -c "going on from" "$run.log")
  echo "SIG$signal: stopped $stops times, went on $resumed times"
  [ "$stops" -ge 2 ] || fail "SIG$signal: the run was hardly ever stopped: nothing was tested"
  [ "$resumed" -ge "$stops" ] || fail "SIG$signal: the run began anew"
  diff <(fingerprint "$work/whole") <(fingerprint "$run") >"$work/diff" ||
    fail "after SIG$signal the run differs: $(head -n 5 "$work/diff")"
done

# In bf16 as well, where the machine has it.
half=("${words[@]}" --precision bf16)
if "$curlew" "${half[@]}" --out "$work/half" >"$work/half.log" 2>&1; then
  cmp -s "$work/whole/weights.safetensors" "$work/half/weights.safetensors" && fail "bf16 is f32"
  start "$work/stopped" "${half[@]}" --out "$work/stopped"
  while kill -0 $pid 2>/dev/null && [ "$(checkpoints "$work/stopped.log")" -lt 3 ]; do sleep 0.02; done
  kill -KILL $pid 2>/dev/null && wait $pid 2>/dev/null
  "$curlew" "${half[@]}" --out "$work/stopped" >>"$work/stopped.log" 2>&1 ||
    fail "going on in bf16 ended with $?: $(tail -n 3 "$work/stopped.log")"
  grep -q "going on from" "$work/stopped.log" || fail "the run in bf16 began anew"
  diff <(fingerprint "$work/half") <(fingerprint "$work/stopped") >"$work/diff" ||
    fail "in bf16 a stopped run differs: $(head -n 5 "$work/diff")"
else
  grep -q "no bf16" "$work/half.log" || fail "bf16 ended with: $(tail -n 3 "$work/half.log")"
fi

# Going on with another seed is refused, by name, and changes nothing.
before=$(fingerprint "$work/whole")
"$curlew" train toy --profile tiny --seed 8 --out "$work/whole" >/dev/null 2>"$work/err" &&
  fail "another seed was accepted"
grep -q "run.seed" "$work/err" || fail "the refusal does not name run.seed: $(cat "$work/err")"
[ "$before" = "$(fingerprint "$work/whole")" ] || fail "the refused run changed the folder"

# --fresh goes on with nothing and touches nothing.
"$curlew" "${words[@]}" --out "$work/whole" --fresh >/dev/null 2>"$work/err"
[ $? -eq 2 ] || fail "--fresh accepted a folder in use"
grep -q -- "--fresh" "$work/err" || fail "the refusal does not name --fresh: $(cat "$work/err")"
[ "$before" = "$(fingerprint "$work/whole")" ] || fail "the refused fresh start changed the folder"

# A run that is being trained is refused to a second process; a moved one goes on, and a key that may
# change is named.
start "$work/busy" "${words[@]}" train.frames=100000 --out "$work/busy"
while kill -0 $pid 2>/dev/null && [ "$(checkpoints "$work/busy.log")" -lt 1 ]; do sleep 0.02; done
"$curlew" "${words[@]}" --out "$work/busy" >/dev/null 2>"$work/err"
[ $? -eq 1 ] || fail "a second process was let into the run folder"
grep -q "another process" "$work/err" || fail "the refusal says: $(cat "$work/err")"
kill -INT $pid
wait $pid
[ $? -eq 130 ] || fail "SIGINT did not end the run with 130"
mv "$work/busy" "$work/moved"
"$curlew" "${words[@]}" --out "$work/moved" >"$work/moved.log" 2>&1 ||
  fail "a moved run does not go on: $(tail -n 1 "$work/moved.log")"
grep -q "changed: train.frames = 600 (was 100000)" "$work/moved.log" ||
  fail "the changed key was not named"
"$curlew" eval "$work/moved/best.safetensors" --episodes 1 --quiet >/dev/null ||
  fail "the best parameters cannot be evaluated"
finish
