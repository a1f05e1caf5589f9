"""Times curlew's update beside two PyTorch programs and prints the ratios.

    python bench/compare.py [--curlew build/curlew] [--profiles authors fast paper] [--batch 128]
                            [--threads N] [--rounds 7] [--precisions f32 bf16] [--no-compile]
                            [--json FILE]

Everything runs in turn in every round, on the same weights, minibatch and threads, so that a machine
that slows down slows all of them down; the figures are medians over the rounds. bench/pytorch has the
two programs, `released` and `best`, and check.py beside them the proof that they compute curlew's
update; before timing, this script compares the losses of the first update once more. A program runs
in f32 and under bf16 autocast, `best` also compiled; of its forms the fastest one counts. The last
column divides curlew's update by what its convolutions and products take alone at the best speed that
PyTorch's libraries show in the same run (bench/pytorch/kernels.py).

ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 hold all of them to what
a processor without AVX-512 has.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "pytorch"))

import numpy as np  # noqa: E402
import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402

import baselines  # noqa: E402
import golden_data  # noqa: E402
from curl_torch import settings  # noqa: E402

# curlew's profile: (its settings in curl_torch's words, what the released code would run instead)
PROFILES = {
    "authors": (("authors", []), ("authors", [])),
    "fast": (("paper", ["encoder.hidden=0"]), ("authors", [])),
    "paper": (("paper", []), ("authors", ["encoder.hidden=1024"])),
}
STACK, CHANNELS, SIDE, ACTIONS = 3, 3, 84, 6
PERIOD = 2  # the actor and the targets move in every second update


class PyTorch:
    """One of the programs, ready to make updates."""

    def __init__(self, program, precision, compiled, profile, u):
        self.name = f"{program} {precision}" + (" compiled" if compiled else "")
        self.precision, self.step, self.times = precision, 0, []
        s = settings(*profile)
        shape = (STACK * CHANNELS, SIDE, SIDE)
        params = golden_data.parameters(s, shape, ACTIONS, 5)
        self.agent = baselines.make(program, s, shape, ACTIONS, params)
        if compiled:
            self.agent.compile_parts()
        self.u = self.agent.place(u)
        self.first = self.update()
        for _ in range(PERIOD + 1):
            self.update()

    def update(self):
        with baselines.autocast(self.precision):
            losses = self.agent.update(self.u, self.step)
        self.step += 1
        return losses

    def round(self):
        start = time.perf_counter()
        for _ in range(PERIOD):
            self.update()
        self.times.append((time.perf_counter() - start) / PERIOD)


class Curlew:
    def __init__(self, binary, profile, precision, threads, path, folder):
        self.name, self.precision, self.times = f"curlew {precision}", precision, []
        self.json = folder / f"{precision}.json"
        words = ["--profile", profile, "--precision", precision, "--threads", str(threads)]
        self.command = [binary, "bench", "update", "--in", str(path), "--updates", str(PERIOD), "--no-kernels"]
        self.command += ["--json", str(self.json), *words]
        self.update = [binary, "update", "--in", str(path), "--out", str(folder / "after"), "--profile", profile]
        self.update += [f"run.threads={threads}", f"run.precision={precision}"]

    def available(self):
        """Whether this machine and version offer the precision."""
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"{self.name}: {done.stderr.strip()}")
        return done.returncode == 0

    def losses(self):
        subprocess.run(self.update, check=True, stdout=subprocess.DEVNULL)
        with safetensors.safe_open(self.update[5], "pt") as file:
            return {n: file.get_tensor(n).item() for n in ("critic_loss", "curl_loss", "actor_loss")}

    def round(self):
        subprocess.run(self.command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(self.json.read_text())
        self.machine, self.kernels = result["machine"], result["kernels"]
        self.times.append(next(r["seconds"] for r in result["rows"] if r["group"] == "update"))

    def time_kernels(self, threads):
        """Seconds of the last update's convolutions and products alone, by PyTorch's libraries."""
        command = [sys.executable, str(HERE / "pytorch" / "kernels.py"), str(self.json)]
        command += ["--precision", self.precision, "--threads", str(threads)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(re.search(r"kernels of one update: ([0-9.]+) s", done.stdout)[1])


def write_input(path, profile, u):
    s = settings(*profile)
    params = golden_data.parameters(s, (STACK * CHANNELS, SIDE, SIDE), ACTIONS, 5)
    tensors = {n: v.contiguous() for n, v in {**params, **u}.items()}
    safetensors.torch.save_file(tensors, path, {"frame_stack": str(STACK)})


def compare(args, profile, folder):
    """{program: seconds} of one profile."""
    ours, released = PROFILES[profile]
    rng = np.random.default_rng(3)
    u = golden_data.minibatch(rng, args.batch, STACK, CHANNELS, SIDE, SIDE, ACTIONS)
    path = folder / "before.safetensors"
    write_input(path, ours, u)
    curlews = [Curlew(args.curlew, profile, p, args.threads, path, folder) for p in args.precisions]
    programs = [c for c in curlews if c.available()]
    for precision in args.precisions:
        programs.append(PyTorch("released", precision, False, released, u))
        programs.append(PyTorch("best", precision, False, ours, u))
        if not args.no_compile:
            programs.append(PyTorch("best", precision, True, ours, u))
    reference = next(p for p in programs if p.name == f"best {args.precisions[0]}").first
    for name, value in programs[0].losses().items():
        print(f"{profile}: {name}: curlew {value:.6g}, PyTorch {reference[name]:.6g}")
    for _ in range(args.rounds):
        for program in programs:
            program.round()
    for program in programs:
        best = min(program.times)
        print(f"{profile}: {program.name:20s} {1e3 * statistics.median(program.times):8.1f} ms, best {1e3 * best:.1f}")
    for program in [p for p in programs if isinstance(p, Curlew)]:
        program.kernel_seconds = program.time_kernels(args.threads)
        print(f"{profile}: {program.name}: the library's kernels alone {1e3 * program.kernel_seconds:.1f} ms")
    return programs


def fastest(programs, word):
    """Median seconds and name of the fastest program whose name begins with `word`."""
    return min((statistics.median(p.times), p.name) for p in programs if p.name.startswith(word))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curlew", default=str(HERE.parent / "build" / "curlew"))
    parser.add_argument("--profiles", nargs="+", default=list(PROFILES), choices=PROFILES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precisions", nargs="+", default=["f32", "bf16"], choices=["f32", "bf16"])
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    # Kernels that a run held to another instruction set compiled are not for this one.
    cache = tempfile.TemporaryDirectory()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache.name
    rows, results = [], []
    for profile in args.profiles:
        with tempfile.TemporaryDirectory() as folder:
            programs = compare(args, profile, pathlib.Path(folder))
        for p in programs:
            results.append({"profile": profile, "program": p.name, "seconds": p.times})
            if isinstance(p, Curlew):
                results[-1]["library_kernels_seconds"] = p.kernel_seconds
        released = {p: fastest(programs, f"released {p}")[0] for p in args.precisions}
        for ours in [p for p in programs if p.name.startswith("curlew")]:
            mine = statistics.median(ours.times)
            rival = fastest(programs, "best f32" if ours.precision == "f32" else "best")
            ratios = [f"{released[p] / mine:.2f}x" if p in released else "" for p in ("f32", "bf16")]
            rows.append(
                f"| `{profile}`, {ours.precision} | {1e3 * mine:.0f} ms | {ratios[0]} | {ratios[1]}"
                f" | {rival[0] / mine:.2f}x ({rival[1]}) | {mine / ours.kernel_seconds:.2f} |"
            )
            machine, kernels = ours.machine, ours.kernels
    print(f"\n{machine}; {args.threads} threads; minibatch {args.batch}; PyTorch {torch.__version__}")
    print(f"curlew: {kernels}; medians of {args.rounds} rounds\n")
    print("| update | curlew | as released, f32 | as released, bf16 | best PyTorch, same update | / library's kernels |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    if args.json:
        record = {"machine": machine, "kernels": kernels, "threads": args.threads, "batch": args.batch}
        record |= {"pytorch": torch.__version__, "rounds": args.rounds, "results": results}
        pathlib.Path(args.json).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
