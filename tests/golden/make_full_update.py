"""Writes one update of the released code at its full size, to try `curlew update` from outside.

    python make_full_update.py FOLDER

FOLDER/before.safetensors    84 x 84 x 9 images, B = 32, A = 1, hidden 1024, initial values as the
                             released code draws them
FOLDER/expect.safetensors    PyTorch in f64, with `band` from its f32 runs
FOLDER/expect32.safetensors  PyTorch in f32

    curlew update --profile authors --in FOLDER/before.safetensors --out FOLDER/after.safetensors
    python compare_update.py FOLDER/after.safetensors FOLDER/expect.safetensors
"""

import math
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch

import golden_data
import make_golden
from curl_torch import Agent, settings

CASE = make_golden.case("authors", "", 32, 84, seed=77, updates=1, actions=1)


def initial_parameters(s, shape, action_dim):
    """Orthogonal linear layers, delta-orthogonal convolutions; targets equal to their sources."""
    torch.manual_seed(CASE["seed"])
    agent = Agent(s, shape, action_dim)
    for module in agent.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.orthogonal_(module.weight)
            torch.nn.init.zeros_(module.bias)
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.orthogonal_(module.weight.data[:, :, 1, 1], math.sqrt(2))
            torch.nn.init.zeros_(module.bias)
    params = {name: value.clone() for name, value in agent.state_dict().items()}
    for name in params:
        if name.startswith("critic_target."):
            params[name] = params[name.replace("critic_target.", "critic.")].clone()
        if name.startswith("actor.encoder.convs."):
            params[name] = params[name.replace("actor.", "critic.")].clone()
    return params


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    s = settings("authors", [])
    shape = (s["env.frame_stack"] * CASE["channels"], *CASE["side"])
    params = initial_parameters(s, shape, CASE["actions"])
    rng = np.random.default_rng(CASE["seed"])
    stack = (CASE["batch"], s["env.frame_stack"], CASE["channels"], *CASE["side"], CASE["actions"])
    updates = [golden_data.minibatch(rng, *stack)]
    job = (s, shape, params, {}, {}, updates)
    exact, counts = make_golden.outputs(CASE, *job, torch.float64)
    single, _ = make_golden.outputs(CASE, *job, torch.float32)
    for result in (exact, single):
        print("margin of the closest score:", result.pop("curl_margin").item())
    single = {name: value if value.ndim == 0 else value.float() for name, value in single.items()}
    exact["band"] = make_golden.bands(CASE, *job, exact)
    metadata = {"profile": "authors", "config": "", "start_step": "0", "frame_stack": "3"}
    safetensors.torch.save_file({**params, **updates[0]}, folder / "before.safetensors", metadata)
    safetensors.torch.save_file(exact, folder / "expect.safetensors", counts)
    safetensors.torch.save_file(single, folder / "expect32.safetensors", counts)


if __name__ == "__main__":
    main()
