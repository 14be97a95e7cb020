"""The page of one drift check: what was decided and what to do, then why, with charts and images of both windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from abkit.config import Settings
from abkit.reporting.charts.drift_timeline import LAYER_NAMES, drift_timeline, relation_history, timeline_sentence
from abkit.reporting.charts.drift_windows import statistics_over_time, window_scores
from abkit.reporting.page.advice import advice
from abkit.reporting.page.creatives import Thumbnails
from abkit.reporting.page.gather import DATABASES
from abkit.reporting.page.html import drawing, render, write_page
from abkit.stats.monitoring.decisions import headline
from abkit.store import imports, results, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.schema import CorrelationResult, Decision, DriftResult, ModelVersion
from abkit.store.scores import CreativeSample
from abkit.version import __version__
from abkit.workflows.creatives.unseen_scores import UnseenScores, unseen_scores
from abkit.workflows.drift.explain import DriftTrace, explain_decision, find_check
from abkit.workflows.drift.samples import read_samples
from abkit.workflows.drift.windows.trace import windows_of
from abkit.workflows.drift.windows.windows import DriftWindows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from abkit.store.database.engine import Store

SHEET = 8
"""Creatives of a contact sheet."""

ESTIMATES = 12
"""Of the relation over time, in its table: the last ones."""

_HISTORY = timedelta(days=180)
_FROM_BAD_TO_GOOD = ("fault", "major", "watch", "ok", "insufficient_data")


@dataclass(frozen=True, kw_only=True)
class SheetCreative:
    """A creative of a contact sheet; `thumbnail` is "" where no file has its content any more."""

    creative_id: int
    sha256: str
    name: str
    thumbnail: str
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Creatives beside each other; `why_empty` where there are none."""

    title: str
    caption: str
    creatives: tuple[SheetCreative, ...] = ()
    why_empty: str = ""


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """A layer in a row: its worst verdict, and what its tests found, the worst first."""

    name: str
    verdict: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DriftPage:
    """What the page shows.

    Attributes:
        trace: The check with its figures and what they were made from.
        layers: The five layers.
        headline: The decision, and how many of the layers could be judged.
        reference, current: Scores of both windows.
        sheets: Contact sheets of both windows.
        decision_history, history: Checks of the same windows up to this one, and their tests.
        correlations: Estimates of the relation up to this check.
    """

    trace: DriftTrace
    reasons: tuple[str, ...]
    layers: tuple[LayerSummary, ...]
    headline: str
    reference: NDArray[np.float64]
    current: NDArray[np.float64]
    sheets: tuple[Sheet, ...]
    decision_history: tuple[Decision, ...]
    history: tuple[DriftResult, ...]
    correlations: tuple[CorrelationResult, ...]
    model: ModelVersion | None
    made_at: datetime
    abkit_version: str
    database: str
    simulated: bool


def make_drift_page(
    store: Store, settings: Settings, out: Path | None = None, *, check: str | int | None = None
) -> Path:
    """Write the page of a drift check as one HTML file.

    Args:
        store: What is shown; nothing in it changes.
        settings: `workspace` is where the file goes by default, as drift-RUN.html.
        out: The file.
        check: See `abkit.workflows.drift.explain.find_check`.

    Raises:
        UsageError: There is no such check.
        AbkitError: The file cannot be written.
    """
    found = gather_drift_page(store, settings, check)
    return write_page(render_drift_page(found), out or settings.workspace / f"drift-{found.trace.run_id}.html")


def gather_drift_page(
    store: Store, settings: Settings, check: str | int | None = None, *, with_thumbnails: bool = True
) -> DriftPage:
    """Return what the page shows.

    Args:
        store: What is shown.
        settings: How the windows were made, where the check did not keep them.
        check: See `abkit.workflows.drift.explain.find_check`.
        with_thumbnails: Whether small images are in it; a page that is served has addresses for them.
    """
    with store.read() as session:
        decision, notes = find_check(session, check)
        windows, said = windows_of(session, decision, settings.drift)
        shown = {*windows.current_creatives, *windows.reference_creatives}
        known = unseen_scores(session, windows.version, shown) if windows.version else UnseenScores(scores={})
        samples = read_samples(session, windows, ideas.ideas_of(session, shown), known, settings.drift)
        reference, current = samples.reference, samples.current
        every = results.decisions(session, decision.as_of - _HISTORY, decision.as_of)
        # Before an ad-hoc comparison there is no other of its kind.
        before = [one for one in every if one.scope == decision.scope and one.id < decision.id and decision.standing]
        made = [*before, decision]
        history = results.drift_results(session, [one.run_id for one in made])
        findings = [row for row in history if row.run_id == decision.run_id]
        version = windows.version
        since = decision.as_of - _HISTORY
        return DriftPage(
            trace=explain_decision(session, decision, windows, (*notes, *said)),
            reasons=tuple(map(str, decision.reasons.get("reasons", []))),
            layers=_layers(findings),
            headline=headline(decision.decision, decision.layers_judged, decision.coarse),
            reference=reference.scores,
            current=current.scores,
            sheets=_sheets(session, findings, windows, reference, current, with_thumbnails=with_thumbnails),
            decision_history=tuple(made),
            history=tuple(history),
            correlations=tuple(results.correlations(session, version.id, since, decision.as_of)) if version else (),
            model=version,
            made_at=datetime.now(UTC),
            abkit_version=__version__,
            database=DATABASES.get(store.dialect, store.dialect),
            simulated=imports.is_simulated(session),
        )


def render_drift_page(data: DriftPage) -> str:
    """Return the page as HTML: names from outside are escaped, it has no script, and nothing is fetched."""
    trace = data.trace
    shown = [one for sheet in data.sheets for one in sheet.creatives]
    return render(
        "drift.html.j2",
        shown,
        data=data,
        trace=trace,
        advice=advice(trace.decision, trace.cause),
        levels=sorted({one.level for one in trace.tests if one.level is not None}),
        timeline_words=timeline_sentence(data.decision_history),
        relation=relation_history(data.correlations)[-ESTIMATES:],
        counts={window: sum(one.window == window for one in trace.creatives) for window in ("current", "reference")},
        **drift_drawings(data),
    )


def drift_drawings(data: DriftPage) -> dict[str, Markup | str]:
    """Return the charts of the page by name: `distribution` ("" without scores), `statistics`, `timeline`."""
    return {
        "distribution": drawing(lambda width: window_scores(data.reference, data.current, width), "d")
        if len(data.reference) + len(data.current)
        else "",
        "statistics": drawing(lambda width: statistics_over_time(data.history, width), "s"),
        "timeline": drawing(
            lambda width: drift_timeline(data.history, data.decision_history, data.correlations, width), "t"
        ),
    }


def _decides(row: DriftResult) -> bool:
    return not row.detail.get("explains")


def _layers(findings: Sequence[DriftResult]) -> tuple[LayerSummary, ...]:
    """Return each layer with the verdict of the tests that decide, and the sentences of all that found something."""
    summaries = []
    for layer, name in LAYER_NAMES.items():
        rows = sorted(
            (row for row in findings if row.layer == layer), key=lambda row: _FROM_BAD_TO_GOOD.index(row.verdict)
        )
        deciding = [row for row in rows if _decides(row)]
        verdict = deciding[0].verdict if deciding else "insufficient_data"
        telling = [row for row in rows if row.verdict not in ("ok", "insufficient_data")] or deciding[:1]
        said = dict.fromkeys(str(row.detail.get("sentence", "")) for row in telling)
        summaries.append(LayerSummary(name=name, verdict=verdict, sentences=tuple(one for one in said if one)))
    return tuple(summaries)


def _sheets(
    session: Session,
    findings: Sequence[DriftResult],
    windows: DriftWindows,
    reference: CreativeSample,
    current: CreativeSample,
    *,
    with_thumbnails: bool,
) -> tuple[Sheet, ...]:
    named = any(row.detail.get("creatives") for row in findings)
    moved, caption = _moved_most(findings, reference, current)
    typical = _by_distance(reference.embedded, reference.embeddings, reference.embeddings)[:SHEET]
    shown = _shown(session, windows.version, [*moved, *typical], with_thumbnails=with_thumbnails)
    why = "none of them has an embedding"
    if windows.model_sample:
        why = "the reference is the model's own sample, of which numbers are stored and no images"
    return (
        Sheet(
            title="These creatives moved it most" if named else "New creatives farthest from the reference",
            caption=caption,
            creatives=tuple(shown[one] for one in moved if one in shown),
            why_empty="no creative of the window has an embedding",
        ),
        Sheet(
            title="Typical of the reference",
            caption="Those of the reference whose embeddings are closest to its average.",
            creatives=tuple(shown[one] for one in typical if one in shown),
            why_empty=why,
        ),
    )


def _moved_most(
    findings: Sequence[DriftResult], reference: CreativeSample, current: CreativeSample
) -> tuple[list[int], str]:
    """Return the creatives that moved the worst test which names any; else those farthest from the reference."""
    naming = [row for row in findings if row.detail.get("creatives")]
    naming.sort(key=lambda row: _FROM_BAD_TO_GOOD.index(row.verdict))
    if naming:
        test = naming[0].test.replace("_", " ")
        return list(naming[0].detail["creatives"][:SHEET]), f"As the test {test} names them, the first first."
    far = _by_distance(current.embedded, current.embeddings, reference.embeddings)
    return far[::-1][:SHEET], "Those of the window whose embeddings are farthest from the average of the reference."


def _by_distance(ids: Sequence[int], rows: NDArray[np.float32], others: NDArray[np.float32]) -> list[int]:
    """Return creatives from the nearest to the average of others to the farthest; none that cannot be compared."""
    if not ids or not len(others) or rows.shape[1:] != others.shape[1:]:
        return []
    distance = np.linalg.norm(rows - others.mean(axis=0), axis=1)
    order = np.argsort(np.where(np.isfinite(distance), distance, -1), kind="stable")
    return [ids[place] for place in order.tolist() if np.isfinite(distance[place])]


def _shown(
    session: Session, version: ModelVersion | None, ids: Sequence[int], *, with_thumbnails: bool
) -> Mapping[int, SheetCreative]:
    contents, names = creatives.contents_of(session, ids), creatives.creative_names(session, ids)
    means = scores.means(session, version, ids) if version else {}
    thumbnails = Thumbnails(len(ids))
    found = {}
    for one in dict.fromkeys(ids):
        if one in contents:  # it may have been deleted since
            aliases = [name for name, _ in names.get(one, [])]
            found[one] = SheetCreative(
                creative_id=one,
                sha256=contents[one],
                name=Path(aliases[0]).name if aliases else contents[one][:12],
                thumbnail=thumbnails.of(contents[one], aliases) if with_thumbnails else "",
                score=means.get(one),
            )
    return found
