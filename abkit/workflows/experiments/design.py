"""Which variants of a campaign are worth a test: their scores, what a score point has been worth, and the traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlalchemy import select

from abkit.errors import AbkitError
from abkit.stats.design.pairs import PairPlan, ScoredVariant, plan_pairs
from abkit.stats.design.power import Design
from abkit.stats.monitoring.absorbed_poisson import absorbed_poisson
from abkit.store import creatives, models, scores
from abkit.store.engine import Store
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, deliveries
from abkit.store.schema import CreativeAlias
from abkit_model.selection import error_spread

FEWEST_CREATIVES = 10
MOST_VARIANTS = 200


@dataclass(frozen=True)
class Relation:
    """What a score point has been worth, within campaigns.

    Attributes:
        log_lift_per_point: change of the log rate a score point; None when it is not shown to be above zero.
        estimate: the same, whatever its sign.
        ci_low: of the 95 % interval.
        ci_high: of the 95 % interval.
        creatives: how many it is learnt from.
        note: why there is no relation to plan with; empty when there is one.
    """

    log_lift_per_point: float | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    creatives: int
    note: str


@dataclass(frozen=True)
class DesignReport:
    """What a test of this campaign's variants would take.

    Attributes:
        campaign: its key.
        model_version: digest of the scorer.
        baseline: the rate planned with.
        baseline_from: where it comes from.
        relation: score against rate.
        pairs: the most promising first.
    """

    campaign: str
    model_version: str
    baseline: float
    baseline_from: str
    relation: Relation
    pairs: tuple[PairPlan, ...]


def design_from_scores(
    store: Store, campaign: str, *, as_of: date, design: Design, baseline: float | None = None, most_days: int = 60
) -> DesignReport:
    """Plan the pairs of a campaign's scored variants.

    Args:
        store: with scores, and KPIs as far as there are any.
        campaign: its key.
        as_of: delivery after this day does not count.
        design: power, alpha, split, daily traffic.
        baseline: the control's CTR; by default that of the campaign so far, else of everything delivered.
        most_days: how long a test may take.

    Raises:
        AbkitError: unknown campaign, no active model, fewer than two scored variants, no baseline known.
    """
    with store.read() as session:
        number = creatives.find_campaign(session, campaign)
        version = models.active_model(session)
        if version is None:
            raise AbkitError("no scorer has been used yet", hint=f"run `abkit score PICTURES --campaign {campaign}`")
        ranked = scores.ranking(session, number, version.id)[:MOST_VARIANTS]
        if len(ranked) < 2:
            raise AbkitError(
                f"{campaign} has {len(ranked)} scored variant; a test takes at least 2", hint="score more pictures"
            )
        aliases = session.execute(
            select(CreativeAlias.creative_id, CreativeAlias.base_name)
            .where(CreativeAlias.creative_id.in_([row.creative_id for row in ranked]))
            .order_by(CreativeAlias.id.desc())
        )
        names = {row.creative_id: row.base_name for row in aliases}
        delivered = deliveries(session, Filters(end=as_of))
        by_creative = scores.mean_scores(session, version.id)
        spread = error_spread(version.card.get("metrics") or {}, version.card.get("interval") or {})
    rate, source = _baseline(delivered, number, baseline)
    relation = fit_relation(delivered.rows, by_creative)
    variants = [
        ScoredVariant(
            names.get(row.creative_id, row.sha256[:12]),
            row.score.mean,
            # where nothing says how wrong a score can be, which of two is better is a coin's guess
            spread.std if spread else math.inf,
        )
        for row in ranked
    ]
    pairs = plan_pairs(
        variants, baseline=rate, log_lift_per_point=relation.log_lift_per_point, design=design, most_days=most_days
    )
    return DesignReport(campaign, version.digest, rate, source, relation, pairs)


def fit_relation(rows: tuple[Delivered, ...], by_creative: dict[int, float], *, reach: float = 1.959964) -> Relation:
    """What a score point has been worth: conditional Poisson of clicks within campaigns, clustered by creative."""
    used = [row for row in rows if row.creative_id in by_creative and row.impressions > 0 and row.campaign_id]
    if len(used) < FEWEST_CREATIVES:
        note = f"{len(used)} scored creatives with delivery; the relation takes at least {FEWEST_CREATIVES}"
        return Relation(None, None, None, None, len(used), note)
    fit = absorbed_poisson(
        [row.clicks for row in used],
        [row.impressions for row in used],
        [[by_creative[row.creative_id]] for row in used],
        np.array([row.campaign_id for row in used]),
        [np.array([row.creative_id for row in used])],
    )
    slope, error = float(fit.coefficients[0]), float(fit.standard_errors[0])
    if not math.isfinite(error):
        return Relation(None, None, None, None, len(used), "the scores do not vary within any campaign")
    low, high = slope - reach * error, slope + reach * error
    shown = low > 0
    note = "" if shown else f"a score point changes log CTR by {slope:.3f} [{low:.3f}, {high:.3f}]: not shown to help"
    return Relation(slope if shown else None, slope, low, high, len(used), note)


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
