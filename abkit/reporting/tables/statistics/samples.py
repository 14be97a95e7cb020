"""How two samples of one figure are shown: whether it drifted, and by which tests."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.stats.monitoring.shifts.distribution_shift import Drift


@view_of.register
def _drift(drift: Drift) -> View:
    keep = {"test": "test", "effect": "effect", "p": "p_value", "n reference": "n_reference", "n current": "n_current"}
    rows = [
        {shown: getattr(shift, name) for shown, name in (keep | {"note": "note"}).items()}
        for shift in (drift.ks, drift.psi, drift.js, drift.wasserstein)
    ]
    verdict = "drifted" if drift.drifted else "no significant drift that matters"
    return View(tables=(Table.of(rows, title=verdict if drift.enough_data else "not enough data"),))
