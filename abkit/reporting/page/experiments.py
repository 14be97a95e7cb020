"""The experiments of the report: one section for each, and the programme of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.charts.looks import look_charts
from abkit.stats.verdicts.guards import Guard
from abkit.stats.verdicts.verdict import arm_value
from abkit.vocabulary import Allocation, GuardStatus, Verdict
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.review.standing import Standing
from abkit.workflows.experiments.review.words import figures_of, interval_of, question_of, verdict_of

MOST_SECTIONS = 20
_TONES = {Verdict.BETTER: "ok", Verdict.WORSE: "major", Verdict.FUTILE: "watch", Verdict.BLOCKED: "fault"}


@dataclass(frozen=True, kw_only=True)
class ExperimentSection:
    """One experiment on the page, in words, figures and charts.

    Attributes:
        key: Its name.
        state: Where it stands.
        tone: Color of the verdict's tag.
        verdict: The verdict in one word; "" before the first look.
        question: What it asks.
        plan: How it is made: what is randomized, the split, the days.
        sentences: The verdicts, in sentences; what came in.
        guards: The checks, those that block first.
        figures: Name of the treatment, its value, that of the control, lift with interval.
        headers: Headers of `figures`.
        extras: What a treatment is worth in money, guardrails, watched metrics, notes.
        charts: Draw the lift over time with its boundary, with a plot of so many pixels.
        captions: What each chart shows.
        decision: What a person decided, and why; "" while nobody has.
    """

    key: str
    state: str
    tone: str
    verdict: str
    question: str
    plan: str
    sentences: tuple[str, ...]
    guards: tuple[Guard, ...]
    headers: tuple[str, ...]
    figures: tuple[tuple[str, ...], ...]
    extras: tuple[str, ...]
    charts: tuple[Callable[[int], Any], ...]
    captions: tuple[str, ...]
    decision: str


def experiment_sections(standing: Sequence[Standing], day: date) -> tuple[ExperimentSection, ...]:
    """Return the sections of the experiments that are not archived, the latest first."""
    shown = [one for one in reversed(standing) if not one.archived]
    return tuple(experiment_section(one, day) for one in shown[:MOST_SECTIONS])


def experiment_section(one: Standing, day: date) -> ExperimentSection:
    """Return the section of one experiment.

    Args:
        one: Where it stands.
        day: Today.
    """
    look = one.look
    return ExperimentSection(
        key=one.experiment,
        state=_state(one, day),
        tone=_TONES.get(look.verdict, "insufficient_data") if look else "insufficient_data",
        verdict=look.verdict.value if look else "",
        question=_question(one.plan, look),
        plan=_how(one.plan) if one.plan else one.problem,
        sentences=(*(verdict_of(look, result) for result in look.treatments), figures_of(look)) if look else (),
        guards=tuple(sorted(look.guards, key=lambda guard: guard.status is not GuardStatus.BLOCK)) if look else (),
        headers=_headers(look) if look else (),
        figures=tuple(_figures(look, result) for result in look.treatments) if look else (),
        extras=tuple(_extras(look)) if look else (),
        charts=_charts(look, one.experiment) if look else (),
        captions=_captions(look) if look else (),
        decision=_decision(one),
    )


def _charts(look: Analysis, key: str) -> tuple[Callable[[int], Any], ...]:
    def one(place: int) -> Callable[[int], Any]:
        return lambda width: look_charts(look, key, width)[place]

    return tuple(one(place) for place in range(len(_captions(look))))


def _captions(look: Analysis) -> tuple[str, ...]:
    over_time = [result.treatment for result in look.treatments if result.sequence and len(result.sequence.looks) > 1]
    name = METRICS[look.metric].name
    if not over_time:
        return (f"Lift of {name} over {look.control}, with the interval that decides ({look.rule}).",)
    return tuple(
        f"Difference in {name} between {treatment} and {look.control}, day by day: the wide band is valid at any look, "
        "the narrow one at a single planned look only."
        for treatment in over_time
    )


def _question(plan: ExperimentPlan | None, look: Analysis | None) -> str:
    if look is not None:
        return question_of(look)
    if plan is None:
        return ""
    control, *others = plan.variants
    return f"Is the {METRICS[plan.metric].name} of {' or '.join(others)} better than that of {control}?"


def _state(one: Standing, day: date) -> str:
    looked = f"look {one.looks}, {one.look.as_of}" if one.look else "not analyzed yet" if not one.looks else one.problem
    if one.plan is not None and one.plan.starts_on is not None and one.plan.starts_on > day:
        return f"starts on {one.plan.starts_on}"
    return f"{'decided' if one.decision else 'over' if one.is_over(day) else 'running'}; {looked}"


def _how(plan: ExperimentPlan) -> str:
    shares = plan.split or [1 / len(plan.variants)] * len(plan.variants)
    split = ", ".join(f"{name} {percent(share, 0)}" for name, share in zip(plan.variants, shares, strict=True))
    if plan.allocation is Allocation.RANDOM:
        who = f"{plan.unit.plural.capitalize()} were assigned at random"
    else:
        who = "The platform chose who sees what, so nothing is called a cause"
    days = f"{plan.starts_on or 'the first delivery'} to {plan.ends_on or 'when it is decided'}"
    total = ""
    if plan.planned_total and plan.planned_unit:
        total = f", until {plan.planned_total:,.0f} {plan.planned_unit.plural} are in"
    return f"{who}. Split: {split}. From {days}{total}."


def _headers(look: Analysis) -> tuple[str, ...]:
    definition = METRICS[look.metric]
    unit = definition.unit(look.currency)
    name = f"{definition.name}, {unit}" if unit else definition.name
    return "Variant", name, look.control, "Lift and interval", "Adjusted p"


def _figures(look: Analysis, result: TreatmentResult) -> tuple[str, ...]:
    deciding = result.deciding
    if deciding is None:
        return result.treatment, "–", "–", "–", "–"
    show = METRICS[look.metric].show
    values = [show(arm_value(arm), look.currency) for arm in (deciding.treatment, deciding.control)]
    p = "< 0.001" if result.adjusted_p < 0.001 else f"{result.adjusted_p:.3f}"
    return result.treatment, *values, interval_of(deciding), p


def _extras(look: Analysis) -> Iterator[str]:
    for result in look.treatments:
        if result.worth:
            yield f"{result.treatment} in money: {result.worth.sentence} ({result.worth.basis})."
        for metric, margin in result.guardrails.items():
            name = METRICS[metric].name
            if margin is None:
                yield f"Guardrail {name} of {result.treatment}: not enough data yet."
            else:
                said = "is not worse by more than agreed" if margin.holds else "is not shown to be unharmed"
                yield f"Guardrail: the {name} of {result.treatment} {said}."
    for one in look.watched:
        if one.comparison is not None:
            yield f"Also watched: {METRICS[one.metric].name} of {one.treatment} {interval_of(one.comparison)}."
    yield from look.notes


def _decision(one: Standing) -> str:
    if one.decision is None:
        return ""
    what = one.decision.decision.value.replace("-", " ")
    variant = f" {one.decision.variant}" if one.decision.variant else ""
    second = f" and {one.decision.second}" if one.decision.second else ""
    against = " (against the verdict)" if one.decision.against_the_verdict else ""
    why = f": {one.reason}" if one.reason else ""
    return f"Decided on {one.decided_on} by {one.decided_by}{second}: {what}{variant}{against}{why}"
