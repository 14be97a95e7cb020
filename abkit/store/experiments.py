"""Experiments in the store: their arms, what these delivered by day, and the results so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.errors import AbkitError
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

DIMENSIONS = ("platform", "placement", "country", "device", "age", "gender", "other")


@dataclass
class Delivery:
    """What one arm delivered: (impressions, clicks, conversions) by day and by segment."""

    by_day: dict[date, tuple[int, int, int]] = field(default_factory=dict)
    by_segment: dict[tuple[str, ...], tuple[int, int, int]] = field(default_factory=dict)
    creatives: set[str] = field(default_factory=set)
    totals_only: bool = False


def find_experiment(session: Session, key: str) -> Experiment:
    """The experiment of that key.

    Raises:
        AbkitError: there is none.
    """
    found = session.scalar(select(Experiment).where(Experiment.key == key))
    if found is None:
        known = session.scalars(select(Experiment.key).order_by(Experiment.id.desc()).limit(5)).all()
        raise AbkitError(
            f"there is no experiment {key!r}",
            hint=f"known are {', '.join(reversed(known))}" if known else "make one with `abkit experiment create`",
        )
    return found


def variants_of(session: Session, experiment: Experiment) -> list[Variant]:
    """The arms, the control first."""
    rows = session.scalars(select(Variant).where(Variant.experiment_id == experiment.id).order_by(Variant.id)).all()
    return sorted(rows, key=lambda variant: (not variant.is_control, variant.id))


def ads_named(session: Session, name: str) -> list[int]:
    """The ads that a person means: by the platform's id, else by the name of the picture they show."""
    ads = list(session.scalars(select(Ad.id).where(Ad.external_id == name)))
    if ads:
        return ads
    shown = (
        select(AdCreative.ad_id)
        .join(CreativeAlias, CreativeAlias.creative_id == AdCreative.creative_id)
        .where((CreativeAlias.base_name == name) | (CreativeAlias.name == name))
    )
    return sorted(set(session.scalars(select(Ad.id).where(Ad.creative_name == name))) | set(session.scalars(shown)))


def creative_named(session: Session, name: str) -> int | None:
    """The picture of that name or digest, if there is exactly one."""
    found = set(
        session.scalars(
            select(Creative.id)
            .outerjoin(CreativeAlias, CreativeAlias.creative_id == Creative.id)
            .where((Creative.sha256 == name) | (CreativeAlias.base_name == name) | (CreativeAlias.name == name))
        )
    )
    return found.pop() if len(found) == 1 else None


def delivery(session: Session, ads: Sequence[int], first: date | None, last: date) -> Delivery:
    """What these ads delivered from `first` to `last`.

    Of several breakdowns and conversion events of one ad the one with most impressions counts: they are the same
    impressions. Rows that span several days count on their last day and set `totals_only`.
    """
    query = (
        select(
            Kpi.ad_id,
            Kpi.segment_id,
            Kpi.event,
            Kpi.attribution_window,
            Kpi.period_start,
            Kpi.period_end,
            func.sum(Kpi.impressions),
            func.sum(Kpi.clicks),
            func.sum(Kpi.conversions),
        )
        .where(Kpi.ad_id.in_(ads), Kpi.period_end <= last)
        .group_by(Kpi.ad_id, Kpi.segment_id, Kpi.event, Kpi.attribution_window, Kpi.period_start, Kpi.period_end)
    )
    if first is not None:
        query = query.where(Kpi.period_start >= first)
    rows = session.execute(query).all()
    segments = _segments(session, {row[1] for row in rows})
    result = Delivery()
    for ad in ads:
        kinds: dict[tuple[Any, ...], list[Any]] = {}
        for row in rows:
            if row[0] == ad:
                shape = tuple(bool(value) for value in segments[row[1]])
                kinds.setdefault((shape, row[2], row[3]), []).append(row)
        if not kinds:
            continue
        best = max(kinds.values(), key=lambda kind: (sum(row[6] for row in kind), sum(row[8] for row in kind)))
        for row in best:
            figures = (int(row[6]), int(row[7]), int(row[8]))
            result.totals_only |= row[4] != row[5]
            result.by_day[row[5]] = _added(result.by_day.get(row[5]), figures)
            segment = segments[row[1]]
            result.by_segment[segment] = _added(result.by_segment.get(segment), figures)
    result.creatives = set(
        session.scalars(
            select(Creative.sha256)
            .join(AdCreative, AdCreative.creative_id == Creative.id)
            .where(AdCreative.ad_id.in_(ads))
        )
    )
    return result


def _segments(session: Session, ids: set[int]) -> dict[int, tuple[str, ...]]:
    rows = session.scalars(select(Segment).where(Segment.id.in_(ids)))
    return {row.id: tuple(getattr(row, name) for name in DIMENSIONS) for row in rows}


def _added(one: tuple[int, int, int] | None, two: tuple[int, int, int]) -> tuple[int, int, int]:
    return two if one is None else (one[0] + two[0], one[1] + two[1], one[2] + two[2])


def results_of(session: Session, experiment: Experiment, kind: str | None = None) -> list[ExperimentResult]:
    """Analyses and decisions, oldest first."""
    query = select(ExperimentResult).where(ExperimentResult.experiment_id == experiment.id)
    if kind is not None:
        query = query.where(ExperimentResult.kind == kind)
    return list(session.scalars(query.order_by(ExperimentResult.id)))


def latest_analyses(session: Session) -> list[ExperimentResult]:
    """The last analysis of every experiment."""
    last = select(func.max(ExperimentResult.id)).where(ExperimentResult.kind == "analysis").group_by(
        ExperimentResult.experiment_id
    )  # fmt: skip
    return list(session.scalars(select(ExperimentResult).where(ExperimentResult.id.in_(last))))


def add_result(
    session: Session,
    experiment: Experiment,
    *,
    kind: str,
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
