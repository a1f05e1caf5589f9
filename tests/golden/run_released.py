"""Makes updates with the released code itself, to hold `curlew update` against it from outside.

    git clone https://github.com/MishaLaskin/curl released && git -C released checkout -q 8416d6e
    python run_released.py released FOLDER

FOLDER/before.safetensors    the agent as the released code initialises it, minibatches, noise:
                             84 x 84 x 9 images, B = 16, A = 2, hidden 1024, six updates
FOLDER/expect.safetensors    all parameters and losses after them, from its own agent.update, in f64
FOLDER/expect32.safetensors  the same in f32

    curlew update --profile authors --backend ref64 --in FOLDER/before.safetensors --out FOLDER/after.safetensors
    python compare_update.py FOLDER/after.safetensors FOLDER/expect.safetensors --tolerance 1e-9

Nothing of the released update is replaced but the two things that it draws at random, the minibatch
and the policy's noise, and its log. What it imports for environments is not needed and left empty.
"""

import pathlib
import sys
import types

import numpy as np
import safetensors.torch
import torch

import golden_data

BATCH, ACTIONS, SIDE, STACK, UPDATES, SEED = 16, 2, 84, 3, 6, 3
# The defaults of its train.py, which run.sh leaves as they are.
OPTIONS = {
    "hidden_dim": 1024,
    "init_temperature": 0.1,
    "alpha_lr": 1e-4,
    "alpha_beta": 0.5,
    "critic_tau": 0.01,
    "encoder_tau": 0.05,
    "log_interval": 1,
}
LOSSES = {
    "train_critic/loss": "critic_loss",
    "train_actor/loss": "actor_loss",
    "train_alpha/loss": "alpha_loss",
    "train/curl_loss": "curl_loss",
}


def import_released(folder):
    for name, content in {
        "gym": {"Wrapper": object},
        "skimage": {},
        "skimage.util": {},
        "skimage.util.shape": {"view_as_windows": None},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    sys.path.insert(0, folder)
    import curl_sac

    return curl_sac


class Replay:
    """Hands out the given minibatches one after another."""

    def __init__(self, minibatches, dtype):
        self.rest, self.dtype = list(minibatches), dtype

    def sample_cpc(self):
        batch = {name: value.to(self.dtype) for name, value in self.rest.pop(0).items()}
        pairs = {"obs_anchor": batch["obs"], "obs_pos": batch["pos"], "time_anchor": None, "time_pos": None}
        columns = (batch["reward"][:, None], batch["next_obs"], batch["not_done"][:, None])
        return batch["obs"], batch["action"], *columns, pairs


class Log:
    """Keeps the losses."""

    def __init__(self):
        self.losses = {}

    def log(self, key, value, step):
        if key in LOSSES:
            self.losses[f"u{step}.{LOSSES[key]}"] = torch.as_tensor(value).detach().clone()

    def __getattr__(self, name):  # histograms, pictures, parameters
        return lambda *unused: None


def parameters(agent):
    out = {"curl.W": agent.CURL.W, "log_alpha": agent.log_alpha}
    for part in ("actor", "critic", "critic_target"):
        out.update({f"{part}.{name}": value for name, value in getattr(agent, part).state_dict().items()})
    return {name: value.detach().clone() for name, value in out.items()}


def new_agent(released):
    torch.manual_seed(SEED)
    shape = (3 * STACK, SIDE, SIDE)
    return released.CurlSacAgent(shape, (ACTIONS,), torch.device("cpu"), **OPTIONS)


def run(released, minibatches, dtype):
    agent = new_agent(released)
    for module in (agent.actor, agent.critic, agent.critic_target, agent.CURL):
        module.to(dtype)
    agent.log_alpha.data = agent.log_alpha.data.float().to(dtype)
    replay, log = Replay(minibatches, dtype), Log()
    for step, batch in enumerate(minibatches):
        noise = [batch["noise_next"], batch["noise_actor"]]
        torch.randn_like = lambda like, noise=noise: noise.pop(0).to(like)
        agent.update(replay, log, step)
    return {**parameters(agent), **log.losses}


def main():
    released = import_released(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    minibatches = [golden_data.minibatch(rng, BATCH, STACK, 3, SIDE, SIDE, ACTIONS) for _ in range(UPDATES)]
    before = {name: value.float() for name, value in parameters(new_agent(released)).items()}
    for i, batch in enumerate(minibatches):
        before.update({f"u{i}.{name}": value for name, value in batch.items()})
    metadata = {"start_step": "0", "frame_stack": str(STACK)}
    safetensors.torch.save_file(before, folder / "before.safetensors", metadata)
    safetensors.torch.save_file(run(released, minibatches, torch.float64), folder / "expect.safetensors")
    safetensors.torch.save_file(run(released, minibatches, torch.float32), folder / "expect32.safetensors")


if __name__ == "__main__":
    main()
