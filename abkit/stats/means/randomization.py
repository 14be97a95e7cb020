"""Two arms of randomized units, such as geographies, compared by what other draws of the units would have shown.

Units of very different size make the t test reject too often, and few of them leave it nothing to stand on. The draw
itself is known: under no effect each unit would have had the same figures in the other arm, so the difference can be
worked out for every other draw. The p-value is the share of draws that show as much. It is exact, whatever the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, Limits, bounded
from abkit.stats.tails import two_sided_alpha
from abkit.vocabulary import TWO_SIDED, Alternative

Array = NDArray[np.float64]

MOST_DRAWS = 10_000
"""Draws that are worked out: all of them where there are no more, else as many at random, always the same ones."""

MOST_ASSIGNED = 2_000_000
"""Draws × units: with more than 200 units there are fewer draws, but never fewer than 2,000."""


@dataclass(frozen=True, slots=True)
class RandomizedUnits:
    """Units of two arms, drawn within strata.

    Attributes:
        y: Numerator by unit.
        x: Denominator by unit; 0 where a unit has a numerator alone, such as spend without a conversion.
        treated: Whether the unit is in the treatment.
        strata: The stratum of each unit, as numbers from 0.

    Raises:
        InvalidInput: A denominator is negative, or a stratum cannot be compared: it lacks an arm or the denominator of
            one, or has one unit in an arm where the others have more.
    """

    y: Array
    x: Array
    treated: NDArray[np.bool_]
    strata: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.x):
            raise InvalidInput("there is no unit; expected some in each arm")
        if not (self.x >= 0).all():
            raise InvalidInput("a unit has a denominator below 0; expected units with a sum of 0 or more")
        sizes = self.sizes
        if min(min(pair) for pair in sizes) < 1:
            raise InvalidInput("a stratum has units in one arm only; expected both arms in each")
        if not self.paired and min(min(pair) for pair in sizes) < 2:
            raise InvalidInput("a stratum has one unit in an arm; expected at least two, or pairs of one and one")

        sums = np.zeros((2, len(sizes)))
        np.add.at(sums, (self.treated.astype(int), self.strata), self.x)
        if not sums.all():
            raise InvalidInput("an arm has a denominator of 0 in a stratum; expected a positive sum in each")

    @classmethod
    def of(
        cls,
        control: Mapping[str, tuple[float, float]],
        treatment: Mapping[str, tuple[float, float]],
        strata: Mapping[str, str] | None = None,
    ) -> RandomizedUnits:
        """Return the units of two arms, in the order of their names.

        Args:
            control: Unit → numerator and denominator.
            treatment: The same of the treatment.
            strata: Unit → its stratum; all units are one by default.
        """
        arms = ((name, arm, *pair) for arm, side in enumerate((control, treatment)) for name, pair in side.items())
        rows = sorted(arms)
        labels = [strata[row[0]] if strata else "" for row in rows]
        order = {label: number for number, label in enumerate(sorted(set(labels)))}
        return cls(
            np.array([row[2] for row in rows], dtype=float),
            np.array([row[3] for row in rows], dtype=float),
            np.array([row[1] == 1 for row in rows]),
            np.array([order[label] for label in labels]),
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Units of control and treatment in each stratum."""
        return tuple(
            (int((mine & ~self.treated).sum()), int((mine & self.treated).sum()))
            for mine in (self.strata == number for number in range(int(self.strata.max()) + 1))
        )

    @property
    def paired(self) -> bool:
        """Whether each stratum is a pair, and there are two pairs or more."""
        sizes = self.sizes
        return len(sizes) > 1 and set(sizes) == {(1, 1)}


def smallest_p(sizes: Sequence[tuple[int, int]]) -> float:
    """Return the smallest two-sided p-value that draws of units within strata can give.

    Where both arms have as many units, the mirror image of a draw shows as much the other way.

    >>> smallest_p([(3, 3)]), smallest_p([(1, 1)] * 6), round(smallest_p([(10, 10)]), 6)
    (0.1, 0.03125, 0.0001)
    """
    draws = _possible(sizes)
    if draws > MOST_DRAWS:
        return 1 / (MOST_DRAWS + 1)
    return min((2 if all(one == other for one, other in sizes) else 1) / draws, 1.0)


class RandomizationTest:
    """The distribution of the studentized difference over draws of the units, under any supposed effect.

    The difference is that of the arms' ratios, Σy ÷ Σx, within strata; a stratum counts by x₀·x₁/(x₀+x₁) of its sums.
    Its variance is that of the ratios by the delta method, or that between pairs.
    """

    def __init__(self, units: RandomizedUnits) -> None:
        self.sizes, self.paired = units.sizes, units.paired
        self.draws, self.exact = _draws(units)
        # What each unit would have had as control is c + d/ratio − e·shift/ratio: sums over draws are made once.
        c, d, e, x = np.where(units.treated, 0.0, units.y), units.treated * units.y, units.treated * units.x, units.x
        parts = {"c": c, "d": d, "e": e, "x": x, "cc": c * c, "dd": d * d, "ee": e * e, "de": d * e}
        parts |= {"cx": c * x, "dx": d * x, "ex": e * x, "xx": x * x}
        inside = (units.strata[:, None] == np.arange(len(self.sizes))).astype(float)
        columns = np.concatenate([values[:, None] * inside for values in parts.values()], axis=1)
        treated = np.concatenate([units.treated[None, :].astype(float) @ columns, _in_parts(self.draws, columns)])
        both = np.stack([columns.sum(axis=0) - treated, treated])
        # Arm × draw (the one that was made is the first) × stratum.
        self._sums = dict(zip(parts, np.split(both, len(parts), axis=2), strict=True))

    def parts(self) -> tuple[float, float, float, float, float]:
        """Return the ratios of control and treatment, their standard errors, and that of the difference."""
        rates, errors, error = self._figures(shift=0.0, ratio=1.0, draws=slice(0, 1))
        return float(rates[0, 0]), float(rates[1, 0]), float(errors[0, 0]), float(errors[1, 0]), float(error[0])

    def p_value(self, *, shift: float = 0.0, ratio: float = 1.0, alternative: Alternative = TWO_SIDED) -> float:
        """Return the p-value of: the treatment's ratio is `ratio` times what it would be as control, plus `shift`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            (control, treatment), _, error = self._figures(shift=shift, ratio=ratio, draws=slice(None))
            difference = treatment - control
            found = np.where(difference == 0, 0.0, difference / error)
        if alternative is TWO_SIDED:
            found = np.abs(found)
        elif alternative is Alternative.LESS:
            found = -found
        # A draw that leaves an arm without a denominator shows nothing, and counts against an effect.
        seen, others = found[0], np.where(np.isnan(found[1:]), np.inf, found[1:])
        # Draws that show the same but for rounding show as much.
        as_much = int((others >= seen - 1e-9 * max(abs(seen), 1.0)).sum())
        return as_much / len(others) if self.exact else (as_much + 1) / (len(others) + 1)

    def _figures(self, *, shift: float, ratio: float, draws: slice) -> tuple[Array, Array, Array]:
        """Return by draw: the ratios of both arms over all strata, their standard errors, that of the difference."""
        s = {name: values[:, draws] for name, values in self._sums.items()}
        u, v = 1 / ratio, -shift / ratio
        y = s["c"] + u * s["d"] + v * s["e"]
        yy = s["cc"] + u * u * s["dd"] + v * v * s["ee"] + 2 * u * v * s["de"]
        xy = s["cx"] + u * s["dx"] + v * s["ex"]
        rate = y / s["x"]
        weight = s["x"][0] * s["x"][1] / s["x"].sum(axis=0)
        share = weight / weight.sum(axis=1, keepdims=True)
        rates = (share * rate).sum(axis=2)
        if self.paired:
            apart = rate - rates[:, :, None]
            squares = share**2 / (1 - share)
            errors = np.sqrt((squares * apart**2).sum(axis=2))
            return rates, errors, np.sqrt((squares * (apart[1] - apart[0]) ** 2).sum(axis=1))
        n = np.array(self.sizes, dtype=float).T[:, None, :]
        rest = yy - 2 * rate * xy + rate**2 * s["xx"]
        # Of figures that are proportional to x, rounding leaves a little.
        rest = np.where(rest > 1e-12 * np.abs(yy), rest, 0.0)
        variance = (share**2 * n / (n - 1) * rest / s["x"] ** 2).sum(axis=2)
        return rates, np.sqrt(variance), np.sqrt(variance.sum(axis=0))


def compare_randomized(
    units: RandomizedUnits, *, level: float = 0.95, alternative: Alternative = TWO_SIDED, what: str = "units"
) -> Comparison:
    """Compare two arms of randomized units by the randomization distribution; the intervals invert the same test.

    Args:
        units: The units of both arms, with the strata that they were drawn in.
        level: Confidence level of the intervals.
        alternative: Which difference counts, treatment against control.
        what: What the units are, for the notes.

    Raises:
        InvalidInput: No unit differs from another, or the level is not valid.

    >>> sizes = [1000, 1200, 900, 1100]
    >>> control = {f"c{n}": (0.010 * size + n, size) for n, size in enumerate(sizes)}
    >>> treatment = {f"t{n}": (0.025 * size - n, size) for n, size in enumerate(sizes)}
    >>> result = compare_randomized(RandomizedUnits.of(control, treatment))
    >>> round(result.p_value, 4), result.difference.ci_low > 0
    (0.0286, True)
    """
    alpha = two_sided_alpha(level, alternative)
    test = RandomizationTest(units)
    control, treatment, *errors, error = test.parts()
    if error == 0:
        raise InvalidInput("no unit differs from another within its arm", hint="expected a metric that differs")
    difference, sizes = treatment - control, np.array(units.sizes).sum(axis=0)
    said = _said(test, what)
    least = smallest_p(units.sizes)
    # A loss has no lift.
    lift = treatment / control - 1 if control > 0 else math.nan
    return Comparison(
        control=ArmMean(int(sizes[0]), control, errors[0]),
        treatment=ArmMean(int(sizes[1]), treatment, errors[1]),
        difference=bounded(difference, _difference_limits(test, alpha, difference, error), alternative),
        lift=bounded(lift, _lift_limits(test, alpha, control, treatment), alternative),
        p_value=test.p_value(alternative=alternative),
        statistic=difference / error,
        method="randomization",
        level=level,
        alternative=alternative,
        conventions=dict.fromkeys(("p_value", "difference", "lift"), said),
        notes=(f"the smallest p-value that so many {what} allow is {least:.2g}",) if least > alpha / 10 else (),
    )


def _difference_limits(test: RandomizationTest, alpha: float, difference: float, error: float) -> Limits:
    below = _reach(lambda step: test.p_value(shift=difference - step), alpha, error)
    above = _reach(lambda step: test.p_value(shift=difference + step), alpha, error)
    return difference - below, difference + above


def _lift_limits(test: RandomizationTest, alpha: float, control: float, treatment: float) -> Limits:
    if not (control > 0 and treatment > 0):
        return -math.inf, math.inf
    lift = math.log(treatment / control)
    below = _reach(lambda step: test.p_value(ratio=math.exp(lift - step)), alpha, 0.1)
    above = _reach(lambda step: test.p_value(ratio=math.exp(lift + step)), alpha, 0.1)
    return math.expm1(lift - below), math.expm1(lift + above) if math.isfinite(above) else math.inf


def _reach(p_value: Callable[[float], float], alpha: float, step: float) -> float:
    """Return how far from the estimate effects are not rejected, to a thousandth; infinite where none is."""
    inside, outside = 0.0, step
    while p_value(outside) > alpha:
        inside, outside = outside, 2 * outside
        if outside > 1000 * step:
            return math.inf
    while outside - inside > 1e-3 * outside:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) > alpha else (inside, middle)
    return outside


def _said(test: RandomizationTest, what: str) -> str:
    how = "all" if test.exact else "random"
    strata = f" within {len(test.sizes)} {'pairs' if test.paired else 'strata'}" if len(test.sizes) > 1 else ""
    return f"randomization test, {how} {len(test.draws):,} draws of the {what}{strata}"


def _possible(sizes: Sequence[tuple[int, int]]) -> int:
    return math.prod(math.comb(one + other, one) for one, other in sizes)


def _draws(units: RandomizedUnits) -> tuple[NDArray[np.bool_], bool]:
    """Return draws of the treated units, each stratum with as many as it has, and whether they are all."""
    number, sizes = len(units.x), units.sizes
    members = [np.flatnonzero(units.strata == label) for label in range(len(sizes))]
    exact = _possible(sizes) <= MOST_DRAWS
    if exact:
        chosen = product(*(combinations(own, pair[1]) for own, pair in zip(members, sizes, strict=True)))
        draws = np.zeros((_possible(sizes), number), dtype=bool)
        for row, parts in enumerate(chosen):
            draws[row, [unit for part in parts for unit in part]] = True
        return draws, True
    # One seed: the same figures have the same p-value at every look at them.
    rng = np.random.default_rng(0)
    draws = np.tile(units.treated, (min(MOST_DRAWS, max(2000, MOST_ASSIGNED // number)), 1))
    for own in members:
        draws[:, own] = rng.permuted(draws[:, own], axis=1)
    return draws, False


def _in_parts(draws: NDArray[np.bool_], columns: Array) -> Array:
    return np.concatenate([draws[first : first + 1000].astype(float) @ columns for first in range(0, len(draws), 1000)])
