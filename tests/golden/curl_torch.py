"""One CURL + SAC update in PyTorch: the independent answer that curlew's own update is held against.

Written from the paper (Laskin, Srinivas, Abbeel 2020; its encoder pseudocode) and from a description
of the released code, with PyTorch's own modules, autograd and Adam. Nothing here follows curlew's
sources: only the names of settings and parameters are shared, because the files are.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

COMMON = {
    "env.frame_stack": 3,
    "augment.crop_size": 84,
    "encoder.layers": 4,
    "encoder.filters": 32,
    "encoder.first_stride": 2,
    "encoder.feature_dim": 50,
    "encoder.lr": 1e-3,
    "encoder.beta1": 0.9,
    "encoder.beta2": 0.999,
    "actor.hidden": 1024,
    "actor.log_std_min": -10.0,
    "actor.log_std_max": 2.0,
    "actor.lr": 1e-3,
    "actor.beta1": 0.9,
    "actor.beta2": 0.999,
    "actor.update_every": 2,
    "critic.hidden": 1024,
    "critic.detach_encoder": False,
    "critic.lr": 1e-3,
    "critic.beta1": 0.9,
    "critic.beta2": 0.999,
    "critic.tau": 0.01,
    "critic.encoder_tau": 0.05,
    "critic.target_every": 2,
    "sac.discount": 0.99,
    "sac.temperature_lr": 1e-4,
    "sac.temperature_beta1": 0.5,
    "sac.temperature_beta2": 0.999,
    "sac.auto_target_entropy": True,
    "sac.target_entropy": 0.0,
    "curl.enabled": True,
    "curl.score": "bilinear",
    "curl.temperature": 1.0,
    "curl.key_tau": 0.05,
    "curl.key_every": 1,
    "curl.single_frame": False,
    "update.batch_size": 128,
}
PROFILES = {
    # The paper's pseudocode: one query encoder for everything, a momentum copy of it for the keys.
    "paper": {
        **COMMON,
        "encoder.hidden": 1024,
        "encoder.tanh": True,
        "actor.encoder": "shared",
        "critic.target_encoder": "query",
        "curl.key_encoder": "momentum",
        "curl.encoder_steps": 1,
        "update.order": "joint",
    },
    # The released code: tied convolutions, heads of their own, keys by the target critic's encoder.
    "authors": {
        **COMMON,
        "encoder.hidden": 0,
        "encoder.tanh": False,
        "actor.encoder": "own_head",
        "critic.target_encoder": "own",
        "curl.key_encoder": "critic_target",
        "curl.encoder_steps": 2,
        "update.order": "sequential",
    },
}


def settings(profile, words):
    """A profile's settings with "section.key=value" words applied over them."""
    out = dict(PROFILES[profile])
    for word in words:
        key, text = word.split("=", 1)
        known = out[key]  # KeyError: the key is not one that an update depends on
        if isinstance(known, bool):
            out[key] = {"true": True, "false": False}[text]
        else:
            out[key] = type(known)(text)
    return out


def mlp(inputs, hidden, outputs):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )


class Encoder(nn.Module):
    def __init__(self, s, channels, height, width):
        super().__init__()
        filters, features = s["encoder.filters"], s["encoder.feature_dim"]
        self.convs = nn.ModuleList([nn.Conv2d(channels, filters, 3, stride=s["encoder.first_stride"])])
        for _ in range(s["encoder.layers"] - 1):
            self.convs.append(nn.Conv2d(filters, filters, 3))
        flat = self.convolve(torch.zeros(1, channels, height, width)).shape[1]
        if s["encoder.hidden"] > 0:
            self.fc = nn.Sequential(
                nn.Linear(flat, s["encoder.hidden"]), nn.ReLU(), nn.Linear(s["encoder.hidden"], features)
            )
        else:
            self.fc = nn.Linear(flat, features)
        self.ln = nn.LayerNorm(features)
        self.squash = s["encoder.tanh"]

    def convolve(self, images):
        x = images / 255.0
        for conv in self.convs:
            x = torch.relu(conv(x))
        return x.flatten(start_dim=1)

    def head(self, h):
        z = self.ln(self.fc(h))
        return torch.tanh(z) if self.squash else z

    def forward(self, images, detach_convs=False):
        h = self.convolve(images)
        return self.head(h.detach() if detach_convs else h)


class Q(nn.Module):
    def __init__(self, s, action_dim):
        super().__init__()
        self.trunk = mlp(s["encoder.feature_dim"] + action_dim, s["critic.hidden"], 1)

    def forward(self, z, action):
        return self.trunk(torch.cat([z, action], dim=1)).squeeze(1)


class Critic(nn.Module):
    def __init__(self, s, shape, action_dim, has_encoder):
        super().__init__()
        if has_encoder:
            self.encoder = Encoder(s, *shape)
        self.Q1 = Q(s, action_dim)
        self.Q2 = Q(s, action_dim)

    def q_parameters(self):
        return [*self.Q1.parameters(), *self.Q2.parameters()]


class Actor(nn.Module):
    def __init__(self, s, shape, action_dim):
        super().__init__()
        if s["actor.encoder"] == "own_head":
            self.encoder = Encoder(s, *shape)
        self.trunk = mlp(s["encoder.feature_dim"], s["actor.hidden"], 2 * action_dim)
        self.low, self.high = s["actor.log_std_min"], s["actor.log_std_max"]

    def forward(self, z, noise):
        return squashed_gaussian(self.trunk(z), noise, self.low, self.high)


def squashed_gaussian(raw, noise, low, high):
    """Action and log-probability of the policy whose raw outputs are [mean | s]."""
    mean, s = raw.chunk(2, dim=1)
    log_std = low + 0.5 * (high - low) * (torch.tanh(s) + 1)
    action = torch.tanh(mean + log_std.exp() * noise)
    gaussian = (-0.5 * noise.pow(2) - log_std).sum(1) - 0.5 * noise.shape[1] * math.log(2 * math.pi)
    return action, gaussian - torch.log(F.relu(1 - action.pow(2)) + 1e-6).sum(1)


class Contrast(nn.Module):
    def __init__(self, s):
        super().__init__()
        if s["curl.score"] == "bilinear":
            self.W = nn.Parameter(torch.rand(s["encoder.feature_dim"], s["encoder.feature_dim"]))
        self.temperature = s["curl.temperature"]

    def forward(self, z, keys):
        if hasattr(self, "W"):
            logits = z @ self.W @ keys.T
        else:
            logits = F.normalize(z, dim=1, eps=1e-12) @ F.normalize(keys, dim=1, eps=1e-12).T
        logits = logits / self.temperature
        return logits - logits.max(dim=1, keepdim=True).values


class Agent(nn.Module):
    """Everything an update reads and writes. shape: (channels, height, width) of a stack."""

    def __init__(self, s, shape, action_dim):
        super().__init__()
        self.s, self.action_dim = s, action_dim
        self.critic = Critic(s, shape, action_dim, True)
        self.critic_target = Critic(s, shape, action_dim, s["critic.target_encoder"] == "own")
        self.actor = Actor(s, shape, action_dim)
        if s["curl.enabled"]:
            self.curl = Contrast(s)
            if s["curl.key_encoder"] == "momentum":
                self.key_encoder = Encoder(s, *shape)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(0.1)))

    def prepare(self):
        """Ties the convolutions and makes the optimisers; after loading and after any change of dtype."""
        s = self.s
        if s["actor.encoder"] == "own_head":
            for mine, theirs in zip(self.actor.encoder.convs, self.critic.encoder.convs):
                assert torch.equal(mine.weight, theirs.weight) and torch.equal(mine.bias, theirs.bias)
                mine.weight, mine.bias = theirs.weight, theirs.bias

        def rates(section):
            return {"lr": s[section + ".lr"], "betas": (s[section + ".beta1"], s[section + ".beta2"])}

        encoder = list(self.critic.encoder.parameters())
        contrast = list(self.curl.parameters()) if s["curl.enabled"] else []
        self.actor_opt = torch.optim.Adam(self.actor.parameters(), **rates("actor"))
        self.alpha_opt = torch.optim.Adam(
            [self.log_alpha],
            lr=s["sac.temperature_lr"],
            betas=(s["sac.temperature_beta1"], s["sac.temperature_beta2"]),
        )
        if s["update.order"] == "joint":
            self.joint_opt = torch.optim.Adam(
                [
                    {"params": contrast + encoder, **rates("encoder")},
                    {"params": self.critic.q_parameters(), **rates("critic")},
                ]
            )
            return
        self.critic_opt = torch.optim.Adam(self.critic.parameters(), **rates("critic"))
        if s["curl.enabled"]:
            # The released code's two optimisers that own the encoder: one with W, the others without.
            self.cpc_opt = torch.optim.Adam(contrast + encoder, **rates("encoder"))
            self.encoder_opts = [
                torch.optim.Adam(encoder, **rates("encoder")) for _ in range(s["curl.encoder_steps"] - 1)
            ]

    # ---- Adam state by the names of the file format

    def optimisers(self):
        """[(name in the file, [torch optimisers in that state], [parameters])]"""
        encoder = list(self.critic.encoder.parameters())
        contrast = list(self.curl.parameters()) if self.s["curl.enabled"] else []
        actor = [p for name, p in self.actor.named_parameters() if not name.startswith("encoder.convs.")]
        out = [("actor", [self.actor_opt], actor), ("alpha", [self.alpha_opt], [self.log_alpha])]
        if self.s["update.order"] == "joint":
            out.append(("critic", [self.joint_opt], self.critic.q_parameters()))
            out.append(("curl", [self.joint_opt], contrast + encoder))
            return out
        out.append(("critic", [self.critic_opt], list(self.critic.parameters())))
        if self.s["curl.enabled"]:
            out.append(("curl", [self.cpc_opt, *self.encoder_opts], contrast + encoder))
        return out

    def load_adam(self, m, v, t):
        """m, v: {"adam.critic.m.<parameter>": tensor}; t: {"critic": steps}. Absent = zero."""
        names = {id(p): n for n, p in self.named_parameters()}
        for optimiser, members, params in self.optimisers():
            for torch_opt in members:
                owned = {id(p) for group in torch_opt.param_groups for p in group["params"]}
                for p in params:
                    if id(p) not in owned or optimiser not in t:
                        continue
                    name = names[id(p)]
                    torch_opt.state[p] = {
                        "step": torch.tensor(float(t[optimiser])),
                        "exp_avg": m[f"adam.{optimiser}.m.{name}"].to(p.dtype).clone(),
                        "exp_avg_sq": v[f"adam.{optimiser}.v.{name}"].to(p.dtype).clone(),
                    }

    def adam_state(self):
        """({tensor name: value}, {"critic": steps}) as load_adam takes them."""
        names = {id(p): n for n, p in self.named_parameters()}
        tensors, steps = {}, {}
        for optimiser, members, params in self.optimisers():
            steps[optimiser] = 0
            for p in params:
                state = members[0].state.get(p, {})
                zero = torch.zeros_like(p)
                tensors[f"adam.{optimiser}.m.{names[id(p)]}"] = state.get("exp_avg", zero).clone()
                tensors[f"adam.{optimiser}.v.{names[id(p)]}"] = state.get("exp_avg_sq", zero).clone()
                steps[optimiser] = max(steps[optimiser], int(state.get("step", 0)))
            for other in members[1:]:  # equal by construction; the file holds one copy
                for p in other.state:
                    assert torch.equal(other.state[p]["exp_avg"], members[0].state[p]["exp_avg"])
        return tensors, steps

    # ---- the losses

    def td_target(self, u):
        s, encoder = self.s, self.critic.encoder
        with torch.no_grad():
            h = encoder.convolve(u["next_obs"])
            z = encoder.head(h)
            z_actor = self.actor.encoder.head(h) if s["actor.encoder"] == "own_head" else z
            action, log_prob = self.actor(z_actor, u["noise_next"])
            if s["critic.target_encoder"] == "own":
                z = self.critic_target.encoder(u["next_obs"])
            q = torch.min(self.critic_target.Q1(z, action), self.critic_target.Q2(z, action))
            value = q - self.log_alpha.exp() * log_prob
            return u["reward"] + s["sac.discount"] * u["not_done"] * value

    def critic_loss(self, u, z, y):
        q1, q2 = self.critic.Q1(z, u["action"]), self.critic.Q2(z, u["action"])
        return F.mse_loss(q1, y) + F.mse_loss(q2, y)

    def contrastive_view(self, images):
        """The newest frame of each stack in every place of it, or the stacks as they are."""
        if not self.s["curl.single_frame"]:
            return images
        stack = self.s["env.frame_stack"]
        channels = images.shape[1] // stack
        return images[:, -channels:].repeat(1, stack, 1, 1)

    def keys(self, u):
        encoder = {
            "momentum": lambda: self.key_encoder,
            "critic_target": lambda: self.critic_target.encoder,
            "query": lambda: self.critic.encoder,
        }[self.s["curl.key_encoder"]]()
        with torch.no_grad():
            return encoder(self.contrastive_view(u["pos"]))

    def contrastive_loss(self, z, keys, out):
        logits = self.curl(z, keys)
        labels = torch.arange(len(z))
        loss = F.cross_entropy(logits, labels)
        others = logits.detach().clone()
        others.fill_diagonal_(-math.inf)
        margin = logits.detach().diagonal() - others.max(dim=1).values
        out["curl_loss"] = loss.item()
        out["curl_accuracy"] = (margin > 0).double().mean().item()
        out["curl_margin"] = margin.abs().min().item()
        return loss

    def actor_step(self, u, h, z, out):
        """h: convolution output, z: the critic's features, both of obs; gradients into them are dropped."""
        z_actor = self.actor.encoder.head(h.detach()) if self.s["actor.encoder"] == "own_head" else z.detach()
        action, log_prob = self.actor(z_actor, u["noise_actor"])
        q = torch.min(self.critic.Q1(z, action), self.critic.Q2(z, action))
        alpha = self.log_alpha.exp()
        actor_loss = (alpha.detach() * log_prob - q).mean()
        self.actor_opt.zero_grad()
        actor_loss.backward()
        self.actor_opt.step()

        target = -float(self.action_dim) if self.s["sac.auto_target_entropy"] else self.s["sac.target_entropy"]
        alpha_loss = (alpha * (-log_prob.detach() - target)).mean()
        self.alpha_opt.zero_grad()
        alpha_loss.backward()
        self.alpha_opt.step()
        out["actor_loss"], out["alpha_loss"] = actor_loss.item(), alpha_loss.item()

    # ---- one update

    def joint_step(self, u, out):
        """Critic and contrastive loss in one backward pass; returns the features it computed."""
        encoder = self.critic.encoder
        h = encoder.convolve(u["obs"])
        z = encoder.head(h)
        z_td = encoder.head(h.detach()) if self.s["critic.detach_encoder"] else z
        critic_loss = self.critic_loss(u, z_td, self.td_target(u))
        out["critic_loss"] = critic_loss.item()
        loss = critic_loss
        if self.s["curl.enabled"]:
            anchor = encoder(self.contrastive_view(u["obs"])) if self.s["curl.single_frame"] else z
            loss = loss + self.contrastive_loss(anchor, self.keys(u), out)
        self.joint_opt.zero_grad()
        loss.backward()
        self.joint_opt.step()
        return h.detach(), z.detach()

    def sequential_critic_step(self, u, out):
        y = self.td_target(u)
        z = self.critic.encoder(u["obs"], detach_convs=self.s["critic.detach_encoder"])
        critic_loss = self.critic_loss(u, z, y)
        self.critic_opt.zero_grad()
        critic_loss.backward()
        self.critic_opt.step()
        out["critic_loss"] = critic_loss.item()

    def contrastive_step(self, u, out):
        z = self.critic.encoder(self.contrastive_view(u["obs"]))
        loss = self.contrastive_loss(z, self.keys(u), out)
        for optimiser in [*self.encoder_opts, self.cpc_opt]:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in [*self.encoder_opts, self.cpc_opt]:
            optimiser.step()

    def target_step(self):
        ema(self.critic_target.Q1, self.critic.Q1, self.s["critic.tau"])
        ema(self.critic_target.Q2, self.critic.Q2, self.s["critic.tau"])
        if self.s["critic.target_encoder"] == "own":
            ema(self.critic_target.encoder, self.critic.encoder, self.s["critic.encoder_tau"])

    def update(self, u, step):
        """One update on minibatch u ({name: tensor}); returns its losses."""
        s, out = self.s, {"alpha": self.log_alpha.exp().item()}
        joint = s["update.order"] == "joint"
        if joint:
            h, z = self.joint_step(u, out)
        else:
            self.sequential_critic_step(u, out)
        if step % s["actor.update_every"] == 0:
            if not joint:  # encoded again: the critic step has moved the encoder
                h = self.critic.encoder.convolve(u["obs"])
                z = self.critic.encoder.head(h.detach())
            self.actor_step(u, h, z, out)
        if step % s["critic.target_every"] == 0:
            self.target_step()
        if s["curl.enabled"]:
            if not joint:
                self.contrastive_step(u, out)
            if s["curl.key_encoder"] == "momentum" and step % s["curl.key_every"] == 0:
                ema(self.key_encoder, self.critic.encoder, s["curl.key_tau"])
        return out


def ema(target, source, tau):
    with torch.no_grad():
        for old, new in zip(target.parameters(), source.parameters()):
            old.copy_(tau * new + (1 - tau) * old)


def run(s, shape, action_dim, params, adam, steps, updates, start_step, dtype):
    """Applies `updates`; yields (losses, parameters, adam tensors, adam steps) after each of them."""
    agent = Agent(s, shape, action_dim).to(dtype)
    agent.load_state_dict({name: value.to(dtype) for name, value in params.items()}, strict=True)
    agent.prepare()
    agent.load_adam(adam, adam, steps)
    for i, u in enumerate(updates):
        losses = agent.update({name: value.to(dtype) for name, value in u.items()}, start_step + i)
        tensors, counts = agent.adam_state()
        yield losses, {n: p.clone() for n, p in agent.state_dict().items()}, tensors, counts
