"""Writes ops.safetensors: single operations and their gradients by PyTorch.

    python make_ops_golden.py

in.* are the inputs (values that f32 holds exactly), out.* what PyTorch computes from them in f64,
`band` as in make_golden.py for every out.* tensor in ascending order of names.
"""

import pathlib

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

from curl_torch import squashed_gaussian

HERE = pathlib.Path(__file__).resolve().parent
CROP = (13, 14)  # height, width
CONV = {"filters": 4, "layers": 3, "first_stride": 2, "channels": 6}
ADAM = {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8}


def inputs():
    rng = np.random.default_rng(99)

    def normal(*shape, scale=1.0):
        return torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))

    n_params = 4 * 6 * 9 + 4 + 2 * (4 * 4 * 9 + 4)
    logits = normal(6, 6, scale=3.0)
    logits[2] += 900.0  # exp of this row overflows unless its maximum is subtracted
    tiny = normal(5, 11)
    tiny[3] *= 1e-14  # shorter than l2norm's eps
    policy = normal(6, 8)
    policy[1, 0] = 4.0  # an action near its bound
    policy[2, 5] = -6.0  # log sd at its lower bound
    grads = normal(5, 40)
    grads[:, 7] = 0.0
    grads[:, 8] *= 1e-9  # small beside Adam's eps
    return {
        "conv.frames": torch.from_numpy(rng.integers(0, 256, (3, 2, 3, 16, 18), dtype=np.uint8)),
        "conv.offset": torch.tensor([[0, 0], [3, 4], [1, 2]], dtype=torch.int32),
        "conv.params": normal(n_params, scale=0.3),
        "conv.dfeatures": normal(3, 4 * 2 * 2),
        "linear.x": normal(7, 20),
        "linear.w": normal(9, 20),
        "linear.b": normal(9),
        "linear.dy": normal(7, 9),
        "matmul.a": normal(5, 6),
        "matmul.b": normal(6, 4),
        "relu.y": F.relu(normal(4, 9)),
        "relu.dy": normal(4, 9),
        "tanh.x": normal(4, 9, scale=2.0),
        "tanh.dy": normal(4, 9),
        "add.y": normal(4, 9),
        "add.x": normal(4, 9),
        "layernorm.x": normal(5, 10, scale=3.0) + 2.0,
        "layernorm.gamma": 1 + normal(10, scale=0.3),
        "layernorm.beta": normal(10, scale=0.3),
        "layernorm.dy": normal(5, 10),
        "l2norm.x": tiny,
        "l2norm.dy": normal(5, 11),
        "xent.logits": logits,
        "adam.param": normal(40),
        "adam.grads": grads,
        "ema.target": normal(30),
        "ema.source": normal(30),
        "policy.raw": policy,
        "policy.noise": normal(6, 4),
        "policy.daction": normal(6, 4),
        "policy.dlog_prob": normal(1),
    }


def convolutions(x, out):
    top_left = x["conv.offset"].tolist()
    stacks = x["conv.frames"].flatten(1, 2)
    crops = [s[:, y : y + CROP[0], c : c + CROP[1]] for s, (y, c) in zip(stacks, top_left)]
    params = x["conv.params"].clone().requires_grad_()
    pixels = torch.stack(crops).to(params.dtype).requires_grad_()
    h, at, channels = pixels / 255, 0, CONV["channels"]
    for layer in range(CONV["layers"]):
        n = CONV["filters"] * channels * 9
        w = params[at : at + n].reshape(CONV["filters"], channels, 3, 3)
        b = params[at + n : at + n + CONV["filters"]]
        h = F.relu(F.conv2d(h, w, b, stride=CONV["first_stride"] if layer == 0 else 1))
        at, channels = at + n + CONV["filters"], CONV["filters"]
    features = h.flatten(1)
    out["conv.features"] = features
    out["conv.dparams"], out["conv.dinput"] = torch.autograd.grad(features, [params, pixels], x["conv.dfeatures"])


def gradients(out, names, y, leaves, dy):
    for name, value in zip(names, torch.autograd.grad(y, leaves, dy)):
        out[name] = value


def rows(x, out):
    leaf = {n: v.clone().requires_grad_() for n, v in x.items() if v.is_floating_point()}
    y = F.linear(leaf["linear.x"], leaf["linear.w"], leaf["linear.b"])
    out["linear.y"], out["linear.y_relu"] = y, F.relu(y)
    gradients(
        out,
        ["linear.dx", "linear.dw", "linear.db"],
        y,
        [leaf["linear.x"], leaf["linear.w"], leaf["linear.b"]],
        x["linear.dy"],
    )
    out["matmul.c"] = x["matmul.a"] @ x["matmul.b"]
    out["relu.dx"] = torch.where(x["relu.y"] > 0, x["relu.dy"], torch.zeros_like(x["relu.dy"]))
    out["tanh.y"] = torch.tanh(leaf["tanh.x"])
    gradients(out, ["tanh.dx"], out["tanh.y"], [leaf["tanh.x"]], x["tanh.dy"])
    out["add.y"] = x["add.y"] + x["add.x"]
    ln = [leaf["layernorm." + n] for n in ("x", "gamma", "beta")]
    out["layernorm.y"] = F.layer_norm(ln[0], (ln[0].shape[1],), ln[1], ln[2], 1e-5)
    gradients(
        out, ["layernorm.dx", "layernorm.dgamma", "layernorm.dbeta"], out["layernorm.y"], ln, x["layernorm.dy"]
    )
    out["l2norm.y"] = F.normalize(leaf["l2norm.x"], dim=1, eps=1e-12)
    out["l2norm.norm"] = x["l2norm.x"].norm(dim=1)
    gradients(out, ["l2norm.dx"], out["l2norm.y"], [leaf["l2norm.x"]], x["l2norm.dy"])
    logits = leaf["xent.logits"]
    out["xent.loss"] = F.cross_entropy(logits, torch.arange(len(logits)))
    gradients(out, ["xent.dlogits"], out["xent.loss"], [logits], torch.ones_like(out["xent.loss"]))
    out["xent.accuracy"] = (logits.argmax(1) == torch.arange(len(logits))).to(logits.dtype).mean()
    action, log_prob = squashed_gaussian(leaf["policy.raw"], x["policy.noise"], -10.0, 2.0)
    out["policy.action"], out["policy.log_prob"] = action, log_prob
    total = (action * x["policy.daction"]).sum() + x["policy.dlog_prob"][0] * log_prob.sum()
    gradients(out, ["policy.draw"], total, [leaf["policy.raw"]], None)


def optimisers(x, out):
    for repeat, name in ((1, "adam"), (2, "adam_twice")):
        param = x["adam.param"].clone().requires_grad_()
        steppers = [torch.optim.Adam([param], **ADAM) for _ in range(repeat)]
        for grad in x["adam.grads"]:
            param.grad = grad.clone()
            for stepper in steppers:
                stepper.step()
        out[name + ".param"] = param
        out[name + ".m"] = steppers[0].state[param]["exp_avg"]
        out[name + ".v"] = steppers[0].state[param]["exp_avg_sq"]
    out["ema.target"] = 0.05 * x["ema.source"] + (1 - 0.05) * x["ema.target"]


def outputs(x, dtype):
    x = {n: v.to(dtype) if v.is_floating_point() else v for n, v in x.items()}
    out = {}
    convolutions(x, out)
    rows(x, out)
    optimisers(x, out)
    return {n: v.detach().double() for n, v in out.items()}


def perturbed(rng, x):
    out = {}
    for name, value in x.items():
        if value.is_floating_point():
            ulps = torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(value.shape)))
            value = (value.double() * (1 + ulps * 2.0**-23)).float()
        out[name] = value
    return out


def main():
    torch.set_num_threads(1)
    x = inputs()
    exact = outputs(x, torch.float64)
    worst = dict.fromkeys(sorted(exact), 0.0)
    rng = np.random.default_rng(100)
    for i in range(6):
        rounded = outputs(x if i == 0 else perturbed(rng, x), torch.float32)
        for name, value in exact.items():
            worst[name] = max(worst[name], (rounded[name] - value).pow(2).mean().sqrt().item())
    tensors = {"in." + n: v for n, v in x.items()} | {"out." + n: v.contiguous() for n, v in exact.items()}
    tensors["band"] = torch.tensor(list(worst.values()), dtype=torch.float64)
    path = HERE / "ops.safetensors"
    safetensors.torch.save_file(tensors, path, {"made_by": f"PyTorch {torch.__version__}, float64"})
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
