#!/usr/bin/env bash
# Any mixture of the algorithm's keys trains, and any size of image, stack and network.
. "$(dirname "$0")/support.sh"
base=(train toy --profile tiny --quiet train.frames=90 train.seed_steps=60 train.eval_every=0
  train.eval_episodes=1 train.video=false)
n=0

for order in joint sequential; do
  for actor in shared own_head; do
    for target in query own; do
      for key in momentum critic_target query; do
        [ $key-$target = critic_target-query ] && continue # refused: there is no such encoder
        n=$((n + 1))
        "$curlew" "${base[@]}" --out "$work/$n" update.order=$order actor.encoder=$actor \
          critic.target_encoder=$target curl.key_encoder=$key >"$work/log" 2>&1 ||
          fail "$order $actor $target $key: $(tail -n 1 "$work/log")"
      done
    done
  done
done

while read -r -a words; do
  n=$((n + 1))
  "$curlew" "${base[@]}" --out "$work/$n" "${words[@]}" >"$work/log" 2>&1 ||
    fail "${words[*]}: $(tail -n 1 "$work/log")"
done <<'END'
curl.enabled=false
curl.enabled=false update.order=sequential
curl.score=cosine curl.temperature=0.1
curl.single_frame=true
curl.single_frame=true update.order=sequential
curl.include_latest=true
curl.encoder_steps=2 update.order=sequential
critic.detach_encoder=true
critic.detach_encoder=true update.order=sequential
augment.kind=none
augment.range=exclusive
encoder.hidden=0 encoder.tanh=false
env.image_size=37 augment.crop_size=29 encoder.layers=1 encoder.filters=5 encoder.feature_dim=3
env.image_size=48 augment.crop_size=48 encoder.layers=5 encoder.first_stride=1
env.frame_stack=1
env.frame_stack=5 encoder.first_stride=3 encoder.layers=2
actor.hidden=1 critic.hidden=3
update.batch_size=7 env.action_repeat=3
actor.update_every=1 critic.target_every=3 curl.key_every=2
END
echo "$n mixtures"
finish
