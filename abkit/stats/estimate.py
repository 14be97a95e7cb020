"""The small records that every analysis is made of: an estimate with its interval, an arm, a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, Literal

from abkit.errors import InvalidInput

Alternative = Literal["two-sided", "greater", "less"]
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval.

    Attributes:
        estimate: the figure; NaN when it has no finite value (a lift over a baseline of zero).
        ci_low: lower end of the interval; -inf when it is open.
        ci_high: upper end of the interval; inf when it is open.
    """

    estimate: float
    ci_low: float
    ci_high: float

    def excludes(self, value: float) -> bool:
        """Whether the interval does not contain the value."""
        return value < self.ci_low or value > self.ci_high


@dataclass(frozen=True, slots=True)
class ArmRate:
    """A proportion in one arm.

    Attributes:
        n: trials (impressions, users, …).
        successes: how many of them succeeded (clicks, conversions).
        rate: successes ÷ trials, in [0, 1].
    """

    n: int
    successes: int
    rate: float


@dataclass(frozen=True, slots=True)
class ArmMean:
    """A mean, or a ratio of means, in one arm.

    Attributes:
        n: units.
        mean: the mean, in the metric's unit.
        standard_error: of that mean.
    """

    n: float
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One treatment against one control: everything a reader needs to judge it.

    Attributes:
        control: the control arm.
        treatment: the treatment arm.
        difference: treatment − control, in the metric's unit, with its interval.
        lift: treatment ÷ control − 1, with its interval; NaN when the control is zero.
        p_value: of no difference. For `sequential` it is valid whenever it is looked at; NaN for `bayes`.
        statistic: the test statistic; NaN where the method has none.
        method: which analysis (`newcombe`, `z`, `score`, `exact`, `sequential`, `welch`, …).
        level: of the intervals, in (0, 1).
        alternative: `two-sided`, `greater` or `less` (treatment against control).
        conventions: by name (`p_value`, `difference`, `lift`, …) how the figure was made: peers differ there.
        notes: sentences that a reader must know (no clicks in the control, few clicks for this method, …).
        bayes: the posterior figures when the method is `bayes`.
    """

    control: ArmRate | ArmMean
    treatment: ArmRate | ArmMean
    difference: Estimate
    lift: Estimate
    p_value: float
    statistic: float
    method: str
    level: float
    alternative: Alternative
    conventions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    bayes: Any = None

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference excludes zero."""
        return self.difference.excludes(0.0)


def as_dict(record: Any) -> Any:
    """A record as plain dictionaries, lists and numbers; what is not finite becomes None.

    >>> as_dict(Estimate(0.1, -math.inf, 0.3))
    {'estimate': 0.1, 'ci_low': None, 'ci_high': 0.3}
    """
    if is_dataclass(record) and not isinstance(record, type):
        return {field.name: as_dict(getattr(record, field.name)) for field in fields(record)}
    if isinstance(record, Mapping):
        return {str(key): as_dict(value) for key, value in record.items()}
    if isinstance(record, date):
        return record.isoformat()
    if isinstance(record, tuple | list | frozenset | set):
        return [as_dict(value) for value in record]
    if hasattr(record, "tolist"):
        return as_dict(record.tolist())
    if isinstance(record, float):
        return record if math.isfinite(record) else None
    return record


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1), or so near to 0 that nothing is left to be sure of."""
    if not (0 < level < 1 and 1 - level < 1):
        raise InvalidInput(f"the confidence level is {level}; it has to lie between 0 and 1, such as 0.95")


def check_alternative(alternative: str) -> None:
    """Refuse an alternative that does not exist."""
    if alternative not in ALTERNATIVES:
        raise InvalidInput(f"the alternative is {alternative!r}; expected one of {', '.join(ALTERNATIVES)}")


def two_sided_alpha(level: float, alternative: Alternative) -> float:
    """The α of the two-sided interval whose relevant end is the one-sided bound.

    >>> round(two_sided_alpha(0.95, "greater"), 12)
    0.1
    """
    if alternative == "two-sided":
        return 1 - level
    if level <= 0.5:
        raise InvalidInput(f"the confidence level is {level}; a one-sided bound takes more than 0.5, such as 0.95")
    return 2 * (1 - level)


def open_end(
    low: float, high: float, alternative: Alternative, *, lowest: float, highest: float
) -> tuple[float, float]:
    """An interval, opened on the side that a one-sided alternative does not bound."""
    if alternative == "greater":
        return low, highest
    if alternative == "less":
        return lowest, high
    return low, high
