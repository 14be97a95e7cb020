"""How the records of `abkit.stats` are shown: sample sizes, splits, rankings, corrections, CUPED."""

from __future__ import annotations

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.statistics.comparisons import comparison_rows, comparison_title
from abkit.reporting.tables.table import Table, interval
from abkit.stats.design.sample_size import SampleSize
from abkit.stats.means.pairs import CupedComparison
from abkit.stats.proportions.bayes import Ranking
from abkit.stats.verdicts.multiplicity import Adjusted
from abkit.stats.verdicts.sample_ratio import SampleRatio


@view_of.register
def _cuped(cuped: CupedComparison) -> View:
    kept = {"what": "variance kept", "figure": percent(cuped.variance_kept, 1), "interval": "by CUPED"}
    rows = [*comparison_rows(cuped.adjusted), kept]
    return View(tables=(Table.of(rows, title=comparison_title(cuped.adjusted)),), notes=cuped.adjusted.notes)


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
