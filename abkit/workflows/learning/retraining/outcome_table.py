"""Write what is known about creatives from their delivery, as the table of outcomes that training reads."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from abkit.config import Settings
from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.vocabulary import Metric
from abkit.workflows.creatives.creative_files import common_folder, find_images, image_names, named_in
from abkit.workflows.learning.appeals.appeals import find_appeals
from abkit.workflows.learning.retraining.tables import campaigns_of, outcome_rows, write_table


@dataclass(frozen=True, kw_only=True)
class OutcomeTableWritten(Record):
    """A table of outcomes that was written.

    Attributes:
        file: The file.
        images: The folder that its images are in.
        metric: The KPI.
        as_of: The last day of delivery that counts.
        rows: Rows, one per creative and campaign.
        creatives, campaigns: How many of each.
        randomized: Rows that come from experiments with random allocation.
        notes: What was left out, and how to train on the table.
        run_id: The run.
    """

    file: str
    images: str
    metric: Metric
    as_of: date
    rows: int
    creatives: int
    campaigns: int
    randomized: int
    notes: tuple[str, ...]
    run_id: int


def write_outcomes(
    store: Store,
    settings: Settings,
    out: Path,
    *,
    metric: Metric | None = None,
    as_of: date,
    only_experiments: bool = False,
) -> OutcomeTableWritten:
    """Write the appeal of creatives as of a day, one row per creative and campaign.

    Args:
        store: A store at the current migration.
        settings: `[retrain]` has the metric.
        out: The file; one that is there is replaced.
        metric: The KPI; that of `[retrain]` by default.
        as_of: The last day of delivery that counts.
        only_experiments: Only what decided experiments with random allocation say.

    Raises:
        InvalidInput: Nothing is known about any creative whose image is still there.
        AbkitError: The file cannot be written, or amounts are in several currencies.
    """
    chosen = metric or settings.retrain.metric
    arguments = {"out": str(out), "metric": chosen.value, "as_of": as_of.isoformat(), "experiments": only_experiments}
    with recorded_run(store, "ratings from-experiments" if only_experiments else "ratings from-kpis", arguments) as run:
        with store.read() as session:
            found = find_appeals(session, settings, metric=chosen, as_of=as_of)
            figures = found.appeals
            known = figures.identified & np.isfinite(figures.appeal) & np.isfinite(figures.variance)
            if only_experiments:
                known &= found.causal
            entries = np.flatnonzero(known).tolist()
            wanted = {int(figures.creative[i]) for i in entries}
            names = image_names(session, wanted)
        paths = find_images(names)
        if not paths:
            raise InvalidInput(
                f"nothing is known about a creative by {as_of}: {_why_nothing(wanted, only_experiments)}",
                hint="`abkit kpi import` brings delivery, `abkit experiment decide` decides an experiment",
            )
        folder = common_folder(paths.values())
        rows = outcome_rows(found, entries, named_in(folder, paths))
        write_table(rows, out)
        notes = list(found.notes)
        if lost := len(wanted) - len(paths):
            notes.append(f"{lost:,} creatives are left out: their images are not where they were, or have changed")
        train = f"abkit model train {shlex.quote(str(out))} --images {shlex.quote(str(folder))} --out FOLDER"
        notes.append(f"to train on it by hand: `{train} --parent active`")
        run.outcome.update(rows=len(rows))
        return OutcomeTableWritten(
            file=str(out),
            images=str(folder),
            metric=chosen,
            as_of=as_of,
            rows=len(rows),
            creatives=len(paths),
            campaigns=campaigns_of(found, entries, paths),
            randomized=sum(row["source"] == "randomized" for row in rows),
            notes=tuple(notes),
            run_id=run.id,
        )


def _why_nothing(wanted: set[int], only_experiments: bool) -> str:
    if wanted:
        return f"the images of {len(wanted):,} creatives are not where they were, or have changed"
    if only_experiments:
        return "no decided experiment with random allocation has arms of one creative each"
    return "none ran beside another of its campaign and was clicked"
