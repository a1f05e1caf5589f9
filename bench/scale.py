"""How curlew's costs grow: minibatch, image, threads, convolutions, replay; a table and a plot.

    python bench/scale.py [--curlew build/curlew] [--profile fast] [--precision f32 bf16]
                          [--seconds 2] [--rounds 1] [--json FILE] [--plot docs/speed-scaling.svg]
                          [--replay 10000 100000 1000000]
                          [--series minibatch image threads convolutions replay]

Every figure is the median of `curlew bench update` (or the rows of `curlew bench replay`) at one size,
everything else as in the profile. A round measures every update once; over several rounds the median
counts, so that a machine which is slow for a while is so for all sizes; a replay that does not fit into memory is left out by name. --from
FILES draws and prints what earlier runs wrote.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def series(cores):
    """{name: (label of the axis, [(size, words)])}"""
    batches = [(n, [f"update.batch_size={n}"]) for n in (32, 64, 128, 256, 512, 1024)]
    images = [(n, [f"env.image_size={round(n * 100 / 84)}", f"augment.crop_size={n}"]) for n in (64, 84, 100, 128)]
    threads = [(n, [f"run.threads={n}"]) for n in range(1, cores + 1)]
    layers = [(n, [f"encoder.layers={n}"]) for n in range(1, 7)]
    return {
        "minibatch": ("samples of a minibatch", batches),
        "image": ("side of the crop, pixels", images),
        "threads": ("threads", threads),
        "convolutions": ("convolutions", layers),
    }


def bench(args, kind, words):
    """What `curlew bench` says at one size, None when it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.json"
        command = [args.curlew, "bench", kind, "--profile", args.profile, "--seconds", str(args.seconds)]
        command += ["--json", str(path), "--no-kernels", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"{' '.join(words)}: {done.stderr.strip()}")
            return None
        return json.loads(path.read_text())


def measure_updates(args, out):
    """Adds seconds of an update, {(series, precision, size): [of each round]}, and its FLOPs."""
    plan = [
        (name, precision, size, words)
        for name, (_, sizes) in series(len(os.sched_getaffinity(0))).items()
        if name in args.series
        for size, words in sizes
        for precision in args.precision
    ]
    seconds, flops = {}, {}
    for _ in range(args.rounds):
        for name, precision, size, words in plan:
            result = bench(args, "update", [f"run.precision={precision}", *words])
            if result:
                whole = next(r for r in result["rows"] if r["group"] == "update")
                seconds.setdefault((name, precision, size), []).append(whole["seconds"])
                flops[name, precision, size] = whole["flops"]
                out["machine"], out["kernels"] = result["machine"], result["kernels"]
    return seconds, flops


def measure(args):
    out = {"profile": args.profile, "series": {}, "replay": []}
    seconds, flops = measure_updates(args, out)
    for (name, precision, size), times in seconds.items():
        label = series(1)[name][0]
        points = out["series"].setdefault(name, {"label": label, "points": {}})["points"]
        points.setdefault(precision, []).append([size, statistics.median(times), flops[name, precision, size]])
    for n in args.replay if "replay" in args.series else []:
        result = bench(args, "replay", [f"replay.capacity={n}"])
        if result:
            out["machine"], out["kernels"] = result["machine"], result["kernels"]
            rows = {r["name"]: r for r in result["rows"]}
            sample = next(r for name, r in rows.items() if name.startswith("draw a minibatch"))
            memory = rows["whole run, beyond the program itself"]
            out["replay"].append([n, sample["seconds"], rows["draw and update"]["seconds"], memory["bytes"], memory["measured"]])
    return out


def print_tables(out):
    print(f"{out['machine']}; {out['kernels']}; profile {out['profile']}")
    for name, s in out["series"].items():
        print(f"\n| {s['label']} | " + " | ".join(f"{p} | beside the row above | GFLOP/s" for p in s["points"]) + " |")
        print("|---" * (1 + 3 * len(s["points"])) + "|")
        for row in range(max(len(points) for points in s["points"].values())):
            cells = []
            for points in s["points"].values():
                size, seconds, flops = points[row]
                beside = f"{seconds / points[row - 1][1]:.2f}x" if row > 0 else ""
                cells.append(f"{1e3 * seconds:.0f} ms | {beside} | {flops / seconds * 1e-9:.0f}")
            print(f"| {size} | " + " | ".join(cells) + " |")
    if out["replay"]:
        print("\n| transitions | draw a minibatch | draw and update | memory foretold | measured |\n|---|---|---|---|---|")
        for n, sample, update, foretold, measured in out["replay"]:
            print(
                f"| {n} | {1e3 * sample:.2f} ms | {1e3 * update:.0f} ms | {foretold * 1e-9:.2f} GB"
                f" | {measured * 1e-9:.2f} GB ({measured / foretold:.2f}x) |"
            )


def draw(out, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "curlew"  # the same figures give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(out["series"]), figsize=(3.2 * len(out["series"]), 3))
    for axis, s in zip(axes, out["series"].values()):
        top = 0
        for (precision, points), color in zip(s["points"].items(), ("#20639b", "#c8553d")):
            sizes, times = [p[0] for p in points], [1e3 * p[1] for p in points]
            axis.plot(sizes, times, "o-", color=color, label=precision)
            top = max(top, *times)
        axis.set_xlabel(s["label"])
        axis.set_ylim(0, 1.08 * top)
        axis.grid(alpha=0.3)
        if max(sizes) < 10:
            axis.set_xticks(sizes)
    axes[0].set_ylabel("one update, ms")
    axes[0].legend(frameon=False)
    figure.suptitle(f"{', '.join(out['machine'].split(', ')[:2])}, profile {out['profile']}", size=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    print(f"plot: {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curlew", default=str(ROOT / "build" / "curlew"))
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--precision", nargs="+", default=["f32", "bf16"], choices=["auto", "f32", "bf16"])
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--series", nargs="+", default=["minibatch", "image", "threads", "convolutions", "replay"])
    parser.add_argument("--replay", type=int, nargs="+", default=[10000, 100000, 1000000])
    parser.add_argument("--json")
    parser.add_argument("--from", dest="earlier", nargs="+", help="figures of earlier runs instead of measuring")
    parser.add_argument("--plot")
    args = parser.parse_args()
    if args.earlier:
        parts = [json.loads(pathlib.Path(p).read_text()) for p in args.earlier]
        out = parts[0]
        for part in parts[1:]:
            out["series"] |= part["series"]
            out["replay"] += part["replay"]
        out["series"] = {name: out["series"][name] for name in series(1) if name in out["series"]}
    else:
        out = measure(args)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(out, indent=1) + "\n")
    print_tables(out)
    if args.plot:
        draw(out, args.plot)


if __name__ == "__main__":
    main()
