"""Compares what `curlew update` wrote with what another implementation expects.

    python compare_update.py OUT EXPECTED [--tolerance T] [--factor K] [--epsilon f32|f64]

Both files have the names of docs/formats.md. Every tensor of EXPECTED must be in OUT. If EXPECTED has
a tensor `band` (make_golden.py, make_full_update.py), the root mean square error of a tensor may be
K (8) times that of PyTorch's own runs in the same precision; without it, T (1e-3) times the root mean
square of the expected values. Prints every tensor that is off and a summary; exits with 1 if any is.
"""

import argparse
import sys

import safetensors
import torch

EPSILON = {"f32": 2.0**-23, "f64": 2.0**-52}


def load(path):
    with safetensors.safe_open(path, "pt") as file:
        return {name: file.get_tensor(name).double() for name in file.keys()}, file.metadata() or {}


def rms(values):
    return values.pow(2).mean().sqrt().item() if values.numel() else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("expected")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--factor", type=float, default=8.0)
    parser.add_argument("--epsilon", choices=EPSILON, default="f32", help="precision that OUT was computed in")
    args = parser.parse_args()
    out, out_meta = load(args.out)
    expected, expected_meta = load(args.expected)
    band = expected.pop("band", None)
    epsilon = EPSILON[args.epsilon]
    off, worst = 0, (-1.0, "nothing")
    for i, (name, want) in enumerate(sorted(expected.items())):
        if name not in out or out[name].numel() != want.numel():
            print(f"{name}: {'missing' if name not in out else 'wrong number of elements'}")
            off += 1
            continue
        error, scale = rms(out[name].reshape(-1) - want.reshape(-1)), rms(want)
        if band is None:
            allowed = args.tolerance * scale
        else:
            allowed = args.factor * epsilon * (band[i].item() / EPSILON["f32"] + scale)
        used = error / (allowed + 1e-300)
        worst = max(worst, (used, name))
        if not used <= 1:
            print(f"{name}: rms error {error:.3e}, allowed {allowed:.3e}, rms of the values {scale:.3e}")
            off += 1
        elif "." not in name.removeprefix("u0.") and name != "log_alpha":
            print(f"{name}: {out[name].item():.9g}, expected {want.item():.9g}")
    for key, value in expected_meta.items():
        if key.endswith(".t") and out_meta.get(key) != value:
            print(f"metadata {key}: {out_meta.get(key)}, expected {value}")
            off += 1
    print(f"{len(expected)} tensors, {off} off; the worst uses {100 * worst[0]:.1f}% of what is allowed: {worst[1]}")
    sys.exit(off > 0)


if __name__ == "__main__":
    main()
