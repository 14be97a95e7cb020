"""`abkit drift explain`: trace a figure of a check to the creatives and KPI rows that it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.stats.monitoring.decisions import windows_in_words
from abkit.store import results
from abkit.store.catalog.creatives import creative_names
from abkit.store.kpis.kpi_rows import KpiRow, attributed_rows, imports_named
from abkit.store.schema import Decision, DriftResult, KpiImport, ModelVersion, Run
from abkit.vocabulary import Layer, Window
from abkit.workflows.drift.windows.trace import windows_of
from abkit.workflows.drift.windows.windows import DriftWindows

_OF_IMAGES = (Layer.INPUT, Layer.SCORE)
_OF_DELIVERY = (Layer.RELATION, Layer.KPI)


@dataclass(frozen=True, kw_only=True)
class TracedTest(Record):
    """One figure of a check, with how it was made.

    Attributes:
        id: Of its row in `drift_result`.
        level: What its p-value was held against; None where nothing was.
        unit: What `n_reference` and `n_current` count.
        creatives: Ids of those that moved it most, the first first.
    """

    id: int
    layer: Layer
    test: str
    segment: str
    verdict: str
    sentence: str
    method: str
    statistic: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    level: float | None
    threshold: float | None
    unit: str
    n_reference: int
    n_current: int
    creatives: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TracedCreative(Record):
    """A creative of a window; `name` is the last under which it came."""

    id: int
    window: Window
    name: str


@dataclass(frozen=True, kw_only=True)
class TracedFile(Record):
    """The KPI rows of one window that have the figures of one imported file.

    Attributes:
        import_id, file: The import, and the name of its file.
        run_id: The run that imported it.
        rows: How many rows.
        row_ids: Their ids in `kpi`, as ranges such as "1-40, 45".
        later: Whether it was imported after the check, which then saw other figures or none.
    """

    window: Window
    import_id: int
    file: str
    imported_at: datetime
    run_id: int
    rows: int
    row_ids: str
    impressions: int
    clicks: int
    later: bool


@dataclass(frozen=True, kw_only=True)
class DriftTrace(RecordList):
    """A check with everything that it was made from.

    Attributes:
        run_id, decision_id: Of the check.
        arguments, code_version: What it was asked, and the release that answered.
        reference, current: The windows as written.
        delivery: First and last day of delivery by window; None where a campaign is the window, or where it is open.
        model_name, model_version: The version whose scores were looked at; "" and None where nothing was scored.
        model_sample: Whether images and scores were compared with the model's own sample, which has no creatives.
        tests: Its figures.
        creatives: Creatives of both windows, in order of launch.
        files: KPI rows of both windows by the file that they came from.
        notes: What has to be known beside them.
    """

    run_id: int
    decision_id: int
    decision: str
    cause: str
    as_of: date
    decided_at: datetime
    code_version: str
    arguments: dict[str, Any]
    reference: str
    current: str
    delivery: dict[str, tuple[date | None, date | None] | None]
    model_name: str
    model_version: str | None
    model_sample: bool
    tests: tuple[TracedTest, ...]
    creatives: tuple[TracedCreative, ...] = ()
    files: tuple[TracedFile, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def windows(self) -> str:
        """The two windows as one would say them aloud."""
        return windows_in_words(f"{self.current} against {self.reference}")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure, creative and file; `kind` says which it is."""
        check = {"check_run_id": self.run_id, "model_version": self.model_version}
        tests = [{"kind": "test", **check, **one.to_dict()} for one in self.tests]
        creatives = [{"kind": "creative", **check, **one.to_dict()} for one in self.creatives]
        return [*tests, *creatives, *({"kind": "kpi", **check, **one.to_dict()} for one in self.files)]


def find_check(session: Session, check: str | int | None = None) -> tuple[Decision, tuple[str, ...]]:
    """Return the decision of a check, and what was guessed to find it.

    Args:
        session: A reading session.
        check: Its run, as `abkit drift list` has it; or `decision:N`; the last standing check when None, or the last
            comparison where there was none.

    Raises:
        UsageError: There is no such check.
    """
    hint = "see the column run id of: abkit drift list"
    if check is None:
        standing = results.last_decision(session)
        last = [standing] if standing else results.last_decisions(session, 1)
        if not last:
            raise UsageError("no drift check has been made yet", hint="make one: abkit drift check")
        return last[0], () if standing else ("no standing check has been made yet: this is the last comparison",)
    written = re.fullmatch(r"\s*(decision:)?([0-9]{1,18})\s*", str(check))
    if written is None:
        raise UsageError(f"{check!r} names no check", hint=f"give the number of its run, or decision:N; {hint}")
    number = int(written[2])
    of_run = None if written[1] else session.scalars(select(Decision).where(Decision.run_id == number)).one_or_none()
    found = of_run or session.get(Decision, number)
    if found is None:
        raise UsageError(f"there is no drift check {str(check).strip()}", hint=hint)
    guessed = of_run is None and not written[1]
    return found, (f"no check has run {number}: this is decision {number}, of run {found.run_id}",) if guessed else ()


def explain_check(
    session: Session, settings: DriftSettings, check: str | int | None = None, *, test: str | None = None
) -> DriftTrace:
    """Trace the figures of a check to its creatives and KPI rows.

    Args:
        session: A reading session.
        settings: Only for checks of releases that did not keep their windows.
        check: See `find_check`.
        test: Name of the only figure, such as "ks"; all when None.

    Raises:
        UsageError: There is no such check, or it has no such figure.
    """
    decision, notes = find_check(session, check)
    windows, said = windows_of(session, decision, settings)
    return explain_decision(session, decision, windows, (*notes, *said), test=test)


def explain_decision(
    session: Session, decision: Decision, windows: DriftWindows, said: tuple[str, ...], *, test: str | None = None
) -> DriftTrace:
    """Trace the figures of a decision whose windows are known; the rest is as for `explain_check`.

    Args:
        session: A reading session.
        decision: The decision.
        windows: Its windows.
        said: What has to be known of both.
        test: Name of the only figure; all when None.

    Raises:
        UsageError: It has no such figure.
    """
    every = results.drift_results(session, [decision.run_id])
    chosen = [row for row in every if test is None or row.test == test]
    if test is not None and not chosen:
        known = ", ".join(dict.fromkeys(row.test for row in every)) or "none"
        raise UsageError(f"the check has no figure {test!r}", hint=f"its figures: {known}")
    tests = tuple(map(_test, chosen))
    creatives = _creatives(session, windows) if _about(tests, _OF_IMAGES, test) else ()
    files = _files(session, windows, decision) if _about(tests, _OF_DELIVERY, test) else ()
    if windows.model_sample:
        said = (*said, "images and scores were compared with the model's own sample, which holds no creatives")
    used = max((one.n_current for one in tests if one.layer in _OF_IMAGES and one.unit == "images"), default=0)
    if creatives and used < len(windows.current_creatives):
        said = (
            *said,
            f"of the {len(windows.current_creatives):,} creatives of the window at most {used:,} count in one figure: "
            "of several sizes of one idea the first does, and none that has no score, or whose delivery the version "
            "learned from",
        )
    later = [one.file for one in files if one.later]
    if later:
        said = (*said, f"imported after the check, which saw other figures or none: {', '.join(dict.fromkeys(later))}")
    run, version = session.get_one(Run, decision.run_id), _version(session, decision)
    return DriftTrace(
        run_id=decision.run_id,
        decision_id=decision.id,
        decision=decision.decision,
        cause=decision.cause,
        as_of=decision.as_of,
        decided_at=decision.decided_at,
        code_version=run.code_version,
        arguments=dict(run.arguments),
        reference=str(windows.reference),
        current=str(windows.current),
        delivery=_days(windows),
        model_name=version.name if version else "",
        model_version=version.digest if version else None,
        model_sample=windows.model_sample,
        tests=tests,
        creatives=creatives,
        files=files,
        notes=said,
    )


def ranges(ids: Iterable[int]) -> str:
    """Return ids as ranges.

    >>> ranges([1, 2, 3, 7])
    '1-3, 7'
    """
    runs = (
        [number for _, number in run] for _, run in groupby(enumerate(sorted(set(ids))), lambda pair: pair[1] - pair[0])
    )
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _about(tests: Sequence[TracedTest], layers: Sequence[Layer], asked: str | None) -> bool:
    return asked is None or any(one.layer in layers for one in tests)


def _version(session: Session, decision: Decision) -> ModelVersion | None:
    return session.get(ModelVersion, decision.model_version_id) if decision.model_version_id else None


def _test(row: DriftResult) -> TracedTest:
    detail = row.detail
    return TracedTest(
        id=row.id,
        layer=Layer(row.layer),
        sentence=str(detail.get("sentence", "")),
        method=str(detail.get("method", "")),
        level=detail.get("level"),
        unit=str(detail.get("unit", "")),
        creatives=tuple(detail.get("creatives") or ()),
        **{
            name: getattr(row, name)
            for name in (
                "test", "segment", "verdict", "statistic", "ci_low", "ci_high", "p_value", "threshold", "n_reference",
                "n_current",
            )
        },
    )  # fmt: skip


def _creatives(session: Session, windows: DriftWindows) -> tuple[TracedCreative, ...]:
    both = {Window.CURRENT: windows.current_creatives, Window.REFERENCE: windows.reference_creatives}
    names = creative_names(session, [one for ids in both.values() for one in ids])
    return tuple(
        TracedCreative(id=one, window=window, name=Path(names[one][0][0]).name if names.get(one) else "")
        for window, ids in both.items()
        for one in ids
    )


def _days(windows: DriftWindows) -> dict[str, tuple[date | None, date | None] | None]:
    current = None if windows.current_campaign is not None else (windows.start, windows.judged_until)
    if windows.reference_campaign is not None:
        return {"current": current, "reference": None}
    return {"current": current, "reference": (windows.first_delivery_day, windows.reference_end)}


def _files(session: Session, windows: DriftWindows, decision: Decision) -> tuple[TracedFile, ...]:
    found: dict[tuple[Window, int], list[KpiRow]] = {}
    for row in attributed_rows(session, windows.first_delivery_day, windows.judged_until):
        window = windows.window_of(row)
        if window is not Window.NEITHER:
            found.setdefault((window, row.import_id), []).append(row)
    imports = imports_named(session, {number for _, number in found})
    return tuple(
        _file(window, imports[number], rows, decision)
        for (window, number), rows in sorted(found.items(), key=lambda item: item[0])
    )


def _file(window: Window, imported: KpiImport, rows: Sequence[KpiRow], decision: Decision) -> TracedFile:
    return TracedFile(
        window=window,
        import_id=imported.id,
        file=imported.name,
        imported_at=imported.imported_at,
        run_id=imported.run_id,
        rows=len(rows),
        row_ids=ranges(row.id for row in rows),
        impressions=sum(row.impressions for row in rows),
        clicks=sum(row.clicks for row in rows),
        later=imported.imported_at > decision.decided_at,
    )
