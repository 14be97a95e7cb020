"""How what listening is worth is shown."""

from __future__ import annotations

from typing import Any

from abkit.metrics import METRICS
from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.stats.estimate import Estimate
from abkit.workflows.learning.worth.worth import WorthReport
from abkit.workflows.learning.worth.worth_words import share_rows, worth_sentences


@view_of.register
def _(report: WorthReport) -> View:
    title = f"Score by {report.model_name} {report.model_version[:12]} against {METRICS[report.metric].name}"
    return View(
        tables=(
            Table.of(_figures(report), title=title if report.model_version else ""),
            Table.of(_curve(report), title="Best of k by score against best of k at random, as shares of the rate"),
        ),
        sentences=tuple(worth_sentences(report)),
        notes=(
            *(f"left out: {n:,} {reason}" for reason, n in report.left_out.items()),
            *(f"Note: {one}" for one in report.notes),
        ),
        chart=(lambda: _chart(report)) if report.campaigns else None,
    )


def _figures(report: WorthReport) -> list[dict[str, Any]]:
    if not report.campaigns:
        return []
    rows = [
        {
            "figure": name.lower(),
            "measured": percent(found.estimate, 1),
            "95 % interval": _ends(found),
            "chance": percent(chance, 1),
            "ceiling": percent(ceiling, 1),
            "campaigns": report.recall.campaigns if place == 0 else report.pairs.campaigns,
        }
        for place, (name, found, chance, ceiling) in enumerate(share_rows(report))
    ]
    for policy in report.policies:
        basis = "random allocation" if policy.randomized else "observational"
        rows.append(
            {
                "figure": f"lift of launching the best {policy.k} only ({basis})",
                "measured": percent(policy.lift.estimate, 1, sign=True),
                "95 % interval": _ends(policy.lift, sign=True),
                "chance": percent(0.0, 1),
                "ceiling": "",
                "campaigns": policy.campaigns,
            }
        )
    return rows


def _curve(report: WorthReport) -> list[dict[str, Any]]:
    return [
        {
            "k": point.k,
            "gain": percent(point.gain.estimate, 1, sign=True),
            "95 % interval": _ends(point.gain, sign=True),
            "missed by score": percent(point.regret.estimate, 1),
            "missed by chance": percent(point.regret_by_chance, 1),
            "campaigns": point.campaigns,
        }
        for point in report.curve
    ]


def _ends(found: Estimate, *, sign: bool = False) -> str:
    return f"{percent(found.ci_low, 1, sign=sign)} … {percent(found.ci_high, 1, sign=sign)}"


def _chart(report: WorthReport) -> Any:
    from abkit.reporting.charts.listening import gain_chart

    return gain_chart(report.curve)
