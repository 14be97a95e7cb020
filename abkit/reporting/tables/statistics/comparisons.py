"""How a comparison of two arms is shown. Apart from the other statistics, as it needs neither NumPy nor SciPy."""

from __future__ import annotations

import math
from typing import Any

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, interval
from abkit.stats.estimate import ArmRate, Comparison


@view_of.register
def _comparison(comparison: Comparison) -> View:
    return View(
        tables=(Table.of(comparison_rows(comparison), title=comparison_title(comparison)),),
        notes=(*comparison.warnings, *comparison.notes),
        chart=lambda: _lift_chart(comparison),
    )


def comparison_title(comparison: Comparison) -> str:
    """Return the line above a comparison: its method and the level of its intervals."""
    return f"{comparison.method}, {100 * comparison.level:.4g} %"


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of a comparison: what, figure, interval."""
    difference, lift = comparison.difference, comparison.lift
    rows = []
    for name, arm in (("control", comparison.control), ("treatment", comparison.treatment)):
        if isinstance(arm, ArmRate):
            rows.append((name, percent(arm.rate, 3), f"{arm.successes:,} of {arm.n:,}"))
            change = percent(difference.estimate, 3, sign=True)
            ends = interval(difference.ci_low, difference.ci_high, 3, sign=True)
        else:
            rows.append((name, f"{arm.mean:.5g}".replace("-", "−"), f"n {arm.n:,g}"))
            change = f"{difference.estimate:+.5g}".replace("-", "−")
            ends = f"[{difference.ci_low:+.5g}, {difference.ci_high:+.5g}]".replace("-", "−")
    rows.append(("difference", change, ends))
    rows.append(("lift", percent(lift.estimate, 1, sign=True), interval(lift.ci_low, lift.ci_high, 1, sign=True)))
    if math.isfinite(comparison.p_value):
        rows.append(("p-value", f"{comparison.p_value:.4g}", comparison.alternative))
    if posterior := comparison.bayes:
        rows.append(("chance to win", percent(posterior.chance_to_win, 1), posterior.prior))
        rows.append(("expected loss", percent(posterior.expected_loss, 4), "if shipped"))
    return [dict(zip(("what", "figure", "interval"), row, strict=True)) for row in rows]


def _lift_chart(comparison: Comparison) -> Any:
    from abkit.reporting.charts.experiment import forest_plot

    lifts = [("treatment", comparison.lift)]
    return forest_plot(lifts, title="Lift over the control", subtitle=comparison_title(comparison))
