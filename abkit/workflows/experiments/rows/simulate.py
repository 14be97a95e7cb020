"""A/A tests and power on one's own rows: the units are dealt out anew, many times, and the test is made each time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.proportions.intervals import wilson
from abkit.workflows.experiments.rows.sides import Side, compare_sides
from abkit.workflows.experiments.rows.sums import SummedUnits

TOLERATED = 1.2
"""A test at 5 % that is wrong in 6 % is no better and no worse than tests of rates are; more is too much."""

FEWEST_UNITS = 50
MOST_RUNS = 100_000


@dataclass(frozen=True, kw_only=True)
class SimulatedLift(Record):
    """How often the test finds a lift of this size.

    Attributes:
        lift: The lift that every unit of the treatment was given; 0 for an A/A test.
        runs: Tests made.
        found: Tests whose p-value was at most alpha.
        share: Found ÷ runs: the power, or the rate of false alarms where the lift is 0.
        ci_low: Lower end of the 95 % interval of the share (Wilson).
        ci_high: Upper end of it.
        covered: Share of the tests whose interval of the lift held the true one.
    """

    lift: float
    runs: int
    found: int
    share: float
    ci_low: float
    ci_high: float
    covered: float


@dataclass(frozen=True, kw_only=True)
class Simulation(Record):
    """A test tried out on one's own units.

    Attributes:
        units: Units that the rows have.
        per_arm: Units that each arm of a simulated test has.
        drawn: `without replacement` where two arms fit into the units, else `with replacement`.
        metric: Column of the metric.
        denominator: Column of the denominator; None for a mean.
        quantile: The quantile compared; None for a mean or a ratio.
        alpha: Level of the test.
        lifts: One per lift, the A/A test first.
        honest: Whether the rate of false alarms may be alpha, or a fifth more: its interval reaches down to that.
        seed: Of the draws.
    """

    units: int
    per_arm: int
    drawn: str
    metric: str
    denominator: str | None
    quantile: float | None
    alpha: float
    lifts: tuple[SimulatedLift, ...]
    honest: bool
    seed: int


def simulate(
    sums: SummedUnits,
    *,
    metric: str,
    denominator: str | None = None,
    quantile: float | None = None,
    lifts: Sequence[float] = (),
    per_arm: int | None = None,
    runs: int = 1_000,
    alpha: float = 0.05,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Simulation:
    """Try a test out: deal units out into two arms at random, give one arm a lift, and see what the test says.

    The variants that the rows name do not matter, and may be one only: rows of a month before the test will do.

    Args:
        sums: The units.
        metric: What the metric is called.
        denominator: What the denominator is called; None for a mean.
        quantile: Compare this quantile.
        lifts: Lifts to try, such as 0.05; an A/A test (lift 0) always comes first.
        per_arm: Units of each arm; half of all by default. More than that are drawn with replacement.
        runs: Tests per lift.
        alpha: Level of the two-sided test.
        seed: Of the draws.
        progress: Called with the tests made so far, and all.

    Raises:
        InvalidInput: There are too few units, or a number is out of range.

    >>> import polars as pl
    >>> from abkit.workflows.experiments.rows.sums import sum_per_unit
    >>> rows = pl.DataFrame({"unit": range(400), "variant": "all", "y": [0.0, 1.0] * 200, "x": 1.0})
    >>> found = simulate(sum_per_unit([rows]), metric="bought", lifts=[0.5], runs=200)
    >>> found.honest, found.per_arm, [one.lift for one in found.lifts]
    (True, 200, [0.0, 0.5])
    """
    y, x = (np.concatenate([getattr(one, side) for one in sums.variants.values()] or [[]]) for side in ("y", "x"))
    n, size = len(y), per_arm if per_arm is not None else len(y) // 2
    if n < FEWEST_UNITS:
        raise InvalidInput(f"the rows have {n} units with values; a simulation takes at least {FEWEST_UNITS}")
    if size < 2 or not 1 <= runs <= MOST_RUNS or not 0 < alpha < 1:
        raise InvalidInput(
            f"{runs} tests of {size} units per arm at alpha {alpha:g}; expected 1 to {MOST_RUNS:,} tests, at least 2 "
            "units and an alpha between 0 and 1"
        )
    if any(not math.isfinite(lift) or lift <= -1 for lift in lifts):
        raise InvalidInput(f"the lifts are {list(lifts)}; expected numbers above -1, such as 0.05")
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise InvalidInput(f"{metric!r} is infinite for a unit; expected finite numbers")
    tried = [0.0, *dict.fromkeys(lift for lift in lifts if lift)]
    rng = np.random.default_rng(seed)
    again = 2 * size > n
    counts = {lift: [0, 0] for lift in tried}
    for run in range(runs):
        # One deal serves every lift: what differs between them is the lift only.
        drawn = rng.integers(0, n, 2 * size) if again else rng.permutation(n)[: 2 * size]
        old, new = drawn[:size], drawn[size:]
        for lift in tried:
            p, interval = _tested((y[old], x[old]), (y[new] * (1 + lift), x[new]), denominator, quantile, alpha)
            counts[lift][0] += p <= alpha
            counts[lift][1] += interval[0] <= lift <= interval[1]
        progress(run + 1, runs)
    found = tuple(_shares(lift, runs, *counts[lift]) for lift in tried)
    return Simulation(
        units=n,
        per_arm=size,
        drawn="with replacement" if again else "without replacement",
        metric=metric,
        denominator=denominator,
        quantile=quantile,
        alpha=alpha,
        lifts=found,
        honest=found[0].ci_low <= TOLERATED * alpha,
        seed=seed,
    )


def _tested(
    old: Side, new: Side, denominator: str | None, quantile: float | None, alpha: float
) -> tuple[float, tuple[float, float]]:
    """Return the p-value and the interval of the lift; 1 where nothing varies."""
    try:
        found = compare_sides(old, new, ratio=denominator is not None, quantile=quantile, level=1 - alpha)
    except InvalidInput:
        return 1.0, (-math.inf, math.inf)
    return found.p_value, (found.lift.ci_low, found.lift.ci_high)


def _shares(lift: float, runs: int, found: int, covered: int) -> SimulatedLift:
    low, high = (float(end) for end in wilson(found, runs, 0.05))
    return SimulatedLift(
        lift=lift, runs=runs, found=found, share=found / runs, ci_low=low, ci_high=high, covered=covered / runs
    )
