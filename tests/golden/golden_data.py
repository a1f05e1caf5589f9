"""Random parameters and minibatches for the goldens: generic values, nothing at a symmetric point."""

import numpy as np
import torch

from curl_torch import Agent


def tensor(array):
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def parameter(rng, name, shape):
    """One random parameter of an agent, f32."""
    noise = rng.standard_normal(shape)
    if name == "curl.W":
        return tensor(rng.uniform(0, 1, shape))
    if name == "log_alpha":
        return tensor(np.log(0.1) + 0.3 * noise)
    if ".ln." in name:
        return tensor(0.1 * noise + (1.0 if name.endswith("weight") else 0.0))
    if name.endswith("bias"):
        values = 0.1 * noise
        if name == "actor.trunk.4.bias":
            values[len(values) // 2 :] += 0.35  # log sd around -2: actions spread, few saturate
        return tensor(values)
    fan_in = int(np.prod(shape[1:]))
    return tensor(1.3 * noise / np.sqrt(fan_in))


def parameters(s, shape, action_dim, seed):
    """{name: f32 tensor}; targets and key encoder are near their sources but not equal to them."""
    rng = np.random.default_rng(seed)
    out = {}
    for name, value in sorted(Agent(s, shape, action_dim).state_dict().items()):
        out[name] = parameter(rng, name, tuple(value.shape))
    for name in out:
        source = name.replace("critic_target.", "critic.").replace("key_encoder.", "critic.encoder.")
        if source != name:
            spread = 0.2 * out[source].numpy().std() + 0.01
            out[name] = tensor(out[source].numpy() + spread * rng.standard_normal(out[source].shape))
        if name.startswith("actor.encoder.convs."):
            out[name] = out[name.replace("actor.", "critic.")].clone()
    return out


def adam_state(s, shape, action_dim, params, seed, steps):
    """Adam state as after `steps` steps on gradients of about 1e-2."""
    agent = Agent(s, shape, action_dim)
    agent.load_state_dict(params)
    agent.prepare()
    tensors, counts = agent.adam_state()
    rng = np.random.default_rng(seed)
    for name, value in tensors.items():
        noise = 1e-2 * rng.standard_normal(tuple(value.shape))
        tensors[name] = tensor(0.3 * noise if ".m." in name else (1 - 0.999**steps) * (noise**2 + 1e-6))
    return tensors, {name: steps + 10 * i for i, name in enumerate(sorted(counts))}


def crop(rng, frames, height, width):
    """The same random window of every frame of a stack: (channels, height, width)."""
    top = rng.integers(0, frames.shape[1] - height + 1)
    left = rng.integers(0, frames.shape[2] - width + 1)
    return frames[:, top : top + height, left : left + width]


def film(rng, n_frames, channels, height, width):
    """A blocky random picture that drifts, as frames (n_frames, channels, height, width) u8."""
    cells = rng.uniform(0, 255, (channels, height // 3 + 6, width // 3 + 6))
    big = np.kron(cells, np.ones((3, 3)))
    frames = []
    for i in range(n_frames):
        frame = big[:, 2 * i : 2 * i + height, i : i + width] + 12 * rng.standard_normal((channels, height, width))
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    return np.stack(frames)


def minibatch(rng, batch, stack, channels, height, width, action_dim):
    """{name: tensor} of one minibatch: images u8 already cropped, the rest f32."""
    obs, pos, nxt = [], [], []
    for _ in range(batch):
        frames = film(rng, stack + 1, channels, height + 4, width + 4)
        now = frames[:stack].reshape(-1, height + 4, width + 4)
        later = frames[1:].reshape(-1, height + 4, width + 4)
        obs.append(crop(rng, now, height, width))
        pos.append(crop(rng, now, height, width))
        nxt.append(crop(rng, later, height, width))
    not_done = (rng.uniform(size=batch) > 0.2).astype(np.float32)
    not_done[0] = 0.0  # at least one terminal state
    return {
        "obs": torch.from_numpy(np.stack(obs)),
        "next_obs": torch.from_numpy(np.stack(nxt)),
        "pos": torch.from_numpy(np.stack(pos)),
        "action": tensor(rng.uniform(-1, 1, (batch, action_dim))),
        "reward": tensor(rng.uniform(0, 2, batch)),
        "not_done": tensor(not_done),
        "noise_next": tensor(rng.standard_normal((batch, action_dim))),
        "noise_actor": tensor(rng.standard_normal((batch, action_dim))),
    }
