"""Thousands of finished tests from one table: each compared with its control, errors controlled across all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from abkit.errors import AbkitError
from abkit.intake.cells.columns import MOST_BYTES
from abkit.intake.remote.table import local_table
from abkit.intake.tables.experiments import ArmTable, Refused, read_experiments
from abkit.intake.tables.totals import is_called_control
from abkit.records import Record
from abkit.stats.proportions.bulk import BulkComparisons, compare_many, homogeneity_p, split_p
from abkit.stats.tails import quantile
from abkit.stats.verdicts.multiplicity import adjust
from abkit.stats.verdicts.sample_ratio import ALPHA as SRM_ALPHA
from abkit.stats.verdicts.shrinkage import FEWEST_PAST_TESTS, EffectPrior, fit_effect_prior, shrink_many
from abkit.vocabulary import Allocation, Correction
from abkit_model.data.files.tables import TableOptions

MOST_CELLS = 10**7
_REASONS_SHOWN = 10  # of tests refused, where none is left

_FIGURES = (
    "control_rate", "treatment_rate", "difference", "difference_low", "difference_high",
    "lift", "lift_low", "lift_high", "p_value", "anytime_p",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison(Record):
    """One treatment of one test.

    Attributes:
        experiment: Key of the test.
        control: Name of the control.
        treatment: Name of the treatment.
        control_rate: Successes ÷ trials of the control.
        treatment_rate: The same of the treatment.
        difference: Treatment − control.
        difference_low: Lower end of its interval.
        difference_high: Upper end of its interval.
        lift: Treatment ÷ control − 1.
        lift_low: Lower end of its interval.
        lift_high: Upper end of its interval.
        shrunken_lift: The lift drawn towards what all tests are like; None with fewer than 200 of them.
        shrunken_low: Lower end of its interval; at a level of 95 % it covers at least 93 % of winners.
        shrunken_high: Upper end of its interval.
        p_value: p-value for one planned look.
        adjusted_p: The same after the correction over all tests; NaN where nothing is called significant.
        anytime_p: p-value that is valid at any look.
        significant: Whether the adjusted p-value is at most alpha.
        sample_ratio_p: p-value of the test's split.
        blocked: `sample_ratio` or `not_drawn` where nothing is called significant, else empty.
    """

    experiment: str
    control: str
    treatment: str
    control_rate: float
    treatment_rate: float
    difference: float
    difference_low: float
    difference_high: float
    lift: float
    lift_low: float
    lift_high: float
    shrunken_lift: float | None
    shrunken_low: float | None
    shrunken_high: float | None
    p_value: float
    adjusted_p: float
    anytime_p: float
    significant: bool
    sample_ratio_p: float
    blocked: str


@dataclass(frozen=True, kw_only=True)
class TableSummary(Record):
    """Counts, shares and quantiles over all tests of a table.

    Attributes:
        tests: Tests analyzed.
        refused: Tests refused.
        comparisons: Treatments compared with their control.
        sample_ratio_mismatch: Tests whose split does not fit equal shares; None where the platform allocates.
        significant_unadjusted: Comparisons with a p-value below alpha.
        significant: Comparisons that are significant after the correction.
        correction: The correction.
        controls: What it keeps below alpha.
        family: What the p-values were adjusted over.
        alpha: The error rate.
        share_without_effect: Storey's estimate of the share of comparisons that may have no effect at all.
        tests_with_unequal_arms: Tests whose arms differ by a test of homogeneity.
        lift_quantiles: Quantiles of the lifts.
        p_value_histogram: Comparisons by p-value, in 20 equal bins from 0 to 1.
        control_is: How the controls were chosen.
        method: How intervals and p-values were computed.
        effect_prior: What true lifts are like, on the log scale; None with fewer than 200 comparisons.
    """

    tests: int
    refused: int
    comparisons: int
    sample_ratio_mismatch: int | None
    significant_unadjusted: int
    significant: int
    correction: str
    controls: str
    family: str
    alpha: float
    share_without_effect: float | None
    tests_with_unequal_arms: int
    lift_quantiles: dict[str, float]
    p_value_histogram: list[int]
    control_is: str
    method: str
    effect_prior: EffectPrior | None


@dataclass(frozen=True)
class TableReport(Record):
    """What thousands of tests say.

    Attributes:
        table: Name of the file.
        summary: Counts, shares and quantiles over all tests.
        comparisons: One per treatment, in the order of the table.
        refused: Tests that could not be analyzed, each with its reason.
    """

    table: str
    summary: TableSummary
    comparisons: list[TableComparison]
    refused: list[Refused]


def analyze_table(
    table: str | Path,
    *,
    experiment: str,
    variant: str,
    trials: str,
    successes: str,
    control: str | None = None,
    level: float = 0.95,
    correction: Correction = Correction.BH,
    add_up: bool = False,
    options: TableOptions | None = None,
    allocation: Allocation = Allocation.RANDOM,
    progress: Callable[[str], None] = lambda _: None,
) -> TableReport:
    """Analyze every test of a table.

    Each arm is compared with the control of its test: the variant named `control`, or the first row of the test.
    p-values are adjusted over all comparisons of all tests. Tests whose split does not fit equal shares are flagged
    and get no significance. Where the platform chose who saw what, nothing is called significant either: impressions
    were not assigned at random, and totals have no variance between days.

    Args:
        table: CSV, a spreadsheet or Parquet, one row per arm: a file, or an address as text.
        experiment: Column with the test's key.
        variant: Column with the arm's key.
        trials: Column with impressions, users, ….
        successes: Column with clicks, conversions, ….
        control: Key of the control arm in every test; the first row of each test by default.
        level: Confidence level of the intervals; 1 − level is also the rate that the correction controls.
        correction: How p-values are adjusted over all comparisons.
        add_up: Whether rows of one arm are days, to be added up.
        options: What the user said about how the table is written.
        allocation: `optimized` leaves out the check of the split.
        progress: Told what is happening.

    Raises:
        AbkitError: The file cannot be read, has too many arms, all its tests are refused, or none has the control.
    """
    with local_table(table, max_bytes=MOST_BYTES) as found:
        progress(f"reading {found.name}")
        arms = read_experiments(
            found.path,
            experiment=experiment,
            variant=variant,
            trials=trials,
            successes=successes,
            drop_duplicates=add_up,
            options=options,
        )
    for guess in arms.notes:
        progress(guess)
    if not arms.experiments and arms.refused:
        raise _all_refused(found.name, arms.refused)
    if len(arms.trials) > MOST_CELLS:
        raise AbkitError(f"{found.name} has {len(arms.trials):,} arms; at most {MOST_CELLS:,} are analyzed at once")
    base, arms = _controls(arms, control)
    if control is None and (named := _named_controls(arms, base)):
        progress(named)
    treated = np.flatnonzero(base != np.arange(len(base)))
    progress(f"{len(arms.experiments):,} tests, {len(treated):,} comparisons")
    compared = compare_many(
        arms.successes[base[treated]],
        arms.trials[base[treated]],
        arms.successes[treated],
        arms.trials[treated],
        level=level,
    )
    tests = len(arms.experiments)
    _, split = split_p(arms.trials, arms.experiment, tests)
    _, homogeneity = homogeneity_p(arms.successes, arms.trials, arms.experiment, tests)
    drawn = allocation is Allocation.RANDOM
    flagged = (split < SRM_ALPHA) if drawn else np.zeros(tests, dtype=bool)
    unflagged = ~flagged[arms.experiment[treated]]
    usable = unflagged if drawn else np.zeros(len(treated), dtype=bool)
    family = f"all {int(usable.sum()):,} comparisons of {tests:,} tests"
    if not drawn:
        family = "none: impressions were not assigned at random"
    elif not usable.all():
        family += ", tests with a sample-ratio mismatch left out"
    adjusted = adjust(
        np.where(usable, compared.p_value, np.nan).tolist(), correction=correction, alpha=1 - level, family=family
    )
    lifts, prior = _shrunken(compared, unflagged)
    p = compared.p_value[unflagged]
    known = compared.lift[unflagged & np.isfinite(compared.lift)]
    quantiles = np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(known) else np.full(5, np.nan)
    summary = TableSummary(
        tests=tests,
        refused=len(arms.refused),
        comparisons=len(treated),
        sample_ratio_mismatch=int(flagged.sum()) if drawn else None,
        significant_unadjusted=int((p < adjusted.alpha).sum()),
        significant=int(sum(adjusted.rejected)),
        correction=adjusted.correction,
        controls=adjusted.controls,
        family=adjusted.family,
        alpha=adjusted.alpha,
        # Storey (2002) at λ = 0.5.
        share_without_effect=float(min(1.0, 2 * (p > 0.5).mean())) if len(p) else None,
        tests_with_unequal_arms=int((homogeneity[~flagged] < adjusted.alpha).sum()),
        lift_quantiles=dict(zip(("p05", "p25", "p50", "p75", "p95"), quantiles.tolist(), strict=True)),
        p_value_histogram=np.histogram(p, bins=20, range=(0, 1))[0].tolist(),
        control_is="the variant named, or the first row of each test",
        method="auto: newcombe, or exact limits where the smaller arm says too little",
        effect_prior=prior,
    )
    test = arms.experiment[treated]
    blocked = np.where(flagged[test], "sample_ratio", "" if drawn else "not_drawn")
    columns: dict[str, Sequence[Any]] = {
        "experiment": [arms.experiments[index] for index in test],
        "control": [arms.variants[index] for index in base[treated]],
        "treatment": [arms.variants[index] for index in treated],
        **{name: getattr(compared, name).tolist() for name in _FIGURES},
        **dict(zip(("shrunken_lift", "shrunken_low", "shrunken_high"), lifts, strict=True)),
        "adjusted_p": adjusted.p_values,
        "significant": adjusted.rejected,
        "sample_ratio_p": split[test].tolist(),
        "blocked": blocked.tolist(),
    }
    rows = [TableComparison(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    return TableReport(found.name, summary, rows, arms.refused)


def _all_refused(name: str, refused: Sequence[Refused]) -> AbkitError:
    shown = "; ".join(f"{one.experiment}: {one.reason}" for one in refused[:_REASONS_SHOWN])
    more = f"; and {len(refused) - _REASONS_SHOWN:,} more" if len(refused) > _REASONS_SHOWN else ""
    return AbkitError(
        f"{name} has no test that can be analyzed; refused: {shown}{more}",
        hint="correct these rows, or name the right columns: --impressions-col, --clicks-col",
    )


def _shrunken(
    compared: BulkComparisons, unflagged: np.ndarray
) -> tuple[tuple[list[float | None], ...], EffectPrior | None]:
    """Return each lift drawn towards what all are like, with both ends: what a winner picked from them is worth."""
    with np.errstate(divide="ignore", invalid="ignore"):
        effects = np.log1p(compared.lift)
        errors = (np.log1p(compared.lift_high) - np.log1p(compared.lift_low)) / (2 * quantile((1 + compared.level) / 2))
    known = np.isfinite(effects) & np.isfinite(errors) & (errors > 0)
    learned = known & unflagged
    lifts: tuple[list[float | None], ...] = tuple([None] * len(effects) for _ in range(3))
    if learned.sum() < FEWEST_PAST_TESTS:
        return lifts, None
    prior = fit_effect_prior(effects[learned].tolist(), errors[learned].tolist())
    found = shrink_many(effects[known], errors[known], prior, level=compared.level)
    for column, figures in zip(lifts, found, strict=True):
        for place, lift in zip(np.flatnonzero(known), np.expm1(figures).tolist(), strict=True):
            column[place] = lift
    return lifts, prior


def _controls(table: ArmTable, control: str | None) -> tuple[np.ndarray, ArmTable]:
    """Return for each arm the row of its control; tests without the control that is named are refused."""
    if control is None:
        _, first = np.unique(table.experiment, return_index=True)
        return first[table.experiment], table
    row_of = np.full(len(table.experiments), -1)
    named = [row for row, variant in enumerate(table.variants) if variant == control]
    row_of[table.experiment[named]] = named
    if (row_of < 0).any():
        return _controls(_without(table, row_of >= 0, control), control)
    return row_of[table.experiment], table


def _named_controls(table: ArmTable, base: np.ndarray) -> str:
    """Say which tests have a variant that is called a control and is not their first row; "" where none has."""
    other = [row for row, name in enumerate(table.variants) if base[row] != row and is_called_control(name)]
    # Where the first row is called so too, the table says itself which is the control.
    other = [row for row in other if not is_called_control(table.variants[base[row]])]
    if not other:
        return ""
    name, first = table.variants[other[0]], table.variants[base[other[0]]]
    return (
        f"in {len(set(table.experiment[other])):,} tests {first!r} is the control because it comes first, and another "
        f"variant is called {name!r}: --control {name!r} takes that one"
    )


def _without(table: ArmTable, kept: np.ndarray, control: str) -> ArmTable:
    if not kept.any():
        raise AbkitError(
            f"no test has a variant {control!r}", hint="name the control as it stands in the table, or leave it out"
        )
    arms = kept[table.experiment]
    number = np.cumsum(kept) - 1
    reason = f"no variant {control!r}, which was named as the control"
    return replace(
        table,
        experiments=list(compress(table.experiments, kept)),
        experiment=number[table.experiment[arms]],
        variants=list(compress(table.variants, arms)),
        trials=table.trials[arms],
        successes=table.successes[arms],
        refused=[*table.refused, *(Refused(key, reason) for key in compress(table.experiments, ~kept))],
    )
