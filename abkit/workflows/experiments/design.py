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
from abkit.intake.images import SAME_SHAPE
from abkit.records import Record
from abkit.stats.design.pairs import PairPlan, ScoredVariant, by_promise, plan_pairs
from abkit.stats.design.power import Design
from abkit.stats.monitoring.absorbed_poisson import absorbed_poisson
from abkit.store import models, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, deliveries
from abkit.store.schema import Creative
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
        baseline: The rate that the tests are planned with.
        baseline_from: Where it comes from.
        relation: What a score point has been worth.
        pairs: The pairs, the most promising first: of creatives of one shape, which one placement can show.
        other_shapes: How many pairs are left out because no placement shows both.
    """

    campaign: str
    model_version: str
    baseline: float
    baseline_from: str
    relation: Relation
    pairs: tuple[PairPlan, ...]
    other_shapes: int = 0


def design_from_scores(
    store: Store, campaign: str, *, as_of: date, design: Design, baseline: float | None = None, most_days: int = 60
) -> DesignReport:
    """Plan the pairs of a campaign's scored variants.

    Args:
        store: The store, with scores, and with KPIs as far as there are any.
        campaign: Key of the campaign.
        as_of: The last day of delivery that counts.
        design: Power, alpha, split, daily traffic.
        baseline: CTR of the control; by default that of the campaign so far, else of everything delivered.
        most_days: Days that a test may take.

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
        delivered = deliveries(session, Filters(end=as_of))
        by_creative = scores.mean_scores(session, version.id)
        spread = error_spread(version.card.get("metrics") or {}, version.card.get("interval") or {})
    rate, source = _baseline(delivered, number, baseline)
    relation = fit_relation(delivered.rows, by_creative)
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
            group, baseline=rate, log_lift_per_point=relation.log_lift_per_point, design=design, most_days=most_days
        )
        for group in testable
    ]
    pairs = sorted((pair for plan in plans for pair in plan), key=by_promise)
    return DesignReport(
        campaign=campaign,
        model_version=version.digest,
        baseline=rate,
        baseline_from=source,
        relation=relation,
        pairs=tuple(pairs),
        other_shapes=len(ranked) * (len(ranked) - 1) // 2 - len(pairs),
    )


def _shapes(session: Session, creatives: Sequence[int]) -> dict[int, int]:
    """Return a label of the shape of each creative: equal where width : height differs by rounding only."""
    sides = session.execute(select(Creative.id, Creative.width, Creative.height).where(Creative.id.in_(creatives)))
    label, first, found = 0, -math.inf, {}
    for ratio, id_ in sorted((math.log(width / height), id_) for id_, width, height in sides):
        if ratio - first > SAME_SHAPE:
            label, first = label + 1, ratio
        found[id_] = label
    return found


def fit_relation(rows: tuple[Delivered, ...], by_creative: dict[int, float]) -> Relation:
    """Fit what a score point has been worth: conditional Poisson of clicks within campaigns, clustered by creative."""
    used = [row for row in rows if row.creative_id in by_creative and row.impressions > 0 and row.campaign_id]
    if len(used) < FEWEST_CREATIVES:
        note = f"{len(used)} scored creatives with delivery; the relation takes at least {FEWEST_CREATIVES}"
        return Relation(creatives=len(used), note=note)
    fit = absorbed_poisson(
        [row.clicks for row in used],
        [row.impressions for row in used],
        [[by_creative[row.creative_id]] for row in used],
        np.array([row.campaign_id for row in used]),
        [np.array([row.creative_id for row in used])],
    )
    slope, error = float(fit.coefficients[0]), float(fit.standard_errors[0])
    if not math.isfinite(error):
        return Relation(creatives=len(used), note="the scores do not vary within any campaign")
    low, high = slope - Z95 * error, slope + Z95 * error
    shown = low > 0
    note = "" if shown else f"a score point changes log CTR by {slope:.3f} [{low:.3f}, {high:.3f}]: not shown to help"
    return Relation(
        log_lift_per_point=slope if shown else None,
        estimate=slope,
        ci_low=low,
        ci_high=high,
        creatives=len(used),
        note=note,
    )


def _baseline(delivered: Deliveries, campaign: int, given: float | None) -> tuple[float, str]:
    if given is not None:
        return given, "given"
    for rows, source in (
        ([row for row in delivered.rows if row.campaign_id == campaign], "the campaign so far"),
        (list(delivered.rows), "everything delivered so far"),
    ):
        impressions, clicks = sum(row.impressions for row in rows), sum(row.clicks for row in rows)
        if clicks >= 30:
            return clicks / impressions, f"{source}: {clicks:,} clicks in {impressions:,} impressions"
    raise AbkitError("no CTR is known yet to plan with", hint="give --baseline, such as 0.01, or import KPIs")
