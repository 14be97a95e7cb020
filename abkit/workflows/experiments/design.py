"""Which variants of a campaign are worth a test: their scores, what a score point has been worth, and the traffic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.errors import AbkitError
from abkit.intake.media.images import SAME_SHAPE
from abkit.metrics import METRICS
from abkit.money import Rates
from abkit.records import Record
from abkit.stats.appeal.absorbed_poisson import absorbed_poisson
from abkit.stats.design.budget import BudgetPlan, TrafficCost, plan_budget
from abkit.stats.design.pairs import PairPlan, ScoredVariant, by_promise, plan_pairs
from abkit.stats.design.power import Design
from abkit.store import models, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, deliveries
from abkit.store.schema import Creative
from abkit.vocabulary import Direction, Metric
from abkit.workflows.experiments.baselines import Baseline, baseline_of
from abkit_model.selection import error_spread

FEWEST_CREATIVES = 10
MOST_VARIANTS = 200
Z95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Relation(Record):
    """What a score point has been worth, within campaigns.

    Attributes:
        log_lift_per_point: Change of the log rate per score point; None when it is not shown to be above zero.
        estimate: The same, whatever its sign.
        ci_low: Lower end of the 95 % interval.
        ci_high: Upper end of the 95 % interval.
        creatives: Number of creatives that it is learned from.
        note: Why there is no relation to plan with; empty when there is one.
    """

    log_lift_per_point: float | None = None
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    creatives: int
    note: str


@dataclass(frozen=True, kw_only=True)
class DesignReport(Record):
    """What a test of this campaign's variants would take.

    Attributes:
        campaign: Key of the campaign.
        model_version: Digest of the scorer.
        baseline: The value of the metric that the tests are planned with.
        baseline_from: Where it comes from.
        relation: What a score point has been worth.
        pairs: The pairs, the most promising first (with a budget, what teaches most for the money): of creatives of one
            shape, which one placement can show.
        other_shapes: How many pairs are left out because no placement shows both.
        metric: What the tests compare.
        currency: Currency of amounts; "" where none is named.
        budget: What a test of two arms can tell at the budget; None without one.
        notes: What to know about the figures.
    """

    campaign: str
    model_version: str
    baseline: float
    baseline_from: str
    relation: Relation
    pairs: tuple[PairPlan, ...]
    other_shapes: int = 0
    metric: Metric = Metric.CTR
    currency: str = ""
    budget: BudgetPlan | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MoneyQuestion:
    """What a plan in money is asked with.

    Attributes:
        cpm: Money per 1,000 impressions.
        budget: Money for a test.
        lift: The relative change that the tests are to find; by default what the scores promise.
        value: What a click or conversion, whichever the metric counts, is worth; by default its revenue in the store.
    """

    cpm: float
    budget: float
    lift: float | None = None
    value: float | None = None


def design_from_scores(
    store: Store,
    campaign: str,
    *,
    as_of: date,
    design: Design,
    baseline: float | None = None,
    most_days: int = 60,
    metric: Metric = Metric.CTR,
    money: MoneyQuestion | None = None,
    rates: Rates | None = None,
    margin_rate: float = 1.0,
) -> DesignReport:
    """Plan the pairs of a campaign's scored variants.

    Args:
        store: The store, with scores, and with KPIs as far as there are any.
        campaign: Key of the campaign.
        as_of: The last day of delivery that counts.
        design: Power, alpha, split, daily traffic.
        baseline: The control's rate; by default that of the campaign so far, else of everything delivered.
        most_days: Days that a test may take.
        metric: What the tests compare.
        money: What impressions cost, and the budget; without it nothing is said about money.
        rates: The currency of amounts, and what others are worth in it; that of the rows by default.
        margin_rate: For the margin: the share of the revenue that is left before advertising.

    Raises:
        AbkitError: The campaign is unknown, there is no active model, fewer than two variants are scored, or no
            baseline is known.
    """
    with store.read() as session:
        number = creatives.find_campaign(session, campaign)
        version = models.active_model(session)
        if version is None:
            raise AbkitError("no scorer has been used yet", hint=f"run `abkit score IMAGES --campaign {campaign}`")
        ranked = scores.ranking(session, number, version.id)[:MOST_VARIANTS]
        if len(ranked) < 2:
            raise AbkitError(
                f"{campaign} has {len(ranked)} scored variant; a test takes at least 2", hint="score more creatives"
            )
        aliases = creatives.creative_names(session, [row.creative_id for row in ranked], campaign=number)
        names = {creative: latest for creative, ((_, latest), *_) in aliases.items()}
        ids = [row.creative_id for row in ranked]
        shapes, labels = _shapes(session, ids), ideas.ideas_of(session, ids)
        delivered = _delivered(session, metric, as_of, rates)
        by_creative = scores.mean_scores(session, version.id)
        spread = error_spread(version.card.get("metrics") or {}, version.card.get("interval") or {})
        known = baseline_of(
            session,
            metric,
            delivered,
            number,
            as_of=as_of,
            given=baseline,
            money=delivered.money,
            margin_rate=margin_rate,
            value_per_event=money.value if money else None,
        )
    traffic = _traffic(known, metric, money) if money else None
    relation = fit_relation(delivered.rows, by_creative, metric)
    # Where nothing says how wrong a score can be, which of two is better is a coin toss.
    error = spread.std if spread else math.inf
    groups: dict[int, dict[int, ScoredVariant]] = defaultdict(dict)
    for row in ranked:  # best first: of one idea in two resolutions, the better one is tested
        variant = ScoredVariant(names.get(row.creative_id, row.sha256[:12]), row.score.mean, error)
        groups[shapes[row.creative_id]].setdefault(labels[row.creative_id], variant)
    testable = [list(group.values()) for group in groups.values() if len(group) > 1]
    if not testable:
        raise AbkitError(
            f"no two scored variants of {campaign} have one shape, and no placement shows both of a pair",
            hint="make the variants of a test in one size",
        )
    plans = [
        plan_pairs(
            group,
            baseline=known.test,
            log_lift_per_point=relation.log_lift_per_point,
            design=design,
            most_days=most_days,
            traffic=traffic,
            units_per_impression=known.units_per_impression,
            lower=METRICS[metric].direction is Direction.LOWER,
        )
        for group in testable
    ]
    pairs = sorted((pair for plan in plans for pair in plan), key=by_promise)
    return DesignReport(
        campaign=campaign,
        model_version=version.digest,
        baseline=known.test.baseline,
        baseline_from=known.source,
        relation=relation,
        pairs=tuple(pairs),
        other_shapes=len(ranked) * (len(ranked) - 1) // 2 - len(pairs),
        metric=metric,
        currency=delivered.money.currency if delivered.money else "",
        budget=_budget(known, traffic, pairs, design, money) if money and traffic else None,
        notes=_notes(known, metric, delivered, money) if money else (),
    )


def _delivered(session: Session, metric: Metric, as_of: date, rates: Rates | None) -> Deliveries:
    """Return what was delivered, with amounts where they are known in one currency."""
    try:
        return deliveries(session, Filters(end=as_of), with_money=True, rates=rates)
    except AbkitError:
        if METRICS[metric].needs:
            raise
        # Of rates, money only says what they are worth.
        return deliveries(session, Filters(end=as_of))


def _traffic(known: Baseline, metric: Metric, money: MoneyQuestion) -> TrafficCost:
    definition = METRICS[metric]
    return TrafficCost(
        cpm=money.cpm,
        budget=money.budget,
        units_per_impression=known.units_per_impression,
        events_per_impression=known.events_per_impression,
        events=definition.events,
        worth_per_1000=known.worth_per_1000,
        lower=definition.direction is Direction.LOWER,
    )


def _budget(
    known: Baseline, traffic: TrafficCost, pairs: Sequence[PairPlan], design: Design, money: MoneyQuestion
) -> BudgetPlan:
    """Return what can be told at the budget; the planned lift is the largest that the scores promise, unless given."""
    promised = [abs(pair.expected_lift) for pair in pairs if pair.expected_lift is not None and pair.size]
    planned = money.lift if money.lift is not None else max(promised, default=None)
    return plan_budget(known.test, traffic, design, planned_lift=planned)


def _notes(known: Baseline, metric: Metric, delivered: Deliveries, money: MoneyQuestion) -> tuple[str, ...]:
    """Say what is not known of money, and which amounts were converted."""
    notes = list(delivered.money.notes) if delivered.money and known.worth_per_1000 is not None else []
    if known.worth_per_1000 is None:
        notes.append(
            f"what a lift is worth is not known: import KPIs with their revenue, or say what "
            f"{METRICS[metric].events} are worth: --value"
        )
    if not METRICS[metric].share:
        notes.append("the noise takes in the ups and downs of days that both arms will share: the plan is cautious")
    return tuple(notes)


def _shapes(session: Session, creatives: Sequence[int]) -> dict[int, int]:
    """Return a label of the shape of each creative: equal where width : height differs by rounding only."""
    sides = session.execute(select(Creative.id, Creative.width, Creative.height).where(Creative.id.in_(creatives)))
    label, first, found = 0, -math.inf, {}
    for ratio, id_ in sorted((math.log(width / height), id_) for id_, width, height in sides):
        if ratio - first > SAME_SHAPE:
            label, first = label + 1, ratio
        found[id_] = label
    return found


def fit_relation(rows: tuple[Delivered, ...], by_creative: dict[int, float], metric: Metric = Metric.CTR) -> Relation:
    """Fit what a score point has been worth: conditional Poisson of events within campaigns, clustered by creative.

    The events are the clicks of a CTR, the conversions per amount spent of a CPA, the revenue of a ROAS.
    """
    if metric is Metric.MARGIN:
        return Relation(creatives=0, note="a margin can be below 0: no relation of its logarithm is fitted")
    events, exposure = METRICS[metric].rate
    used = [
        row
        for row in rows
        if row.creative_id in by_creative
        and row.campaign_id
        and getattr(row, events) is not None
        and (getattr(row, exposure) or 0) > 0
    ]
    if len(used) < FEWEST_CREATIVES:
        note = f"{len(used)} scored creatives with delivery; the relation takes at least {FEWEST_CREATIVES}"
        return Relation(creatives=len(used), note=note)
    fit = absorbed_poisson(
        [getattr(row, events) for row in used],
        [getattr(row, exposure) for row in used],
        [[by_creative[row.creative_id]] for row in used],
        np.array([row.campaign_id for row in used]),
        [np.array([row.creative_id for row in used])],
    )
    slope, error = float(fit.coefficients[0]), float(fit.standard_errors[0])
    if not math.isfinite(error):
        return Relation(creatives=len(used), note="the scores do not vary within any campaign")
    low, high = slope - Z95 * error, slope + Z95 * error
    shown = low > 0
    change = f"log {METRICS[metric].name} by {slope:.3f} [{low:.3f}, {high:.3f}]"
    note = "" if shown else f"a score point changes {change}: not shown to help"
    return Relation(
        log_lift_per_point=slope if shown else None,
        estimate=slope,
        ci_low=low,
        ci_high=high,
        creatives=len(used),
        note=note,
    )
