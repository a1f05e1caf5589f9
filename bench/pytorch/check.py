"""Holds both PyTorch programs of baselines.py against the golden files.

    python check.py [--compile] [NAME ...]

In f64 every tensor must equal the golden to rounding (1e-9 of its largest element); in f32 the error
(root mean square) may be 8 (band + 2^-23 rms), the rule of tests/golden/README.md. bf16 autocast is
the same program with other kernels: its error is printed against that rule with 2^-8 for 2^-23, and
`best` may be off by at most twice what `released` is. Exits with 1 if anything is off.
"""

import argparse
import pathlib
import sys

import safetensors
import torch

from baselines import PROGRAMS, autocast, make
from curl_torch import settings

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
EPSILON = {"f32": 2.0**-23, "bf16": 2.0**-8}
SKIP = {"joint_everything"}  # keys shorter than the cosine's epsilon: f64 only
BATCH = ("obs", "next_obs", "pos", "action", "reward", "not_done", "noise_next", "noise_actor")


def load(path):
    with safetensors.safe_open(path, "pt") as file:
        return {n: file.get_tensor(n) for n in file.keys()}, file.metadata() or {}


def replay(program, name, precision, compiled):
    """What a program makes of a golden input: {tensor name: f64 value}."""
    tensors, meta = load(GOLDEN / f"{name}.safetensors")
    s = settings(meta["profile"], meta["config"].split())
    updates = []
    while any(n.startswith(f"u{len(updates)}.") for n in tensors):
        updates.append({n: tensors.pop(f"u{len(updates)}.{n}") for n in BATCH})
    if not updates:
        updates = [{n: tensors.pop(n) for n in BATCH}]
        prefixes = [""]
    else:
        prefixes = [f"u{i}." for i in range(len(updates))]
    dtype = torch.float64 if precision == "f64" else torch.float32
    params = {n: v for n, v in tensors.items() if not n.startswith(("adam.", "curl.encoder"))}
    params["log_alpha"] = params["log_alpha"].reshape(())
    agent = make(program, s, tuple(updates[0]["obs"].shape[1:]), updates[0]["action"].shape[1], params, dtype)
    moments = {n: v for n, v in tensors.items() if n.startswith("adam.")}
    steps = {n.split(".")[1]: int(v) for n, v in meta.items() if n.startswith("adam.") and n.endswith(".t")}
    agent.load_adam(moments, moments, steps)
    if compiled and hasattr(agent, "compile_parts"):
        agent.compile_parts()
    out = {}
    for i, (u, prefix) in enumerate(zip(updates, prefixes)):
        exact = precision == "f64"  # u8 / 255 would be f32
        u = {n: v.to(dtype) if exact or v.dtype != torch.uint8 else v for n, v in u.items()}
        with autocast(precision):
            losses = agent.update(agent.place(u), int(meta["start_step"]) + i)
        out |= {prefix + n: torch.tensor(v, dtype=torch.float64) for n, v in losses.items()}
    state, _ = agent.adam_state()
    return out | {n: v.double() for n, v in {**agent.state_dict(), **state}.items()}


def rms(value):
    return value.pow(2).mean().sqrt().item()


def judge(got, want, band, precision):
    """The largest share of the tolerance that a tensor uses, and its name."""
    worst = (0.0, "nothing")
    for i, name in enumerate(sorted(want)):
        expected, value = want[name].double(), got[name]
        error = value.reshape(expected.shape) - expected
        if precision == "f64":
            used = (error.abs().max() / (1e-9 * expected.abs().max() + 1e-30)).item()
        elif name.endswith("curl_accuracy"):
            continue  # a count: another rounding may order two scores differently
        else:
            epsilon = EPSILON[precision]
            used = rms(error) / (8 * (band[i].item() * epsilon / 2.0**-23 + epsilon * rms(expected)) + 1e-300)
        worst = max(worst, (used, name)) if used == used else (float("inf"), name)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compile", action="store_true", help="the compiled form of `best`")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    names = args.names or sorted(p.name.split(".")[0] for p in GOLDEN.glob("*.expect.safetensors"))
    for name in names:
        want, _ = load(GOLDEN / f"{name}.expect.safetensors")
        band = want.pop("band")
        for precision in ("f64", "f32", "bf16"):
            if precision != "f64" and name in SKIP:
                continue
            allowed = 1.0
            for program in PROGRAMS:
                used, tensor = judge(replay(program, name, precision, args.compile), want, band, precision)
                if precision == "bf16" and program == "released":
                    allowed = 2 * max(used, 0.5)
                else:
                    failed |= not used <= allowed
                print(f"{name:22s} {program:9s} {precision:5s} {100 * used:6.1f}% of the tolerance: {tensor}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
