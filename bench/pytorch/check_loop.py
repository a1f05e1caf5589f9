"""Holds what a run of curlew collected against what the released code's own loop collects.

    git clone https://github.com/MishaLaskin/curl released && git -C released checkout -q 8416d6e
    build/curlew train cartpole-swingup --profile authors --steps 5000 train.seed_steps=300 \\
        train.eval_every=0 update.batch_size=8 --out RUN
    python bench/pytorch/check_loop.py released RUN

The released train.py runs with its frame stack and replay on dm_control, with the run's seed and its
actions, which are all that is replaced (the updates are left out). Then every transition of its replay
must be the run's: both stacks, action, reward and mask, byte for byte (rewards: f32). And with the run's
weights the released agent must choose the run's mean action on the last stack (to 1e-4: other sums).
What it needs is what train_released.py needs. Exits with 1 if anything is off.
"""

import argparse
import configparser
import pathlib
import struct
import sys

import numpy as np
import safetensors.torch
import torch

import train_released

HEADER = "<8s2I4q6i"  # src/replay/replay_index.c
NAME = 48  # bytes of a blob's name, src/train/checkpoint.h
STACK = 3


def newest(folder):
    return max((int(path.name.split("-")[1]), path) for path in folder.glob("manifest-*"))


class Run:
    """The replay in a run's newest checkpoint, as transitions."""

    def __init__(self, folder):
        checkpoint = folder / "checkpoint"
        generation, manifest = newest(checkpoint)
        self.state = (checkpoint / f"state-{generation}.bin").read_bytes()
        self.agent = safetensors.torch.load_file(checkpoint / f"agent-{generation}.safetensors")
        blob = self.blob("replay")
        _, _, _, slots, _, committed, _, stack, actions, *self.shape, _ = struct.unpack_from(HEADER, blob)
        assert stack == STACK and committed < slots, "a run whose replay was never full"
        at = struct.calcsize(HEADER)
        columns = []
        for dtype, width in (("<i4", 1), ("<f4", 1), ("<f4", 1), ("<f4", actions), ("u1", 1)):
            rows = np.frombuffer(blob, dtype, (slots - 1) * width, at)
            at += rows.nbytes
            columns.append(rows.reshape(slots - 1, width)[:committed])
        self.behind, self.reward, self.mask, self.action, starts = columns
        self.frames = self.read_frames(checkpoint, manifest)
        self.starts = np.flatnonzero(starts)

    def blob(self, name):
        """src/train/checkpoint_internal.h: cw_state_head."""
        row = self.state.index(name.encode().ljust(NAME, b"\0"))
        offset, size = struct.unpack_from("<2Q", self.state, row + NAME)
        return self.state[offset : offset + size]

    def read_frames(self, checkpoint, manifest):
        parts = []
        for line in manifest.read_text().splitlines():
            if line.startswith("segment "):
                generation, first, count, _ = line.split()[1:]
                raw = np.fromfile(checkpoint / "frames" / f"{generation}-{first}.bin", "u1")
                parts.append(raw.reshape(int(count), *self.shape))
        return np.concatenate(parts)

    def stack(self, frame):
        oldest = frame - min(self.behind[frame, 0], STACK - 1)
        return np.concatenate([self.frames[max(frame - k, oldest)] for k in reversed(range(STACK))])


def collect(released, args, run, config):
    """The released loop's replay and agent after as many steps as the run has transitions."""
    kept, actions = {}, iter(run.action[run.starts])

    def keep(name, make):
        def made(*unnamed, **named):
            kept[name] = make(*unnamed, **named)
            return kept[name]

        return made

    train_released.Box.sample = lambda box: next(actions)
    released.CurlSacAgent.sample_action = lambda agent, stack: next(actions)
    released.CurlSacAgent.update = lambda *unused: None
    released.evaluate = lambda *unused: None
    released.make_agent = keep("agent", released.make_agent)
    released.utils.ReplayBuffer = keep("replay", released.utils.ReplayBuffer)
    train_released.run(
        released,
        config["env"]["task"],
        action_repeat=args.action_repeat,
        work_dir=args.out,
        seed=config["run"]["seed"],
        init_steps=config["train"]["seed_steps"],
        replay_buffer_capacity=len(run.starts) + 1,
        num_train_steps=len(run.starts),
    )
    return kept["replay"], kept["agent"]


def check_transitions(run, replay):
    off = {"obs": 0, "next_obs": 0, "action": 0, "reward": 0, "not_done": 0}
    for i, frame in enumerate(run.starts):
        off["obs"] += not np.array_equal(replay.obses[i], run.stack(frame))
        off["next_obs"] += not np.array_equal(replay.next_obses[i], run.stack(frame + 1))
        off["action"] += not np.array_equal(replay.actions[i], run.action[frame])
        off["reward"] += replay.rewards[i, 0] != run.reward[frame, 0]
        off["not_done"] += replay.not_dones[i, 0] != run.mask[frame, 0]
    print(f"{len(run.starts)} transitions, {np.count_nonzero(run.behind == 0)} episodes; different:", *(f"{name} {n}" for name, n in off.items()))
    return sum(off.values()) == 0 and replay.idx == len(run.starts)


def check_action(run, agent, center_crop):
    """example_input and example_output of a checkpoint are the newest stack and its mean action."""
    for part in ("actor", "critic"):
        own = {name[len(part) + 1 :]: value for name, value in run.agent.items() if name.startswith(part + ".")}
        getattr(agent, part).load_state_dict(own)
    stack = run.stack(len(run.frames) - 1)
    want = np.frombuffer(run.blob("example_output"), "<f4")
    same_stack = run.blob("example_input") == stack.tobytes()
    with torch.no_grad():
        got = agent.select_action(center_crop(stack, agent.image_size))
    print(f"mean action on the newest stack: {got}, the run's {want}; the same stack: {same_stack}")
    return same_stack and np.abs(got - want).max() < 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("released", help="folder of the released code")
    parser.add_argument("run", type=pathlib.Path, help="run folder")
    args = parser.parse_args()
    config = configparser.ConfigParser()
    config.read(args.run / "config.ini")
    args.out = args.run / "released"
    args.out.mkdir(exist_ok=True)
    args.action_repeat = int(config["env"]["action_repeat"])
    run = Run(args.run)
    released = train_released.import_released(args)
    replay, agent = collect(released, args, run, config)
    same = check_transitions(run, replay)
    same &= check_action(run, agent, released.utils.center_crop_image)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
