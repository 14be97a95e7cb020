"""Charts that go out with alerts: the look at an experiment that an alert is about, drawn from the store."""

import logging
from collections.abc import Sequence
from pathlib import Path

from abkit.alerts.experiments import END, VERDICT
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.schema import Alert, Experiment, ExperimentResult

log = logging.getLogger("abkit.alerts")

MOST_CHARTS = 5


def draw_charts(store: Store, alerts: Sequence[Alert], folder: Path) -> list[Path]:
    """Draw the charts that belong to alerts, one image each, and return the files; those of other rules have none.

    A chart that cannot be drawn is left out: the message says the same in words.
    """
    about: list[int] = []
    for alert in alerts:
        number = alert.evidence.get("analysis")
        if alert.rule in (VERDICT, END) and isinstance(number, int) and number not in about:
            about.append(number)
    files: list[Path] = []
    for number in about[:MOST_CHARTS]:
        try:
            files += _draw(store, number, folder)
        except AbkitError as error:
            log.warning("the chart of analysis %d was not drawn: %s", number, error.message)
    return files[:MOST_CHARTS]


def _draw(store: Store, number: int, folder: Path) -> list[Path]:
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
