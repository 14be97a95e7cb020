"""Taking imports back: the store holds what it would hold without the file, in whatever order they came and go."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abkit.errors import AbkitError, UsageError
from abkit.store.catalog.creatives import find_campaign
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import (
    Ad,
    AdCreative,
    Campaign,
    CampaignCreative,
    Creative,
    Kpi,
    KpiImport,
    KpiReject,
    KpiRevision,
    Run,
    Segment,
)
from abkit.workflows.kpis.imports import list_imports, show_import, undo_import
from abkit.workflows.kpis.linking.link import link_by_hand
from tests.conftest import MakeDatabase
from tests.kpi_files import add_creatives, rows, run_import, write

_HEADER = "day,ad,creative,campaign,placement,impressions,clicks,conversions,spend,currency"
FILES = {
    # Days of two ads.
    "first": rows(
        "2026-01-01,1,a.png,spring,feed,1000,20,3,4.5,USD",
        "2026-01-02,1,a.png,spring,feed,1100,25,4,5.5,USD",
        "2026-01-02,2,b.png,spring,feed,900,9,1,2.5,USD",
        "2026-01-02,2,b.png,spring,feed,-10,0,1,2.5,USD",
        "2026-01-03,2,b.png,spring,feed,0,0,0,0,USD",
        "2026-01-03,4,b.png,autumn,feed,0,0,0,0,USD",
        header=_HEADER,
    ),
    # One day again, one restated, one new, an ad under another name and in another campaign, a new placement.
    "second": rows(
        "2026-01-01,1,a.png,spring,feed,1000,20,3,4.5,USD",
        "2026-01-02,1,c.png,spring,feed,1200,30,4,6.5,USD",
        "2026-01-03,1,c.png,summer,stories,300,3,0,0.5,USD",
        header=_HEADER,
    ),
    # Without spend: what a file does not have stays as it was.
    "third": rows(
        "2026-01-02,1,1300,31,5",
        "2026-01-02,2,900,9,1",
        "2026-01-09,3,5,1,0",
        "2026-01-01,1,0,0,0",
        header="day,ad,impressions,clicks,conversions",
    ),
}


def state(store: Store) -> dict[str, Any]:
    """All figures, links and names, without ids: what a reader of the store sees."""
    figures = ("impressions", "clicks", "conversions", "spend", "revenue", "currency", "left_out")
    key = (Ad.external_id, Segment.placement, Kpi.period_start, Kpi.period_end)
    with store.read() as session:
        kpis = select(*key, *(getattr(Kpi, name) for name in figures), KpiImport.name).select_from(Kpi)
        kpis = kpis.join(Ad, Ad.id == Kpi.ad_id).join(Segment, Segment.id == Kpi.segment_id).join(KpiImport)
        former = select(*key, *(getattr(KpiRevision, name) for name in figures[:-1]), KpiImport.name)
        former = former.select_from(KpiRevision).join(Kpi, Kpi.id == KpiRevision.kpi_id).join(Ad, Ad.id == Kpi.ad_id)
        former = former.join(Segment, Segment.id == Kpi.segment_id)
        former = former.join(KpiImport, KpiImport.id == KpiRevision.kpi_import_id)
        ads = select(Ad.external_id, Ad.creative_name, Campaign.key).outerjoin(Campaign, Campaign.id == Ad.campaign_id)
        links = select(Ad.external_id, Creative.sha256, AdCreative.linked_by).select_from(AdCreative)
        links = links.join(Ad, Ad.id == AdCreative.ad_id).join(Creative, Creative.id == AdCreative.creative_id)
        launched = select(Campaign.key, Creative.sha256, CampaignCreative.launched_on).select_from(CampaignCreative)
        launched = launched.join(Campaign, Campaign.id == CampaignCreative.campaign_id)
        launched = launched.join(Creative, Creative.id == CampaignCreative.creative_id)
        asked = {
            "kpis": kpis,
            "former": former,
            "ads": ads,
            "links": links,
            "launched": launched,
            "campaigns": select(Campaign.key),
            "segments": select(Segment.placement, Segment.breakdown, Campaign.key).outerjoin(
                Campaign, Campaign.id == Segment.campaign_id
            ),
            "rejects": select(KpiReject.line, KpiReject.reason),
        }
        return {name: sorted(map(tuple, session.execute(one)), key=repr) for name, one in asked.items()}


def files(folder: Path) -> dict[str, Path]:
    return {name: write(folder / f"{name}.csv", content) for name, content in FILES.items()}


_ORDERS = list(itertools.permutations(FILES))


@pytest.mark.parametrize(
    ("engine", "order"), [*(("sqlite", order) for order in _ORDERS), *(("postgresql", one) for one in _ORDERS[1::3])]
)
def test_undone_in_any_order_the_store_is_as_if_the_file_had_never_come(
    engine: str, order: tuple[str, ...], new_database: MakeDatabase, tmp_path: Path
) -> None:
    paths = files(tmp_path)
    store = Store(new_database(engine, migrated=True))
    add_creatives(store, "ads/a.png", "ads/b.png", "ads/c.png", campaign="drafts")
    came = [name for name in FILES if name in order]
    ids = {name: run_import(store, paths[name])[0].import_id for name in came}
    for name in order:
        number = ids[name]
        assert number is not None
        undo_import(store, number)
        came.remove(name)
        fresh = Store(new_database("sqlite", migrated=True))
        add_creatives(fresh, "ads/a.png", "ads/b.png", "ads/c.png", campaign="drafts")
        for other in came:
            run_import(fresh, paths[other])
        assert state(store) == state(fresh), (order, name)
        fresh.close()
    # And the same files come in again.
    for name in order:
        (again,) = run_import(store, paths[name])
        assert again.error is None
        assert again.imported + again.updated + again.unchanged > 0
    store.close()


def test_an_undo_says_what_it_changed_and_leaves_a_trace(store: Store, tmp_path: Path) -> None:
    paths = files(tmp_path)
    first, second = (run_import(store, paths[name])[0] for name in ("first", "second"))
    assert first.import_id is not None
    assert second.import_id is not None

    done = undo_import(store, second.import_id)
    assert (done.removed, done.restored, done.kept, done.rejects) == (1, 1, 1, 0)
    assert (done.ads, done.segments, done.campaigns) == (0, 1, 1)
    with store.read() as session:
        run = session.get_one(Run, done.run_id)
        assert (run.what, run.outcome["import_id"], run.outcome["removed"]) == ("kpi undo", second.import_id, 1)
    listed = list_imports(store)
    assert [(one.import_id, one.undone_by) for one in listed.imports] == [
        (second.import_id, done.run_id),
        (first.import_id, None),
    ]
    assert [row["state"] for row in listed.rows()] == ["undone", "counts"]
    with pytest.raises(UsageError, match=f"import {second.import_id} was taken back on .*run {done.run_id}"):
        undo_import(store, second.import_id)
    (again,) = run_import(store, paths["second"])
    assert again.import_id not in (first.import_id, second.import_id)
    assert (again.imported, again.updated, again.unchanged) == (1, 1, 1)


def test_an_import_that_is_not_there_is_named_and_no_run_is_recorded(sqlite_store: Store) -> None:
    for act in (undo_import, show_import):
        with pytest.raises(UsageError, match="there is no import 7") as refused:
            act(sqlite_store, 7)
        assert "abkit kpi list" in (refused.value.hint or "")
    with sqlite_store.read() as session:
        assert session.scalars(select(Run)).all() == []


def test_what_a_person_linked_and_what_a_campaign_scored_outlives_an_undo(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "ads/a.png", "ads/c.png", campaign="drafts")
    (summary,) = run_import(store, files(tmp_path)["second"])
    assert summary.import_id is not None
    link_by_hand(store, "1", "a.png")
    run = begin_run(store, "score", {"campaign": "summer"})
    done = undo_import(store, summary.import_id)

    assert run.id
    assert (done.ads, done.campaigns) == (0, 1)  # spring is gone; summer was scored for since
    with store.read() as session:
        assert set(session.scalars(select(Campaign.key))) == {"drafts", "summer"}
    seen = state(store)
    assert [(ad, by) for ad, _, by in seen["links"]] == [("1", "hand")]
    assert seen["kpis"] == []
    with store.read() as session:
        find_campaign(session, "summer")


def test_rows_of_an_earlier_release_get_their_figures_back(store: Store, tmp_path: Path) -> None:
    paths = files(tmp_path)
    (first,) = run_import(store, paths["first"])
    before = state(store)
    migrate.downgrade(store, "0016_ideas")
    migrate.upgrade(store)
    assert state(store) == before
    (second,), (third,) = run_import(store, paths["second"]), run_import(store, paths["third"])
    assert second.import_id is not None
    assert third.import_id is not None
    undo_import(store, second.import_id)
    undo_import(store, third.import_id)

    after = state(store)
    assert after["kpis"] == before["kpis"]
    assert after["former"] == []
    assert list_imports(store).imports[-1].contents is None
    assert first.import_id is not None
    with pytest.raises(AbkitError, match="earlier release"):
        undo_import(store, first.import_id)
    assert state(store) == after


def test_an_undo_that_fails_changes_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = files(tmp_path)
    run_import(store, paths["first"])
    (second,) = run_import(store, paths["second"])
    assert second.import_id is not None
    before = state(store)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("abkit.store.kpis.archive.forget", fail)
    with pytest.raises(OSError, match="the disk is full"):
        undo_import(store, second.import_id)
    monkeypatch.undo()
    assert state(store) == before
    undo_import(store, second.import_id)


def test_an_import_is_shown_with_where_it_came_from_how_it_was_read_and_what_it_holds(
    store: Store, tmp_path: Path
) -> None:
    content = rows(
        "2026-01-13;1;hero;1.000,50;2000;9",
        "2026-01-14;2;hero;2,25;-10;0",
        header="Tag;Anzeigen-ID;Bild;Ausgegebener Betrag (EUR);Impressionen;Klicks",
    )
    path = write(tmp_path / "k.csv", content)
    (summary,) = run_import(store, path, mapping={"Bild": "creative"}, account="act_1", platform="meta")
    assert summary.import_id is not None
    shown = show_import(store, summary.import_id)

    assert shown.file == str(path)
    assert shown.mapping == {"Bild": "creative"}
    assert shown.reading["delimiter"] == ";"
    assert shown.contents is not None
    assert [one.shown for one in shown.contents.accounts] == ["meta / act_1"]
    assert (str(shown.contents.first_day), str(shown.contents.last_day)) == ("2026-01-13", "2026-01-13")
    assert shown.contents.totals == {"impressions": 2000, "clicks": 9, "spend": 1000.5}
    assert shown.contents.currencies == ("EUR",)
    assert sum(shown.reasons.values()) == 1
    assert shown.to_dict()["contents"]["ads"] == 1


def test_the_undo_of_the_same_account_under_another_mapping_lets_the_first_count_again(
    store: Store, tmp_path: Path
) -> None:
    header = "day,ad,creative,impressions,clicks"
    days = [f"2026-01-{day:02d},1,a.png,{1000 + day},{20 + day}" for day in range(1, 15)]
    path = write(tmp_path / "days.csv", rows(*days, header=header))
    run_import(store, path)
    before = state(store)
    total = rows("2026-01-01,2026-01-31,1,20000,500", header="period_start,period_end,ad,impressions,clicks")
    (month,) = run_import(store, write(tmp_path / "month.csv", total))
    (again,) = run_import(store, path, mapping={"ad": "", "creative": "creative"})
    assert {row[-2] for row in state(store)["kpis"]} != {""}
    for one in (month, again):
        assert one.import_id is not None
        undo_import(store, one.import_id)
    assert state(store) == before
