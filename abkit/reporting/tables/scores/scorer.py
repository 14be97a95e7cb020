"""How the score of one image is shown; imported only where there is a scorer."""

from __future__ import annotations

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit_model.scorer import Score


@view_of.register
def _score(record: Score) -> View:
    row = {
        "mean": record.mean,
        f"{percent(record.ci_level, 0)} low": record.ci_low,
        f"{percent(record.ci_level, 0)} high": record.ci_high,
        "spread of opinions": record.std,
        "novelty": record.novelty,
        "model": record.model[:12],
    }
    return View(tables=(Table.of([row]),), notes=(record.notice,) if record.notice else ())
