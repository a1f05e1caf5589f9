"""Trains with the released code itself, to hold curlew's learning curves against it.

    git clone https://github.com/MishaLaskin/curl released && git -C released checkout -q 8416d6e
    pip install -r bench/requirements.txt dm_control==1.0.50 mujoco==3.17.0 scikit-image
    python bench/pytorch/train_released.py released OUT --task cartpole-swingup --action-repeat 8 --seed 1

The loop, the replay, the networks and the updates are the released train.py's, with the options of its
run.sh; dm_control simulates and draws. OUT is as a run folder of curlew (config.ini, eval.csv), so that
`curlew plot OUT RUN ...` shows both; evaluations are 10 000 frames apart. --precision bf16 puts its
updates under autocast. dmc2gym and gym are not needed: what it uses of them is below.
"""

import argparse
import csv
import os
import pathlib
import sys
import time
import types

os.environ.setdefault("MUJOCO_GL", "egl")

import numpy as np
import torch
import torch._dynamo  # loads a compiler that does not bear to come after Mesa's
from dm_control import suite

EVALUATE_EVERY = 10_000  # frames
EPISODE = 1000


class Box:
    def __init__(self, low, high, shape, dtype):
        self.low, self.high, self.shape, self.dtype = low, high, shape, dtype

    def sample(self):
        return np.random.uniform(self.low, self.high, self.shape).astype(self.dtype)


class Wrapper:
    def __init__(self, env):
        self.env = env

    def __getattr__(self, name):
        return getattr(self.env, name)


class Environment:
    """Pixels of a control suite task; actions in [-1, 1]; rewards of repeated steps are summed."""

    def __init__(self, domain_name, task_name, seed, height, width, frame_skip, **unused):
        self.suite = suite.load(domain_name, task_name, task_kwargs={"random": seed})
        self.size, self.repeat = (height, width), frame_skip
        spec = self.suite.action_spec()
        self.low, self.high = spec.minimum.astype(np.float64), spec.maximum.astype(np.float64)
        self.action_space = Box(-1.0, 1.0, spec.shape, np.float32)
        self.observation_space = Box(0, 255, (3, height, width), np.uint8)
        self._max_episode_steps = (EPISODE + frame_skip - 1) // frame_skip

    def seed(self, seed):
        pass  # given to the suite above, as dmc2gym does

    def pixels(self):
        frame = self.suite.physics.render(height=self.size[0], width=self.size[1], camera_id=0)
        return frame.transpose(2, 0, 1).copy()

    def reset(self):
        self.suite.reset()
        return self.pixels()

    def step(self, action):
        action = self.low + (action.astype(np.float64) + 1) / 2 * (self.high - self.low)
        reward = 0
        for _ in range(self.repeat):
            step = self.suite.step(action)
            reward += step.reward or 0
            if step.last():
                break
        return self.pixels(), reward, step.last(), {}


class Evaluations:
    """In place of the released logger: a row for each evaluation."""

    def __init__(self, path, repeat):
        self.file = open(path, "w")
        self.rows = csv.writer(self.file, lineterminator="\n")
        self.repeat, self.returns, self.began = repeat, [], time.time()
        self.rows.writerow("frames agent_steps updates episodes return_mean return_sd return_min return_max wall_s".split())

    def log(self, key, value, step, n=1):
        if key == "eval/episode_reward":
            self.returns.append(value)

    def dump(self, step):
        if not self.returns:
            return
        r, self.returns = np.array(self.returns), []
        figures = [r.mean(), r.std(ddof=1), r.min(), r.max(), time.time() - self.began]
        self.rows.writerow([step * self.repeat, step, max(0, step - 1000), len(r), *figures])
        self.file.flush()
        print(f"{step * self.repeat} frames: {r.mean():.1f} +- {r.std(ddof=1):.1f}, {figures[-1]:.0f} s", flush=True)

    def __getattr__(self, name):  # histograms, pictures, parameters
        return lambda *unused: None


class NoVideo:
    def __init__(self, folder):
        pass

    def __getattr__(self, name):
        return lambda *unused, **unused_too: None


def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)


def import_released(args):
    spaces = types.SimpleNamespace(Box=Box)
    module("gym", Wrapper=Wrapper, spaces=spaces)
    module("dmc2gym", make=lambda **options: Environment(**options))
    module("logger", Logger=lambda folder, use_tb: Evaluations(args.out / "eval.csv", args.action_repeat))
    module("video", VideoRecorder=NoVideo)
    module("torchvision", transforms=None)
    sys.path.insert(0, args.released)
    import train

    return train


def run(train, task, **options):
    """The released main() with these options."""
    domain_name, task_name = task.rsplit("-", 1)
    options = {"domain_name": domain_name, "task_name": task_name, **options}
    sys.argv = ["train.py", *(f"--{name}={value}" for name, value in options.items())]
    train.main()


def under_autocast(update):
    def wrapped(*arguments):
        with torch.autocast("cpu", torch.bfloat16):
            update(*arguments)

    return wrapped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("released", help="folder of the released code")
    parser.add_argument("out", type=pathlib.Path, help="folder to write")
    parser.add_argument("--task", default="cartpole-swingup")
    parser.add_argument("--action-repeat", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    config = f"[run]\nseed = {args.seed}\nprofile = authors\n\n[env]\ntask = {args.task}\naction_repeat = {args.action_repeat}\n"
    (args.out / "config.ini").write_text(config)
    if args.threads:
        torch.set_num_threads(args.threads)
    train = import_released(args)
    if args.precision == "bf16":
        train.CurlSacAgent.update = under_autocast(train.CurlSacAgent.update)
    run(
        train,
        args.task,
        action_repeat=args.action_repeat,
        work_dir=args.out,
        seed=args.seed,
        eval_freq=EVALUATE_EVERY // args.action_repeat,
        batch_size=args.batch_size,
        num_train_steps=args.frames // args.action_repeat + 1,
    )


if __name__ == "__main__":
    main()
