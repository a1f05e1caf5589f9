#!/usr/bin/env bash
# The agent must learn the toy task from pixels. Random actions get about 12 of 50, going straight
# to the mark about 40 (tests/env/toy_test.c measures both): a policy that learnt lies far above chance.
. "$(dirname "$0")/support.sh"
goal=30

for profile in tiny; do
  "$curlew" train toy --profile $profile --seed 1 --out "$work/$profile" --quiet \
    train.frames=4000 train.eval_every=0 train.eval_episodes=30 train.video=false >"$work/log" 2>&1 ||
    fail "training ended with $?: $(tail -n 3 "$work/log")"
  score=$(tail -n 1 "$work/$profile/eval.csv" | cut -d, -f5)
  echo "$profile: mean return $score of 30 episodes (goal: above $goal)"
  awk -v score="$score" -v goal=$goal 'BEGIN { exit !(score > goal) }' ||
    fail "$profile: mean return $score is not above $goal"
done
finish
