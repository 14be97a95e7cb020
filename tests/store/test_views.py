"""The views for dashboards: nobody writes through them, and migrations neither stumble over them nor lose them."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, inspect, select, text
from sqlalchemy.exc import DBAPIError

from abkit.stats.monitoring.decisions import headline
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.link_lists import unlinked_delivery
from abkit.store.runs import recorded_run
from abkit.store.schema import Ad, AdCreative, Decision, Kpi
from abkit.store.views import VIEWS
from tests.conftest import MakeDatabase
from tests.kpi_files import add_creatives, rows, run_import, write
from tests.workflows.scoring.test_shortlist import campaign


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_answers_and_cannot_be_written_through(store: Store, name: str) -> None:
    campaign(store, [5.0])
    with store.read() as session:
        columns = list(session.execute(text(f"SELECT * FROM {name}")).keys())
    engine = create_engine(store.engine.url)
    for statement in (
        f"INSERT INTO {name} ({columns[0]}) VALUES (1)",
        f"UPDATE {name} SET {columns[0]} = 1",
        f"DELETE FROM {name}",
    ):
        with pytest.raises(DBAPIError, match="view"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(("judged", "coarse"), [(5, []), (5, ["score"]), (2, ["score", "input"]), (None, [])])
def test_the_headline_of_a_dashboard_is_that_of_the_page(store: Store, judged: int | None, coarse: list[str]) -> None:
    with recorded_run(store, "drift check", {}) as run, store.write() as session:
        made = Decision(
            run_id=run.id, decision="stable", reasons={"coarse": coarse} if coarse else {}, layers_judged=judged,
            as_of=date(2026, 5, 4), decided_at=datetime(2026, 5, 4, tzinfo=UTC),
        )  # fmt: skip
        session.add(made)
        session.flush()
        shown = session.execute(text("SELECT headline, judged_for_major_shifts_only FROM monitor_decision")).one()
    assert tuple(shown) == (headline("stable", judged, len(coarse)), len(coarse))


def test_a_store_of_the_release_before_gets_the_views_and_keeps_its_rows(store: Store) -> None:
    campaign(store, [5.0, 4.0])
    migrate.downgrade(store, "0026_standing")
    assert inspect(store.engine).get_view_names() == []

    migrate.upgrade(store)

    assert sorted(inspect(store.engine).get_view_names()) == sorted(VIEWS)
    with store.read() as session:
        assert session.scalar(text("SELECT COUNT(*) FROM score")) == 2


def test_an_ad_that_is_linked_under_one_of_its_names_is_linked(store: Store, tmp_path: Path) -> None:
    """Its delivery stands under an id, and the creative is linked to the name that it had in another file."""
    add_creatives(store, "hero.png")
    days = range(1, 29)
    by_name = rows(
        *(f"2026-01-{day:02},hero.png,{900 + day},{day}" for day in days), header="day,ad,impressions,clicks"
    )
    more = [f"2026-01-{day:02},7001,hero.png,{900 + day},{day}" for day in days]
    by_id = rows(*more, "2026-01-05,7002,lost.png,500,5", header="day,ad id,ad name,impressions,clicks")
    run_import(store, write(tmp_path / "a.csv", by_name), write(tmp_path / "b.csv", by_id))
    with store.write() as session:
        heads = select(Ad.same_as).where(Ad.same_as.is_not(None))
        assert len(session.scalars(heads).all()) == 1
        delivering = select(Kpi.ad_id).where(Kpi.left_out == "")
        session.execute(delete(AdCreative).where(AdCreative.ad_id.in_(delivering)))
        assert session.scalars(select(AdCreative)).all()
        view = session.execute(
            text("SELECT impressions, unlinked_impressions, unlinked_ads FROM monitor_unlinked")
        ).one()
        unlinked = [row["impressions"] for row in unlinked_delivery(session)]
    assert unlinked == [500]
    assert tuple(view) == (sum(900 + day for day in days) + 500, 500, 1)


def test_a_missing_view_is_seen_as_a_difference(store: Store) -> None:
    with store.write() as session:
        session.execute(text("DROP VIEW monitor_alert"))

    assert migrate.differences(store) == ["there is no view monitor_alert"]


def test_who_could_read_a_view_can_read_it_after_an_upgrade(new_database: MakeDatabase) -> None:
    store = Store(new_database("postgresql", migrated=True))
    with store.write() as session:
        session.execute(text('DROP ROLE IF EXISTS "board\'s"'))
        session.execute(text('CREATE ROLE "board\'s"'))
        session.execute(text('GRANT SELECT ON monitor_decision TO "board\'s"'))
    migrate.upgrade(store)
    readable = text("SELECT has_table_privilege('board''s', :name, 'SELECT')")
    with store.read() as session:
        found = [session.scalar(readable, {"name": name}) for name in ("monitor_decision", "monitor_alert", "decision")]
    with store.write() as session:
        session.execute(text('DROP OWNED BY "board\'s"'))
        session.execute(text('DROP ROLE "board\'s"'))
    store.close()
    assert found == [True, False, False]
