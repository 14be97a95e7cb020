"""A planned experiment judged by the rows of its users: read as sums per unit, under the names of its variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from abkit.errors import InvalidInput, UsageError
from abkit.intake.tables.unit_rows import UnitColumns
from abkit.metrics import METRICS
from abkit.stats.arms import PairMoments
from abkit.stats.means.capping import cap_values
from abkit.vocabulary import Unit
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.rows.compare import sums_of_file
from abkit.workflows.experiments.rows.sums import SummedUnits
from abkit.workflows.experiments.units.sums import SumsPerUnit
from abkit_model.data.files.tables import TableOptions


@dataclass(frozen=True, kw_only=True)
class UnitRowsOf:
    """Where the rows of an experiment's users or sessions are.

    Attributes:
        table: The file or address, or a folder of Parquet.
        columns: Its columns; the variants are called as in the plan.
        options: What the user said about how it is written.
        progress: Called with the rows read so far, and all of them.
    """

    table: str | Path
    columns: UnitColumns
    options: TableOptions = field(default_factory=TableOptions)
    progress: Callable[[int, int], None] = lambda done, total: None


def rows_of(
    table: str | Path | None, *, unit: str | None, variant: str | None, metric: str | None, denominator: str | None
) -> UnitRowsOf | None:
    """Return where rows are; None where none are given.

    Raises:
        UsageError: Rows are given without their columns, or columns without rows.
    """
    named = {"unit": unit, "variant": variant, "metric": metric}
    if table is None:
        if any(named.values()) or denominator:
            raise UsageError("columns are named, and no rows are given", hint="give rows, the file that has them")
        return None
    if unit is None or variant is None or metric is None:
        missing = " and ".join(name for name, column in named.items() if column is None)
        raise UsageError(f"rows are given without the names of their columns: {missing}")
    return UnitRowsOf(
        table=table, columns=UnitColumns(unit=unit, variant=variant, metric=metric, denominator=denominator)
    )


def sums_for(plan: ExperimentPlan, rows: UnitRowsOf) -> tuple[SumsPerUnit, tuple[str, ...]]:
    """Return the sums of the metric per unit, by variant, and what to know about the rows.

    Raises:
        AbkitError: The rows cannot be read.
        InvalidInput: The plan randomizes something else, its metric takes a denominator that is not named, or the rows
            have other variants than it.
    """
    definition = METRICS[plan.metric]
    numerator = " and ".join(definition.numerator)
    if plan.unit not in (Unit.USER, Unit.SESSION):
        raise InvalidInput(
            f"{plan.key} randomizes {plan.unit.plural}, and rows are of users or sessions", hint="leave --rows out"
        )
    if rows.columns.denominator is None:
        raise InvalidInput(
            f"{plan.key} compares {definition.name}: {numerator} ÷ {definition.denominator}",
            hint=f"name both columns: --metric with the {numerator}, --denominator with the {definition.denominator}",
        )
    found, notes = sums_of_file(rows.table, rows.columns, options=rows.options, progress=rows.progress)
    if set(found.variants) != set(plan.variants):
        raise InvalidInput(
            f"the rows have the variants {', '.join(map(repr, found.variants)) or 'none'}; {plan.key} has "
            f"{', '.join(map(repr, plan.variants))}",
            hint="call them in the rows as in the plan",
        )
    found, capped = _capped(plan, found)
    read = f"{numerator} ÷ {definition.denominator} of {plan.unit.plural} from {found.rows:,} rows"
    return _moments(plan, found), (read, *notes, *capped, *found.left_out.sentences())


def _moments(plan: ExperimentPlan, found: SummedUnits) -> SumsPerUnit:
    sums = {}
    for key, values in found.variants.items():
        if values.n < 2:
            raise InvalidInput(f"{values.n} {plan.unit.plural} of {key!r} have values in the rows; expected 2 or more")
        if not (np.isfinite(values.y).all() and np.isfinite(values.x).all()):
            raise InvalidInput(f"the rows have an infinite value for {key!r}; expected finite numbers")
        sums[key] = {plan.metric: PairMoments.from_values(values.y, values.x)}
    return sums


def _capped(plan: ExperimentPlan, found: SummedUnits) -> tuple[SummedUnits, list[str]]:
    """Return the units with the cap of the plan: one whose metric is above it counts as if its metric were the cap."""
    if plan.cap is None or "revenue" not in METRICS[plan.metric].numerator:
        return found, []
    values = found.variants.values()
    _, cap = cap_values([one.y[one.x > 0] / one.x[one.x > 0] for one in values], plan.cap)
    capped = {key: replace(one, y=np.minimum(one.y, cap.value * one.x)) for key, one in found.variants.items()}
    return replace(found, variants=capped), [str(cap)]
