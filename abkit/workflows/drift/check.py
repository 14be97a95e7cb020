"""Drift check: two windows, five layers, one decision; all of it logged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from sqlalchemy.orm import Session

from abkit.alerts.rules import decision_made
from abkit.config import DriftSettings, Settings
from abkit.errors import UsageError
from abkit.stats.monitoring.triage import Triage, triage
from abkit.store import creatives, imports, models, runs, scores
from abkit.store import results as found
from abkit.store.engine import Store
from abkit.store.kpis import delivery
from abkit.store.kpis.delivery import DeliveryRow
from abkit.store.models import ReferenceSample
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import Decision, DriftResult, ModelVersion
from abkit.store.scores import CreativeSample
from abkit.workflows.drift import delivery as drift_delivery
from abkit.workflows.drift import feeds as drift_feeds
from abkit.workflows.drift import images as drift_pictures
from abkit.workflows.drift.result import LayerResult

REFERENCE = "model"
CURRENT = "days:7"


@dataclass(frozen=True)
class Window:
    """A window as it is written: `model`, `campaign:KEY` or `days:N`.

    Attributes:
        kind: model, campaign or days.
        campaign: key; "" for the others.
        days: how many; 0 for the others.
    """

    kind: str
    campaign: str = ""
    days: int = 0

    def __str__(self) -> str:
        return {"model": "model", "campaign": f"campaign:{self.campaign}", "days": f"days:{self.days}"}[self.kind]


def parse_window(text: str, *, current: bool) -> Window:
    """Read a window.

    Raises:
        UsageError: it is none; the current window cannot be the model's own sample.

    >>> parse_window("days:30", current=False)
    Window(kind='days', campaign='', days=30)
    """
    if text == "model" and not current:
        return Window("model")
    kind, _, value = text.partition(":")
    if kind == "campaign" and value:
        return Window("campaign", campaign=value)
    if kind == "days" and re.fullmatch(r"[1-9][0-9]{0,3}", value):
        return Window("days", days=int(value))
    allowed = "campaign:KEY or days:N" if current else "model, campaign:KEY or days:N"
    raise UsageError(
        f"{text!r} is not a {'current' if current else 'reference'} window", hint=f"write {allowed}, for example days:7"
    )


@dataclass(frozen=True)
class DriftReport:
    """What a check found and what follows.

    Attributes:
        decision, cause, reasons: of the triage.
        results: every test of every layer.
        reference, current: the windows, as written.
        model_version: digest of the version whose scores were looked at; None where nothing was scored.
    """

    decision: str
    cause: str
    reasons: tuple[str, ...]
    results: tuple[LayerResult, ...]
    reference: str
    current: str
    as_of: date
    model_version: str | None
    run_id: int


def check_drift(
    store: Store,
    settings: Settings,
    *,
    reference: str = REFERENCE,
    current: str = CURRENT,
    as_of: date,
    model: str | None = None,
    now: datetime | None = None,
    run: RunRecord | None = None,
) -> DriftReport:
    """Compare two windows in every layer, decide, log, and open or close the alert.

    1. Find the version that speaks, and the pictures and deliveries of both windows, up to `as_of`.
    2. Test each layer; one that lacks data says so in its own row.
    3. Decide by the first row of the table that holds.
    4. Write tests and decision, and tell the alerts, in one transaction.

    Args:
        store: where everything is.
        settings: `[drift]` has the floors and minimum samples, `[alerts]` says who is told about what.
        reference: "model", "campaign:KEY" or "days:N" (the N days before the current window).
        current: "campaign:KEY" or "days:N" (up to and including `as_of`).
        as_of: the last day that counts.
        model: digest or name of a version; the active model when None.
        now: the instant of the check, for the alert; the end of `as_of` by default.
        run: the run of a scheduled tick; a run is recorded when None.

    Raises:
        UsageError: a window, campaign or version that does not exist, or twice the same window.
    """
    before, window = parse_window(reference, current=False), parse_window(current, current=True)
    if before == window and window.kind == "campaign":
        raise UsageError(
            f"both windows are {reference}; a window compared with itself never drifts",
            hint="name another campaign, or days:N",
        )
    arguments = {"reference": reference, "current": current, "as_of": as_of.isoformat(), "model": model}
    with recorded_run(store, "drift check", arguments, run=run) as run:
        with store.read() as session:
            version = models.find_by_prefix(session, model) if model else models.active_model(session)
            windows = _Windows(session, before, window, as_of, settings.drift, version)
            results = _test(session, settings.drift, windows, version)
        decided = triage([row.finding for row in results])
        instant = now or datetime.combine(as_of, time(23, 59, 59), UTC)
        with store.write() as session:
            _log(session, settings, decided, results, before, window, as_of, version, run.id, instant)
        run.outcome.update(decision=decided.decision, cause=decided.cause)
    return DriftReport(
        decided.decision,
        decided.cause,
        decided.reasons,
        tuple(results),
        reference,
        current,
        as_of,
        version.digest if version else None,
        run.id,
    )


def _first_of(days: int, *, until: date) -> date:
    return until - timedelta(days=days - 1)


class _Windows:
    """The two windows as days and campaigns."""

    def __init__(
        self,
        session: Session,
        reference: Window,
        current: Window,
        as_of: date,
        settings: DriftSettings,
        version: ModelVersion | None,
    ) -> None:
        self.reference, self.current, self.as_of = reference, current, as_of
        self.campaigns = {
            window.campaign: creatives.find_campaign(session, window.campaign)
            for window in (reference, current)
            if window.kind == "campaign"
        }
        self.start = _first_of(current.days or 1, until=as_of)
        # Before a campaign there is no day: its reference reaches up to as_of.
        self.reference_end = self.start - timedelta(days=1) if current.kind == "days" else as_of
        # A relation that was found lost must not become its own reference while nobody acts on it: until another
        # version speaks, the days from then on belong to no reference.
        broken = found.first_break(session, version.id, as_of) if version and current.kind == "days" else None
        if broken is not None:
            found_in = _first_of(current.days, until=broken)
            self.reference_end = min(self.reference_end, found_in - timedelta(days=1))
        days = reference.days or settings.reference_days
        self.reference_start = _first_of(days, until=self.reference_end)

    def current_pictures(self, session: Session) -> list[int]:
        if self.current.kind == "campaign":
            return creatives.candidates(session, self.campaigns[self.current.campaign])
        return creatives.creatives_launched(session, self.start, self.as_of)

    def reference_pictures(self, session: Session, mine: list[int]) -> list[int]:
        if self.reference.kind == "campaign":
            return creatives.candidates(session, self.campaigns[self.reference.campaign])
        launched = creatives.creatives_launched(session, self.reference_start, self.reference_end)
        own = set(mine)
        return [creative for creative in launched if creative not in own]

    def first_delivery_day(self) -> date | None:
        """How far back deliveries are read; None is all of them."""
        if self.current.kind == "campaign" or self.reference.kind == "campaign":
            return self.reference_start if self.reference.kind == "days" and self.current.kind != "campaign" else None
        return self.reference_start

    def sorter(self, session: Session, mine: list[int]) -> Callable[[DeliveryRow], bool | None]:
        """A function that says of a delivery: True for the current window, False for the reference, None for neither.

        A delivery belongs to a campaign's window by its own campaign, or where that is neither of the two, by its
        creative: a folder may be scored under another name than the platform's.
        """
        ids = self.campaigns
        now, before = ids.get(self.current.campaign), ids.get(self.reference.campaign)
        of_now = set(mine) if now is not None else set()
        of_before = set(creatives.candidates(session, before)) if before is not None else set()
        of_now_only, of_before_only = of_now - of_before, of_before - of_now

        def is_current(row: DeliveryRow) -> bool | None:
            if now is not None:
                if row.campaign_id == now or (row.campaign_id != before and row.creative_id in of_now_only):
                    return True
            elif row.period_end >= self.start:
                return True if row.period_start >= self.start else None
            if before is not None:
                mine = row.campaign_id == before or (row.campaign_id != now and row.creative_id in of_before_only)
                return False if mine else None
            if row.period_end > self.reference_end:
                return None
            return None if self.reference.kind == "days" and row.period_start < self.reference_start else False

        return is_current


def _test(
    session: Session, settings: DriftSettings, windows: _Windows, version: ModelVersion | None
) -> list[LayerResult]:
    mine = windows.current_pictures(session)
    current = scores.creative_sample(session, version, mine) if version else _NO_PICTURES
    if version and windows.reference.kind == "model":
        reference = _sample(version)
    elif version:
        reference = scores.creative_sample(session, version, windows.reference_pictures(session, mine))
    else:
        reference = _NO_PICTURES
    rows = delivery.delivery_rows(session, windows.first_delivery_day(), windows.as_of)
    both = drift_delivery.delivered(
        rows,
        windows.sorter(session, mine),
        scores.mean_scores(session, version.id) if version else {},
        delivery.first_deliveries(session, {row.creative_id for row in rows}),
    )
    return [
        *_data(session, settings, windows, current),
        *drift_pictures.judge_input(reference, current, settings),
        *drift_pictures.judge_scores(reference, current, settings),
        *drift_delivery.judge_relation(both, set(mine), settings),
        *drift_delivery.judge_level(both, settings),
    ]


_NO_PICTURES = CreativeSample((), np.zeros(0), np.zeros((0, 1), np.float32))


def _sample(version: ModelVersion) -> CreativeSample:
    if not version.reference:
        return _NO_PICTURES
    sample = ReferenceSample.from_bytes(version.reference)
    return CreativeSample((), np.asarray(sample.scores, np.float64), np.asarray(sample.embeddings, np.float32))


def _data(session: Session, settings: DriftSettings, windows: _Windows, current: CreativeSample) -> list[LayerResult]:
    by_days = windows.current.kind == "days"
    rejected, files = runs.rejected_files(
        session,
        campaign=windows.current.campaign or None,
        first=windows.start,
        last=windows.as_of,
    )
    tested = [
        drift_feeds.judge_share("decoding", "picture files", rejected, files, settings),
        drift_feeds.judge_share(
            "formats", "pictures (those under 16 pixels a side)", current.small, len(current.ids), settings
        ),
    ]
    if by_days:
        daily = delivery.daily_impressions(session, windows.reference_start, windows.as_of)
        refused, rows = imports.reject_counts(session, windows.start, windows.as_of)
        tested.append(drift_feeds.judge_share("rejected_rows", "imported KPI rows", refused, rows, settings))
        tested += drift_feeds.judge_feed(daily, windows.start, windows.as_of, windows.reference_start, settings)
    return tested


def _log(
    session: Session,
    settings: Settings,
    decided: Triage,
    results: list[LayerResult],
    reference: Window,
    current: Window,
    as_of: date,
    version: ModelVersion | None,
    run_id: int,
    now: datetime,
) -> None:
    found.write_results(
        session,
        DriftResult,
        [
            {
                "run_id": run_id,
                "model_version_id": version.id if version else None,
                "layer": row.layer,
                "test": row.test,
                "segment": "",
                "statistic": row.statistic,
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "p_value": row.p_value,
                "q_value": None,
                "n_reference": row.n_reference,
                "n_current": row.n_current,
                "threshold": row.threshold,
                "verdict": row.verdict,
                "detail": {**row.detail, "sentence": row.sentence},
                "reference_window": str(reference),
                "current_window": str(current),
                "as_of": as_of,
            }
            for row in results
        ],
    )
    decision = Decision(
        run_id=run_id,
        model_version_id=version.id if version else None,
        decision=decided.decision,
        cause=decided.cause,
        reasons={"reasons": list(decided.reasons)},
        scope=f"{current} against {reference}",
        as_of=as_of,
        decided_at=datetime.now(UTC),
    )
    session.add(decision)
    session.flush()
    # Lack of data is no news: it neither opens an alert nor lets an open one rest, unless one asked to be told.
    if decided.decision != "insufficient_data" or "insufficient_data" in settings.alerts.decisions:
        decision_made(session, settings.alerts, decision, now=now)
