#!/usr/bin/env bash
# What becomes of runs: plot, compare, report and record, also of an unfinished run, and every bad input.
check_page=$(realpath "$(dirname "$0")/check_page.py")
. "$(dirname "$0")/support.sh"
cd "$work" || exit 1

# expect CODE TEXT -- WORDS...: one line on stderr with TEXT, and this exit code.
expect() {
  local code=$1 text=$2
  shift 3
  "$curlew" "$@" >out 2>err
  local got=$?
  [ "$got" -eq "$code" ] || fail "curlew $*: exit code $got, not $code ($(head -c 300 err))"
  [ "$(wc -l <err)" -eq 1 ] || fail "curlew $*: not one line: $(cat err)"
  grep -qF -- "$text" err || fail "curlew $*: no '$text' in: $(cat err)"
}

# shows TEXT -- WORDS...: the command ends well and prints TEXT.
shows() {
  local text=$1
  shift 2
  "$curlew" "$@" >out 2>err || fail "curlew $*: ended with $?: $(cat err)"
  grep -qF -- "$text" out || fail "curlew $*: no '$text' in: $(head -c 600 out)"
}

train() {
  "$curlew" train toy --profile tiny --quiet train.frames=400 train.eval_every=200 \
    train.eval_episodes=1 train.log_every=20 train.checkpoint_every=200 \
    train.video=false "$@" >log 2>&1 || fail "train $*: $(tail -n 1 log)"
}
train --seed 1 --out one
train --seed 2 --out two
train --seed 1 --out small update.batch_size=8

# An unfinished run: killed after its first checkpoint.
"$curlew" train toy --profile tiny --seed 3 --out cut train.checkpoint_every=200 train.eval_every=200 \
  train.eval_episodes=1 >log 2>&1 &
pid=$!
for _ in $(seq 600); do
  compgen -G "cut/checkpoint/manifest-[2-9]" >/dev/null && break
  sleep 0.05
done
kill -KILL $pid
wait $pid 2>/dev/null

mkdir empty new
cp one/config.ini new/
printf '[encoder]\nwings = 2\n' >>new/config.ini
cp one/config.ini one/eval.csv empty/ && head -n 1 one/eval.csv >empty/eval.csv

# ---- plot
shows "toy, tiny: IQM" -- plot one two small cut --out curve.svg --out curve.png
[ "$(head -c 4 curve.png | tail -c 3)" = PNG ] || fail "curve.png is no PNG"
grep -q "tiny update.batch_size=8, 1 run" curve.svg || fail "curve.svg does not name its curves"
grep -q "tiny, 3 runs" curve.svg || fail "curve.svg does not count the seeds"
shows '"x": "hours"' -- plot one two --x hours --json
shows '"n_runs": 2' -- plot one two --json
shows "2 of 2 runs" -- plot one two
before=$(sha256sum curve.svg)
expect 1 "curve.svg exists already" -- plot one --out curve.svg
[ "$before" = "$(sha256sum curve.svg)" ] || fail "curve.svg was replaced without --force"
shows "1 of 1 run" -- plot one --out curve.svg --force
[ "$before" != "$(sha256sum curve.svg)" ] || fail "--force did not replace curve.svg"
expect 2 "curve.pdf" -- plot one --out curve.pdf
expect 2 "--x miles" -- plot one --x miles
expect 2 "given twice" -- plot one two one
expect 1 "nowhere/curve.png" -- plot one --out nowhere/curve.png
expect 1 "not a run folder" -- plot one nothing
expect 1 "another version" -- plot one new
expect 1 "wings" -- plot new
expect 1 "no evaluation yet" -- plot empty

# ---- compare
shows "update.batch_size" -- compare one small
shows "settings: the same" -- compare one one
shows '"key": "run.seed"' -- compare one two --json
shows "optimisers" -- compare one cut
expect 1 "not a run folder" -- compare one nothing
expect 1 "another version" -- compare new one
expect 2 "needs more words" -- compare one

# ---- record
shows "return" -- record one --overlay --scale 8
[ "$(head -c 8 one/video/record.mp4 | tail -c 4)" = ftyp ] || fail "record.mp4 is no MP4"
before=$(sha256sum one/video/record.mp4)
expect 1 "record.mp4 exists already" -- record one --quiet
[ "$before" = "$(sha256sum one/video/record.mp4)" ] || fail "record.mp4 was replaced without --force"
shows "return" -- record one --force
[ "$before" != "$(sha256sum one/video/record.mp4)" ] || fail "--force did not replace record.mp4"
expect 2 "larger --scale" -- record one --overlay --scale 2 --out narrow.mp4 --quiet
expect 2 "--scale 21" -- record one --scale 21
shows "return" -- record one --overlay --scale 8 --frame 2 --out second.png
[ "$(head -c 4 second.png | tail -c 3)" = PNG ] || fail "second.png is no PNG"
shows "one/video/record.png" -- record one/weights.safetensors --frame 1
expect 1 "record.png exists already" -- record one --frame 1 --quiet
expect 2 "frame 999999 of an episode of" -- record one --frame 999999 --out none.png --quiet
expect 2 "must end in .png" -- record one --frame 1 --out frame.mp4
expect 2 "must end in .mp4" -- record one --out frame.png
[ ! -e none.png ] && [ ! -e none.png.tmp ] || fail "a picture of no frame"
expect 1 "nowhere/a.mp4" -- record one --out nowhere/a.mp4 --quiet
expect 1 "not a run folder" -- record nothing --quiet
expect 1 "another version" -- record new --quiet
expect 1 "no checkpoint yet" -- record empty --quiet
[ ! -e narrow.mp4 ] && [ ! -e narrow.mp4.tmp ] || fail "a failed recording left something"

# ---- report
page() { # page FILE WORD...: a page that is whole
  python3 "$check_page" "$@" >out 2>err || fail "$1: $(tail -n 1 err)"
}
shows "report: one/report.html" -- report one
page one/report.html toy finished "Nearest neighbours" "The 32 anchors" conv update.batch_size \
  "curlew 0" oneDNN
grep -q "video/mp4" out || fail "the page has no video: $(cat out)"
shows "report: cut.html" -- report cut --out cut.html
page cut.html "not finished" "no video yet" "Similarity matrix"
cp one/eval.csv empty/
shows "report: bare.html" -- report empty --out bare.html
page bare.html "no checkpoint yet" "no timing.csv yet"
before=$(sha256sum one/report.html)
expect 1 "report.html exists already" -- report one
[ "$before" = "$(sha256sum one/report.html)" ] || fail "report.html was replaced without --force"
shows "report: one/report.html" -- report one --force
expect 1 "nowhere/page.html" -- report one --out nowhere/page.html
expect 1 "not a run folder" -- report nothing
expect 1 "another version" -- report new
cp -r one silent
echo nothing >silent/video/final.mp4
expect 1 "silent/video/final.mp4 is no MP4" -- report silent --out silent.html
[ ! -e silent.html ] || fail "a page with a broken video"
cp -r one lost
rm lost/checkpoint/frames/*
expect 1 "frames/" -- report lost --out lost.html
[ ! -e lost.html ] && [ ! -e lost.html.tmp ] || fail "a failed report left something"

shows "the default run needs" -- doctor
shows "GB free in this folder" -- doctor
finish
