#!/usr/bin/env python3
"""TensorBoard reads a run's event file; a run that was stopped leaves the same events.

usage: tensorboard_test.py CURLEW     (packages: requirements.txt)
"""
import csv
import signal
import struct
import subprocess
import time

from support import check, curlew, finish, need, run, work

need("numpy", "tensorboard")
import numpy as np
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing import event_file_loader

ALL = {kind: 0 for kind in (event_accumulator.SCALARS, event_accumulator.HISTOGRAMS,
                            event_accumulator.IMAGES, event_accumulator.COMPRESSED_HISTOGRAMS)}
WORDS = ["train", "toy", "--profile", "tiny", "--seed", "3", "train.frames=900",
         "train.eval_every=300", "train.eval_episodes=2", "train.checkpoint_every=100",
         "train.seed_steps=100", "train.log_every=10", "train.video=false"]
SCALARS = {
    "rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length",
    "time/fps", "time/total_timesteps", "train/actor_loss", "train/critic_loss", "train/ent_coef",
    "train/ent_coef_loss", "train/n_updates", "train/curl_loss", "train/curl_accuracy"}


def rows(path):
    """Columns of a CSV; NaN where a field is empty."""
    with open(path, encoding="utf-8") as file:
        table = list(csv.reader(file))
    columns = zip(*table[1:])
    return {name: np.array([float(v) if v else np.nan for v in column])
            for name, column in zip(table[0], columns)}


def column(table, name):
    """A column by its name, with or without a unit behind it."""
    return table[name] if name in table else \
        next(values for key, values in table.items() if key.startswith(name))


def same(events, frames, values, text):
    """Scalars of a tag against a column of a CSV, as floats."""
    there = ~np.isnan(values)
    check([e.step for e in events] == list(frames[there].astype(int)), f"{text}: steps")
    check(np.array_equal(np.float32([e.value for e in events]), np.float32(values[there])),
          f"{text}: values")


def check_scalars(events, run_folder):
    tags = set(events.Tags()["scalars"])
    check(SCALARS <= tags, f"scalars missing: {SCALARS - tags}")
    metrics, evals = rows(run_folder / "metrics.csv"), rows(run_folder / "eval.csv")
    frames = column(metrics, "frames")
    for tag, name in [("train/critic_loss", "critic_loss"), ("train/actor_loss", "actor_loss"),
                      ("train/curl_loss", "curl_loss"), ("train/curl_accuracy", "curl_accuracy"),
                      ("train/ent_coef", "alpha"), ("train/n_updates", "updates"),
                      ("time/total_timesteps", "frames")]:
        same(events.Scalars(tag), frames, column(metrics, name), tag)
    same(events.Scalars("eval/mean_reward"), column(evals, "frames"), column(evals, "return_mean"),
         "eval/mean_reward")
    check({e.value for e in events.Scalars("rollout/ep_len_mean")} == {50.0}, "episodes of toy")


def png_size(encoded):
    check(encoded[:8] == b"\x89PNG\r\n\x1a\n", "an image is no PNG")
    return struct.unpack(">II", encoded[16:24])


def check_pictures(events):
    sizes = {"curl/anchors_and_positives": (8 * 30 - 2, 2 * 28 + 2),
             "encoder/first_layer": (16 * 26 - 2, 3 * 26 - 2),
             "curl/similarity": (256, 256)}
    check(set(sizes) == set(events.Tags()["images"]), f"images: {events.Tags()['images']}")
    for tag, size in sizes.items():
        images = events.Images(tag)
        check([i.step for i in images] == [300, 600, 900], f"{tag}: steps")
        for image in images:
            check((image.width, image.height) == size, f"{tag}: {image.width} x {image.height}")
            check(png_size(image.encoded_image_string) == size, f"{tag}: size of the PNG")
    features = events.Histograms("encoder/features")
    check([h.step for h in features] == [300, 600, 900], "features: steps")
    check(all(h.histogram_value.num == 32 * 16 for h in features), "features: count")
    first = events.Histograms("weights/critic.encoder.convs.0.weight")
    check([h.step for h in first] == [0, 300, 600, 900], "weights: steps")
    check(all(sum(h.histogram_value.bucket) == h.histogram_value.num == 16 * 9 * 9 for h in first),
          "weights: count")


def untimed(path):
    """Every event without the time and the speed in it."""
    out = []
    for event in event_file_loader.LegacyEventFileLoader(str(path)).Load():
        event.wall_time = 0
        for value in event.summary.value:
            if value.tag == "time/fps":
                value.simple_value = 0
        out.append(event.SerializeToString())
    return out


def stop_and_go_on(folder):
    """A run that is killed again and again, each time a little after one checkpoint more."""
    for number in range(1, 5):
        log = open(work / "log", "w+b")
        process = subprocess.Popen([curlew, *WORDS, "--out", str(folder)], stdout=log, stderr=log)
        while process.poll() is None and \
                (work / "log").read_bytes().count(b"checkpoint at") < min(number, 3):
            time.sleep(0.01)
        time.sleep(0.05 * number)
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        process.wait()
        log.close()
    out = run(*WORDS, "--out", folder)
    check("going on from" in out, "the last run did not go on: nothing was tested")


whole = work / "whole"
run(*WORDS, "--quiet", "--out", whole)
accumulator = event_accumulator.EventAccumulator(str(whole), size_guidance=ALL)
accumulator.Reload()
check_scalars(accumulator, whole)
check_pictures(accumulator)
resumed = work / "resumed"
stop_and_go_on(resumed)
name = next(whole.glob("events.out.tfevents.*")).name
a, b = untimed(whole / name), untimed(resumed / name)
check(a == b, f"the stopped run has other events: {len(a)} and {len(b)}")
check((whole / name).stat().st_size == (resumed / name).stat().st_size, "sizes of the files")
print(f"{len(a)} events")

run(*WORDS, "--quiet", "--out", work / "off", "tensorboard.enabled=false", "train.frames=60")
check(not list((work / "off").glob("events*")), "tensorboard.enabled=false: a file was written")
finish()
