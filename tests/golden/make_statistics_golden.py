"""Interquartile means and bootstrap intervals by rliable: writes tests/train/statistics.golden.

    python3 -m venv venv && venv/bin/pip install -r tests/golden/statistics_requirements.txt
    venv/bin/python tests/golden/make_statistics_golden.py

A bootstrap is random: two of them agree up to the error of estimating a quantile p from R samples,
whose standard deviation in terms of p is sqrt(p (1 - p) / R). An end of our interval (R = 10000) must
lie between the quantiles of rliable's samples (R = 20000) at p - 5 and p + 5 of those deviations, both
errors added; the file has those two bounds for each end.
"""

import math
import os

import numpy as np
from rliable import library, metrics

OURS, THEIRS = 10000, 20000
SIGMAS = 5


def iqm(scores):
    return np.array([metrics.aggregate_iqm(scores)])


def numbers(values):
    return " ".join(repr(float(v)) for v in values)


def main():
    random = np.random.RandomState(7)
    lines = []
    for n in range(1, 14):
        scores = random.uniform(0, 1000, size=(n, 1))
        lines.append(f"iqm {n} {numbers(scores.ravel())} {float(metrics.aggregate_iqm(scores))!r}")
    for n, q in ((1, 0.3), (2, 0.3), (5, 0.025), (5, 0.975), (40, 0.975), (41, 0.5), (7, 0.0), (7, 1.0)):
        values = np.sort(random.normal(size=n))
        lines.append(f"quantile {n} {numbers(values)} {q!r} {float(np.percentile(values, 100 * q))!r}")
    for runs, tasks in ((2, 1), (3, 1), (5, 1), (10, 1), (3, 4), (10, 6)):
        scores = random.gamma(4, 100, size=(runs, tasks)) + 200 * np.arange(tasks)
        point, interval = library.get_interval_estimates(
            {"a": scores}, iqm, reps=THEIRS, random_state=np.random.RandomState(11))
        bootstrap = library.StratifiedBootstrap(scores, random_state=np.random.RandomState(12))
        samples = bootstrap.apply(iqm, reps=THEIRS).ravel()
        bounds = []
        for p in (0.025, 0.975):
            slack = SIGMAS * math.sqrt(p * (1 - p) * (1 / OURS + 1 / THEIRS))
            bounds += [np.quantile(samples, p - slack), np.quantile(samples, p + slack)]
        low, high = interval["a"].ravel()
        assert bounds[0] <= low <= bounds[1] and bounds[2] <= high <= bounds[3]
        # strata one after another: all runs of the first task, then of the second, ...
        lines.append(f"interval {tasks} {runs} {numbers(scores.T.ravel())} {float(point['a'][0])!r} "
                     f"{numbers(bounds)} {numbers((low, high))}")
    path = os.path.join(os.path.dirname(__file__), "..", "train", "statistics.golden")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


main()
