"""How long the drift statistics take, in one process and in turns, as multiples of sorting a column.

    OMP_NUM_THREADS=2 python benchmarks/drift_speed.py [--rows 1000000] [--columns 6] [--creatives 10000] [--repeats 3]
    OMP_NUM_THREADS=2 python benchmarks/drift_speed.py --evidently ENV/bin/python --nannyml ENV/bin/python

It draws a reference and a current window of so many rows and columns, the current one shifted by a tenth of a standard
deviation, and times by the wall clock: `numpy.sort` of one column (the yardstick), Kolmogorov-Smirnov, Wasserstein,
PSI and JS of every column by `abkit.drift`, and scipy's two of the same columns. Then MMD and
energy distance of so many creatives with 512 features, 199 permutations, and how much memory the process ever used.

With the Python of an environment that has it, Evidently's default preset (0.7.23 needs pandas below 3) and NannyML's
univariate Kolmogorov-Smirnov (the fastest of its continuous methods that reads every row) are timed on columns of the
same distributions, each in a process of its own, imports not counted; the yardstick is timed beside them again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from abkit import drift
from abkit.stats.monitoring.shifts.kernel_shift import embedding_shift

_PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
rows, columns = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(1)
frames = [pd.DataFrame({f"c{i}": rng.normal(0.1 * late, 1, rows) for i in range(columns)}) for late in (0, 1)]
column = frames[0]["c0"].to_numpy()
%s
start = time.perf_counter(); run(); seconds = time.perf_counter() - start
sorts = []
for _ in range(3):
    start = time.perf_counter(); np.sort(column); sorts.append(time.perf_counter() - start)
print(json.dumps([seconds, min(sorts)]))
"""
_PEERS = {
    "evidently": """
from evidently import Report
from evidently.presets import DataDriftPreset
def run(): Report([DataDriftPreset()]).run(frames[1], frames[0]).dict()
""",
    "nannyml": """
import nannyml
def run():
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(frames[0]), continuous_methods=["kolmogorov_smirnov"], chunk_number=1
    )
    calculator.fit(frames[0]); calculator.calculate(frames[1])
""",
}


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """Time some work; the least of the repeats, which other processes disturbed least."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def one_figure(rows: int, columns: int, repeats: int) -> None:
    """Time the measures of one figure per creative."""
    rng = np.random.default_rng(1)
    reference, current = (rng.normal(shift, 1, (columns, rows)) for shift in (0.0, 0.1))
    pairs = list(zip(reference, current, strict=True))
    drift(reference[0][:3_000], current[0][:3_000])  # imports are not what is timed
    sort = seconds_of(lambda: np.sort(reference[0]), max(3, repeats))
    print(f"{columns} columns, {rows:,} against {rows:,} rows; one sort of a column: {sort:.3f} s")
    for name, work in {
        "abkit: KS, Wasserstein, PSI, JS": lambda: [drift(x, y) for x, y in pairs],
        "scipy: KS and Wasserstein": lambda: [
            (stats.ks_2samp(x, y, method="asymp"), stats.wasserstein_distance(x, y)) for x, y in pairs
        ],
    }.items():
        taken = seconds_of(work, repeats)
        print(f"  {name:34} {taken:7.2f} s  {taken / sort:6.0f} sorts")


def embeddings(creatives: int, repeats: int) -> None:
    """Time the measures of embeddings."""
    rng = np.random.default_rng(2)
    half = creatives // 2
    x, y = (rng.standard_normal((half, 512), dtype=np.float32) for _ in range(2))
    taken, cpu = [], []
    for _ in range(repeats):
        start, began = time.perf_counter(), time.process_time()
        embedding_shift(x, y, permutations=199, most=half)
        taken.append(time.perf_counter() - start)
        cpu.append(time.process_time() - began)
    print(f"MMD and energy, {creatives:,} x 512 in two windows, 199 permutations")
    print(f"  {statistics.median(taken):.2f} s by the clock, {min(cpu):.2f} s of the processor")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"  {peak:,.0f} MiB at most, everything in this process")


def peer(name: str, python: Path, rows: int, columns: int) -> None:
    """Time a peer in its own environment."""
    environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [python, "-c", _PEER % _PEERS[name], str(rows), str(columns)],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    taken, sort = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name:34} {taken:7.2f} s  {taken / sort:6.0f} sorts (a sort there: {sort:.3f} s)")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--creatives", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--evidently", type=Path, help="Python of an environment with Evidently")
    parser.add_argument("--nannyml", type=Path, help="Python of an environment with NannyML")
    arguments = parser.parse_args()
    embeddings(arguments.creatives, arguments.repeats)
    one_figure(arguments.rows, arguments.columns, arguments.repeats)
    for name in _PEERS:
        if python := getattr(arguments, name):
            peer(name, python, arguments.rows, arguments.columns)


if __name__ == "__main__":
    main()
