"""Looking after experiments: archive, rename, delete, on both engines."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Experiment, ExperimentResult, Kpi, Variant
from abkit.workflows.experiments.experiments import (
    analyze_experiment,
    create_experiment,
    decide_experiment,
    experiments_due,
    history,
    list_experiments,
)
from abkit.workflows.experiments.upkeep import archive_experiment, delete_experiment, rename_experiment
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan


@pytest.fixture
def looked(store: Store) -> Store:
    made = Deliveries(store)
    made.ad("A", 0.02)
    made.ad("B", 0.02)
    create_experiment(store, plan())
    look(store)
    return store


def test_an_archived_experiment_is_in_no_list_and_no_schedule_and_comes_back_whole(looked: Store) -> None:
    day = START + timedelta(30)
    archive_experiment(looked, "t")
    assert list_experiments(looked) == []
    assert experiments_due(looked, day) == []
    assert [(row.experiment, row.archived) for row in list_experiments(looked, archived=True)] == [("t", True)]
    assert len(history(looked, "t")) == 1
    with pytest.raises(UsageError, match="archived already"):
        archive_experiment(looked, "t")
    archive_experiment(looked, "t", restore=True)
    assert [row.looks for row in list_experiments(looked)] == [1]
    assert experiments_due(looked, day) == ["t"]


def test_a_renamed_experiment_keeps_its_looks_and_goes_on(looked: Store) -> None:
    rename_experiment(looked, "t", "spring")
    with pytest.raises(AbkitError, match="no experiment 't'"):
        history(looked, "t")
    assert analyze_experiment(looked, "spring", as_of=START + timedelta(19)).look == 2
    assert [row.result.experiment for row in history(looked, "spring")] == ["spring", "spring"]  # type: ignore[union-attr]
    create_experiment(looked, plan())
    with pytest.raises(AbkitError, match="'spring' already"):
        rename_experiment(looked, "t", "spring")
    with pytest.raises(InvalidInput, match="1 to 200 printable"):
        rename_experiment(looked, "t", " ")


def test_results_are_deleted_only_when_told_to_and_what_was_delivered_stays(looked: Store) -> None:
    with pytest.raises(UsageError, match="1 look and 0 decisions would be lost"):
        delete_experiment(looked, "t")
    assert len(list_experiments(looked)) == 1
    done = delete_experiment(looked, "t", confirmed=True)
    assert (done.what, done.looks, done.decisions) == ("deleted", 1, 0)
    with looked.read() as session:
        for table, left in ((Experiment, 0), (Variant, 0), (ExperimentResult, 0), (Ad, 2), (Kpi, 80)):
            assert session.scalar(select(func.count()).select_from(table)) == left
    create_experiment(looked, plan())
    assert delete_experiment(looked, "t").looks == 0  # nothing is lost, so that nobody is asked


def test_a_decision_against_the_verdict_needs_a_reason_and_where_agreed_a_second_person(looked: Store) -> None:
    def ship(**said: object) -> object:
        given = {"variant": None, "person": "Ana", "reason": "law", "as_of": START, "needs_second": True} | said
        return decide_experiment(looked, "t", "ship", **given)  # type: ignore[arg-type]

    with pytest.raises(InvalidInput, match="against the verdict on t \\(undecided\\), and no reason"):
        ship(reason=" ", second="Bo")
    with pytest.raises(InvalidInput, match="a second person has to agree"):
        ship()
    with pytest.raises(InvalidInput, match="expected another person"):
        ship(second="ana ")
    assert [row.kind for row in history(looked, "t")] == ["analysis"]
    ship(second="Bo")
    ship(needs_second=False)
    decide_experiment(looked, "t", "keep", variant=None, person="Ana", reason="", as_of=START, needs_second=True)
    assert [getattr(row.result, "second", None) for row in history(looked, "t")] == [None, "Bo", "", ""]


def test_experiments_of_an_earlier_release_stay_and_are_not_archived(looked: Store) -> None:
    before = history(looked, "t")
    migrate.downgrade(looked, "0019_ad_sets")
    migrate.upgrade(looked)
    assert history(looked, "t") == before
    assert [row.archived for row in list_experiments(looked)] == [False]
