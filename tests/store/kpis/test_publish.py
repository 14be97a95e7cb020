"""Publishing a staged KPI file: rows, revisions, rejects and counts appear in one transaction, once."""

from typing import Any

import polars as pl
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.store.database import staging
from abkit.store.database.engine import Store
from abkit.store.kpis import stage as tables
from abkit.store.kpis.publish import ImportHeader, publish
from abkit.store.runs import begin_run
from abkit.store.schema import Ad, Campaign, Kpi, KpiImport, KpiReject, KpiRevision, Segment
from abkit.vocabulary import PLACES, Dimension
from tests.store.rows import count, day

FIGURES = {"impressions": 100, "clicks": 5, "conversions": 1, "spend": 2.5, "revenue": None, "currency": "EUR"}


def stage(session: Session, rows: list[dict[str, Any]], rejects: list[dict[str, Any]] | None = None) -> None:
    """One ad in one segment per row, as a checked file stages them."""
    connection = session.connection()
    staging.create_stage(connection, tables.TEMPORARY)
    ads = [
        {
            "ad_no": n,
            "platform": "meta",
            "account": "1",
            "external_id": row["ad"],
            "creative": "",
            "campaign": "spring",
            "ad_set": "",
            "idle": row.get("idle", 0),
        }
        for n, row in enumerate(rows)
    ]
    blank = dict.fromkeys((*Dimension, *PLACES), "")
    texts = {"event": "", "attribution_window": ""}
    kpis = [
        {
            "line": n + 2, "rows": 1, "idle": 0, "ad_no": n, "segment_no": 0,
            "period_start": row["day"], "period_end": row["day"],
            **texts, **FIGURES, **{name: row[name] for name in row if name not in ("ad", "day")},
        }
        for n, row in enumerate(rows)
    ]  # fmt: skip
    money = {"spend": pl.Float64, "revenue": pl.Float64}
    for table, frame in (
        (tables.STAGE_AD, pl.DataFrame(ads)),
        (tables.STAGE_SEGMENT, pl.DataFrame([{"segment_no": 0, **blank}])),
        (tables.STAGE_KPI, pl.DataFrame(kpis, schema_overrides=money)),
        (tables.STAGE_REJECT, pl.DataFrame([{"kind": "rejected", **reject} for reject in rejects or []])),
    ):
        staging.fill(connection, table, frame)


def import_rows(store: Store, digest: str, *rows: dict[str, Any], **options: Any) -> KpiImport:
    run = begin_run(store, "kpi import", {})
    with store.write() as session:
        stage(session, list(rows), **options)
        record, _ = publish(session, ImportHeader(digest=digest, name=f"{digest}.csv", options={}, run_id=run.id))
        staging.drop_stage(session.connection(), tables.TEMPORARY)
        return record


def counts(record: KpiImport) -> dict[str, int]:
    names = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected")
    return {name: getattr(record, name) for name in names if getattr(record, name)}


def test_rows_appear_with_their_ad_campaign_and_segment_and_are_counted(store: Store) -> None:
    first, again = {"ad": "a", "day": day(1)}, {"ad": "b", "day": day(1)}
    record = import_rows(store, "one", first, again, rejects=[{"line": 9, "reason": "no ad", "content": '{"day": ""}'}])
    assert counts(record) == {"rows": 3, "imported": 2, "unlinked": 2, "rejected": 1}
    assert [count(store, table) for table in (Ad, Campaign, Segment, Kpi)] == [2, 1, 1, 2]
    with store.read() as session:
        reject = session.scalars(select(KpiReject)).one()
        assert (reject.kpi_import_id, reject.line, reject.reason) == (record.id, 9, "no ad")
        assert reject.content == {"day": ""}
        kept = session.scalars(select(Kpi)).first()
    assert kept is not None
    assert {name: getattr(kept, name) for name in FIGURES} == FIGURES


def test_a_restatement_replaces_the_figures_and_keeps_the_former_ones(store: Store) -> None:
    import_rows(store, "one", {"ad": "a", "day": day(1)}, {"ad": "b", "day": day(1)})
    record = import_rows(store, "two", {"ad": "a", "day": day(1), "clicks": 6}, {"ad": "b", "day": day(1)})
    assert counts(record) == {"rows": 2, "updated": 1, "unchanged": 1, "unlinked": 2}
    with store.read() as session:
        revision = session.scalars(select(KpiRevision)).one()
        rows = session.execute(select(Kpi.clicks, Kpi.kpi_import_id).order_by(Kpi.id)).all()
    assert (revision.clicks, revision.kpi_import_id) == (5, record.id)
    assert rows == [(6, record.id), (5, record.id - 1)]


@pytest.mark.parametrize("name", ["clicks", "conversions", "spend", "currency"])
def test_what_a_later_file_does_not_give_stays_as_it_was(sqlite_store: Store, name: str) -> None:
    import_rows(sqlite_store, "one", {"ad": "a", "day": day(1)})
    missing = "" if name == "currency" else None
    record = import_rows(sqlite_store, "two", {"ad": "a", "day": day(1), name: missing})
    assert counts(record) == {"rows": 1, "unchanged": 1, "unlinked": 1}


def test_a_digest_is_published_once(store: Store) -> None:
    first = import_rows(store, "one", {"ad": "a", "day": day(1)})
    run = begin_run(store, "kpi import", {})
    with store.write() as session:
        stage(session, [{"ad": "b", "day": day(2)}])
        record, is_this_one = publish(session, ImportHeader(digest="one", name="copy.csv", options={}, run_id=run.id))
        staging.drop_stage(session.connection(), tables.TEMPORARY)
    assert (record.id, is_this_one) == (first.id, False)
    assert [count(store, table) for table in (KpiImport, Kpi, Ad)] == [1, 1, 1]


def test_staged_rows_are_gone_with_the_stage_and_an_empty_frame_fills_nothing(store: Store) -> None:
    with store.connect() as connection, connection.begin():
        for _ in range(2):  # a stage that is there is made anew
            staging.create_stage(connection, tables.TEMPORARY)
            names = pl.DataFrame({"ad_no": [1, 2], "creative": ['a "quoted", name', ""]})
            staging.fill(connection, tables.STAGE_NAME, names)
            staging.fill(connection, tables.STAGE_AD, pl.DataFrame())
            assert connection.execute(select(tables.STAGE_NAME)).all() == [(1, 'a "quoted", name'), (2, "")]
            assert connection.execute(select(tables.STAGE_AD)).all() == []
        staging.drop_stage(connection, tables.TEMPORARY)
