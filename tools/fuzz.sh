#!/usr/bin/env bash
# Runs every fuzz target of a CW_FUZZ build for a number of inputs and prints what each reached. The
# inputs found on the way stay in BUILD/found/NAME, so that a later run goes on from them; a finding
# is kept there as crash-... and ends the run with status 1.
#
# usage: tools/fuzz.sh BUILD RUNS [JOBS] [NAME ...]      JOBS: targets at a time
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 runs=$2 jobs=${3:-1}
shift 3 || shift 2

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    mapfile -t names < <(basename -a -s _fuzz.c tests/fuzz/*_fuzz.c)
fi

# one NAME: a target's run, its log in BUILD/found/NAME.log
one() {
    local name=$1 found=$build/found/$1
    local -a dictionary=()
    mkdir -p "$found"
    [ ! -f "tests/fuzz/$name.dict" ] || dictionary=("-dict=tests/fuzz/$name.dict")
    # print_final_stats gives the number of inputs; no single input may take 10 minutes (the clock
    # runs on while the process is stopped) or 2 GiB; one of more than 10 s is reported.
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        nice -n 15 "$build/tests/fuzz/${name}_fuzz" -runs="$runs" -timeout=600 -report_slow_units=10 -rss_limit_mb=2048 \
        -max_len=8192 "${dictionary[@]}" -print_final_stats=1 -artifact_prefix="$found/" \
        "$found" "tests/fuzz/corpus/$name" >"$build/found/$name.log" 2>&1
}

status=0
for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || status=1; done
    one "$name" &
done
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do wait -n || status=1; done

printf '%-14s %12s %10s %8s\n' parser inputs edges finding
for name in "${names[@]}"; do
    log=$build/found/$name.log
    finding=none
    # A slow unit is none: the clock of a process that was stopped meanwhile runs on.
    grep -qE '^(==|SUMMARY)|deadly signal|/(crash|leak|timeout|oom)-' "$log" && finding=YES status=1
    printf '%-14s %12s %10s %8s\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)" "$finding"
done
exit $status
