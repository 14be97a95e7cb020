"""Thousands of finished tests from one table: each compared with its control, errors controlled across all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from abkit.errors import AbkitError
from abkit.intake.experiment_tables import ArmTable, Refused, read_experiments
from abkit.stats.proportions.bulk import BulkComparisons, compare_many, homogeneity_p, split_p
from abkit.stats.tails import quantile
from abkit.stats.verdicts.multiplicity import Adjusted, adjust
from abkit.stats.verdicts.sample_ratio import ALPHA as SRM_ALPHA
from abkit.stats.verdicts.shrinkage import EffectPrior, fit_effect_prior, shrink_many
from abkit.vocabulary import Correction

MOST_CELLS = 10**7
FEWEST_FOR_PRIOR = 10


@dataclass(frozen=True)
class BulkReport:
    """What thousands of tests say.

    Attributes:
        summary: counts, shares and quantiles over all tests.
        comparisons: one row a treatment, in the order of the table.
        refused: tests that could not be analysed, each with its reason.
    """

    summary: dict[str, Any]
    comparisons: list[dict[str, Any]]
    refused: list[Refused]


def analyze_table(
    path: Path,
    *,
    experiment: str,
    variant: str,
    trials: str,
    successes: str,
    control: str | None = None,
    level: float = 0.95,
    tuning: float = 5000,
    correction: Correction = Correction.BH,
    add_up: bool = False,
    allocation: Literal["random", "optimised"] = "random",
    progress: Callable[[str], None] = lambda _: None,
) -> BulkReport:
    """Analyse every test of a table.

    Each arm is compared with the control of its test: the variant named `control`, or the first row of the test.
    p-values are adjusted over all comparisons of all tests. Tests whose split does not fit equal shares are flagged
    and get no significance. Where the platform chose who saw what nothing is called significant either: impressions
    were not drawn, and totals have no variance between days.

    Args:
        path: CSV, TSV or Parquet, one row an arm.
        experiment: column with the test's key.
        variant: column with the arm's key.
        trials: column with impressions, users, ….
        successes: column with clicks, conversions, ….
        control: key of the control arm in every test; the first row of each test by default.
        level: of the intervals; 1 − level is also the rate that the correction controls.
        tuning: planned units of a comparison, for the any-time p-values.
        correction: bh, by, holm, hochberg or none.
        add_up: rows of one arm are days and are added up.
        allocation: `optimised` leaves out the check of the split.
        progress: told what is happening.
    """
    progress(f"reading {path.name}")
    table = read_experiments(
        path, experiment=experiment, variant=variant, trials=trials, successes=successes, drop_duplicates=add_up
    )
    if len(table.trials) > MOST_CELLS:
        raise AbkitError(f"{path.name} has {len(table.trials):,} arms; at most {MOST_CELLS:,} are analysed at once")
    base, table = _controls(table, control)
    treated = np.flatnonzero(base != np.arange(len(base)))
    progress(f"{len(table.experiments):,} tests, {len(treated):,} comparisons")
    compared = compare_many(
        table.successes[base[treated]],
        table.trials[base[treated]],
        table.successes[treated],
        table.trials[treated],
        level=level,
        tuning=tuning,
    )
    tests = len(table.experiments)
    _, split = split_p(table.trials, table.experiment, tests)
    _, homogeneity = homogeneity_p(table.successes, table.trials, table.experiment, tests)
    flagged = (split < SRM_ALPHA) if allocation == "random" else np.zeros(tests, dtype=bool)
    drawn = allocation == "random"
    usable = ~flagged[table.experiment[treated]]
    family = f"all {int(usable.sum()):,} comparisons of {tests:,} tests" + (
        "" if usable.all() else ", tests with a sample-ratio mismatch left out"
    )
    if not drawn:
        usable, family = np.zeros(len(treated), dtype=bool), "none: impressions were not drawn at random"
    adjusted = adjust(
        np.where(usable, compared.p_value, np.nan).tolist(), correction=correction, alpha=1 - level, family=family
    )
    lifts, prior = _shrunken(compared, ~flagged[table.experiment[treated]])
    rows = _rows(table, base, treated, compared, adjusted, flagged, split, lifts, drawn)
    summary = _summary(table, compared, adjusted, flagged, homogeneity, allocation, treated)
    return BulkReport(summary | {"effect_prior": prior}, rows, table.refused)


def _shrunken(compared: BulkComparisons, unflagged: np.ndarray) -> tuple[list[float | None], EffectPrior | None]:
    """Each lift drawn towards what all of them are like: what a winner that was picked from them is worth."""
    with np.errstate(divide="ignore", invalid="ignore"):
        effects = np.log1p(compared.lift)
        errors = (np.log1p(compared.lift_high) - np.log1p(compared.lift_low)) / (2 * quantile((1 + compared.level) / 2))
    known = np.isfinite(effects) & np.isfinite(errors) & (errors > 0)
    learnt = known & unflagged
    lifts: list[float | None] = [None] * len(effects)
    if learnt.sum() < FEWEST_FOR_PRIOR:
        return lifts, None
    prior = fit_effect_prior(effects[learnt].tolist(), errors[learnt].tolist())
    for place, lift in zip(
        np.flatnonzero(known), np.expm1(shrink_many(effects[known], errors[known], prior)).tolist(), strict=True
    ):
        lifts[place] = lift
    return lifts, prior


def _controls(table: ArmTable, control: str | None) -> tuple[np.ndarray, ArmTable]:
    """For each arm the row of its control; tests without the control that is named are refused."""
    count = len(table.variants)
    row_of = np.full(len(table.experiments), -1)
    if control is None:
        # The first row of each test: written last when walking backwards.
        row_of[table.experiment[::-1]] = np.arange(count)[::-1]
    else:
        named = np.array([variant == control for variant in table.variants], dtype=bool)
        row_of[table.experiment[named]] = np.flatnonzero(named)
        missing = [key for key, row in zip(table.experiments, row_of, strict=True) if row < 0]
        if missing:
            return _controls(_without(table, row_of >= 0, missing, control), control)
    return row_of[table.experiment], table


def _without(table: ArmTable, kept: np.ndarray, missing: list[str], control: str) -> ArmTable:
    if not kept.any():
        raise AbkitError(
            f"no test has a variant {control!r}", hint="name the control as it stands in the table, or leave it out"
        )
    arms = kept[table.experiment]
    number = np.cumsum(kept) - 1
    reasons = [Refused(key, f"no variant {control!r}, which was named as the control") for key in missing]
    return ArmTable(
        [key for key, keep in zip(table.experiments, kept, strict=True) if keep],
        number[table.experiment[arms]],
        [key for key, keep in zip(table.variants, arms, strict=True) if keep],
        table.trials[arms],
        table.successes[arms],
        table.refused + reasons,
    )


def _rows(
    table: ArmTable,
    base: np.ndarray,
    treated: np.ndarray,
    compared: BulkComparisons,
    adjusted: Adjusted,
    flagged: np.ndarray,
    split: np.ndarray,
    shrunken: list[float | None],
    drawn: bool,
) -> list[dict[str, Any]]:
    test = table.experiment[treated]
    columns: dict[str, list[Any]] = {
        "experiment": [table.experiments[index] for index in test],
        "control": [table.variants[index] for index in base[treated]],
        "treatment": [table.variants[index] for index in treated],
        "control_rate": compared.control_rate.tolist(),
        "treatment_rate": compared.treatment_rate.tolist(),
        "difference": compared.difference.tolist(),
        "difference_low": compared.difference_low.tolist(),
        "difference_high": compared.difference_high.tolist(),
        "lift": compared.lift.tolist(),
        "lift_low": compared.lift_low.tolist(),
        "lift_high": compared.lift_high.tolist(),
        "shrunken_lift": shrunken,
        "p_value": compared.p_value.tolist(),
        "adjusted_p": list(adjusted.p_values),
        "anytime_p": compared.anytime_p.tolist(),
        "significant": list(adjusted.rejected),
        "sample_ratio_p": split[test].tolist(),
        "blocked": ["sample_ratio" if flag else "" if drawn else "not_drawn" for flag in flagged[test].tolist()],
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _summary(
    table: ArmTable,
    compared: BulkComparisons,
    adjusted: Adjusted,
    flagged: np.ndarray,
    homogeneity: np.ndarray,
    allocation: str,
    treated: np.ndarray,
) -> dict[str, Any]:
    unflagged = ~flagged[table.experiment[treated]]
    p = compared.p_value[unflagged]
    lifts = compared.lift[unflagged & np.isfinite(compared.lift)]
    quantiles = np.quantile(lifts, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(lifts) else np.full(5, np.nan)
    return {
        "tests": len(table.experiments),
        "refused": len(table.refused),
        "comparisons": len(compared.p_value),
        "sample_ratio_mismatch": int(flagged.sum()) if allocation == "random" else None,
        "significant_unadjusted": int((p < adjusted.alpha).sum()),
        "significant": int(sum(adjusted.rejected)),
        "correction": adjusted.correction,
        "controls": adjusted.controls,
        "family": adjusted.family,
        "alpha": adjusted.alpha,
        # Storey (2002) at λ = 0.5: the share of comparisons that may well have no effect at all.
        "share_without_effect": float(min(1.0, 2 * (p > 0.5).mean())) if len(p) else None,
        "tests_with_unequal_arms": int((homogeneity[~flagged] < adjusted.alpha).sum()),
        "lift_quantiles": dict(zip(("p05", "p25", "p50", "p75", "p95"), quantiles.tolist(), strict=True)),
        "p_value_histogram": np.histogram(p, bins=20, range=(0, 1))[0].tolist(),
        "control_is": "the variant named, or the first row of each test",
        "method": "auto: newcombe, or exact limits where less than one success is expected",
    }
