"""How the records of `abkit.stats` are shown: comparisons, sample sizes, splits, rankings, corrections, drift."""

from __future__ import annotations

import math
from typing import Any

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, interval
from abkit.stats.design.sample_size import SampleSize
from abkit.stats.estimate import ArmRate, Comparison
from abkit.stats.means.pairs import CupedComparison
from abkit.stats.monitoring.distribution_shift import Drift
from abkit.stats.proportions.bayes import Ranking
from abkit.stats.verdicts.multiplicity import Adjusted
from abkit.stats.verdicts.sample_ratio import SampleRatio


@view_of.register
def _comparison(comparison: Comparison) -> View:
    return View(
        tables=(Table.of(comparison_rows(comparison), title=comparison_title(comparison)),),
        notes=comparison.notes,
        chart=lambda: _lift_chart(comparison),
    )


@view_of.register
def _cuped(cuped: CupedComparison) -> View:
    kept = {"what": "variance kept", "figure": percent(cuped.variance_kept, 1), "interval": "by CUPED"}
    rows = [*comparison_rows(cuped.adjusted), kept]
    return View(tables=(Table.of(rows, title=comparison_title(cuped.adjusted)),), notes=cuped.adjusted.notes)


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
            rows.append((name, f"{arm.mean:.5g}", f"n {arm.n:,g}"))
            change = f"{difference.estimate:+.5g}"
            ends = f"[{difference.ci_low:+.5g}, {difference.ci_high:+.5g}]"
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


@view_of.register
def _sample_size(size: SampleSize) -> View:
    figures = {
        "units in each treatment": f"{size.per_variant:,}",
        "units in the control": f"{size.control:,}",
        "units in total": f"{size.total:,}",
        "lift": percent(size.lift, 2, sign=True),
        "power": percent(size.power, 1),
        "alpha per comparison": f"{size.alpha_per_comparison:.4g}",
        "test": size.method,
    }
    if size.plan is not None:
        figures["stop at |z| of"] = ", ".join(f"{z:.3f}" for z in size.plan.boundaries)
    if size.days is not None:
        figures["days"] = f"{size.days:,}"
    return View(tables=(Table.of([{"figure": name, "value": value} for name, value in figures.items()]),))


@view_of.register
def _sample_ratio(split: SampleRatio) -> View:
    total = max(sum(split.observed), 1)
    rows = [
        {"arm": number, "units": observed, "expected": f"{expected:,.1f}", "share": percent(observed / total, 2)}
        for number, (observed, expected) in enumerate(zip(split.observed, split.expected, strict=True), start=1)
    ]
    found = "mismatch: do not read this test" if split.mismatch else "no mismatch"
    sentence = f"{found} (p = {split.p_value:.4g}, {split.method}, alarm below {split.alpha:g})"
    return View(tables=(Table.of(rows),), sentences=(sentence,))


@view_of.register
def _ranking(ranking: Ranking) -> View:
    rows = [
        {
            "variant": arm.variant,
            "rate": percent(arm.rate, 3),
            "interval": interval(arm.ci_low, arm.ci_high, 3),
            "chance to be best": percent(arm.chance_to_be_best, 1),
            "expected loss": percent(arm.expected_loss, 4),
        }
        for arm in ranking.arms
    ]
    return View(tables=(Table.of(rows, names="variant"),))


@view_of.register
def _adjusted(adjusted: Adjusted) -> View:
    rows = [
        {"comparison": number, "adjusted p": f"{p:.4g}", "significant": rejected}
        for number, (p, rejected) in enumerate(zip(adjusted.p_values, adjusted.rejected, strict=True), start=1)
    ]
    return View(
        tables=(Table.of(rows, title=f"{adjusted.correction}, family: {adjusted.family}"),),
        sentences=(f"controls the {adjusted.controls} at {adjusted.alpha:g}",),
    )


@view_of.register
def _drift(drift: Drift) -> View:
    keep = {"test": "test", "effect": "effect", "p": "p_value", "n reference": "n_reference", "n current": "n_current"}
    rows = [
        {shown: getattr(shift, name) for shown, name in (keep | {"note": "note"}).items()}
        for shift in (drift.ks, drift.psi, drift.wasserstein)
    ]
    verdict = "drifted" if drift.drifted else "no significant drift that matters"
    return View(tables=(Table.of(rows, title=verdict if drift.enough_data else "not enough data"),))
