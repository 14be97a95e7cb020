"""The job that analyzes experiments: each that is due, whatever happens to the others."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.findings import experiments
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Experiment
from abkit.workflows.experiments.experiments import create_experiment
from abkit.workflows.experiments.formats import FORMAT
from tests.workflows.experiments.deliveries import START, Deliveries, plan


def test_an_experiment_that_cannot_be_analyzed_does_not_stop_the_others(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.02, days=6)
    made.ad("B", 0.03, days=6)
    create_experiment(sqlite_store, plan())
    create_experiment(sqlite_store, plan(key="newer"))
    create_experiment(sqlite_store, plan(key="later", starts_on=START + timedelta(30)))
    with sqlite_store.write() as session:
        newer = session.scalars(select(Experiment).where(Experiment.key == "newer")).one()
        newer.plan = newer.plan | {"format": FORMAT + 1}
    noon = datetime(START.year, START.month, START.day, 12, tzinfo=UTC) + timedelta(5)
    with recorded_run(sqlite_store, "schedule", {}) as run:
        tick = Tick(schedule="e", at=noon, started_at=noon, attempt=1, run=run, jobs=("experiments",))
        done = experiments(sqlite_store, Settings(), tick, Arguments())
        assert done["verdicts"] == {"t": "better"}
        assert f"format {FORMAT + 1}" in done["failed"]["newer"]
        # Once per day: what is left fails alone, and says so.
        with pytest.raises(AbkitError, match="none of 1 experiments could be analyzed; newer"):
            experiments(sqlite_store, Settings(), tick, Arguments())
