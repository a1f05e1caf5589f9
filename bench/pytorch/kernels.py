"""What an update's convolutions and matrix products take alone, by the libraries that PyTorch calls.

    build/curlew bench update --profile fast --precision f32 --json update.json
    python bench/pytorch/kernels.py update.json --precision f32 [--threads N]

Each kernel of the table in update.json that multiplies is timed with PyTorch's own operators (oneDNN's
convolutions; oneDNN's or MKL's products): nothing else runs, operands already have the type and the
layout that the library likes best, results go to memory that was touched before, and a kernel's fastest
call of all its forms counts. The last line has the sum for one update, in seconds, and what the update
of the file took, divided by it.
"""

import argparse
import json
import os
import re
import sys
import time

# Freed memory stays with the program, or each result would be made of new pages.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**40), "MALLOC_TRIM_THRESHOLD_": str(2**40)}
if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in MALLOC.items()):
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})

import torch  # noqa: E402

FILTERS, LAYERS, FIRST_STRIDE = 32, 4, 2  # of every profile
BUDGET_S = 0.2  # for each form of a kernel


def fastest(calls):
    """Seconds of the fastest call of the functions in `calls`."""
    best = float("inf")
    for call in calls:
        call()
        begin = time.perf_counter()
        for i in range(500):
            start = time.perf_counter()
            call()
            now = time.perf_counter()
            best = min(best, now - start)
            if i >= 3 and now - begin > BUDGET_S:
                break
    return best


def forward(x, w, _dy, bias, stride, _layer):
    return lambda: torch.nn.functional.conv2d(x, w, bias, stride)


def backward(x, w, dy, _bias, stride, layer):
    wanted = [layer > 0, True, True]
    return lambda: torch.ops.aten.convolution_backward(
        dy, x, w, [FILTERS], [stride, stride], [0, 0], [1, 1], False, [0, 0], 1, wanted
    )


def convolutions(pass_through, batch, channels, side, dtype):
    """All layers, forward or backward."""
    total = 0
    for layer in range(LAYERS):
        stride = FIRST_STRIDE if layer == 0 else 1
        x = torch.rand(batch, channels, side, side).to(dtype)
        w = torch.rand(FILTERS, channels, 3, 3).to(dtype)
        bias = torch.rand(FILTERS).to(dtype)
        dy = torch.rand_like(torch.nn.functional.conv2d(x, w, bias, stride))
        calls = []
        for layout in (torch.contiguous_format, torch.channels_last):
            operands = [t.contiguous(memory_format=layout) for t in (x, w, dy)]
            calls.append(pass_through(*operands, bias, stride, layer))
        total += fastest(calls)
        channels, side = FILTERS, dy.shape[-1]
    return total


def product(a, b):
    """a b, and the transpose of b' a'."""
    c = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype)
    c_t = torch.empty(b.shape[1], a.shape[0], dtype=a.dtype)
    return fastest([lambda: torch.mm(a, b, out=c), lambda: torch.mm(b.T, a.T, out=c_t)])


def linear(kind, rows, inputs, outputs, dtype):
    shapes = ((rows, inputs), (outputs, inputs), (rows, outputs))
    x, w, dy = (torch.rand(*shape).to(dtype) for shape in shapes)
    if kind == "forward":
        return product(x, w.T)
    return product(dy, w) if kind == "data" else product(dy.T, x)


def kernel(name, dtype):
    """Seconds of a kernel by its name in the table."""
    sizes = [int(n) for n in re.findall(r"\d+", name)]
    if match := re.match(r"conv (forward|backward) ", name):
        return convolutions({"forward": forward, "backward": backward}[match[1]], *sizes[:3], dtype)
    if match := re.match(r"linear (?:backward )?(forward|data|weights) ", name):
        return linear(match[1], *sizes, dtype)
    if name.startswith("matrix product "):
        return linear("forward", *sizes, dtype)
    sys.exit(f"kernels.py: the table has a kernel that this script does not know: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="what curlew bench update --json wrote")
    parser.add_argument("--precision", choices=["f32", "bf16"], required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = torch.float32 if args.precision == "f32" else torch.bfloat16
    with open(args.table) as file:
        rows = json.load(file)["rows"]
    known, total = {}, 0
    with torch.no_grad():
        for row in rows:
            if row["group"] != "kernel" or row["flops"] == 0:
                continue
            name = row["name"].replace(" (kept)", "")
            if name not in known:
                known[name] = kernel(name, dtype)
                rate = row["flops"] / known[name] * 1e-9
                print(f"{name:40s} {1e3 * known[name]:9.3f} ms {rate:8.1f} GFLOP/s; curlew {1e3 * row['alone']:9.3f} ms")
            total += row["count"] * known[name]
    update = next(r["seconds"] for r in rows if r["group"] == "update")
    print(f"kernels of one update: {total:.6f} s; update / kernels: {update / total:.3f}")


if __name__ == "__main__":
    main()
