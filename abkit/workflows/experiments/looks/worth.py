"""What the decision on an experiment is worth per week: a difference, the control's traffic, what a success earns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.metrics import METRICS, MONEY
from abkit.records import Record
from abkit.stats.estimate import Comparison
from abkit.stats.verdicts.decision_value import DecisionValue, decision_value
from abkit.stats.verdicts.verdict import Conclusion
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Metric, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.plan import ExperimentPlan

NOT_KNOWN = (
    "what the decision is worth in money is not known: import KPIs with their revenue (in one currency, or with "
    "--rates), or give --value-per-conversion or --value-per-click"
)
"""What is said where nothing says what a success earns."""


@dataclass(frozen=True, kw_only=True)
class GivenValue:
    """What a success is worth, where the user says so.

    Attributes:
        per_conversion: Money per conversion; None where it is not given.
        per_click: Money per click; None where it is not given.
        currency: The currency of both; that of the arms' amounts where it is not named.

    Raises:
        InvalidInput: A value is not a number above 0.
    """

    per_conversion: float | None = None
    per_click: float | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        for name in ("per_conversion", "per_click"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                said = name.replace("_", " ")
                raise InvalidInput(f"the value {said} is {value}; expected an amount above 0, such as 25")


@dataclass(frozen=True, kw_only=True)
class Worth(Record):
    """What shipping a treatment is worth, in money per week of the control's traffic.

    Attributes:
        value: The figures.
        currency: Their currency; "" where none is named.
        basis: What a success is taken to be worth, and where that is from.
        sentence: For the reader.
    """

    value: DecisionValue
    currency: str
    basis: str
    sentence: str


def check_given(given: GivenValue, metric: Metric) -> None:
    """Refuse a value that would have no effect on this metric.

    Raises:
        InvalidInput: The metric is made of money already, or successes are worth what the value does not say.
    """
    definition = METRICS[metric]
    if given.per_conversion is None and given.per_click is None:
        return
    if definition.needs:
        raise InvalidInput(f"the value of a success is given, and {metric} is made of money already")
    if given.per_click is not None and definition.events != "clicks":
        raise InvalidInput(f"a value per click is given, and {metric} counts {definition.events}")
    if given.per_click is not None and given.per_conversion is not None:
        raise InvalidInput("a value per click and one per conversion are given; expected one of the two")


def worth_of(
    plan: ExperimentPlan,
    arms: Sequence[Arm],
    treatment: Arm,
    deciding: Comparison | None,
    verdict: Conclusion,
    *,
    currency: str,
    given: GivenValue | None = None,
) -> Worth | None:
    """Return what the decision on one treatment is worth; None where a guard blocks it or no money is known.

    Args:
        plan: What was fixed before the first look.
        arms: All arms, the control first: what a success earns is that of all of them.
        treatment: The arm that would be shipped.
        deciding: The comparison that the verdict rests on.
        verdict: The verdict on it.
        currency: That of the arms' amounts.
        given: What a success is worth, where the user says so.
    """
    definition, control = METRICS[plan.metric], arms[0]
    days = control.days(plan.metric)
    found = _value(plan.metric, arms, currency, given or GivenValue())
    if verdict.state is Verdict.BLOCKED or deciding is None or found is None or not days.trials:
        return None
    worth, currency, basis = found
    volume = days.trials / len([n for n in days.exposures.values() if n]) * 7
    try:
        value = decision_value(
            deciding.difference,
            volume_per_week=volume / definition.per,
            value=worth,
            level=deciding.level,
            direction=definition.direction,
        )
    except InvalidInput:  # an interval without ends
        return None
    of = f"{volume:,.0f} {currency + ' of spend' if definition.denominator in MONEY else definition.denominator}"
    sentence = _sentence(value, verdict, treatment.key, control.key, currency, of)
    return Worth(value=value, currency=currency, basis=basis, sentence=sentence)


def _value(metric: Metric, arms: Sequence[Arm], currency: str, given: GivenValue) -> tuple[float, str, str] | None:
    """Return what a unit of the metric's numerator is worth, its currency, and where that is from."""
    definition = METRICS[metric]
    if definition.needs:
        return 1.0, currency, "the amounts of the rows"
    of, named = definition.events, given.currency or currency
    if of == "clicks" and given.per_click is not None:
        return given.per_click, named, "value per click, as given"
    days = [figures for arm in arms for figures in arm.delivery.by_day.values()]
    if given.per_conversion is not None:
        if of == "conversions":
            return given.per_conversion, named, "value per conversion, as given"
        clicks, conversions = sum(day.clicks for day in days), sum(day.conversions for day in days)
        if not conversions or not clicks:
            return None
        basis = f"value per conversion, as given, times {conversions:,.6g} conversions of {clicks:,} clicks"
        return given.per_conversion * conversions / clicks, named, basis
    return _revenue_per(of, [day for day in days if day.revenue is not None], currency)


def _revenue_per(of: str, days: Sequence[Figures], currency: str) -> tuple[float, str, str] | None:
    revenue, count = sum(day.revenue or 0.0 for day in days), float(sum(getattr(day, of) for day in days))
    if not (revenue > 0 and count > 0):
        return None
    each = revenue / count
    basis = f"revenue per {of.removesuffix('s')} of all arms, {_amount(each, currency)} over {count:,.6g} {of}"
    return each, currency, basis


def _sentence(value: DecisionValue, verdict: Conclusion, treatment: str, control: str, currency: str, of: str) -> str:
    gain = value.per_week
    about, low, high = (_amount(figure, currency) for figure in (gain.estimate, gain.ci_low, gain.ci_high))
    found = f"shipping {treatment} is worth about {about} a week [{low} to {high}] at the control's {of} a week"
    ship, keep = (_amount(most, currency) for most in (value.most_lost_by_shipping, value.most_lost_by_keeping))
    if verdict.state is Verdict.BETTER:
        found += f"; shipping the wrong one, {control}, costs at most {keep} a week"
    elif verdict.state is Verdict.WORSE:
        found += f"; shipping it, the wrong one, costs at most {ship} a week"
    else:
        found += f"; shipping the wrong one costs at most {ship} a week if that is {treatment}, {keep} if {control}"
    return found if verdict.causal else f"{found}; as far as the variant causes the difference, which is not shown"


def _amount(value: float, currency: str) -> str:
    digits = 0 if abs(value) >= 100 else 2
    # No "-0.00".
    return f"{round(value, digits) + 0.0:,.{digits}f} {currency}".rstrip()
