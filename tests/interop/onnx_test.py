#!/usr/bin/env python3
"""Exported models in onnx.checker and onnxruntime, against curlew's own actions on real frames.

usage: onnx_test.py CURLEW     (packages: requirements.txt)
"""
import math
import os
import pathlib
import shutil

from support import check, curlew, finish, need, run, work

need("numpy", "onnx", "onnxruntime", "safetensors")
import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

# A few updates, so that no bias is 0 and no LayerNorm is the identity.
SHORT = ["--quiet", "--seed", "5", "train.seed_steps=12", "train.eval_every=0",
         "train.eval_episodes=1", "train.video=false", "update.batch_size=4",
         "replay.capacity=1000", "tensorboard.enabled=false"]
# A cart that can be pushed harder to the right than to the left: bounds other than -1 and 1.
BOUNDS = (-0.5, 3.0)
CASES = [
    ("cartpole-swingup", "paper", ["train.frames=200"]),
    ("cartpole-swingup", "authors", ["train.frames=200"]),
    ("cartpole-swingup", "fast", ["train.frames=200"]),
    ("toy", "tiny", ["train.frames=30", "augment.kind=none"]),
    ("toy", "tiny", ["train.frames=30", "actor.encoder=own_head", "encoder.hidden=0",
                     "encoder.tanh=false", "curl.enabled=false"]),
    ("toy", "tiny", ["train.frames=30", "env.image_size=37", "augment.crop_size=30",
                     "env.frame_stack=2", "encoder.layers=2", "encoder.filters=5",
                     "encoder.first_stride=3", "encoder.feature_dim=7", "actor.hidden=9"]),
]


def tolerance(model):
    """Rounding of f32 in the longest sum of the network, with a margin of 2: the features that
    follow are of order 1 whatever the weights are (LayerNorm)."""
    longest = max(int(np.prod(w.dims[1:])) for w in model.graph.initializer if len(w.dims) > 1)
    return 2 * 2.0**-24 * math.sqrt(longest)


def check_model(path, output, shape, run_folder):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    check([(i.version, i.domain) for i in model.opset_import] == [(17, "")], "opset")
    check(model.doc_string and model.producer_name == "curlew", "names")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (i,), (o,) = session.get_inputs(), session.get_outputs()
    check((i.name, i.type, i.shape) == ("observation", "tensor(uint8)", ["batch", *shape]),
          f"input {i}")
    check((o.name, o.type, o.shape[0]) == (output, "tensor(float)", "batch"), f"output {o}")
    meta = session.get_modelmeta().custom_metadata_map
    config = (run_folder / "config.ini").read_text()
    for key in ("task", "profile", "seed", "frame_stack"):
        check(f"{key} = {meta[key]}\n" in config, f"metadata: {key} = {meta.get(key)}")
    check({"action_repeat", "channel_order", "action_min", "action_max"} <= set(meta), "metadata")
    return model, session


def largest_difference(session, frames, wanted):
    """Over the whole file as one batch, and as batches of 1 and 7."""
    worst = 0.0
    for batch in (len(frames), 1, 7):
        for first in range(0, len(frames), batch):
            part = slice(first, first + batch)
            (got,) = session.run(None, {"observation": frames[part]})
            check(got.shape == wanted[part].shape, f"shape {got.shape}")
            worst = max(worst, float(np.abs(got - wanted[part]).max()))
    return worst


def with_other_bounds():
    """The suite's models, cartpole with BOUNDS."""
    usual = (os.environ.get("CURLEW_MODELS")
             or pathlib.Path(curlew).parent / "third_party/dm_control/suite")
    folder = work / "models"
    shutil.copytree(usual, folder)
    model = folder / "cartpole.xml"
    text = model.read_text()
    changed = text.replace('ctrlrange="-1 1"', 'ctrlrange="{} {}"'.format(*BOUNDS))
    check(changed != text, "cartpole.xml has no ctrlrange of -1 to 1")
    model.write_text(changed)
    return folder


def check_case(number, task, profile, settings, scale=1.0):
    """One run and both of its models; what of the action's range is beyond [-1, 1] is `scale`."""
    out = work / str(number)
    run("train", task, "--profile", profile, *SHORT, *settings, "--out", out)
    run("export", out, "--onnx", out / "policy.onnx", "--examples", out / "examples.safetensors")
    run("export", out / "weights.safetensors", "--onnx", out / "encoder.onnx", "--encoder")
    examples = load_file(out / "examples.safetensors")
    frames = examples["observation"]
    check(len(frames) >= 10 and len(np.unique(examples["action"])) > 5, "examples are alike")
    for name, output in (("policy", "action"), ("encoder", "features")):
        model, session = check_model(out / f"{name}.onnx", output, list(frames.shape[1:]), out)
        worst = largest_difference(session, frames, examples[output])
        allowed = tolerance(model) * (scale if name == "policy" else 1)
        print(f"{task} {profile} {' '.join(settings[1:])}: {name}: largest difference {worst:.2g} "
              f"on {len(frames)} stacks {frames.shape[1:]} (allowed {allowed:.2g})")
        check(worst <= allowed, f"{profile}: {name} differs by {worst}")
        # The check can fail: another order of the frames in a stack is another observation.
        other = frames[:, ::-1].copy()
        check(largest_difference(session, other, examples[output]) > allowed,
              f"{profile}: {name}: the order of channels made no difference")
    return examples


for number, (task, profile, settings) in enumerate(CASES):
    check_case(number, task, profile, settings)

exists = work / "0" / "policy.onnx"
before = exists.read_bytes()
check("exists already" in run("export", work / "0", "--onnx", exists, code=1), "no refusal")
check(exists.read_bytes() == before, "a refused export changed the file")
run("export", work / "0", "--onnx", exists, "--force")
check(exists.read_bytes() == before, "the same export has other bytes")

os.environ["CURLEW_MODELS"] = str(with_other_bounds())
half = (BOUNDS[1] - BOUNDS[0]) / 2
examples = check_case(len(CASES), "cartpole-swingup", "fast", ["train.frames=200"], half)
unit = (examples["action"] - sum(BOUNDS) / 2) / half
check(0.01 < np.abs(unit).max() <= 1, f"actions {examples['action'].ravel()} in bounds {BOUNDS}")
meta = {p.key: p.value for p in onnx.load(work / str(len(CASES)) / "policy.onnx").metadata_props}
check((float(meta["action_min"]), float(meta["action_max"])) == BOUNDS, f"bounds in {meta}")
finish()
