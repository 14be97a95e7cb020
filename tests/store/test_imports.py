"""Imported files: found again, counted, and their refused rows listed."""

from typing import Any

import pytest
from sqlalchemy import event, insert, select

from abkit.store import imports
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, KpiImport, KpiReject, RatingImport, RatingReject, RatingSource
from tests.monitoring_rows import Seed, seeded
from tests.store.rows import NOW, day


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    return seeded(sqlite_store)


def add_import(seed: Seed, name: str, rejected: int) -> int:
    counts = dict.fromkeys(("imported", "updated", "unchanged", "unlinked"), 0)
    row = KpiImport(
        digest=name, name=name, options={}, rows=10, rejected=rejected, imported_at=NOW, run_id=seed.run_id, **counts
    )
    with seed.store.write() as session:
        session.add(row)
        session.flush()
        rejects = [
            {"kpi_import_id": row.id, "line": line, "reason": f"line {line}", "content": {"ad": line}}
            for line in range(1, rejected + 1)
        ]
        session.execute(insert(KpiReject), rejects)
        return row.id


def test_a_file_is_found_by_its_digest(seed: Seed) -> None:
    with seed.store.read() as session:
        found = imports.import_of(session, KpiImport, "i" * 64)
        assert found is not None
        assert found.id == seed.import_id
        assert imports.import_of(session, KpiImport, "x") is None
        assert imports.import_of(session, RatingImport, "i" * 64) is None


def test_refused_rows_come_with_file_line_and_reason_the_latest_import_first(seed: Seed) -> None:
    first, second = add_import(seed, "one.csv", 2), add_import(seed, "two.csv", 2)
    with seed.store.read() as session:
        every = imports.kpi_rejects(session, None, 3)
        of_first = imports.kpi_rejects(session, first, 10)
        reasons = imports.reject_reasons(session, second)
    assert [(row["file"], row["line"]) for row in every] == [("two.csv", 1), ("two.csv", 2), ("one.csv", 1)]
    assert of_first[1] == {
        "import_id": first,
        "file": "one.csv",
        "kind": "rejected",
        "line": 2,
        "reason": "line 2",
        "content": {"ad": 2},
    }
    assert reasons == {"rejected": ["line 1", "line 2"]}


def test_refused_rows_of_ratings_have_no_cells(seed: Seed) -> None:
    with seed.store.write() as session:
        source = RatingSource(key="panel", salt=b"s", created_at=NOW, run_id=seed.run_id)
        session.add(source)
        session.flush()
        counts: dict[str, Any] = dict.fromkeys(("rows", "imported", "unchanged", "rejected"), 1)
        table = RatingImport(
            digest="r", name="votes.csv", rating_source_id=source.id, kind="votes", options={}, imported_at=NOW,
            run_id=seed.run_id, **counts,
        )  # fmt: skip
        session.add(table)
        session.flush()
        session.add(RatingReject(rating_import_id=table.id, line=7, reason="no score"))
        session.flush()
        assert imports.rating_rejects(session, table.id, 10) == [
            {"import_id": table.id, "file": "votes.csv", "line": 7, "reason": "no score"}
        ]
        assert imports.rating_rejects(session, table.id + 1, 10) == []


def test_what_was_imported_is_counted_up_to_a_day(store: Store) -> None:
    seed = seeded(store)
    linked, also = seed.creatives("spring", [1.0, 2.0])
    (unlinked,) = seed.creatives("summer", [1.0], link=False)
    seed.kpis([{"ad_id": ad, "day": day(n), "impressions": 10, "clicks": 1} for n, ad in ((1, linked), (3, unlinked))])
    seed.kpis([{"ad_id": also, "period_start": day(2), "period_end": day(9), "impressions": 1, "clicks": 0}])
    add_import(seed, "late.csv", 3)
    with store.read() as session:
        early, late, none = (imports.imported(session, day(number)) for number in (3, 9, 1))
        assert imports.reject_counts(session, day(1), day(9)) == (0, 100)
        assert imports.reject_counts(session, day(4), day(9)) == (0, 0)
    assert (early.ads, early.unlinked_ads, early.first_day, early.last_day) == (2, 1, day(1), day(3))
    assert (late.ads, late.last_day, late.files, late.rejected_rows) == (3, day(9), 2, 3)
    assert (none.ads, none.unlinked_ads) == (1, 0)


def test_before_any_import_there_is_no_delivery(sqlite_store: Store) -> None:
    with sqlite_store.read() as session:
        found = imports.imported(session, day(1))
        assert imports.reject_counts(session, day(1), day(2)) == (0, 0)
        assert imports.is_simulated(session) is False
    assert (found.ads, found.first_day, found.files, found.rejected_rows) == (0, None, 0, 0)


def test_simulated_delivery_is_found_behind_any_platform_without_reading_the_other_ads(seed: Seed) -> None:
    ads = seed.creatives("spring", [1.0] * 4)
    said: list[tuple[str, Any]] = []
    event.listen(seed.store.engine, "before_cursor_execute", lambda *told: said.append((told[2], told[3])))
    for made_up in (None, *ads):
        with seed.store.write() as session:
            rows = session.scalars(select(Ad).order_by(Ad.id))
            for platform, row in zip(("", "google", "meta", "tiktok"), rows, strict=True):
                row.platform = platform
                row.account = imports.SIMULATED_ACCOUNT if row.id == made_up else "1"
        with seed.store.read() as session:
            assert imports.is_simulated(session) is (made_up is not None)
    with seed.store.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[-1][0]}", said[-1][1]).all()
    assert not [row for row in plan if row[3].startswith("SCAN ad")]


def test_impressions_and_clicks_of_an_ad_are_those_of_all_its_rows(seed: Seed) -> None:
    (ad,) = seed.creatives("spring", [1.0])
    seed.kpis([{"ad_id": ad, "day": day(n), "impressions": 10 * n, "clicks": n} for n in (1, 2)])
    with seed.store.write() as session:
        row = session.scalars(select(Ad)).one()
        row.account, row.external_id = imports.SIMULATED_ACCOUNT, "7001"
    known = ("", imports.SIMULATED_ACCOUNT, "7001")
    with seed.store.read() as session:
        assert imports.impressions_and_clicks(session, [known, ("", "other", "7001")]) == {known: (30, 3)}
        assert imports.is_simulated(session) is True
