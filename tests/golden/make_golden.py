"""Writes the update goldens: parameters, minibatches and noise in; what PyTorch makes of them out.

    python make_golden.py [--check] [NAME ...]

NAME.safetensors          an input of `curlew update` (docs/formats.md). Its metadata `profile` and
                          `config` ("section.key=value" words) are the settings to run it with
NAME.expect.safetensors   the output it should give, all f64, and one tensor more: `band` holds, for
                          every other tensor in ascending order of names, how far PyTorch's own f32
                          runs lie from its f64 run (README.md)

--check computes everything anew and compares it with the files instead of writing them.
"""

import argparse
import pathlib
import sys

import numpy as np
import safetensors
import safetensors.torch
import torch

import golden_data
from curl_torch import run, settings

HERE = pathlib.Path(__file__).resolve().parent
NETS = "encoder.filters=4 encoder.feature_dim=7 actor.hidden=10 critic.hidden=12 "
LINEAR, HIDDEN = NETS + "encoder.hidden=0 ", NETS + "encoder.hidden=12 "
# Rates that differ from each other, so that none can stand in for another.
RATES = (
    "encoder.lr=2e-3 actor.lr=5e-4 critic.lr=7e-4 sac.temperature_lr=3e-4 encoder.beta1=0.8 actor.beta1=0.85"
    " critic.beta1=0.7 sac.temperature_beta1=0.6 encoder.beta2=0.99 actor.beta2=0.98 critic.beta2=0.97"
    " sac.temperature_beta2=0.96 critic.tau=0.03 critic.encoder_tau=0.07 curl.key_tau=0.11 sac.discount=0.95"
)


def case(profile, config, batch, side, seed, updates=2, start=0, actions=2, channels=3, adam=0, **other):
    """side: pixels, or (height, width). channels: of one frame. adam: steps its state looks like."""
    out = {**locals(), **other}
    out["side"] = side if isinstance(side, tuple) else (side, side)
    return out


CASES = {
    "authors": case("authors", LINEAR, 4, 18, seed=1, updates=10),
    "paper": case("paper", HIDDEN, 4, 18, seed=2, updates=10),
    # one update: from zero Adam state, the first moments are the gradients (times 1 - beta1)
    "authors_one": case("authors", LINEAR, 10, 20, seed=21, updates=1, aliases=True),
    "paper_one": case("paper", HIDDEN, 10, 20, seed=22, updates=1),
    # one key each, on top of the paper's profile
    "paper_no_curl": case("paper", HIDDEN + "curl.enabled=false", 5, 18, seed=3, start=1),
    "paper_key_query": case("paper", HIDDEN + "curl.key_encoder=query", 5, 18, seed=4),
    "paper_cosine": case("paper", HIDDEN + "curl.score=cosine curl.temperature=0.1", 5, 18, seed=5),
    "paper_detach": case("paper", HIDDEN + "critic.detach_encoder=true", 5, 18, seed=6),
    "paper_single_frame": case("paper", HIDDEN + "curl.single_frame=true", 5, 18, seed=7),
    # on top of the released code's
    "authors_no_curl": case("authors", LINEAR + "curl.enabled=false", 5, 18, seed=8),
    "authors_detach_single": case(
        "authors",
        LINEAR + "critic.detach_encoder=true curl.single_frame=true",
        5,
        18,
        seed=9,
        log_alpha_shape=(1,),
    ),
    # mixtures
    "joint_own_all": case(
        "authors",
        LINEAR
        + "encoder.layers=2 env.frame_stack=2 curl.temperature=0.5 update.order=joint curl.encoder_steps=1 "
        + RATES,
        7,
        11,
        seed=10,
        start=1,
        actions=1,
    ),
    "sequential_momentum": case(
        "paper",
        HIDDEN
        + "encoder.layers=3 update.order=sequential curl.encoder_steps=3 curl.key_every=2 actor.update_every=3"
        + " critic.target_every=2 sac.auto_target_entropy=false sac.target_entropy=-0.7 actor.log_std_min=-6"
        + " actor.log_std_max=1 "
        + RATES,
        5,
        14,
        seed=11,
        updates=3,
        start=8,
        actions=3,
        adam=40,
    ),
    "joint_everything": case(
        "paper",
        HIDDEN
        + "encoder.layers=1 encoder.first_stride=3 env.frame_stack=4 actor.encoder=own_head"
        + " critic.target_encoder=own curl.score=cosine curl.temperature=0.2 curl.single_frame=true"
        + " critic.detach_encoder=true "
        + RATES,
        5,
        12,
        seed=12,
        start=6,
        actions=6,
        channels=1,
        adam=25,
        key_scale=3e-13,
    ),
    "sequential_query": case(
        "authors",
        LINEAR
        + "encoder.layers=2 encoder.first_stride=1 encoder.tanh=true env.frame_stack=1 actor.encoder=shared"
        + " critic.target_encoder=query curl.key_encoder=query curl.encoder_steps=1 "
        + RATES,
        2,
        (9, 12),
        seed=13,
        start=2,
        actions=1,
    ),
}


def build(c):
    """Settings, shape of a stack, parameters, Adam state and minibatches of a case."""
    s = settings(c["profile"], c["config"].split())
    stack = s["env.frame_stack"]
    shape = (stack * c["channels"], *c["side"])
    params = golden_data.parameters(s, shape, c["actions"], 1000 + c["seed"])
    for n in ("key_encoder.ln.weight", "key_encoder.ln.bias"):
        if "key_scale" in c:  # keys shorter than the cosine's eps
            params[n] = params[n] * c["key_scale"]
    adam, steps = {}, {}
    if c["adam"]:
        adam, steps = golden_data.adam_state(s, shape, c["actions"], params, 2000 + c["seed"], c["adam"])
    rng = np.random.default_rng(3000 + c["seed"])
    updates = [
        golden_data.minibatch(rng, c["batch"], stack, c["channels"], *c["side"], c["actions"])
        for _ in range(c["updates"])
    ]
    return s, shape, params, adam, steps, updates


def prefix(c, i):
    return f"u{i}." if c["updates"] > 1 else ""


def outputs(c, s, shape, params, adam, steps, updates, dtype):
    """({tensor name: f64 value}, metadata) that one run gives."""
    out = {}
    for i, (losses, values, moments, counts) in enumerate(
        run(s, shape, c["actions"], params, adam, steps, updates, c["start"], dtype)
    ):
        out |= {prefix(c, i) + n: torch.tensor(v, dtype=torch.float64) for n, v in losses.items()}
    if c["updates"] == 2:  # of these short cases the first moments are enough
        moments = {n: v for n, v in moments.items() if ".m." in n}
    out |= {n: v.double() for n, v in {**values, **moments}.items()}
    return out, {f"adam.{n}.t": str(t) for n, t in counts.items()}


def perturbed(rng, params, updates):
    """The same case with rounding errors of another run: parameters off by up to half a unit in the
    last place, samples of each minibatch in another order."""
    moved = {}
    for name, value in params.items():
        ulps = torch.from_numpy(np.array(rng.uniform(-0.5, 0.5, tuple(value.shape))))
        moved[name] = (value.double() * (1 + ulps * 2.0**-23)).float()
    for name in moved:
        if name.startswith("actor.encoder.convs."):
            moved[name] = moved[name.replace("actor.", "critic.")]
    shuffled = []
    for u in updates:
        order = torch.from_numpy(rng.permutation(len(u["reward"])))
        shuffled.append({n: v[order] for n, v in u.items()})
    return moved, shuffled


def bands(c, s, shape, params, adam, steps, updates, exact):
    """How far f32 runs of PyTorch itself lie from its f64 run: root mean square of each tensor's error,
    the largest over the runs, in ascending order of names."""
    rng = np.random.default_rng(4000 + c["seed"])
    worst = dict.fromkeys(sorted(exact), 0.0)
    for i in range(6):
        p, u = (params, updates) if i == 0 else perturbed(rng, params, updates)
        rounded, _ = outputs(c, s, shape, p, adam, steps, u, torch.float32)
        for name, value in exact.items():
            error = (rounded[name] - value).pow(2).mean().sqrt().item()
            worst[name] = max(worst[name], error)
    return torch.tensor(list(worst.values()), dtype=torch.float64)


def golden(c):
    """((tensors, metadata) of the input, (tensors, metadata) of the output) of a case."""
    s, shape, params, adam, steps, updates = build(c)
    exact, counts = outputs(c, s, shape, params, adam, steps, updates, torch.float64)
    for i in range(len(updates)):  # accuracy must not hang on rounding
        margin = exact.pop(f"{prefix(c, i)}curl_margin", torch.tensor(1.0))
        assert margin > 1e-3, f"update {i}: two scores differ by {margin:.1e}; choose another seed"
    exact["band"] = bands(c, s, shape, params, adam, steps, updates, exact)

    tensors = {**params, **adam}
    tensors["log_alpha"] = params["log_alpha"].reshape(c.get("log_alpha_shape", ()))
    if c.get("aliases"):  # the released code's CURL module lists the encoders again
        for alias, own in (("curl.encoder.", "critic.encoder."), ("curl.encoder_target.", "critic_target.encoder.")):
            for n in [n for n in params if n.startswith(own)]:
                tensors[alias + n.removeprefix(own)] = params[n].clone()
    for i, u in enumerate(updates):
        tensors |= {prefix(c, i) + name: value for name, value in u.items()}
    metadata = {f"adam.{n}.t": str(t) for n, t in steps.items()} | {
        "profile": c["profile"],
        "config": " ".join(c["config"].split()),
        "start_step": str(c["start"]),
        "frame_stack": str(s["env.frame_stack"]),
    }
    return (tensors, metadata), (exact, {**counts, "made_by": f"PyTorch {torch.__version__}, float64"})


def difference(path, tensors, metadata):
    """Largest difference between a file and what was just computed, relative to each tensor."""
    with safetensors.safe_open(path, "pt") as stored:
        meta = [{k: v for k, v in m.items() if k != "made_by"} for m in (stored.metadata(), metadata)]
        if set(stored.keys()) != set(tensors) or meta[0] != meta[1]:
            return float("inf")
        worst = 0.0
        for name, value in tensors.items():
            if name == "band":
                continue  # rounding errors; they depend on the processor
            there = stored.get_tensor(name).double()
            scale = there.abs().max() + 1e-30
            worst = max(worst, float((there - value.double()).abs().max() / scale))
        return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in args.names or CASES:
        for ending, (tensors, metadata) in zip((".safetensors", ".expect.safetensors"), golden(CASES[name])):
            path = HERE / (name + ending)
            if args.check:
                worst = difference(path, tensors, metadata)
                failed |= not worst < 1e-10
                print(f"{path.name}: largest relative difference {worst:.2e}")
            else:
                safetensors.torch.save_file({n: v.contiguous() for n, v in tensors.items()}, path, metadata)
                print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    sys.exit(failed)


if __name__ == "__main__":
    main()
