"""Do verdicts flip with n? Shifts at half of a floor and at twice a floor, in windows of 100, 1,000 and 100,000.

    python benchmarks/drift_floors.py [--worlds 40] [--only TEST] [--windows N]

Protocol, set before the run: each test of the layers input and score is held against its level of a budget of one false
alarm a year, with 52 looks a year. Scores are normal; the shift is that at which the distance between the two
distributions themselves is half of the floor to watch, twice it, or a quarter of it in windows of 500,000 ("trivial").
Embeddings are 32 normal features, all moved alike; their floor is that of the energy coefficient, which
is measured once on 2 × 4,000 rows for each size of the shift. PSI is held against what ten bins make of the shift.
Input is judged on at most 2,000 rows a window, as the settings say.

At half of a floor `watch` and `major` are wrong; at twice the floor `ok` is. "Not enough data" is wrong in windows of
1,000 and more. Printed: wrong verdicts, of how many, and in brackets how often there was not enough data.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import TESTS, Budget
from abkit.stats.monitoring.shifts.kernel_shift import embedding_shift
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict
from abkit.workflows.drift.layers.images import judge_input, judge_scores

SETTINGS = DriftSettings()
BUDGET = Budget(per_year=1, looks_per_year=dict.fromkeys(TESTS, 52.0))
FEATURES = 32


def psi(shift: float) -> float:
    """Return the PSI of ten bins at the quantiles of a normal distribution that moves by so many deviations."""
    edges = np.concatenate([[-np.inf], stats.norm.ppf(np.arange(0.1, 0.95, 0.1)), [np.inf]])
    share = np.diff(stats.norm.cdf(edges - shift))
    return float(((share - 0.1) * np.log(share / 0.1)).sum())


EFFECTS: dict[str, tuple[Callable[[float], float], float]] = {
    "ks": (lambda shift: float(2 * stats.norm.cdf(shift / 2) - 1), SETTINGS.ks_watch),
    "psi": (psi, SETTINGS.psi_watch),
    "wasserstein": (lambda shift: shift, SETTINGS.wasserstein_watch),
}


def energy_shift(wanted: float) -> float:
    """Return by how much all features have to move for this energy coefficient."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(4_000, FEATURES)).astype(np.float32) for _ in range(2))

    def off(shift: float) -> float:
        found = embedding_shift(x, y + np.float32(shift), most=4_000, permutations=1).energy.effect or 0.0
        return found - wanted

    return float(optimize.brentq(off, 0.0, 2.0, xtol=1e-3))


def world(test: str, shift: float, n: int, rng: np.random.Generator) -> DriftVerdict:
    """Return the verdict of one test in one world."""
    if test == "energy":
        kept = min(n, SETTINGS.max_images)
        x, y = (rng.normal(size=(kept, FEATURES)).astype(np.float32) for _ in range(2))
        both = [CreativeSample(ids=(), scores=np.zeros(0), embeddings=rows) for rows in (x, y + np.float32(shift))]
        return judge_input(*both, SETTINGS, BUDGET)[0].verdict
    nothing = np.zeros((0, 1), np.float32)
    both = [CreativeSample(ids=(), scores=rng.normal(by, 1, n), embeddings=nothing) for by in (0.0, shift)]
    return next(row.verdict for row in judge_scores(*both, SETTINGS, BUDGET) if row.test == test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, action="append", help="100, 1,000 and 100,000 when left out")
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--only", action="append", choices=["energy", *EFFECTS])
    options = parser.parse_args()
    began = time.process_time()
    windows = options.windows or (100, 1000, 100_000)
    heads = "  ".join(f"{f'n = {n:,}':>16}" for n in windows)
    print(f"{'test':12} {'floor':>6}  {'effect':>22}  {heads}")
    for test in options.only or ("energy", *EFFECTS):
        effect, floor = EFFECTS.get(test, (None, SETTINGS.input_watch))
        for times in (0.25, 0.5, 2.0):
            wanted = times * floor
            if effect is None:
                shift = energy_shift(wanted)
            else:
                shift = float(optimize.brentq(lambda at, of=effect, to=wanted: of(at) - to, 1e-6, 5.0))
            cells = []
            for n in (500_000,) if times == 0.25 else windows:
                worlds = options.worlds if n <= 1000 else max(2, options.worlds // (4 if times > 0.25 else 10))
                rng = np.random.default_rng([n, int(100 * times)])
                said = [world(test, shift, n, rng) for _ in range(worlds)]
                unclear = sum(one == DriftVerdict.INSUFFICIENT_DATA for one in said)
                right = sum((one == DriftVerdict.OK) == (times < 1) for one in said) - (times > 1) * unclear
                wrong = worlds - right - (unclear if n < 1000 else 0)
                cells.append(f"{f'{wrong} of {worlds} ({unclear})':>16}")
            size = "trivial, n = 500,000" if times == 0.25 else f"{times:g} x floor"
            print(f"{test:12} {floor:6g}  {size:>22}  " + "  ".join(cells), flush=True)
    print(f"{time.process_time() - began:.0f} s of a processor")


if __name__ == "__main__":
    main()
