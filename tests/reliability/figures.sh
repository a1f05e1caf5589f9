#!/usr/bin/env bash
# figures.sh BUILD [NAME ...]: makes the figures of docs/reliability.md, section Figures, all of them or
# those named, one after the other: hours. Prints each one's command and what it printed last; whole
# output in BUILD/figures/NAME.log. Ends with 1 when one failed.
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "${1:?usage: figures.sh BUILD [NAME ...]}" && pwd) || exit 1
shift
export OMP_WAIT_POLICY=passive
mkdir -p "$build/figures"

here=tests/reliability
c=$build/curlew
f=$build/tests/reliability/fault_calls.so
figures=(
  "kills_toy       $here/kills.sh $c 260 toy"
  "kills_cartpole  $here/kills.sh $c 60 cartpole-swingup"
  "kill_new        $here/ramp.sh $c $f kill new"
  "kill_on         $here/ramp.sh $c $f kill on"
  "error_new       $here/ramp.sh $c $f error new"
  "error_on        $here/ramp.sh $c $f error on"
  "full_new        $here/ramp.sh $c $f full new 7"
  "readonly_new    $here/ramp.sh $c $f readonly new 29"
  "memory_new      $here/ramp.sh $c $f memory new"
  "memory_on       $here/ramp.sh $c $f memory on"
  "every_fault     $build/tests/train/train_fault_test --every"
  "same_seed       $here/same_seed.sh $c 20"
  "soak            $here/soak.sh $c 3600"
)

status=0
for figure in "${figures[@]}"; do
  read -ra words <<<"$figure"
  name=${words[0]}
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  log=$build/figures/$name.log
  printf '%s: %s\n' "$name" "${words[*]:1}"
  if ! "${words[@]:1}" >"$log" 2>&1 </dev/null; then
    echo "  FAILED"
    status=1
  fi
  tail -n 4 "$log" | sed 's/^/  /'
done
exit $status
