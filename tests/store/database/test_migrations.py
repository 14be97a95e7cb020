"""Models and migrations agree, on both engines, there and back."""

import re
import sqlite3
from contextlib import closing
from enum import StrEnum

import pytest
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from abkit.errors import StoreError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import (
    Ad,
    Campaign,
    Creative,
    Kpi,
    KpiImport,
    KpiReject,
    KpiRevision,
    Rater,
    RaterLink,
    RatingImport,
    RatingSource,
    Score,
    Segment,
)
from abkit.vocabulary import (
    Allocation,
    CorrelationScope,
    CorrelationStatistic,
    DriftDecision,
    DriftVerdict,
    Layer,
    Metric,
    MissedTicks,
    RunState,
    Severity,
    Unit,
)
from tests.monitoring_rows import seeded
from tests.store.rows import NOW, day
from tests.workflows.scoring.test_shortlist import campaign


def test_a_migrated_store_has_exactly_the_tables_of_the_code(store: Store) -> None:
    assert migrate.differences(store) == []


def test_a_missing_column_is_seen_as_a_difference(store: Store) -> None:
    with store.write() as session:
        session.execute(text("ALTER TABLE campaign DROP COLUMN name"))

    assert any("name" in difference for difference in migrate.differences(store))


def test_up_down_and_up_again_leaves_nothing_behind(database_url: str) -> None:
    store = Store(database_url)
    migrate.upgrade(store)
    migrate.downgrade(store, "base")
    assert set(inspect(store.engine).get_table_names()) <= {"alembic_version"}

    migrate.upgrade(store)
    assert migrate.differences(store) == []
    store.close()


def test_every_single_step_can_be_taken_back(database_url: str) -> None:
    store = Store(database_url)
    migrate.upgrade(store)
    while (at := migrate.current(store)) is not None:
        migrate.downgrade(store, "-1")
        assert migrate.current(store) != at
    store.close()


def test_a_score_of_an_earlier_release_stays_and_has_no_novelty(store: Store) -> None:
    campaign(store, [5.0, 4.0], novelty=[1.5, 0.5])
    migrate.downgrade(store, "0007_brief")
    migrate.upgrade(store)

    with store.read() as session:
        rows = session.execute(select(Score.mean, Score.novelty).order_by(Score.id)).all()
    assert rows == [(5.0, None), (4.0, None)]


def test_creatives_of_an_earlier_release_stay_and_have_no_properties(store: Store) -> None:
    campaign(store, [5.0, 4.0])
    with store.write() as session:
        session.execute(update(Creative).values(properties={"rules": 1, "brightness": 0.5}))
    migrate.downgrade(store, "0024_retrain")
    migrate.upgrade(store)

    with store.read() as session:
        assert list(session.scalars(select(Creative.properties))) == [None, None]
        assert len(session.scalars(select(Score)).all()) == 2


def test_a_table_of_choices_of_an_earlier_release_is_one_of_comparisons(store: Store) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        source = RatingSource(key="panel", salt=b"s", created_at=NOW, run_id=run.id)
        session.add(source)
        session.flush()
        counts = dict.fromkeys(("rows", "imported", "unchanged", "rejected"), 0)
        own = {"name": "", "rating_source_id": source.id, "options": {}, "imported_at": NOW, "run_id": run.id}
        session.add_all(RatingImport(digest=kind, kind=kind, **own, **counts) for kind in ("comparisons", "votes"))
    kinds = text("SELECT kind FROM rating_import ORDER BY id")
    for revision, expected in (("0009_optimized", ["choices", "votes"]), ("head", ["comparisons", "votes"])):
        (migrate.upgrade if revision == "head" else migrate.downgrade)(store, revision)
        with store.read() as session:
            assert session.scalars(kinds).all() == expected


def test_rows_of_an_earlier_release_keep_their_figures_and_take_fractions_and_late_clicks_now(store: Store) -> None:
    run = begin_run(store, "test", {})
    counts = dict.fromkeys(("rows", "imported", "updated", "unchanged", "unlinked", "rejected"), 1)
    with store.write() as session:
        campaign_row = Campaign(key="spring", created_at=NOW, run_id=run.id)
        imports = [
            KpiImport(digest=d, name=d, options={}, imported_at=NOW, run_id=run.id, **counts) for d in ("one", "two")
        ]
        segment = Segment()
        session.add_all([campaign_row, segment, *imports])
        session.flush()
        ad = Ad(external_id="7001", campaign_id=campaign_row.id, run_id=run.id)
        session.add(ad)
        session.flush()
        day = {"period_start": NOW.date(), "period_end": NOW.date(), "spend": 0.1, "revenue": None}
        kpi = Kpi(
            ad_id=ad.id, segment_id=segment.id, impressions=3_000_000_000, clicks=35, conversions=3,
            kpi_import_id=imports[0].id, **day,
        )  # fmt: skip
        session.add(kpi)
        session.flush()
        former = {"impressions": 1200, "clicks": 30, "conversions": 2, "spend": 0.2, "revenue": 1.5, "currency": "EUR"}
        session.add(KpiRevision(kpi_id=kpi.id, kpi_import_id=imports[1].id, **former))
        session.add(KpiReject(kpi_import_id=imports[0].id, line=9, reason="no ad", content={"day": ""}))
    figures = text(
        "SELECT k.impressions, k.clicks, k.conversions, k.spend, k.revenue, r.impressions, r.conversions, r.revenue, "
        "j.line, j.reason FROM kpi k JOIN kpi_revision r ON r.kpi_id = k.id, kpi_reject j"
    )
    expected = (3_000_000_000, 35, 3, 0.1, None, 1200, 2, 1.5, 9, "no ad")
    checks: dict[str, set[str]] = {}
    for revision in ("0014_links", "head"):
        (migrate.upgrade if revision == "head" else migrate.downgrade)(store, revision)
        with store.read() as session:
            assert tuple(session.execute(figures).one()) == expected
        inspector = inspect(store.engine)
        checks[revision] = {check["name"] for check in inspector.get_check_constraints("kpi")}
        assert len(inspector.get_foreign_keys("kpi")) == 3
        indexes = {index["name"] for index in inspector.get_indexes("kpi") if not index.get("unique")}
        assert indexes == {"ix_kpi_period_end", "ix_kpi_left_out"}
    assert checks["head"] == {"ck_kpi_counts", "ck_kpi_period"}
    assert checks["0014_links"] == {*checks["head"], "ck_kpi_clicks"}
    assert migrate.differences(store) == []

    with store.write() as session:
        session.execute(text("UPDATE kpi SET conversions = 2.5, impressions = 0, clicks = 1"))
        reject = session.scalars(select(KpiReject)).one()
        assert (reject.kind, session.scalars(select(KpiImport.set_aside)).all()) == ("rejected", [0, 0])
    with store.read() as session:
        assert session.execute(select(Kpi.conversions, Kpi.impressions, Kpi.clicks)).one() == (2.5, 0, 1)
    with pytest.raises(IntegrityError), store.write() as session:
        session.execute(text("UPDATE kpi SET clicks = -1"))
    with pytest.raises(IntegrityError), store.write() as session:
        session.execute(text("UPDATE kpi_reject SET kind = 'lost'"))


def test_an_empty_database_is_refused_with_what_to_do(database_url: str) -> None:
    store = Store(database_url)
    with store.read() as session:
        session.connection()  # on SQLite, this makes an empty file
    with pytest.raises(StoreError, match="not an abkit store") as refused:
        migrate.require_current(store)
    assert "abkit init" in (refused.value.hint or "")
    store.close()


def test_an_older_store_is_refused_with_what_to_do(sqlite_store: Store) -> None:
    migrate.downgrade(sqlite_store, "-1")
    with pytest.raises(StoreError, match="needs") as refused:
        migrate.require_current(sqlite_store)
    assert "abkit db upgrade" in (refused.value.hint or "")


def test_a_store_of_a_newer_abkit_is_left_alone(sqlite_store: Store) -> None:
    with sqlite_store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    for attempt in (migrate.require_current, migrate.upgrade):
        with pytest.raises(StoreError, match="newer abkit"):
            attempt(sqlite_store)


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("run", "state", RunState),
        ("correlation_result", "metric", Metric),
        ("correlation_result", "scope", CorrelationScope),
        ("correlation_result", "statistic", CorrelationStatistic),
        ("drift_result", "layer", Layer),
        ("drift_result", "verdict", DriftVerdict),
        ("decision", "decision", DriftDecision),
        ("alert", "severity", Severity),
        ("schedule", "missed", MissedTicks),
        ("experiment", "unit", Unit),
        ("experiment", "allocation", Allocation),
        ("experiment", "metric", Metric),
    ],
)
def test_the_store_takes_exactly_the_words_of_the_vocabulary(
    store: Store, table: str, column: str, words: type[StrEnum]
) -> None:
    checks = {check["name"]: check["sqltext"] for check in inspect(store.engine).get_check_constraints(table)}
    assert set(re.findall(r"'(\w+)'", checks[f"ck_{table}_{column}"])) == set(words)


def test_a_constraint_added_later_leaves_the_partial_index_of_open_alerts(store: Store) -> None:
    found = {index["name"]: index for index in inspect(store.engine).get_indexes("alert")}
    where = found["uq_alert_open"]["dialect_options"][f"{store.dialect}_where"]
    assert "resolved_at IS NULL" in str(where)


def test_a_row_that_refers_to_nothing_stops_the_migration_and_nothing_is_changed(sqlite_store: Store) -> None:
    begin_run(sqlite_store, "test", {})
    migrate.downgrade(sqlite_store, "-1")
    at = migrate.current(sqlite_store)
    with closing(sqlite3.connect(str(sqlite_store.engine.url.database))) as connection, connection:
        connection.execute("INSERT INTO campaign (key, name, created_at, run_id) VALUES ('c', '', '2026-01-01', 99)")
    with pytest.raises(StoreError, match="a row of campaign that refers to none of run"):
        migrate.upgrade(sqlite_store)
    assert migrate.current(sqlite_store) == at
    with pytest.raises(IntegrityError), sqlite_store.write() as session:
        session.execute(text("UPDATE campaign SET run_id = 98"))


def test_names_ads_and_links_of_an_earlier_release_get_what_linking_needs(store: Store) -> None:
    run, rescored, rated = (begin_run(store, what, {}).id for what in ("score", "score", "ratings import"))
    migrate.downgrade(store, "0013_reading")
    now = NOW.replace(tzinfo=None)
    with store.write() as session:

        def insert(table: str, **values: object) -> None:
            names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
            session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)

        for id_, key in enumerate(("spring", "summer"), 1):
            insert("campaign", id=id_, key=key, name=key, created_at=now, run_id=run)
        sizes = {"perceptual_hash": "0" * 16, "width": 1, "height": 1, "media_type": "", "bytes": 1}
        for id_ in (1, 2, 3):
            insert("creative", id=id_, sha256=str(id_), created_at=now, run_id=run, **sizes)
        aliases = [
            (1, 1, "/ads/Caf\u0065\u0301_1.PNG", run),
            (2, 1, "/summer/other.png", rescored),
            (3, 2, "/ads/b.png", run),
            (4, 3, "/rated/c.png", rated),
        ]
        for id_, creative, name, by in aliases:
            base = name.rsplit("/", 1)[1]
            insert("creative_alias", id=id_, creative_id=creative, name=name, base_name=base, created_at=now, run_id=by)
        for campaign, creative, by in ((1, 1, run), (2, 1, rescored), (1, 2, run), (2, 2, rescored)):
            insert("campaign_creative", campaign_id=campaign, creative_id=creative, created_at=now, run_id=by)
        for id_, external, creative in ((1, "11", "/x/b.png"), (2, "12", ""), (3, "Hero", ""), (4, "13", "later.png")):
            insert("ad", id=id_, platform="", account="", external_id=external, creative_name=creative, run_id=run)
        for ad, creative, by in ((1, 2, "name"), (4, 2, "name"), (2, 1, "hand")):
            insert("ad_creative", ad_id=ad, creative_id=creative, linked_by=by, run_id=run)
    migrate.upgrade(store)

    with store.read() as session:
        keys = session.execute(text("SELECT base_name, link_key FROM creative_alias ORDER BY id")).all()
        assert keys[0] == ("Caf\u00e9_1.PNG", "caf\u00e91")
        assert [key for _, key in keys] == ["caf\u00e91", "other", "b", "c"]
        names = session.execute(text("SELECT ad_id, name, link_key FROM ad_name ORDER BY ad_id, id")).all()
        # An ad that was linked under a name that the store did not keep has that of its creative.
        assert names == [
            (1, "/x/b.png", "b"),
            (3, "Hero", "hero"),
            (4, "later.png", "later"),
            (4, "b.png", "b"),
        ]
        found = "SELECT campaign_id, creative_alias_id FROM campaign_alias ORDER BY campaign_id, creative_alias_id"
        assert session.execute(text(found)).all() == [(1, 1), (1, 3), (2, 2), (2, 3)]
        links = "SELECT ad_id, creative_id, linked_by FROM ad_creative ORDER BY id"
        assert session.execute(text(links)).all() == [(1, 2, "name"), (4, 2, "name"), (2, 1, "hand")]
    migrate.downgrade(store, "0013_reading")
    migrate.upgrade(store)


def test_rows_of_an_earlier_release_are_settled_and_those_without_overlap_stay_as_they_are(store: Store) -> None:
    seed = seeded(store)
    one, two = seed.creatives("spring", [1.0, 2.0])
    young, everyone = seed.segment(age="18-24"), seed.segment(age="All")
    shown = {"clicks": 10, "impressions": 700}
    seed.kpis([{"ad_id": one, "day": day(1), "segment_id": segment, **shown} for segment in (young, everyone)])
    seed.kpis([{"ad_id": two, "day": day(number), **shown} for number in (1, 2)])
    figures = text("SELECT ad_id, period_start, impressions, clicks FROM kpi ORDER BY id")
    settled = text("SELECT ad_id, left_out FROM kpi ORDER BY id")
    with store.read() as session:
        before, expected = session.execute(figures).all(), session.execute(settled).all()
    assert expected == [(one, ""), (one, "breakdown"), (two, ""), (two, "")]
    migrate.downgrade(store, "0011_vocabulary")
    migrate.upgrade(store)
    with store.read() as session:
        assert (session.execute(figures).all(), session.execute(settled).all()) == (before, expected)


def test_experiments_of_an_earlier_release_stay_and_new_ones_may_be_of_money(store: Store) -> None:
    migrate.downgrade(store, "0017_imports")
    run = begin_run(store, "experiment create", {})
    insert = text(
        "INSERT INTO experiment (key, unit, allocation, metric, plan, created_at, run_id)"
        " VALUES (:key, 'day', 'random', :metric, '{}', :now, :run)"
    )
    with store.write() as session:
        session.execute(insert, {"key": "old", "metric": "cvr", "now": NOW, "run": run.id})
    with pytest.raises(IntegrityError), store.write() as session:
        session.execute(insert, {"key": "new", "metric": "roas", "now": NOW, "run": run.id})
    migrate.upgrade(store)
    with store.write() as session:
        session.execute(insert, {"key": "new", "metric": "roas", "now": NOW, "run": run.id})
    with store.read() as session:
        assert session.execute(text("SELECT key, metric FROM experiment ORDER BY id")).all() == [
            ("old", "cvr"),
            ("new", "roas"),
        ]


def test_regions_come_with_the_rows_as_they_were_and_go_without_losing_one(store: Store) -> None:
    seed = seeded(store)
    (one,) = seed.creatives("spring", [1.0])
    segments = [seed.segment(country="DE", **more) for more in ({}, {"region": "Bayern"}, {"region": "Hessen"})]
    shown = {"clicks": 10, "impressions": 700}
    seed.kpis([{"ad_id": one, "day": day(n), "segment_id": segment, **shown} for n, segment in enumerate(segments, 1)])
    figures = text("SELECT segment_id, impressions, left_out FROM kpi ORDER BY id")
    kept = text("SELECT id, country, region, other, breakdown FROM segment ORDER BY id")
    with store.read() as session:
        before, places = session.execute(figures).all(), session.execute(kept).all()
    assert [place.breakdown[:8] for place in places if place.region] == ["--V----V"] * 2
    migrate.downgrade(store, "0020_archived")
    with store.read() as session:
        rows = session.execute(text("SELECT other, breakdown FROM segment WHERE country = 'DE' ORDER BY id")).all()
        assert [(row.other.split("\x1e")[0], row.breakdown[:7]) for row in rows] == [
            ("", "--V----"), ("Bayern", "--V---V"), ("Hessen", "--V---V"),
        ]  # fmt: skip
    migrate.upgrade(store)
    with store.read() as session:
        assert (session.execute(figures).all(), session.execute(kept).all()) == (before, places)


def test_votes_and_campaigns_of_an_earlier_release_stay_when_links_and_reviews_come(store: Store) -> None:
    campaign(store, [5.0, 4.0])
    run = begin_run(store, "test", {})
    with store.write() as session:
        source = RatingSource(key="panel", salt=b"s", created_at=NOW, run_id=run.id)
        session.add(source)
        session.flush()
        rater = Rater(rating_source_id=source.id, pseudonym="p", created_at=NOW, run_id=run.id)
        session.add(rater)
        session.flush()
        session.add(RaterLink(digest="d", rater_id=rater.id, name="ann", created_at=NOW, expires_at=NOW, run_id=run.id))
    migrate.downgrade(store, "0027_views")
    migrate.upgrade(store)

    with store.read() as session:
        assert session.scalars(select(Rater.pseudonym)).all() == ["p"]
        assert session.scalars(select(RaterLink)).all() == []
        assert len(session.scalars(select(Score)).all()) == 2
