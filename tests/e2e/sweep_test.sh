#!/usr/bin/env bash
# `curlew sweep` with real runs: the table, going on after a stop, a run that fails, drawn settings.
. "$(dirname "$0")/support.sh"
cd "$work" || exit 1
common=(toy --profile tiny --steps 60 train.seed_steps=30 train.eval_every=60 train.eval_episodes=1)

# expect CODE ARGUMENTS...: stdout and stderr stay in `words` and `errors`.
expect() {
  local want=$1 got
  shift
  "$curlew" sweep "$@" >words 2>errors
  got=$?
  [ "$got" -eq "$want" ] || fail "sweep $*: exit code $got, not $want: $(cat errors)"
}
csv() { # column of grid/sweep.csv, all rows
  awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next }
    { print $c }' "$2/sweep.csv"
}

# A grid: two values, five seeds, two at a time; the same numbers as from a run by itself.
expect 0 "${common[@]}" --seeds 1-5 --jobs 2 --threads 1 update.batch_size=8,16 --out grid
[ "$(csv state grid | grep -c '^done$')" -eq 10 ] || fail "not every run is done"
"$curlew" train "${common[@]}" --seed 3 --threads 1 update.batch_size=16 --out alone --quiet
cmp -s alone/weights.safetensors "grid/toy-tiny-update.batch_size=16-seed3/weights.safetensors" ||
  fail "a run of the sweep differs from the same run by itself"
csv return_mean grid | head -5 | sort -g | awk '{ v[NR] = $1; sum += $1 }
  END { printf "%.1f %.1f\n", sum / 5, (v[2] + v[3] + v[4]) / 3 }' >want
awk '/^toy/ { print $5, $6; exit }' words >got
cmp -s want got || fail "mean and IQM are $(cat got), not $(cat want)"
grep -q '"return_iqm"' grid/sweep.json || fail "no sweep.json"

# The same command again runs nothing; more steps and another seed go on with all of them.
before=$(cat grid/*/log.txt | wc -l)
expect 0 "${common[@]}" --seeds 1-5 --jobs 2 --threads 1 update.batch_size=8,16 --out grid
[ "$(cat grid/*/log.txt | wc -l)" -eq "$before" ] || fail "a finished run was started again"
grep -q '10 of them were done before' words || fail "finished runs are not told"
expect 0 "${common[@]}" --steps 120 --seeds 1,6 --threads 1 update.batch_size=8 --out grid2
[ "$(csv frames grid2 | tr '\n' ' ')" = '120 120 ' ] || fail "frames: $(csv frames grid2)"

# One run that cannot be: the others are done, it is named.
mkdir -p part
echo "not a folder" >part/toy-tiny-seed2
expect 1 "${common[@]}" --seeds 1-3 --out part
grep -q '^curlew: toy-tiny-seed2 failed: .*toy-tiny-seed2' errors || fail "errors: $(cat errors)"
[ "$(csv state part | tr '\n' ' ')" = 'done failed done ' ] || fail "states: $(csv state part)"
rm part/toy-tiny-seed2
expect 0 "${common[@]}" --seeds 1-3 --out part
[ -z "$(ls part/*.err 2>/dev/null)" ] || fail "an error stays after it was mended"

# A signal: every run stops after a checkpoint, and the same command ends like an unbroken one.
long=(toy --profile tiny --steps 600 train.seed_steps=30 train.eval_every=600 --seeds 1-2
  --threads 1 --jobs 2)
expect 0 "${long[@]}" --out whole
"$curlew" sweep "${long[@]}" --out broken >words 2>errors &
pid=$!
for _ in $(seq 200); do
  [ "$(cat broken/*/metrics.csv 2>/dev/null | wc -l)" -gt 6 ] && break
  sleep 0.1
done
kill -TERM "$pid"
wait "$pid"
[ $? -eq 143 ] || fail "stopped by SIGTERM: exit code is not 143: $(cat words errors)"
[ "$(csv state broken | tr '\n' ' ')" = 'stopped stopped ' ] || fail "states: $(csv state broken)"
expect 0 "${long[@]}" --out broken
for seed in 1 2; do
  grep -q 'going on from' "broken/toy-tiny-seed$seed/log.txt" || fail "seed $seed began anew"
  cmp -s {whole,broken}/toy-tiny-seed$seed/weights.safetensors || fail "seed $seed differs"
done

# Drawn settings: within the range, the same in the same command, whole where the key is.
draws=(toy --profile tiny --steps 40 train.seed_steps=35 train.eval_every=40 train.eval_episodes=1
  --trials 3 encoder.lr=log:1e-4..1e-2 update.batch_size=4..16 --json)
expect 0 "${draws[@]}" --out drawn
[ "$(wc -l <words)" -eq 1 ] || fail "--json prints more than one line"
cp drawn/sweep.csv drawn.csv
expect 0 "${draws[@]}" --out drawn
cmp -s drawn/sweep.csv drawn.csv || fail "the draws differ from time to time"
csv encoder.lr drawn | awk '!($1 >= 1e-4 && $1 <= 1e-2) { exit 1 }' || fail "encoder.lr out of range"
csv update.batch_size drawn | grep -qvE '^([4-9]|1[0-6])$' && fail "update.batch_size is not whole"
[ "$(csv encoder.lr drawn | sort -u | wc -l)" -eq 3 ] || fail "the same setting was drawn twice"
finish
