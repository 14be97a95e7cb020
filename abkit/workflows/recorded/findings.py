"""What was found, as the store has it: correlations, drift checks, promotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from abkit.errors import UsageError
from abkit.records import Record
from abkit.stats.monitoring.decisions import headline, meaning
from abkit.store.database.engine import Store
from abkit.store.results import drift_results, last_decision
from abkit.store.schema import CorrelationResult, Decision, DriftResult, ModelVersion
from abkit.workflows.recorded.paging import Page, newest


@dataclass(frozen=True, kw_only=True)
class StoredCorrelation(Record):
    """Scores against a KPI: one coefficient, as a run found it.

    Attributes:
        metric, segment, scope, statistic: What was correlated.
        estimate, ci_low, ci_high, ci_level: The coefficient and its interval; None where there is none.
        n: How many creatives it rests on.
        method: How the interval was made.
        note: Why there is no estimate; "" otherwise.
        window_start, window_end, as_of: Days of delivery that counted.
        filters: Minimum impressions and campaign; what was left out, and why.
        model_version, model_name: The version whose scores they are.
        run_id: The run that found it.
    """

    metric: str
    segment: str
    scope: str
    statistic: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    n: int
    method: str
    note: str
    window_start: date | None
    window_end: date | None
    as_of: date
    filters: Mapping[str, Any]
    model_version: str
    model_name: str
    run_id: int


@dataclass(frozen=True, kw_only=True)
class StoredCheck(Record):
    """A drift check: what it decided.

    Attributes:
        run_id: The run of the check; `abkit drift explain` takes it.
        decision: stable, watch, retrain, fix_data or insufficient_data.
        headline: The decision with what it rests on.
        meaning: What it means, in one sentence.
        cause: What moved; "" where nothing did.
        reasons: What was found, in sentences.
        layers_judged: How many of the five layers could be judged; None in rows of early releases.
        standing: Whether it is the standing check, which owns headline and alert.
        windows: What was compared with what.
        as_of: The last day that counted.
        decided_at: When, UTC.
    """

    run_id: int
    decision: str
    headline: str
    meaning: str
    cause: str
    reasons: tuple[str, ...]
    layers_judged: int | None
    standing: bool
    windows: str
    as_of: date
    decided_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredTest(Record):
    """One test of one layer of a drift check.

    Attributes:
        layer, test, segment: What was tested.
        verdict: ok, warn, shifted, … as `abkit drift explain` has it.
        statistic, ci_low, ci_high, p_value, q_value: Of the test; None where there is none.
        threshold: What the statistic has to pass for a verdict above "ok".
        n_reference, n_current: Sample sizes.
        detail: Method, further figures, and the sentence that was said.
    """

    layer: str
    test: str
    segment: str
    verdict: str
    statistic: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    q_value: float | None
    threshold: float | None
    n_reference: int
    n_current: int
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CheckedDrift(Record):
    """A drift check with its tests.

    Attributes:
        check: What it decided; None where no check has been made yet.
        tests: Every test of every layer.
    """

    check: StoredCheck | None
    tests: tuple[StoredTest, ...] = ()


def correlation_page(
    store: Store,
    *,
    before: int | None,
    limit: int,
    metric: str | None = None,
    campaign: str | None = None,
    model: str | None = None,
) -> Page[StoredCorrelation]:
    """Return correlations that were found, the latest first.

    Args:
        store: A store at the current migration.
        before: Only those with a smaller number.
        limit: At most so many.
        metric: Only with this KPI.
        campaign: Only those of this campaign alone.
        model: Only of the version with this digest.
    """
    query = select(CorrelationResult.id, CorrelationResult, ModelVersion.digest, ModelVersion.name)
    query = query.join(ModelVersion, ModelVersion.id == CorrelationResult.model_version_id)
    if metric is not None:
        query = query.where(CorrelationResult.metric == metric)
    if model is not None:
        query = query.where(ModelVersion.digest == model)
    if campaign is not None:
        query = query.where(CorrelationResult.filters["campaign"].as_string() == campaign)
    with store.read() as session:
        rows, following = newest(session, query, CorrelationResult.id, before=before, limit=limit)
        return Page(items=tuple(_correlation(row) for row in rows), next=following)


def check_page(store: Store, *, before: int | None, limit: int, standing: bool | None = None) -> Page[StoredCheck]:
    """Return drift checks, the latest first; only the standing ones, or only the others, where that is said."""
    query = select(Decision)
    if standing is not None:
        query = query.where(Decision.standing.is_(standing))
    with store.read() as session:
        rows, following = newest(session, query, Decision.id, before=before, limit=limit)
        return Page(items=tuple(_check(row.Decision) for row in rows), next=following)


def drift_status(store: Store) -> CheckedDrift:
    """Return the last standing check with its tests: what is true of drift now."""
    with store.read() as session:
        made = last_decision(session)
        if made is None:
            return CheckedDrift(check=None)
        return CheckedDrift(check=_check(made), tests=_tests(drift_results(session, [made.run_id])))


def drift_check(store: Store, run_id: int) -> CheckedDrift:
    """Return the check of a run with its tests.

    Raises:
        UsageError: There is none.
    """
    with store.read() as session:
        made = session.scalar(select(Decision).where(Decision.run_id == run_id))
        if made is None:
            raise UsageError(f"run {run_id} is no drift check", hint="`abkit drift list` lists them")
        return CheckedDrift(check=_check(made), tests=_tests(drift_results(session, [run_id])))


def _correlation(row: Any) -> StoredCorrelation:
    found = row.CorrelationResult
    own = ("model_version", "model_name")
    names = [name for name in StoredCorrelation.__dataclass_fields__ if name not in own]
    same = {name: getattr(found, name) for name in names}
    return StoredCorrelation(model_version=row.digest, model_name=row.name, **same)


def _check(row: Decision) -> StoredCheck:
    return StoredCheck(
        run_id=row.run_id,
        decision=row.decision,
        headline=headline(row.decision, row.layers_judged, row.coarse),
        meaning=meaning(row.decision),
        cause=row.cause,
        reasons=tuple(str(reason) for reason in row.reasons.get("reasons", [])),
        layers_judged=row.layers_judged,
        standing=row.standing,
        windows=row.scope,
        as_of=row.as_of,
        decided_at=row.decided_at,
    )


def _tests(rows: list[DriftResult]) -> tuple[StoredTest, ...]:
    return tuple(StoredTest(**{name: getattr(row, name) for name in StoredTest.__dataclass_fields__}) for row in rows)
