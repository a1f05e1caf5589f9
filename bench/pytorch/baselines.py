"""The two PyTorch programs that curlew's update is timed against.

Released   the order of passes, the casts and the optimisers of the released code, eager
Best       the same update with nothing done twice: what the anchors' features are needed for shares
           one pass, gradients nobody reads are not computed, equal optimisers are one; channels-last
           images and weights, fused Adam, and torch.compile where asked

Both are tests/golden/curl_torch.py, the program that made the goldens, with other methods where they
differ; check.py holds both against the golden files. Images come as u8, in the layout that suits each
program; cropping is not part of either update.
"""

import contextlib
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from curl_torch import Agent  # noqa: E402

IMAGES = ("obs", "next_obs", "pos")


class Released(Agent):
    """Every reader of an observation encodes it again."""

    def place(self, u):
        return u

    def update(self, u, step):
        wanted = self.log_alpha.dtype  # the released replay hands out real pixels
        return super().update({n: v.to(wanted) if n in IMAGES else v for n, v in u.items()}, step)

    def actor_step(self, u, h, z, out):
        # Agent.update has encoded once for the policy; the Qs of the actor loss encode again.
        if self.s["update.order"] == "sequential":
            z = self.critic.encoder(u["obs"], detach_convs=True)
        super().actor_step(u, h, z, out)


class Best(Agent):
    def prepare(self):
        super().prepare()
        encoders = [m for m in self.modules() if hasattr(m, "convolve")]
        for encoder in encoders:
            encoder.convs.to(memory_format=torch.channels_last)
        steps = self.s["curl.encoder_steps"]
        if self.s["update.order"] == "sequential" and self.s["curl.enabled"] and steps > 1:
            # Equal optimisers on equal gradients: one of them with that many times the rate.
            self.encoder_opts = []
            contrast, encoder = list(self.curl.parameters()), list(self.critic.encoder.parameters())
            rates = {"lr": self.s["encoder.lr"], "betas": (self.s["encoder.beta1"], self.s["encoder.beta2"])}
            groups = [{"params": contrast}] if contrast else []
            groups.append({"params": encoder, "lr": steps * self.s["encoder.lr"]})
            self.cpc_opt = torch.optim.Adam(groups, **rates)
        for optimiser in [getattr(self, n) for n in dir(self) if n.endswith("_opt")]:
            for group in optimiser.param_groups:
                group["fused"], group["foreach"] = True, False

    def compile_parts(self):
        """The elementwise work around convolutions and products becomes few loops."""
        for module in self.modules():
            if hasattr(module, "convolve"):
                module.convolve = torch.compile(module.convolve)
                module.head = torch.compile(module.head)
        self.td_target = torch.compile(self.td_target)
        self.critic_loss = torch.compile(self.critic_loss)

    def load_adam(self, m, v, t):
        super().load_adam(m, v, t)
        for optimiser in [o for _, members, _ in self.optimisers() for o in members]:
            for p, state in optimiser.state.items():  # fused Adam walks memory, not indices
                for n in ("exp_avg", "exp_avg_sq"):
                    state[n] = torch.empty_like(p).copy_(state[n])

    def place(self, u):
        return {n: v.contiguous(memory_format=torch.channels_last) if n in IMAGES else v for n, v in u.items()}

    def actor_step(self, u, h, z, out):
        parameters = self.critic.q_parameters()  # the actor loss moves the policy alone
        for p in parameters:
            p.requires_grad_(False)
        super().actor_step(u, h, z.detach(), out)
        for p in parameters:
            p.requires_grad_(True)

    def contrastive_step(self, u, out):
        z = self.anchor if self.anchor is not None else self.critic.encoder(self.contrastive_view(u["obs"]))
        loss = self.contrastive_loss(z, self.keys(u), out)
        self.cpc_opt.zero_grad()
        loss.backward()
        self.cpc_opt.step()

    def target_step(self):
        ema(self.critic_target.Q1, self.critic.Q1, self.s["critic.tau"])
        ema(self.critic_target.Q2, self.critic.Q2, self.s["critic.tau"])
        if self.s["critic.target_encoder"] == "own":
            ema(self.critic_target.encoder, self.critic.encoder, self.s["critic.encoder_tau"])

    def update(self, u, step):
        s = self.s
        if s["update.order"] == "joint":
            return super().update(u, step)
        out = {"alpha": self.log_alpha.exp().item()}
        self.sequential_critic_step(u, out)
        acting = step % s["actor.update_every"] == 0
        self.anchor = None
        if s["curl.enabled"] and not s["curl.single_frame"]:
            h = self.critic.encoder.convolve(u["obs"])
            z = self.anchor = self.critic.encoder.head(h)
        elif acting:
            with torch.no_grad():
                h = self.critic.encoder.convolve(u["obs"])
                z = self.critic.encoder.head(h)
        if acting:
            self.actor_step(u, h, z, out)
        if step % s["critic.target_every"] == 0:
            self.target_step()
        if s["curl.enabled"]:
            self.contrastive_step(u, out)
            if s["curl.key_encoder"] == "momentum" and step % s["curl.key_every"] == 0:
                ema(self.key_encoder, self.critic.encoder, s["curl.key_tau"])
        return out


def ema(target, source, tau):
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


PROGRAMS = {"released": Released, "best": Best}


def autocast(precision):
    if precision == "bf16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def make(program, s, shape, action_dim, params, dtype=torch.float32):
    """An agent of one of the programs with these parameters, ready for load_adam and update."""
    agent = PROGRAMS[program](s, shape, action_dim).to(dtype)
    agent.load_state_dict({n: v.to(dtype) for n, v in params.items()}, strict=True)
    agent.prepare()
    return agent
