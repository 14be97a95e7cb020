"""Look after experiments that are there: archive, rename, delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from abkit.alerts.experiments import experiment_closed
from abkit.errors import AbkitError, UsageError
from abkit.records import Record
from abkit.store import experiments as tables
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Experiment
from abkit.workflows.experiments.plan import check_key


@dataclass(frozen=True, kw_only=True)
class ExperimentChange(Record):
    """What became of an experiment.

    Attributes:
        experiment: Its key, before the change.
        what: `archived`, `restored`, `renamed` or `deleted`.
        became: Its key afterwards; "" where it is gone.
        looks: Number of its analyses.
        decisions: Number of its decisions.
    """

    experiment: str
    what: str
    became: str
    looks: int
    decisions: int


def archive_experiment(store: Store, key: str, *, restore: bool = False) -> ExperimentChange:
    """Take an experiment out of lists, schedules and reports, or bring it back. Its figures stay.

    It still counts as a past test where later ones are judged by what lifts are like.

    Raises:
        AbkitError: There is no such experiment, or it is there already.
    """
    what = "restored" if restore else "archived"
    with recorded_run(store, "experiment archive", {"key": key, "what": what}) as run, store.write() as session:
        experiment = tables.find_experiment(session, key)
        if (experiment.archived_at is None) is restore:
            raise UsageError(f"{key} is {'not archived' if restore else 'archived already'}")
        experiment.archived_at = None if restore else datetime.now(UTC)
        if not restore:
            experiment_closed(session, experiment.id, now=datetime.now(UTC))
        run.outcome = {"experiment": key, "what": what}
        return ExperimentChange(experiment=key, what=what, became=key, **tables.counts_of(session, experiment))


def rename_experiment(store: Store, key: str, new: str) -> ExperimentChange:
    """Give an experiment another key. Its looks and decisions stay with it, as they were written.

    Raises:
        AbkitError: There is no such experiment, the key is not valid, or another experiment has it.
    """
    check_key(new)
    with recorded_run(store, "experiment rename", {"key": key, "new": new}) as run, store.write() as session:
        experiment = tables.find_experiment(session, key)
        if session.scalar(select(Experiment.id).where(Experiment.key == new)) is not None:
            raise AbkitError(f"there is an experiment {new!r} already", hint="choose another key")
        experiment.key = new
        run.outcome = {"experiment": key, "became": new}
        return ExperimentChange(experiment=key, what="renamed", became=new, **tables.counts_of(session, experiment))


def delete_experiment(store: Store, key: str, *, confirmed: bool = False) -> ExperimentChange:
    """Delete an experiment with its variants, looks and decisions; what its ads delivered stays.

    Args:
        store: The store.
        key: Key of the experiment.
        confirmed: Delete it although it has results.

    Raises:
        AbkitError: There is no such experiment, or it has results and nobody confirmed.
    """
    with recorded_run(store, "experiment delete", {"key": key}) as run, store.write() as session:
        experiment = tables.find_experiment(session, key)
        counts = tables.counts_of(session, experiment)
        if any(counts.values()) and not confirmed:
            gone = " and ".join(f"{number} {what if number != 1 else what[:-1]}" for what, number in counts.items())
            raise UsageError(
                f"{key} has results: {gone} would be lost for good",
                hint=f"delete it with --yes, or hide it and keep them: abkit experiment archive {key}",
            )
        experiment_closed(session, experiment.id, now=datetime.now(UTC))
        tables.remove(session, experiment)
        run.outcome = {"experiment": key, **counts}
        return ExperimentChange(experiment=key, what="deleted", became="", **counts)
