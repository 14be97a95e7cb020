"""What a manager reads in fifteen seconds: the standing decision, the week, what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.stats.monitoring.decisions import headline, meaning
from abkit.store import imports, models, results
from abkit.store.database.engine import Store
from abkit.store.database.statements import total
from abkit.store.jobs import alerts
from abkit.store.leaderboards import summary_member
from abkit.store.schema import (
    Alert,
    Campaign,
    Creative,
    Decision,
    Experiment,
    ExperimentResult,
    KpiImport,
    KpiUndo,
    Leaderboard,
    Promotion,
)
from abkit.vocabulary import Verdict
from abkit.workflows.leaderboard.summary import FORMAT

_WEEK = timedelta(days=6)
_FOUND = (Verdict.BETTER, Verdict.WORSE)
_WAITS = (*_FOUND, Verdict.FUTILE, Verdict.BLOCKED)
MOST = 8
#: New creatives that are counted: a page reads no more of them.
MOST_COUNTED = 1_000


@dataclass(frozen=True, kw_only=True)
class OpenAlert(Record):
    """An alert that waits for somebody."""

    id: int
    title: str
    severity: str
    state: str
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class CampaignAdvice(Record):
    """What to do in a campaign, as last made."""

    id: int
    campaign: str
    headline: str
    as_of: date


@dataclass(frozen=True, kw_only=True)
class Overview(Record):
    """The state of everything.

    Attributes:
        day: Today.
        decision: Of the last standing drift check; "" without one.
        headline: In words, with how many layers it rests on.
        meaning: What it means, in a sentence.
        reasons: Why.
        checked_on, run_id: Day and run of that check.
        before: What it was a week before; "" where it was not checked.
        relation: SRCC of score and CTR with its interval and n; "" without an estimate.
        week: What changed in the last seven days, in sentences.
        advice: What to launch and to drop, of the campaigns where there is something to do.
        alerts: Those that nobody has acknowledged or silenced, the latest first.
        alerts_of: How many there are.
        experiments: Keys and why each waits for a decision.
        unlinked: Rows of the week's imports whose ads show no known creative.
        rejected: Rows of the week's imports that were refused.
        simulated: Whether delivery was simulated.
        empty: Whether nothing was ever scored or imported.
    """

    day: date
    decision: str
    headline: str
    meaning: str
    reasons: tuple[str, ...]
    checked_on: date | None
    run_id: int | None
    before: str
    relation: str
    week: tuple[str, ...]
    advice: tuple[CampaignAdvice, ...]
    alerts: tuple[OpenAlert, ...]
    alerts_of: int
    experiments: tuple[tuple[str, str], ...]
    unlinked: int
    rejected: int
    simulated: bool
    empty: bool


def overview(store: Store, *, now: datetime | None = None) -> Overview:
    """Return the state of everything, from what is stored: about a dozen short queries, whatever the store holds."""
    now = now or datetime.now(UTC)
    day = now.date()
    first = day - _WEEK
    start = datetime.combine(first, time.min, UTC)
    with store.read() as session:
        made = results.last_decision(session, day)
        before = results.last_decision(session, first - timedelta(days=1))
        version = models.active_model(session)
        files = _imports(session, start)
        tests = _experiments(session)
        waiting = [one for one in alerts.open_alerts(session) if alerts.state_of(one, now) in ("firing", "calming")]
        latest = select(Creative.created_at).order_by(Creative.id.desc()).limit(MOST_COUNTED + 1).subquery()
        creatives = session.scalar(select(func.count()).where(latest.c.created_at >= start)) or 0
        return Overview(
            day=day,
            decision=made.decision if made else "",
            headline=headline(made.decision, made.layers_judged, made.coarse) if made else "not checked yet",
            meaning=meaning(made.decision) if made else "No drift check has been made: `abkit drift check` makes one.",
            reasons=tuple(str(one) for one in made.reasons.get("reasons", ())) if made else (),
            checked_on=made.as_of if made else None,
            run_id=made.run_id if made else None,
            before=headline(before.decision, None) if before else "",
            relation=_relation(session, version.id) if version else "",
            week=tuple(_week(session, start, first, made, before, creatives, files, tests)),
            advice=_advice(session),
            alerts=tuple(_alert(one, now) for one in waiting[:MOST]),
            alerts_of=len(waiting),
            experiments=tuple(_waiting(tests, day)),
            unlinked=files.unlinked or 0,
            rejected=files.rejected or 0,
            simulated=imports.is_simulated(session),
            empty=version is None and made is None and not files.ever,
        )


def _imports(session: Session, start: datetime) -> Any:
    undone = select(KpiUndo.kpi_import_id)
    counted = [func.count(KpiImport.id).label("files"), total(KpiImport.imported).label("rows")]
    counted += [total(KpiImport.unlinked).label("unlinked"), total(KpiImport.rejected).label("rejected")]
    ever = select(func.count(KpiImport.id)).scalar_subquery().label("ever")
    return session.execute(
        select(*counted, ever).where(KpiImport.imported_at >= start, KpiImport.id.not_in(undone))
    ).one()  # fmt: skip


def _experiments(session: Session) -> list[Any]:
    """Return each experiment that is not archived, with its last look and its last decision."""
    last = (
        select(ExperimentResult.experiment_id, ExperimentResult.kind, func.max(ExperimentResult.id).label("id"))
        .group_by(ExperimentResult.experiment_id, ExperimentResult.kind)
        .subquery()
    )
    looks, decisions = (
        select(last.c.experiment_id, ExperimentResult.verdict, ExperimentResult.as_of)
        .join(ExperimentResult, ExperimentResult.id == last.c.id)
        .where(last.c.kind == kind)
        .subquery()
        for kind in ("analysis", "decision")
    )
    rows = select(
        Experiment.key,
        Experiment.starts_on,
        Experiment.ends_on,
        Experiment.created_at,
        looks.c.verdict,
        looks.c.as_of,
        decisions.c.verdict.label("decision"),
        decisions.c.as_of.label("decided_on"),
    )
    rows = rows.outerjoin(looks, looks.c.experiment_id == Experiment.id)
    rows = rows.outerjoin(decisions, decisions.c.experiment_id == Experiment.id)
    return list(session.execute(rows.where(Experiment.archived_at.is_(None)).order_by(Experiment.id.desc()).limit(500)))


def _week(
    session: Session,
    start: datetime,
    first: date,
    made: Decision | None,
    before: Decision | None,
    creatives: int,
    files: Any,
    tests: Sequence[Any],
) -> list[str]:
    said = []
    if made and before and made.decision != before.decision:
        said.append(f"Drift went from {headline(before.decision, None)} to {headline(made.decision, None)}.")
    launched = [one.key for one in tests if (one.starts_on or one.created_at.date()) >= first]
    decided = [f"{one.key} ({one.decision})" for one in tests if one.decision and one.decided_on >= first]
    found = [f"{one.key} ({one.verdict})" for one in tests if one.verdict in _FOUND and one.as_of >= first]
    for words, keys in (("Experiments started", launched), ("Decided", decided), ("Found", found)):
        if keys:
            more = f" and {len(keys) - MOST} more" if len(keys) > MOST else ""
            said.append(f"{words}: {', '.join(keys[:MOST])}{more}.")
    if creatives:
        number = f"More than {MOST_COUNTED:,}" if creatives > MOST_COUNTED else f"{creatives:,}"
        said.append(f"{number} new creative{'s' if creatives > 1 else ''} scored.")
    if files.files:
        many = "s" if files.files > 1 else ""
        said.append(f"{files.files:,} KPI file{many} imported, with {files.rows or 0:,} new rows.")
    for promotion in session.scalars(select(Promotion).where(Promotion.promoted_at >= start).order_by(Promotion.id)):
        version = models.version(session, promotion.model_version_id)
        said.append(f"{version.name if version else 'A model'} became the active model ({promotion.why}).")
    opened = select(func.count(Alert.id)).where(Alert.opened_at >= start)
    closed = select(func.count(Alert.id)).where(Alert.resolved_at >= start)
    came, went = session.execute(select(opened.scalar_subquery(), closed.scalar_subquery())).one()
    if came or went:
        said.append(f"Alerts: {came:,} opened, {went:,} resolved.")
    return said


def _relation(session: Session, version_id: int) -> str:
    row = next((one for one in results.last_correlations(session, version_id) if one.metric == "ctr"), None)
    if row is None or row.estimate is None or row.ci_low is None or row.ci_high is None:
        return ""
    where = "within campaigns" if row.scope == "within_campaign" else "over all creatives"
    return (
        f"Score and CTR {where}: SRCC {row.estimate:+.2f} [{row.ci_low:+.2f}, {row.ci_high:+.2f}], n = {row.n}, as of "
        f"{row.as_of}."
    )


def _advice(session: Session) -> tuple[CampaignAdvice, ...]:
    rows = session.execute(
        select(Campaign.id, Campaign.key, Leaderboard.as_of, *map(summary_member, ("headline", "lists", "version")))
        .join(Leaderboard, Leaderboard.campaign_id == Campaign.id)
        .order_by(Leaderboard.made_at.desc(), Leaderboard.id.desc())
        .limit(MOST)
    )
    return tuple(
        CampaignAdvice(id=row.id, campaign=row.key, headline=str(row.headline), as_of=row.as_of)
        for row in rows
        if row.version == FORMAT and row.lists
    )


def _alert(one: Alert, now: datetime) -> OpenAlert:
    return OpenAlert(
        id=one.id,
        title=one.title,
        severity=one.severity,
        state=alerts.state_of(one, now),
        opened_at=one.opened_at,
    )


def _waiting(tests: Sequence[Any], day: date) -> list[tuple[str, str]]:
    from abkit.workflows.experiments.plan import has_ended

    found = []
    for one in tests:
        if one.decision or one.verdict is None:
            continue
        if one.verdict in _WAITS:
            found.append((one.key, f"its last look says {one.verdict.replace('_', ' ')}"))
        elif has_ended(one.ends_on, day):
            found.append((one.key, f"it ended on {one.ends_on}"))
    return found[:MOST]
