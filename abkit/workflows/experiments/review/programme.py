"""The programme: all experiments by lift, how often they win, what the winners add up to, how many are luck."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from abkit.metrics import METRICS
from abkit.records import Record, percent
from abkit.stats.estimate import Estimate
from abkit.stats.proportions.intervals import wilson
from abkit.stats.verdicts.shrinkage import FEWEST_PAST_TESTS, fit_effect_prior, log_lift, shrink
from abkit.stats.verdicts.verdict import arm_value
from abkit.store.database.engine import Store
from abkit.vocabulary import Direction, ExperimentDecision, Metric, Verdict
from abkit.workflows.experiments.review.standing import Standing, standings

FEWEST_FOR_LUCK = 20
"""With fewer finished tests, their p-values do not show how many tests are without an effect."""

_LEVEL = 0.95
_SPLIT = 0.5  # of p-values: most above it belong to tests without an effect


@dataclass(frozen=True, kw_only=True)
class ProgrammeRow(Record):
    """One treatment of one experiment, as its last look has it.

    Attributes:
        experiment: Key of the experiment.
        treatment: The treatment.
        control: What it is compared with.
        metric: What is compared.
        verdict: Of the last look; None before the first.
        lift: Relative difference with the interval that decides; None where there is none.
        value: The metric of the treatment.
        control_value: The metric of the control.
        p_value: Adjusted over the treatments of the experiment.
        currency: Of amounts; "" where none is compared.
        starts_on, ends_on: First and last day.
        as_of: Last day of the last look.
        looks: Number of looks.
        over: Whether nothing more is expected of it.
        decision: What a person decided.
        decided_by: Who.
        archived: Whether it is archived.
    """

    experiment: str
    treatment: str
    control: str
    metric: Metric
    verdict: Verdict | None
    lift: Estimate | None
    value: float | None
    control_value: float | None
    p_value: float | None
    currency: str
    starts_on: date | None
    ends_on: date | None
    as_of: date | None
    looks: int
    over: bool
    decision: ExperimentDecision | None
    decided_by: str
    archived: bool

    @property
    def gain(self) -> float:
        """The lift in the direction that is good; -inf where there is none, or a guard blocks it."""
        if self.lift is None or self.verdict is Verdict.BLOCKED or not math.isfinite(self.lift.estimate):
            return -math.inf
        return self.lift.estimate * (1 if METRICS[self.metric].direction is Direction.HIGHER else -1)


@dataclass(frozen=True, kw_only=True)
class Cumulative(Record):
    """What all shipped winners of one metric add up to, each shrunk towards what past tests were like.

    Attributes:
        metric: The metric.
        shipped: Number of shipped winners.
        past_tests: Number of tests that the shrinkage was learned from.
        effect: The product of their lifts, as a lift, with its interval; None with too few past tests.
    """

    metric: Metric
    shipped: int
    past_tests: int
    effect: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Programme(Record):
    """All experiments of a store on a day.

    Attributes:
        as_of: The day.
        rows: One per treatment, the highest lift in the good direction first.
        experiments: Number of experiments, archived ones included.
        finished: Those with a verdict from which nothing more is expected: the base of the rates.
        wins: Those in which a treatment is better.
        win_rate: wins ÷ finished with Wilson's interval; None without any.
        false_winners: Estimated share of the wins that are luck, at most 1; None without a win, or with fewer
            than 20 finished tests.
        cumulative: What shipped winners add up to, by metric.
        notes: How to read these figures, and what cannot be read.
    """

    as_of: date
    rows: tuple[ProgrammeRow, ...]
    experiments: int
    finished: int
    wins: int
    win_rate: Estimate | None
    false_winners: float | None
    cumulative: tuple[Cumulative, ...]
    notes: tuple[str, ...]


def review_programme(store: Store, day: date, *, archived: bool = False, campaign: str | None = None) -> Programme:
    """Return the programme as it stood at the end of a day.

    Args:
        store: The store.
        day: Looks and decisions after it do not count.
        archived: Whether archived experiments are in the rows; they are in the rates in any case, since hiding
            losers would flatter these.
        campaign: Only experiments of the campaign with this key.
    """
    with store.read() as session:
        return programme_of(standings(session, day, campaign=campaign), day, archived=archived)


def programme_of(standing: Sequence[Standing], day: date, *, archived: bool = False) -> Programme:
    """Return the programme of experiments as they stand. See `review_programme`."""
    every = [row for one in standing for row in _rows(one, day)]
    finished = [one for one in standing if one.look and one.is_over(day) and one.look.verdict is not Verdict.BLOCKED]
    wins = sum(one.look.verdict is Verdict.BETTER for one in finished if one.look)
    low, high = (float(end) for end in wilson(wins, len(finished), 1 - _LEVEL)) if finished else (0.0, 1.0)
    hidden = sum(one.archived for one in standing)
    notes = [f"{one.experiment}: {one.problem}" for one in standing if one.problem]
    if hidden and not archived:
        notes.append(f"{hidden} archived experiments count in the rates; --all lists them")
    shown = [row for row in every if archived or not row.archived]
    return Programme(
        as_of=day,
        rows=tuple(sorted(shown, key=lambda row: -row.gain)),
        experiments=len(standing),
        finished=len(finished),
        wins=wins,
        win_rate=Estimate(wins / len(finished), low, high) if finished else None,
        false_winners=_false_winners(finished, wins),
        cumulative=_cumulative(finished),
        notes=tuple(notes),
    )


def _rows(one: Standing, day: date) -> list[ProgrammeRow]:
    if one.plan is None:
        return []
    results = {result.treatment: result for result in one.look.treatments} if one.look else {}
    control, *treatments = one.plan.variants
    rows = []
    for name in treatments:
        result = results.get(name)
        deciding = result.deciding if result else None
        rows.append(
            ProgrammeRow(
                experiment=one.experiment,
                treatment=name,
                control=control,
                metric=one.plan.metric,
                verdict=result.verdict.state if result else None,
                lift=deciding.lift if deciding else None,
                value=arm_value(deciding.treatment) if deciding else None,
                control_value=arm_value(deciding.control) if deciding else None,
                p_value=result.adjusted_p if result and not math.isnan(result.adjusted_p) else None,
                currency=one.look.currency if one.look else "",
                starts_on=one.plan.starts_on,
                ends_on=one.plan.ends_on,
                as_of=one.look.as_of if one.look else None,
                looks=one.looks,
                over=one.is_over(day),
                decision=one.decision.decision if one.decision else None,
                decided_by=one.decided_by,
                archived=one.archived,
            )
        )
    return rows


def _false_winners(finished: Sequence[Standing], wins: int) -> float | None:
    """Estimate the share of wins that are luck: expected false ones ÷ wins.

    A test without an effect wins by luck with half of its error rate. How many tests have none is estimated from the
    p-values above 0.5, of which they have half (Storey 2002, doi 10.1111/1467-9868.00346, with one added so that the
    estimate errs to the careful side).
    """
    if not wins or len(finished) < FEWEST_FOR_LUCK:
        return None
    smallest = [
        (min((one.adjusted_p for one in look.treatments if not math.isnan(one.adjusted_p)), default=1.0), _alpha(look))
        for look in (one.look for one in finished)
        if look is not None
    ]
    without = min(1.0, (1 + sum(p > _SPLIT for p, _ in smallest)) / (len(smallest) * (1 - _SPLIT)))
    return min(1.0, without * sum(alpha for _, alpha in smallest) / 2 / wins)


def _alpha(look: object) -> float:
    levels = [one.fixed.level for one in getattr(look, "treatments", ()) if one.fixed]
    return 1 - (levels[0] if levels else _LEVEL)


def _cumulative(finished: Sequence[Standing]) -> tuple[Cumulative, ...]:
    effects: dict[Metric, list[tuple[float, float]]] = defaultdict(list)
    shipped: dict[Metric, list[tuple[float, float]]] = defaultdict(list)
    for one in finished:
        look = one.look
        if look is None:
            continue
        for result in look.treatments:
            known = log_lift(result.fixed)
            if known is None:
                continue
            effects[look.metric].append(known)
            decided = one.decision
            is_shipped = decided and decided.decision is ExperimentDecision.SHIP and decided.variant == result.treatment
            if is_shipped and result.verdict.state is Verdict.BETTER:
                shipped[look.metric].append(known)
    return tuple(
        Cumulative(metric=metric, shipped=len(won), past_tests=len(effects[metric]), effect=_sum(won, effects[metric]))
        for metric, won in shipped.items()
    )


def _sum(won: Sequence[tuple[float, float]], past: Sequence[tuple[float, float]]) -> Estimate | None:
    if len(past) < FEWEST_PAST_TESTS:
        return None
    prior = fit_effect_prior([effect for effect, _ in past], [error for _, error in past])
    each = [shrink(effect, error, prior) for effect, error in won]
    total = sum(one.estimate for one in each)
    # The errors of tests are independent: their squares add up.
    below = math.hypot(*(one.estimate - one.ci_low for one in each))
    above = math.hypot(*(one.ci_high - one.estimate for one in each))
    return Estimate(math.expm1(total), math.expm1(total - below), math.expm1(total + above))


def rates_in_words(programme: Programme) -> tuple[str, ...]:
    """Return how often experiments win, and how many of the wins are luck."""
    rate = programme.win_rate
    if rate is None:
        return (f"{programme.experiments} experiments, none of them finished with a verdict yet",)
    interval = f"{percent(_LEVEL, 0)} interval {percent(rate.ci_low, 0)} to {percent(rate.ci_high, 0)}"
    share = f"{percent(rate.estimate, 0)} ({interval})"
    said = [f"{programme.wins} of {programme.finished} finished experiments won: {share}"]
    if programme.false_winners is not None:
        said.append(f"an estimated {percent(programme.false_winners, 0)} of the wins are luck")
    elif programme.wins:
        so_far = f"{programme.finished} of at least {FEWEST_FOR_LUCK}"
        said.append(f"not enough tests to say how many wins are luck ({so_far})")
    return tuple(said)


def cumulative_in_words(one: Cumulative) -> str:
    """Return what the shipped winners of a metric add up to."""
    name = METRICS[one.metric].name
    if one.effect is None:
        return (
            f"{one.shipped} shipped winners of {name}: not enough tests to say what they add up to "
            f"({one.past_tests} of at least {FEWEST_PAST_TESTS} past tests of {name})"
        )
    effect = one.effect
    ends = f"{percent(effect.ci_low, 1, sign=True)} to {percent(effect.ci_high, 1, sign=True)}"
    return (
        f"{one.shipped} shipped winners of {name} add up to {percent(effect.estimate, 1, sign=True)} "
        f"({percent(_LEVEL, 0)} interval {ends}), each shrunk by {one.past_tests} past tests"
    )
