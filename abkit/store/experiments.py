"""Experiments in the store: their variants, what these delivered by day and by segment, and the results so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from abkit.errors import AbkitError
from abkit.money import Exchange, Rates
from abkit.store.catalog.creatives import creatives_named, only_campaigns
from abkit.store.database.statements import among, any_fraction
from abkit.store.kpis.money import Figures, exchange_of, figures_by
from abkit.store.kpis.once.counting import SetAside, counts, set_aside, within
from abkit.store.kpis.once.provisional import Provisional, provisional
from abkit.store.kpis.once.same_ads import groups_of
from abkit.store.schema import (
    Ad,
    AdCreative,
    Creative,
    CreativeAlias,
    Experiment,
    ExperimentResult,
    Kpi,
    Segment,
    Variant,
)
from abkit.store.shown import shown_creatives
from abkit.vocabulary import Dimension, Metric

Kind = Literal["analysis", "decision"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What one arm delivered.

    Attributes:
        by_day: Figures by day; a row that spans several days counts on its last one.
        by_segment: Figures by segment, in the order of `Dimension`.
        creatives: Digests of the creatives shown.
        set_aside: Rows that do not count because others hold the same delivery.
        provisional: Rows of days that the platform may still change; None without any.
        modeled: Whether any row has a fraction of a conversion, whatever the sums are.
        longer: Rows that count and span more than a day.
        sizes: Width and height of the creatives shown, in pixels.
    """

    by_day: Mapping[date, Figures] = field(default_factory=dict)
    by_segment: Mapping[tuple[str, ...], Figures] = field(default_factory=dict)
    creatives: frozenset[str] = frozenset()
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None
    modeled: bool = False
    longer: int = 0
    sizes: frozenset[tuple[int, int]] = frozenset()


def find_experiment(session: Session, key: str) -> Experiment:
    """Return the experiment with this key.

    Raises:
        AbkitError: There is none.
    """
    found = session.scalar(select(Experiment).where(Experiment.key == key))
    if found is None:
        known = session.scalars(select(Experiment.key).order_by(Experiment.id.desc()).limit(5)).all()
        raise AbkitError(
            f"there is no experiment {key!r}",
            hint=f"known are {', '.join(reversed(known))}" if known else "create one: abkit experiment create",
        )
    return found


def variants_of(session: Session, experiment: Experiment) -> list[Variant]:
    """Return the variants of an experiment, the control first."""
    rows = session.scalars(select(Variant).where(Variant.experiment_id == experiment.id).order_by(Variant.id)).all()
    return sorted(rows, key=lambda variant: (not variant.is_control, variant.id))


def ads_named(session: Session, name: str) -> list[int]:
    """Return the ads that a person means: by the platform's id, else by the name of the creative they show."""
    ads = list(session.scalars(select(Ad.id).where(Ad.external_id == name)))
    if ads:
        return ads
    shown = (
        select(AdCreative.ad_id)
        .join(CreativeAlias, CreativeAlias.creative_id == AdCreative.creative_id)
        .where((CreativeAlias.base_name == name) | (CreativeAlias.name == name))
    )
    return sorted(set(session.scalars(select(Ad.id).where(Ad.creative_name == name))) | set(session.scalars(shown)))


def names_known(session: Session, most: int = 5_000) -> list[str]:
    """Return ids and names of ads and names of creatives, the latest first, to suggest one of them."""
    columns = ((Ad.external_id, Ad.id), (Ad.creative_name, Ad.id), (CreativeAlias.base_name, CreativeAlias.creative_id))
    return [
        name
        for column, number in columns
        for name in session.scalars(select(column).where(column != "").order_by(number.desc()).limit(most))
    ]


def creative_named(session: Session, name: str) -> int | None:
    """Return the creative with this name or digest, if there is exactly one."""
    _, found = creatives_named(session, [name]).get(name, ("", set()))
    return next(iter(found)) if len(found) == 1 else None


def currency_of(
    session: Session, ads: Sequence[int], first: date | None, last: date, rates: Rates | None = None
) -> Exchange:
    """Return the one currency of what these ads delivered.

    Raises:
        AbkitError: It is in several, and no table says how to convert them; or the table lacks one of them.
    """
    shown = among(session, Kpi.ad_id, groups_of(session, ads))
    return exchange_of(session, rates, counts(session, first, last), shown, *within(Kpi, first, last))


def delivery(
    session: Session,
    ads: Sequence[int],
    first: date | None,
    last: date,
    by: Dimension | None = None,
    money: Exchange | None = None,
) -> Delivery:
    """Return what these ads delivered from `first` to `last`, of the rows that count.

    Args:
        session: A reading session.
        ads: Ids of the ads.
        first, last: The period of a row lies inside; `first` None is open.
        by: A dimension that `by_segment` is for: breakdowns without it do not compete there.
        money: The currency of spend and revenue; without it both are None.
    """
    shown = groups_of(session, ads)
    conditions = [among(session, Kpi.ad_id, shown), *within(Kpi, first, last)]
    counted = counts(session, first, last)
    by_day = figures_by(session, [Kpi.period_end], money, counted, *conditions)
    segmented = counts(session, first, last, [by]) if by else counted
    by_segment = figures_by(session, [Kpi.segment_id], money, segmented, *conditions)
    used = session.scalars(select(Segment).where(among(session, Segment.id, [key for (key,) in by_segment])))
    segments: dict[tuple[str, ...], Figures] = {}
    for row in used:
        # Ad sets add up.
        key = tuple(str(getattr(row, name)) for name in Dimension)
        segments[key] = segments.get(key, Figures()).plus(by_segment[row.id,])
    creatives = session.execute(
        select(Creative.sha256, Creative.width, Creative.height)
        .join(AdCreative, AdCreative.creative_id == Creative.id)
        .where(among(session, AdCreative.ad_id, shown))
    ).all()
    longer = select(func.count()).where(Kpi.period_end > Kpi.period_start, counted, *conditions)
    left = set_aside(session, counted, conditions)
    return Delivery(
        by_day={day: figures for (day,), figures in by_day.items()},
        by_segment=segments,
        creatives=frozenset(sha256 for sha256, _, _ in creatives),
        set_aside=left,
        provisional=provisional(session, counted, conditions),
        modeled=bool(session.scalar(select(any_fraction(Kpi.conversions)).where(counted, *conditions))),
        longer=session.scalar(longer) or 0,
        sizes=frozenset((width, height) for _, width, height in creatives),
    )


def days_delivered(session: Session, ads: Sequence[int], first: date | None, last: date) -> frozenset[date]:
    """Return the days on which these ads delivered anything, from `first` to `last`."""
    shown = among(session, Kpi.ad_id, groups_of(session, ads))
    days = select(Kpi.period_end).distinct().where(shown, counts(session, first, last), *within(Kpi, first, last))
    return frozenset(session.scalars(days.where(Kpi.impressions > 0)))


def delivery_by_segment(
    session: Session,
    ads: Sequence[int],
    first: date | None,
    last: date,
    by: Dimension,
    money: Exchange | None = None,
) -> dict[str, dict[date, Figures]]:
    """Return what these ads delivered by value of a dimension and day, of the rows that count for that dimension.

    Rows that are not cut by it have the value "".
    """
    conditions = [among(session, Kpi.ad_id, groups_of(session, ads)), *within(Kpi, first, last)]
    counted = counts(session, first, last, [by])
    keys = [getattr(Segment, by.value), Kpi.period_end]
    found: dict[str, dict[date, Figures]] = {}
    for (value, day), figures in figures_by(
        session, keys, money, Kpi.segment_id == Segment.id, counted, *conditions
    ).items():
        found.setdefault(value, {})[day] = figures
    return found


def results_of(session: Session, experiment: Experiment, kind: Kind | None = None) -> list[ExperimentResult]:
    """Return the analyses and decisions of an experiment, oldest first."""
    query = select(ExperimentResult).where(ExperimentResult.experiment_id == experiment.id)
    if kind is not None:
        query = query.where(ExperimentResult.kind == kind)
    return list(session.scalars(query.order_by(ExperimentResult.id)))


def counts_of(session: Session, experiment: Experiment) -> dict[str, int]:
    """Return how many looks and decisions an experiment has."""
    kinds = [row.kind for row in results_of(session, experiment)]
    return {"looks": kinds.count("analysis"), "decisions": kinds.count("decision")}


def remove(session: Session, experiment: Experiment) -> None:
    """Delete an experiment with its variants, looks and decisions."""
    for table in (ExperimentResult, Variant):
        session.execute(delete(table).where(table.experiment_id == experiment.id))
    session.delete(experiment)


def latest_analyses(session: Session, *, apart_from: Experiment) -> list[ExperimentResult]:
    """Return the last analysis of every other experiment."""
    last = (
        select(func.max(ExperimentResult.id))
        .where(ExperimentResult.kind == "analysis", ExperimentResult.experiment_id != apart_from.id)
        .group_by(ExperimentResult.experiment_id)
    )
    return list(session.scalars(select(ExperimentResult).where(ExperimentResult.id.in_(last))))


def add_result(
    session: Session,
    experiment: Experiment,
    *,
    kind: Kind,
    as_of: date,
    verdict: str,
    result: Mapping[str, Any],
    run_id: int,
    decided_by: str = "",
    reason: str = "",
) -> ExperimentResult:
    """Write an analysis or a decision; its sequence number is the look or the number of the decision."""
    last = session.scalar(
        select(func.max(ExperimentResult.sequence)).where(
            ExperimentResult.experiment_id == experiment.id, ExperimentResult.kind == kind
        )
    )
    row = ExperimentResult(
        experiment_id=experiment.id,
        kind=kind,
        sequence=(last or 0) + 1,
        as_of=as_of,
        verdict=verdict,
        result=dict(result),
        decided_by=decided_by,
        reason=reason,
        created_at=datetime.now(UTC),
        run_id=run_id,
    )
    session.add(row)
    session.flush()
    return row


@dataclass(frozen=True, kw_only=True)
class ArmPlace:
    """Where an arm of an experiment ran: None where that is not one creative, or one campaign.

    Attributes:
        creative_id: The creative that it shows.
        campaign_id: The campaign of its ads, or that of the experiment.
    """

    creative_id: int | None
    campaign_id: int | None


def arm_places(session: Session, experiment: Experiment) -> dict[str, ArmPlace]:
    """Return the creative and the campaign of each variant."""
    found = {}
    for variant in variants_of(session, experiment):
        ads = [] if variant.ad_id is None else [variant.ad_id]
        shown = shown_creatives().subquery()
        creatives = set(session.scalars(select(shown.c.creative_id).where(shown.c.ad_id.in_(ads))))
        campaigns = set(session.scalars(select(Ad.campaign_id).where(Ad.id.in_(ads), Ad.campaign_id.is_not(None))))
        creative = variant.creative_id or (creatives.pop() if len(creatives) == 1 else None)
        if not campaigns and creative is not None:
            only = only_campaigns()
            campaigns = set(session.scalars(select(only.c.campaign_id).where(only.c.creative_id == creative)))
        campaign = experiment.campaign_id or (campaigns.pop() if len(campaigns) == 1 else None)
        found[variant.key] = ArmPlace(creative_id=creative, campaign_id=campaign)
    return found


def decided(session: Session, *, metric: Metric, as_of: date) -> list[tuple[Experiment, ExperimentResult]]:
    """Return the experiments on a metric that were decided up to a day, each with its last decision."""
    last = (
        select(func.max(ExperimentResult.id))
        .where(ExperimentResult.kind == "decision", ExperimentResult.as_of <= as_of)
        .group_by(ExperimentResult.experiment_id)
    )
    rows = session.execute(
        select(Experiment, ExperimentResult)
        .join(ExperimentResult, ExperimentResult.experiment_id == Experiment.id)
        .where(ExperimentResult.id.in_(last), Experiment.metric == metric.value)
        .order_by(Experiment.id)
    )
    return [(experiment, decision) for experiment, decision in rows]
