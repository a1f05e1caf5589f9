#!/usr/bin/env python3
"""The PyTorch code of docs/export.md: weights out of runs, and weights of the released code in.

usage: torch_test.py CURLEW     (packages: requirements.txt)
"""
import pathlib
import re

from support import check, curlew, finish, need, run, work

need("numpy", "torch", "safetensors")
import torch
from safetensors.torch import load_file, save_file
from torch import nn

page = pathlib.Path(__file__).parents[2] / "docs" / "export.md"
blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
documented = {}
for block in blocks:
    if "import torch\n" in block:
        exec(compile(block, str(page), "exec"), documented)
Policy, convert = documented["Policy"], documented["convert"]

SHORT = ["--quiet", "--seed", "5", "train.eval_every=0", "train.eval_episodes=1",
         "train.video=false", "update.batch_size=4", "replay.capacity=1000",
         "tensorboard.enabled=false"]
# Rounding of f32 in the longest sum (39200 products), twice; LayerNorm keeps what follows near 1.
ALLOWED = 2 * 2.0**-24 * 39200**0.5


def compare(text, policy, examples):
    with torch.no_grad():
        actions = policy(examples["observation"])
    worst = float((actions - examples["action"]).abs().max())  # cartpole's bounds are -1 and 1
    print(f"{text}: largest difference of an action {worst:.2g} on {len(actions)} stacks "
          f"(allowed {ALLOWED:.2g})")
    check(worst <= ALLOWED, f"{text}: {worst}")
    return actions


for profile, tanh in (("paper", True), ("authors", False), ("fast", True)):
    out = work / profile
    run("train", "cartpole-swingup", "--profile", profile, *SHORT, "--out", out,
        "train.frames=200", "train.seed_steps=12")
    run("export", out, "--weights", out / "again.safetensors", "--examples", out / "examples")
    compare(f"profile {profile}", Policy(out / "weights.safetensors", tanh=tanh),
            load_file(out / "examples"))
    check((out / "again.safetensors").read_bytes() == (out / "weights.safetensors").read_bytes(),
          "export --weights differs from what the run left")


class ReleasedEncoder(nn.Module):
    """As the released code's PixelEncoder: names, shapes, arithmetic."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(9, 32, 3, stride=2)] +
                                   [nn.Conv2d(32, 32, 3, stride=1) for _ in range(3)])
        self.fc = nn.Linear(39200, 50)
        self.ln = nn.LayerNorm(50)
        nn.init.normal_(self.ln.weight, 1, 0.3)
        nn.init.normal_(self.ln.bias, 0, 0.3)

    def forward(self, pixels):
        x = pixels / 255.0
        for conv in self.convs:
            x = torch.relu(conv(x))
        return self.ln(self.fc(x.reshape(len(x), -1)))


def trunk(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(),
                         nn.Linear(1024, outputs))


class Q(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = trunk(51, 1)


class Actor(nn.Module):
    def __init__(self, critic):
        super().__init__()
        self.encoder = ReleasedEncoder()
        self.encoder.convs = critic.encoder.convs  # tied
        self.trunk = trunk(50, 2)

    def forward(self, frames):
        crop = frames[..., 8:92, 8:92].float()
        return torch.tanh(self.trunk(self.encoder(crop)).chunk(2, dim=-1)[0])


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.Q1, self.Q2 = ReleasedEncoder(), Q(), Q()


class Curl(nn.Module):
    def __init__(self, critic, target):
        super().__init__()
        self.encoder, self.encoder_target = critic.encoder, target.encoder
        self.W = nn.Parameter(torch.rand(50, 50))


torch.manual_seed(7)
critic, target = Critic(), Critic()
actor, curl = Actor(critic), Curl(critic, target)
nn.init.normal_(actor.trunk[4].weight, 0, 0.1)  # actions that differ from frame to frame
for name, module in (("actor", actor), ("critic", critic), ("curl", curl)):
    torch.save(module.state_dict(), work / f"{name}_1000.pt")
released = work / "released.safetensors"
convert(work, 1000, released)
words = ["train", "cartpole-swingup", "--profile", "authors", *SHORT, "train.frames=80"]
run(*words, "--weights", released, "--out", work / "in")
run("export", work / "in", "--examples", work / "in" / "examples")
examples = load_file(work / "in" / "examples")
actions = compare("released code, profile authors", actor, examples)
check(float(actions.std()) > 100 * ALLOWED, "the actions are all alike: nothing was tested")
left = load_file(work / "in" / "weights.safetensors")
given = load_file(released)
check(all(torch.equal(value, given[name]) for name, value in left.items()),
      "a run without updates changed a weight")

# What does not fit is refused in one line, and nothing is left behind.
bad = {"shape": {**given, "curl.W": torch.zeros(40, 40)},
       "unknown": {**given, "critic.encoder.fc2.weight": torch.zeros(1)},
       "missing": {k: v for k, v in given.items() if k != "critic.Q2.trunk.4.bias"}}
for kind, word in (("shape", "curl.W"), ("unknown", "critic.encoder.fc2.weight"),
                   ("missing", "critic.Q2.trunk.4.bias")):
    save_file(bad[kind], work / f"{kind}.safetensors")
    said = run(*words, "--weights", work / f"{kind}.safetensors", "--out", work / "bad", code=1)
    check(word in said and said.count("\n") == 1, f"{kind}: {said}")
    check(not (work / "bad").exists(), f"{kind}: something was left behind")
finish()
