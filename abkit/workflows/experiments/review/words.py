"""An experiment in plain words, for readers who were not there: what is asked, what came in, what it says."""

from __future__ import annotations

import math

from abkit.metrics import METRICS
from abkit.records import percent
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.verdicts.verdict import arm_value
from abkit.vocabulary import Allocation, Verdict
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult

CAUSE = "Who saw which was drawn at random, so the variant is the cause."
NO_CAUSE = "Who saw which was not random, so something other than the variant may be the cause."

_HEADLINES = {
    Verdict.BETTER: "{treatment} is better than {control}",
    Verdict.WORSE: "{treatment} is worse than {control}",
    Verdict.FUTILE: "{treatment} will not reach the lift that was planned",
    Verdict.UNDECIDED: "no difference is shown between {treatment} and {control}",
    Verdict.BLOCKED: "there is no verdict on {treatment}",
}


def question_of(analysis: Analysis) -> str:
    """Return what an experiment asks."""
    others = " or ".join(result.treatment for result in analysis.treatments)
    return f"Is the {METRICS[analysis.metric].name} of {others} better than that of {analysis.control}?"


def headline_of(analysis: Analysis, result: TreatmentResult) -> str:
    """Return the verdict on one treatment in a few words."""
    return _HEADLINES[result.verdict.state].format(treatment=result.treatment, control=analysis.control)


def verdict_of(analysis: Analysis, result: TreatmentResult) -> str:
    """Return the verdict on one treatment in one or two sentences, with the interval that decides."""
    state, deciding = result.verdict.state, result.deciding
    headline = headline_of(analysis, result)
    headline = headline[:1].upper() + headline[1:] if state is Verdict.UNDECIDED else headline
    if state is Verdict.BLOCKED or deciding is None:
        found = result.verdict.sentence.partition(": ")[2].replace(" → ", "; to do: ")
        return f"There is no verdict on {result.treatment}: {found}."
    name = METRICS[analysis.metric].name
    lift = deciding.lift
    if state is Verdict.UNDECIDED:
        return f"{headline}: its {name} may be anything from {_range(lift)}."
    interval = f"{percent(deciding.level, 0)} interval: {_range(lift)}"
    values = " v ".join(
        METRICS[analysis.metric].show(arm_value(arm), analysis.currency)
        for arm in (deciding.treatment, deciding.control)
    )
    said = f"{headline}: its {name} is {_way(lift.estimate)} ({interval}), {values}."
    if state is Verdict.FUTILE:
        return said
    held = f" Recommended: {result.verdict.advice}." if result.verdict.action_reason else ""
    return f"{said} {CAUSE if analysis.allocation is Allocation.RANDOM else NO_CAUSE}{held}"


def figures_of(analysis: Analysis) -> str:
    """Return what each arm has so far."""
    definition = METRICS[analysis.metric]
    parts = []
    for name, total in analysis.totals.items():
        value = definition.show(total.successes / total.trials, analysis.currency) if total.trials else "no data"
        counts = f" ({total.successes:,.10g} of {total.trials:,.10g})" if definition.share and total.trials else ""
        parts.append(f"{name} {value}{counts}")
    return f"{definition.name}: {', '.join(parts)}."


def interval_of(comparison: Comparison) -> str:
    """Return the lift with its interval, for a table."""
    return f"{percent(comparison.lift.estimate, 1, sign=True)} {interval_in_words(comparison.lift)}"


def interval_in_words(lift: Estimate) -> str:
    """Return the interval of a lift, for a table.

    >>> interval_in_words(Estimate(0.1, 0.05, math.inf))
    '[+5.0 %, ∞]'
    """
    return f"[{_end(lift.ci_low)}, {_end(lift.ci_high)}]"


def _end(lift: float) -> str:
    return percent(lift, 1, sign=True) if math.isfinite(lift) else "∞" if lift > 0 else "-∞"


def _range(lift: Estimate) -> str:
    """Return the interval of a lift as how much higher or lower.

    >>> _range(Estimate(0.1, 0.05, 0.15)), _range(Estimate(-0.1, -0.15, 0.02))
    ('5.0 % to 15.0 % higher', '15.0 % lower to 2.0 % higher')
    """
    low, high = _way(lift.ci_low), _way(lift.ci_high)
    way = high.rpartition(" ")[2]
    shared = low.endswith(way) and math.isfinite(lift.ci_low) and math.isfinite(lift.ci_high)
    return f"{low.removesuffix(way).rstrip() if shared else low} to {high}"


def _way(lift: float) -> str:
    """Return a lift as how much higher or lower.

    >>> _way(0.125), _way(-0.03), _way(math.inf)
    ('12.5 % higher', '3.0 % lower', 'any amount higher')
    """
    if math.isnan(lift):
        return "an amount that cannot be told"
    if not math.isfinite(lift):
        return f"any amount {'higher' if lift > 0 else 'lower'}"
    return f"{percent(abs(lift), 1)} {'lower' if lift < 0 else 'higher'}"
