"""Files that go out with alerts: the look at an experiment, or the page of the drift check, that an alert is about."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from abkit.alerts.experiments import END, VERDICT
from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Decision, Experiment, ExperimentResult

log = logging.getLogger("abkit.alerts")

MOST_FILES = 5
MOST_BYTES = 5 * 2**20
"""Of a page: mailboxes and chats refuse what is much larger."""


def draw_charts(store: Store, settings: Settings, alerts: Sequence[Alert], folder: Path) -> list[Path]:
    """Write the charts and pages that belong to alerts, and return the files; those of other rules have none.

    What cannot be made, or is too large, is left out: the message says the same in words.

    Args:
        store: Where they are drawn from.
        settings: Of the drift check.
        alerts: Each check and each look is drawn once.
        folder: Where the files go.
    """
    files: list[Path] = []
    for draw, number in dict.fromkeys(filter(None, map(_subject, alerts))):
        if len(files) >= MOST_FILES:
            break
        try:
            files += draw(store, settings, number, folder)
        except AbkitError as error:
            log.warning("nothing is attached for number %d: %s", number, error.message)
    return files[:MOST_FILES]


_Draw = Callable[[Store, Settings, int, Path], list[Path]]


def _subject(alert: Alert) -> tuple[_Draw, int] | None:
    """Return how to draw what an alert is about, and its number."""
    if alert.rule in (VERDICT, END):
        draw, number = _draw_look, alert.evidence.get("analysis")
    elif alert.rule == "decision" and alert.resolved_at is None:
        draw, number = _write_page, alert.evidence.get("decision")
    else:
        return None
    return (draw, number) if isinstance(number, int) else None


def _draw_look(store: Store, settings: Settings, number: int, folder: Path) -> list[Path]:
    from abkit.reporting.charts.looks import look_charts
    from abkit.reporting.charts.theme import save_chart
    from abkit.workflows.experiments.formats import read_analysis

    with store.read() as session:
        row = session.get(ExperimentResult, number)
        if row is None:  # the experiment was deleted
            return []
        analysis, key = read_analysis(row), session.get_one(Experiment, row.experiment_id).key
    return [
        save_chart(chart, folder / f"experiment-{number}-{place}.png")
        for place, chart in enumerate(look_charts(analysis, key), start=1)
    ]


def _write_page(store: Store, settings: Settings, number: int, folder: Path) -> list[Path]:
    from abkit.reporting.page.drift import make_drift_page

    with store.read() as session:
        decision = session.get(Decision, number)
    if decision is None:
        return []
    page = make_drift_page(store, settings, folder / f"drift-{decision.run_id}.html", check=f"decision:{number}")
    if (size := page.stat().st_size) > MOST_BYTES:
        log.warning("the page of drift check %d is not attached: it has %d MB", decision.run_id, size // 2**20)
        return []
    return [page]
