"""What abkit has found, as figures for Prometheus: the relation of scores with KPIs, links, and the last successes."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.store.schema import Ad, CorrelationResult, Run
from abkit.store.shown import without_creative
from abkit.vocabulary import CorrelationScope, CorrelationStatistic, RunState

Figure = tuple[str, str, Sequence[str], list[tuple[Sequence[str], float]]]
"""Name, meaning, names of the labels, and values by label."""

_LOOKED_AT = 200


def figures(session: Session) -> Iterator[Figure]:
    """Yield the figures of the store; one that it cannot have yet has no values."""
    latest: dict[str, CorrelationResult] = {}
    for row in session.scalars(
        select(CorrelationResult)
        .where(
            CorrelationResult.statistic == CorrelationStatistic.SRCC,
            CorrelationResult.scope == CorrelationScope.ALL,
            CorrelationResult.segment == "",
        )
        .order_by(CorrelationResult.id.desc())
        .limit(_LOOKED_AT)
    ):
        if not row.filters.get("campaign"):
            latest.setdefault(row.metric, row)
    for name, meaning, column in (
        ("srcc", "rank correlation of scores with the KPI, as correlated last", "estimate"),
        ("srcc_low", "lower end of its interval", "ci_low"),
        ("srcc_high", "upper end of its interval", "ci_high"),
        ("srcc_creatives", "creatives that it rests on", "n"),
    ):
        values = [((metric,), getattr(row, column)) for metric, row in sorted(latest.items())]
        yield name, meaning, ("metric",), [(key, float(value)) for key, value in values if value is not None]
    # An ad that repeats another one counts as that one.
    all_ads = select(func.count()).select_from(Ad).where(Ad.same_as.is_(None))
    ads = session.scalar(all_ads) or 0
    unlinked = session.scalar(all_ads.where(without_creative(Ad.id)))
    share = [((), (unlinked or 0) / ads)] if ads else []
    yield "unlinked_ads_share", "share of the ads that no creative is linked to", (), list(share)
    ended = session.execute(
        select(Run.schedule, Run.what, func.max(Run.finished_at))
        .where(Run.schedule != "", Run.state == RunState.DONE, Run.finished_at.is_not(None))
        .group_by(Run.schedule, Run.what)
    )
    successes = [((schedule, job), at.timestamp()) for schedule, job, at in ended if at is not None]
    yield "last_success_timestamp_seconds", "when the job last succeeded", ("schedule", "job"), list(successes)
