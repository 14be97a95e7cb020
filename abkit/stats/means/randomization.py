"""Two arms of randomized units, such as geographies, compared by what other draws of the units would have shown.

Units of very different size make the t test reject too often, and few of them leave it nothing to stand on. The draw
itself is known: under no effect each unit would have had the same figures in the other arm, so the difference can be
worked out for every other draw. The p-value is the share of draws that show as much. It is exact, whatever the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomizedUnits:
    """Units of two arms, drawn within strata.

    Attributes:
        y: Numerator by unit.
        x: Denominator by unit; 0 where a unit has a numerator alone, such as spend without a conversion.
        treated: Whether the unit is in the treatment.
        strata: The stratum of each unit, as numbers from 0.
        inverse: Whether the denominator is what came of the numerator, as conversions of spend. Strata then count by
            what was spent, and those without a conversion stay in: they are what makes one expensive.
        without: Labels of pairs that say nothing, because one of their units has nothing to divide by; they are not in
            the arrays.

    Raises:
        InvalidInput: A denominator is negative, or a stratum cannot be compared: it lacks an arm or the denominator of
            one, or has one unit in an arm where the others have more.
    """

    y: Array
    x: Array
    treated: NDArray[np.bool_]
    strata: NDArray[np.int64]
    inverse: bool = False
    without: tuple[str, ...] = ()

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
        np.add.at(sums, (self.treated.astype(int), self.strata), self.y if self.inverse else self.x)
        if not (sums > 0).all():
            what = "a numerator" if self.inverse else "a denominator"
            raise InvalidInput(f"an arm has {what} of 0 in a stratum; expected a positive sum in each")

    @classmethod
    def of(
        cls,
        control: Mapping[str, tuple[float, float]],
        treatment: Mapping[str, tuple[float, float]],
        strata: Mapping[str, str] | None = None,
        *,
        inverse: bool = False,
    ) -> RandomizedUnits:
        """Return the units of two arms, in the order of their names.

        Args:
            control: Unit → numerator and denominator.
            treatment: The same of the treatment.
            strata: Unit → its stratum; all units are one by default.
            inverse: See the class.

        Raises:
            InvalidInput: A stratum cannot be compared; the message has its name.

        >>> spend = {"DE": (100.0, 4), "IT": (80.0, 0)}, {"FR": (90.0, 6), "ES": (90.0, 2)}
        >>> pairs = {"DE": "DE=FR", "FR": "DE=FR", "IT": "IT=ES", "ES": "IT=ES"}
        >>> RandomizedUnits.of(*spend, pairs, inverse=True).paired
        True
        """
        arms = ((name, arm, *pair) for arm, side in enumerate((control, treatment)) for name, pair in side.items())
        rows = sorted(arms)
        label = {row[0]: strata[row[0]] if strata else "" for row in rows}
        without = _say_nothing(rows, label, inverse=inverse) if strata else ()
        rows = [row for row in rows if label[row[0]] not in without]
        order = {one: number for number, one in enumerate(sorted({label[row[0]] for row in rows}))}
        return cls(
            y=np.array([row[2] for row in rows], dtype=float),
            x=np.array([row[3] for row in rows], dtype=float),
            treated=np.array([row[1] == 1 for row in rows]),
            strata=np.array([order[label[row[0]]] for row in rows]),
            inverse=inverse,
            without=without,
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


def _say_nothing(
    rows: Sequence[tuple[str, int, float, float]], label: Mapping[str, str], *, inverse: bool
) -> tuple[str, ...]:
    """Return the pairs with a unit that has nothing to divide by: the ratio is not known there in any draw.

    Raises:
        InvalidInput: A stratum lacks an arm, has one unit in an arm where not all are pairs, or is no pair and has
            nothing to divide by in an arm.
    """
    below: dict[str, tuple[list[float], list[float]]] = {}
    for name, arm, y, x in rows:
        below.setdefault(label[name], ([], []))[arm].append(y if inverse else x)
    lone = sorted(one for one, sides in below.items() if not all(sides))
    if lone:
        raise InvalidInput(
            f"the stratum {lone[0]!r} has units in one arm only; expected both arms in each",
            hint="merge it with another",
        )
    pairs = all(len(side) == 1 for sides in below.values() for side in sides)
    single = sorted(one for one, sides in below.items() if min(map(len, sides)) == 1)
    if single and not pairs:
        raise InvalidInput(
            f"the stratum {single[0]!r} has one unit in an arm; expected at least two, or pairs everywhere",
            hint="merge it with another",
        )
    empty = tuple(sorted(one for one, sides in below.items() if min(map(sum, sides)) <= 0))
    if not empty:
        return ()
    if not pairs:
        raise InvalidInput(
            f"an arm has a denominator of 0 in the stratum {empty[0]!r}; expected a sum above 0",
            hint="merge it with another, or judge by a metric that all of its units have",
        )
    if len(below) - len(empty) < 2:
        raise InvalidInput(f"{len(below) - len(empty)} of {len(below)} pairs can be compared; expected 2 or more")
    return empty


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
    Its variance is that of the ratios by the delta method, or that between pairs. Where the denominator is what came of
    the numerator, that is done with Σx ÷ Σy, and only what is shown is turned over: a mean of costs per conversion
    would be too high wherever conversions are few.
    """

    def __init__(self, units: RandomizedUnits) -> None:
        self.sizes, self.paired, self.inverse = units.sizes, units.paired, units.inverse
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
        """Return the ratios of control and treatment, their standard errors, and that of the difference.

        Raises:
            InvalidInput: A ratio is to be turned over, and is 0.
        """
        rates, errors, of_both = self._figures(shift=0.0, ratio=1.0, draws=slice(0, 1))
        (control, treatment), (error0, error1) = rates[:, 0].tolist(), errors[:, 0].tolist()
        error = float(of_both[0])
        if not self.inverse:
            return control, treatment, error0, error1, error
        if not (control > 0 and treatment > 0):
            raise InvalidInput("an arm has nothing to divide by", hint="expected conversions or clicks in each arm")
        # Each moves with its inverse by 1 ÷ square of it, and so does what the arms have in common.
        together = (error0**2 + error1**2 - error**2) / 2
        one, other = error0 / control**2, error1 / treatment**2
        square = one**2 + other**2 - 2 * together / (control * treatment) ** 2
        # What rounding leaves is no variance.
        error = math.sqrt(square) if square > 1e-14 * (one**2 + other**2) else 0.0
        return 1 / control, 1 / treatment, one, other, error

    def p_value(self, *, shift: float = 0.0, ratio: float = 1.0, alternative: Alternative = TWO_SIDED) -> float:
        """Return the p-value of: the treatment's ratio is `ratio` times what it would be as control, plus `shift`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            (control, treatment), _, error = self._figures(shift=shift, ratio=ratio, draws=slice(None))
            difference = control - treatment if self.inverse else treatment - control
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
        """Return by draw: the ratios of both arms over all strata, their standard errors, that of the difference.

        Of costs per conversion: conversions per amount spent.
        """
        s = {name: values[:, draws] for name, values in self._sums.items()}
        u, v = 1 / ratio, -shift / ratio
        y = s["c"] + u * s["d"] + v * s["e"]
        yy = s["cc"] + u * u * s["dd"] + v * v * s["ee"] + 2 * u * v * s["de"]
        xy = s["cx"] + u * s["dx"] + v * s["ex"]
        x, xx = s["x"], s["xx"]
        if self.inverse:
            y, yy, x, xx = x, xx, y, yy
            # What would have cost less than nothing is impossible.
            x = np.where(x > 0, x, np.nan)
        rate = y / x
        weight = x[0] * x[1] / x.sum(axis=0)
        share = weight / weight.sum(axis=1, keepdims=True)
        rates = (share * rate).sum(axis=2)
        if self.paired:
            apart = rate - rates[:, :, None]
            squares = share**2 / (1 - share)
            errors = np.sqrt((squares * apart**2).sum(axis=2))
            return rates, errors, np.sqrt((squares * (apart[1] - apart[0]) ** 2).sum(axis=1))
        n = np.array(self.sizes, dtype=float).T[:, None, :]
        rest = yy - 2 * rate * xy + rate**2 * xx
        # Of figures that are proportional to each other, rounding leaves a little.
        rest = np.where(rest > 1e-12 * np.abs(yy), rest, 0.0)
        variance = (share**2 * n / (n - 1) * rest / x**2).sum(axis=2)
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
        notes=tuple(_notes(units, what, least if least > alpha / 10 else None)),
    )


def _notes(units: RandomizedUnits, what: str, least: float | None) -> Iterator[str]:
    if units.without:
        names = ", ".join(units.without[:3]) + (", …" if len(units.without) > 3 else "")
        yield (
            f"{len(units.without)} pairs are left out, as one of their {what} has nothing to divide by "
            f"in any draw: {names}"
        )
    if least is not None:
        yield f"the smallest p-value that so many {what} allow is {least:.2g}"


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
