"""What the schema promises of every table: natural keys without NULL, instants in UTC, values from the vocabulary."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import UniqueConstraint, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Base, KpiReject, Run
from abkit.vocabulary import PLACES, Dimension, RunState

#: Append-only: a promotion, a review, what was agreed about reviews and any other change may be repeated.
WITHOUT_KEY = {"promotion", "idea", "review", "review_flow", "audit"}


def test_every_natural_key_is_free_of_null() -> None:
    for table in Base.metadata.sorted_tables:
        keys = [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
        keys += [index.columns for index in table.indexes if index.unique]
        assert keys or table.name in WITHOUT_KEY, table.name
        assert [column.name for key in keys for column in key if column.nullable] == []


def test_every_table_and_constraint_is_named_in_the_singular_and_by_the_convention() -> None:
    for table in Base.metadata.sorted_tables:
        assert table.name == table.name.lower()
        assert all(constraint.name for constraint in table.constraints)


def test_a_segment_has_the_dimensions_of_the_vocabulary_in_their_order() -> None:
    columns = list(Base.metadata.tables["segment"].columns.keys())
    assert columns == ["id", *Dimension, *PLACES, "campaign_id", "breakdown"]


def test_a_run_has_a_state_of_the_vocabulary_and_no_other(store: Store) -> None:
    run = begin_run(store, "test", {})
    for state in RunState:
        with store.write() as session:
            session.execute(update(Run).values(state=state))
    with pytest.raises(IntegrityError), store.write() as session:
        session.execute(update(Run).values(state="asleep"))
    with store.read() as session:
        assert session.get_one(Run, run.id).state == "skipped"


def test_instants_come_back_in_utc_whatever_zone_they_had(store: Store) -> None:
    run = begin_run(store, "test", {})
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    with store.write() as session:
        session.execute(update(Run).values(finished_at=noon))
    with store.read() as session:
        found = session.get_one(Run, run.id).finished_at
    assert found == noon
    assert found is not None
    assert found.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(sqlite_store: Store) -> None:
    begin_run(sqlite_store, "test", {})
    naive = datetime(2026, 3, 1, 12)  # noqa: DTZ001  # the point of this test
    with pytest.raises(StatementError, match="no time zone"), sqlite_store.write() as session:
        session.execute(update(Run).values(finished_at=naive))


def test_json_and_foreign_keys_work_on_both_engines(store: Store) -> None:
    begin_run(store, "test", {"paths": ["ä", 1, None, {"deep": True}]})
    with store.read() as session:
        assert session.scalars(select(Run.arguments)).one() == {"paths": ["ä", 1, None, {"deep": True}]}
    with pytest.raises(IntegrityError), store.write() as session:
        session.add(KpiReject(kpi_import_id=1, line=1, reason="", content={}))
