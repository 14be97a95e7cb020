"""A figure of a drift check is traced to its rows: those of that day, whatever came later."""

from datetime import date, timedelta

import numpy as np
import pytest
from sqlalchemy import select, update

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.records import to_json
from abkit.reporting.tables.show import as_text
from abkit.store.database.engine import Store
from abkit.store.schema import Decision, Kpi, KpiImport
from abkit.vocabulary import Window
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.explain import DriftTrace, explain_check
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 3)
AS_OF = START + timedelta(days=27)


def world(store: Store) -> Seed:
    """Two campaigns, 24 days of delivery in one file and 4 in another, and 30 creatives each."""
    seed = seeded(store)
    rng = np.random.default_rng(3)
    for name in ("spring", "summer"):
        scores = [float(score) for score in rng.normal(4, 0.7, 30)]
        launched: list[date | None] = [START + timedelta(10 if i < 15 else 22) for i in range(30)]
        ads = seed.creatives(name, scores, embeddings=rng.normal(0, 1, (30, 8)), launched=launched)
        seed.kpis(
            [
                {"ad_id": ad, "day": START + timedelta(index), "impressions": 1000, "clicks": 20, "kpi_import_id": file}
                for file, days in ((seed.import_id, range(24)), (another(seed), range(24, 28)))
                for index in days
                for ad in ads[:15]
            ]
        )
    return seed


def another(seed: Seed, name: str = "later.csv") -> int:
    """The id of a second import, the same at every call."""
    with seed.store.write() as session:
        found = session.scalars(select(KpiImport.id).where(KpiImport.name == name)).one_or_none()
        if found is not None:
            return found
        first = session.get_one(KpiImport, seed.import_id)
        kept = {column.key: getattr(first, column.key) for column in KpiImport.__table__.columns if column.key != "id"}
        row = KpiImport(**kept | {"digest": name, "name": name})
        session.add(row)
        session.flush()
        return row.id


def traced(store: Store, check: str | int | None = None, test: str | None = None) -> DriftTrace:
    with store.read() as session:
        return explain_check(session, Settings().drift, check, test=test)


def expand(ids: str) -> set[int]:
    """Ids of ranges such as "1-3, 7"."""
    found: set[int] = set()
    for part in ids.split(", "):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_figure_has_its_method_windows_and_rows(store: Store) -> None:
    world(store)
    report = check_drift(store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)

    trace = traced(store, report.run_id)

    assert (trace.run_id, trace.decision, trace.model_version) == (report.run_id, report.decision, "d" * 64)
    assert [(one.test, one.statistic, one.p_value) for one in trace.tests] == [
        (one.test, one.statistic, one.p_value) for one in report.results
    ]
    energy = next(one for one in trace.tests if one.test == "energy")
    assert energy.method
    assert energy.level
    assert energy.unit == "images"
    # The last week has days of both files, the fortnight before it only those of the first.
    start = AS_OF - timedelta(days=6)
    with store.read() as session:
        for window, name, days in (
            (Window.CURRENT, "kpi.csv", (start, START + timedelta(23))),
            (Window.CURRENT, "later.csv", (START + timedelta(24), AS_OF)),
            (Window.REFERENCE, "kpi.csv", (start - timedelta(14), start - timedelta(1))),
        ):
            file = next(one for one in trace.files if (one.window, one.file) == (window, name))
            expected = set(session.scalars(select(Kpi.id).where(Kpi.period_start.between(*days))))
            assert expand(file.row_ids) == expected
            assert (file.rows, file.impressions) == (len(expected), 1000 * len(expected))
    assert len(trace.files) == 3
    assert [one.window for one in trace.creatives] == [Window.CURRENT] * 30 + [Window.REFERENCE] * 30
    assert "later.csv" in as_text(trace)
    assert "relation" in as_text(trace)
    assert {row["kind"] for row in trace.rows()} == {"test", "creative", "kpi"}
    assert '"row_ids"' in to_json(trace)


def test_the_windows_are_those_of_that_day_whatever_is_launched_or_configured_later(sqlite_store: Store) -> None:
    seed = world(sqlite_store)
    run = check_drift(sqlite_store, Settings(), current="creatives:30", reference="creatives", as_of=AS_OF).run_id
    before = traced(sqlite_store, run)
    seed.creatives("autumn", [4.0] * 40, launched=[AS_OF] * 40)

    after = traced(sqlite_store, run)

    assert after.creatives == before.creatives
    assert sum(one.window is Window.CURRENT for one in after.creatives) == 30


def test_a_file_that_came_after_the_check_is_named(sqlite_store: Store) -> None:
    seed = world(sqlite_store)
    run = check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF).run_id
    restated = another(seed, "restated.csv")
    with sqlite_store.write() as session:
        decided = session.scalars(select(Decision.decided_at)).one()
        new = {"imported_at": decided + timedelta(hours=1)}
        session.execute(update(KpiImport).where(KpiImport.id == restated).values(**new))
        session.execute(update(Kpi).where(Kpi.period_end == AS_OF).values(kpi_import_id=restated))

    trace = traced(sqlite_store, run)

    assert [one.file for one in trace.files if one.later] == ["restated.csv"]
    assert any("imported after the check" in note and "restated.csv" in note for note in trace.notes)


def test_a_check_of_an_earlier_release_is_traced_with_a_note(sqlite_store: Store) -> None:
    world(sqlite_store)
    check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)
    kept = traced(sqlite_store)
    with sqlite_store.write() as session:
        session.execute(update(Decision).values(reasons={"reasons": []}))

    again = traced(sqlite_store)

    assert (again.creatives, again.files) == (kept.creatives, kept.files)
    assert any("earlier release" in note for note in again.notes)


def test_one_figure_is_traced_alone(sqlite_store: Store) -> None:
    world(sqlite_store)
    check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)

    scores, relation = traced(sqlite_store, test="ks"), traced(sqlite_store, test="slope_loss")

    assert [one.test for one in scores.tests] == ["ks"]
    assert scores.creatives
    assert relation.files
    assert (scores.files, relation.creatives) == ((), ())
    with pytest.raises(UsageError, match="no figure 'nonsense'"):
        traced(sqlite_store, test="nonsense")


def test_the_last_standing_check_is_meant_where_none_is_named_and_a_guess_is_said(sqlite_store: Store) -> None:
    world(sqlite_store)
    other = check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)
    found = traced(sqlite_store)
    assert (found.run_id, found.notes[0]) == (
        other.run_id, "no standing check has been made yet: this is the last comparison",
    )  # fmt: skip

    standing = check_drift(sqlite_store, Settings(), as_of=AS_OF - timedelta(days=3))
    check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)

    assert traced(sqlite_store).run_id == standing.run_id


def test_a_check_is_found_by_run_and_by_decision_and_a_guess_is_said(sqlite_store: Store) -> None:
    with pytest.raises(UsageError, match="no drift check has been made"):
        traced(sqlite_store)
    world(sqlite_store)
    report = check_drift(sqlite_store, Settings(), reference="days:14", current="days:7", as_of=AS_OF)
    with sqlite_store.read() as session:
        decision = session.scalars(select(Decision.id)).one()
    assert decision != report.run_id

    found = [traced(sqlite_store, one) for one in (None, report.run_id, f"decision:{decision}", decision)]

    assert {one.decision_id for one in found} == {decision}
    assert [any("no check has run" in note for note in one.notes) for one in found] == [False, False, False, True]
    for wrong in (999, "decision:999", "latest", "1; DROP TABLE kpi"):
        with pytest.raises(UsageError):
            traced(sqlite_store, wrong)
