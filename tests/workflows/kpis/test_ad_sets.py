"""One ad id in several ad sets and campaigns: parts that come in several files add up, whatever the order of files."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from abkit.errors import UsageError
from abkit.reporting.tables.show import view
from abkit.store import experiments
from abkit.store.catalog.campaigns import campaign_rows
from abkit.store.catalog.creatives import campaign_keys
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Deliveries, Filters, deliveries, delivery_rows, first_deliveries
from abkit.store.schema import Ad, Kpi
from abkit.vocabulary import Dimension
from abkit.workflows.creatives.campaigns import delete_campaign, merge_campaigns, rename_campaign
from abkit.workflows.kpis.imports import list_imports, show_import, undo_import
from abkit.workflows.kpis.linking.link import link
from tests.conftest import MakeDatabase
from tests.kpi_files import add_creatives, run_import, write

START = date(2026, 1, 1)
Part = tuple[int, str, str, str, int, int]  # day, ad, campaign, ad set, impressions, clicks


def _parts(dice: random.Random, ads: int = 2, places: int = 3, days: int = 3) -> list[Part]:
    where = [(f"campaign {n % 2}", f"set {n}") for n in range(places)]
    return [
        (day, f"120{ad}", *place, dice.randint(500, 2000), dice.randint(5, 60))
        for day in range(days)
        for ad in range(ads)
        for place in where
    ]


def _day(number: int) -> str:
    return (START + timedelta(number)).isoformat()


def by_set(parts: list[Part], *columns: str) -> str:
    """A table of these parts; the columns that say where the ad ran, in any header."""
    names = columns or ("Campaign name", "Ad set name")
    lines = ["Day,Ad ID," + ",".join(names) + ",Impressions,Clicks"]
    for day, ad, campaign, ad_set, shown, clicks in parts:
        cells = [campaign if name.startswith("Campaign") else ad_set for name in names]
        lines.append(f"{_day(day)},{ad},{','.join(cells)},{shown},{clicks}")
    return "\n".join(lines) + "\n"


def added_up(parts: list[Part]) -> str:
    """The same delivery without where it ran."""
    sums: dict[tuple[int, str], tuple[int, int]] = {}
    for day, ad, _, _, shown, clicks in parts:
        before = sums.get((day, ad), (0, 0))
        sums[day, ad] = before[0] + shown, before[1] + clicks
    lines = [f"{_day(day)},{ad},{shown},{clicks}" for (day, ad), (shown, clicks) in sums.items()]
    return "\n".join(["Day,Ad ID,Impressions,Clicks", *lines]) + "\n"


def totals(parts: list[Part]) -> tuple[int, int]:
    return sum(part[4] for part in parts), sum(part[5] for part in parts)


def read(store: Store) -> Deliveries:
    with store.read() as session:
        return deliveries(session, Filters())


def stored(store: Store) -> tuple[int, int]:
    with store.read() as session:
        ads = session.scalars(select(Ad.id)).all()
        days = experiments.delivery(session, ads, None, START + timedelta(90)).by_day.values()
    assert sum(one.impressions for one in days) == read(store).impressions
    return sum(one.impressions for one in days), sum(one.clicks for one in days)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_of_a_table_over_files_in_any_order_sums_to_the_table(
    data: st.DataObject, new_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = _parts(random.Random(data.draw(st.integers(0, 10**6), label="seed")))
    places = data.draw(st.lists(st.integers(0, 2), min_size=len(parts), max_size=len(parts)), label="file of each row")
    split = [[part for part, place in zip(parts, places, strict=True) if place == number] for number in range(3)]
    files = [by_set(some) for some in split if some]
    if data.draw(st.booleans(), label="an export without ad sets, too"):
        files.append(added_up(parts))
    stale = [(*part[:4], part[4] - 100, part[5]) for part in parts if part[0] == 0]
    order = [by_set(stale)] if data.draw(st.booleans(), label="corrected later") else []
    order += data.draw(st.permutations(files), label="order")
    store = Store(new_database("sqlite", migrated=True))
    folder = tmp_path_factory.mktemp("split")
    for number, content in enumerate(order):
        run_import(store, write(folder / f"{number}.csv", content))
    assert stored(store) == totals(parts)
    store.close()


def test_both_engines_add_up_and_take_back(store: Store, tmp_path: Path) -> None:
    parts = _parts(random.Random(1))
    halves = [[part for part in parts if (part[3] == "set 0") is first] for first in (True, False)]
    contents = [by_set(halves[0]), by_set(halves[1]), added_up(parts)]
    numbers = [run_import(store, write(tmp_path / f"{n}.csv", text))[0].import_id for n, text in enumerate(contents)]
    assert stored(store) == totals(parts)
    assert [one.reason.value for one in read(store).set_aside] == ["breakdown"]
    listed, shown = list_imports(store), show_import(store, numbers[2] or 0)
    for record in (listed, shown):
        assert [one.impressions for one in record.not_counted] == [totals(parts)[0]]
        assert any("other breakdowns" in note for note in view(record).notes)
    assert show_import(store, numbers[0] or 0).not_counted == ()
    assert any("other breakdowns" in note for note in link(store).notes)
    undo_import(store, numbers[2] or 0)
    assert (stored(store), read(store).set_aside) == (totals(parts), ())
    undo_import(store, numbers[0] or 0)
    assert stored(store) == totals(halves[1])
    run_import(store, write(tmp_path / "again.csv", contents[0]))
    assert stored(store) == totals(parts)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_ad_in_two_campaigns_has_its_figures_in_each_whatever_comes_last(
    order: tuple[int, int], store: Store, tmp_path: Path
) -> None:
    add_creatives(store, "ads/hero.png", campaign="Spring")
    head = "Day,Ad ID,Ad name,Campaign ID,Campaign name,Impressions,Clicks,Cost,Currency\n"
    files = [
        head + "2026-01-01,7,hero,1,Spring,1000,20,3,EUR\n2026-01-01,7,hero,2,Summer,500,9,2,EUR\n",
        head + "2026-01-02,7,hero,1,Spring,40,2,1,EUR\n2026-01-03,7,hero,3,Autumn,60,3,1,EUR\n",
    ]
    for number in order:
        run_import(store, write(tmp_path / f"{number}.csv", files[number]))

    def figures() -> dict[str, tuple[int, float | None]]:
        with store.read() as session:
            keys = campaign_keys(session)
            found = {keys[one.campaign_id or 0]: one for one in deliveries(session, Filters(), with_money=True).rows}
            for key, one in found.items():
                assert deliveries(session, Filters(campaign=key)).impressions == one.impressions
            listed = {row["campaign"]: row["impressions"] for row in campaign_rows(session)}
            assert listed == {key: one.impressions for key, one in found.items()}
            assert {keys[one] for (_, one) in first_deliveries(session, [1])} == found.keys()
        return {key: (one.impressions, one.spend) for key, one in found.items()}

    # The campaign that was scored under its name is the one that the export has an id for.
    assert figures() == {"Spring": (1040, 4), "2": (500, 2), "3": (60, 1)}
    undo_import(store, 1 + order.index(1))
    assert figures() == {"Spring": (1000, 3), "2": (500, 2)}
    run_import(store, tmp_path / "1.csv")
    merge_campaigns(store, "2", "3")
    assert figures() == {"Spring": (1040, 4), "3": (560, 3)}
    with pytest.raises(UsageError, match="has 1 ad"):
        delete_campaign(store, "3")


def test_campaigns_by_name_and_then_by_id_are_one_however_few_days_agree(store: Store, tmp_path: Path) -> None:
    days = [(1, "1", "X", 500), (2, "2", "Y", 40)]
    by_name = [f"2026-01-0{day},7,{name},{shown},3" for day, _, name, shown in days]
    by_id = [f"2026-01-0{day},7,{key},{name},{shown + 1},3" for day, key, name, shown in days]
    run_import(store, write(tmp_path / "a.csv", "\n".join(["Day,Ad ID,Campaign name,Impressions,Clicks", *by_name])))
    header = "Day,Ad ID,Campaign ID,Campaign name,Impressions,Clicks"
    run_import(store, write(tmp_path / "b.csv", "\n".join([header, *by_id])))
    assert read(store).impressions == 542
    with store.read() as session:
        assert [(row["campaign"], row["impressions"]) for row in campaign_rows(session)] == [("X", 501), ("Y", 41)]


def _by_campaign(day: int, *columns: str, ads: tuple[str, ...] = ("7,881,Spring", "8,882,Summer")) -> str:
    """A day of ads in campaigns, each with the columns that a file has of them."""
    at = [("Campaign ID", "Campaign name").index(name) + 1 for name in columns]
    lines = [",".join([_day(day), ad.split(",")[0], *(ad.split(",")[n] for n in at), "500,9"]) for ad in ads]
    return "\n".join(["Day,Ad ID," + ",".join(columns) + ",Impressions,Clicks", *lines])


def _campaigns(store: Store) -> list[tuple[str, str, int]]:
    with store.read() as session:
        return [(row["campaign"], row["name"], row["impressions"]) for row in campaign_rows(session)]


@pytest.mark.parametrize("order", ["inb", "nib", "nbi", "bin", "bni", "ibn"])
def test_ids_and_names_of_campaigns_are_one_once_a_row_has_both(
    order: str, new_database: MakeDatabase, tmp_path: Path
) -> None:
    store = Store(new_database("postgresql" if order in ("inb", "bin") else "sqlite", migrated=True))
    columns = {"i": ("Campaign ID",), "n": ("Campaign name",), "b": ("Campaign ID", "Campaign name")}
    for day, kind in enumerate([*order, "i", "n"]):
        run_import(store, write(tmp_path / f"{day}.csv", _by_campaign(day, *columns[kind])))
    keys = ("881", "882") if order.index("n") > order.index("b") else ("Spring", "Summer")
    assert _campaigns(store) == [(keys[0], "Spring", 2500), (keys[1], "Summer", 2500)]
    # What a person renames stays what exports mean by its id.
    rename_campaign(store, keys[0], "Easter")
    run_import(store, write(tmp_path / "later.csv", _by_campaign(9, "Campaign ID")))
    assert {row[0]: row[2] for row in _campaigns(store)} == {"Easter": 3000, keys[1]: 3000}
    store.close()


def test_campaigns_that_an_import_made_one_stay_one_after_its_undo_which_says_so(
    sqlite_store: Store, tmp_path: Path
) -> None:
    for day, columns in enumerate([("Campaign ID",), ("Campaign name",), ("Campaign ID", "Campaign name")]):
        last = run_import(sqlite_store, write(tmp_path / f"{day}.csv", _by_campaign(day, *columns)))[0]
    said = "are one from now on: 881 (Spring), 882 (Summer)"
    assert [note for note in last.notes if said in note], last.notes
    done = undo_import(sqlite_store, last.import_id or 0)
    assert done.still_one == (("881", "Spring"), ("882", "Summer"))
    assert "campaigns that this import made one stay one: 881 (Spring), 882 (Summer)" in view(done).notes
    assert {row[0]: row[2] for row in _campaigns(sqlite_store)} == {"Spring": 1000, "Summer": 1000}
    assert undo_import(sqlite_store, 2).still_one == ()


def test_two_campaigns_of_one_name_stay_two_beside_the_rows_by_name(sqlite_store: Store, tmp_path: Path) -> None:
    two = ("7,881,Spring", "8,882,Spring")
    for day, columns in enumerate([("Campaign ID",), ("Campaign name",), ("Campaign ID", "Campaign name")]):
        run_import(sqlite_store, write(tmp_path / f"{day}.csv", _by_campaign(day, *columns, ads=two)))
    assert {row[0]: row[2] for row in _campaigns(sqlite_store)} == {"881": 1000, "882": 1000, "Spring": 1000}


def test_a_corrected_export_of_one_ad_set_replaces_its_figures(sqlite_store: Store, tmp_path: Path) -> None:
    parts = _parts(random.Random(2))
    run_import(sqlite_store, write(tmp_path / "all.csv", by_set(parts)))
    one = [(*part[:4], part[4] - 400, part[5]) for part in parts if part[3] == "set 1"]
    summary = run_import(sqlite_store, write(tmp_path / "one.csv", by_set(one)))[0]
    assert (summary.updated, summary.imported) == (len(one), 0)
    others = [part for part in parts if part[3] != "set 1"]
    assert stored(sqlite_store) == totals([*others, *one])


@pytest.mark.parametrize("columns", [("Campaign name",), ("Ad set name",), ("Ad group",), ("Ad set ID",)])
def test_files_with_one_place_each_add_up(sqlite_store: Store, tmp_path: Path, columns: tuple[str, ...]) -> None:
    parts = _parts(random.Random(3), places=2)
    for name in ("set 0", "set 1"):
        some = [part for part in parts if part[3] == name]
        run_import(sqlite_store, write(tmp_path / f"{name}.csv", by_set(some, *columns)))
    assert stored(sqlite_store) == totals(parts)


def test_ids_and_names_of_ad_sets_hold_the_same_delivery(sqlite_store: Store, tmp_path: Path) -> None:
    parts = _parts(random.Random(4), days=1)
    run_import(sqlite_store, write(tmp_path / "names.csv", by_set(parts, "Ad set name")))
    ids = [(*part[:3], f"238512345678{part[3][-1]}", *part[4:]) for part in parts]
    run_import(sqlite_store, write(tmp_path / "ids.csv", by_set(ids, "Ad set ID")))
    assert stored(sqlite_store) == totals(parts)
    run_import(sqlite_store, write(tmp_path / "both.csv", by_set(parts)))
    assert stored(sqlite_store) == totals(parts)


@pytest.mark.parametrize("columns", [("Ad set name",), ("Campaign name",), ("Campaign name", "Ad set name")])
@pytest.mark.parametrize("more", [0, 7])
def test_a_renamed_place_repeats_its_days(
    sqlite_store: Store, tmp_path: Path, columns: tuple[str, ...], more: int
) -> None:
    parts = _parts(random.Random(5), places=2, days=8)
    run_import(sqlite_store, write(tmp_path / "one.csv", by_set(parts, *columns)))
    # After the renaming: the last days are corrected.
    later = [(*part[:4], part[4] + more * (part[0] > 5), part[5]) for part in parts]
    later = [(*part[:2], part[2] + " (new)", part[3] + " (new)", *part[4:]) for part in later]
    run_import(sqlite_store, write(tmp_path / "two.csv", by_set(later, *columns)))
    assert stored(sqlite_store) == totals(later)


def test_places_with_the_same_figures_in_one_file_are_two(sqlite_store: Store, tmp_path: Path) -> None:
    parts = _parts(random.Random(7), places=1, days=8)
    both = [*parts, *((*part[:3], "twin", *part[4:]) for part in parts)]
    run_import(sqlite_store, write(tmp_path / "both.csv", by_set(both)))
    restated = [(*part[:4], part[4], part[5] + 1) if part[0] == 0 else part for part in both]
    run_import(sqlite_store, write(tmp_path / "later.csv", by_set(restated)))
    assert stored(sqlite_store) == totals(restated)


def test_drift_and_experiments_see_ad_sets_as_one_cell(sqlite_store: Store, tmp_path: Path) -> None:
    add_creatives(sqlite_store, "a.png", campaign="campaign 0")
    parts = [(*part[:2], "campaign 0", *part[3:]) for part in _parts(random.Random(8), ads=1)]
    content = by_set(parts).replace("Ad ID", "Ad ID,Creative name,Age").replace(",1200,", ",1200,a.png,18-24,")
    run_import(sqlite_store, write(tmp_path / "k.csv", content))
    with sqlite_store.read() as session:
        rows = delivery_rows(session, None, START + timedelta(9))
        ads = session.scalars(select(Ad.id)).all()
        ages = experiments.delivery(session, ads, None, START + timedelta(9), Dimension.AGE).by_segment
    assert [(row.period_start, row.impressions) for row in rows] == [
        (START + timedelta(day), sum(part[4] for part in parts if part[0] == day)) for day in range(3)
    ]
    assert [one.impressions for one in ages.values()] == [totals(parts)[0]]


def test_rows_of_an_earlier_release_keep_their_figures_and_count_once_beside_ad_sets(
    store: Store, tmp_path: Path
) -> None:
    parts = _parts(random.Random(9))
    first = run_import(store, write(tmp_path / "sums.csv", added_up(parts)))[0]
    migrate.downgrade(store, "0018_metrics")
    migrate.upgrade(store)
    assert stored(store) == totals(parts)
    second = run_import(store, write(tmp_path / "sets.csv", by_set(parts)))[0]
    assert stored(store) == totals(parts)
    migrate.downgrade(store, "0018_metrics")
    migrate.upgrade(store)
    assert stored(store) == totals(parts)
    with store.read() as session:
        assert len(session.scalars(select(Kpi.id)).all()) == first.imported + second.imported


def test_what_says_no_ad_set_restates_the_only_one_that_is_known(sqlite_store: Store, tmp_path: Path) -> None:
    parts = _parts(random.Random(10), places=1)
    run_import(sqlite_store, write(tmp_path / "set.csv", by_set(parts)))
    less = [(*part[:4], part[4] - 50, part[5] - 1) for part in parts]
    summary = run_import(sqlite_store, write(tmp_path / "corrected.csv", added_up(less)))[0]
    assert (summary.updated, summary.imported) == (len(parts), 0)
    assert stored(sqlite_store) == totals(less)
    by_campaign = [(*part[:4], part[4] - 60, part[5] - 2) for part in parts]
    corrected = by_set(by_campaign, "Campaign name")
    assert run_import(sqlite_store, write(tmp_path / "campaigns.csv", corrected))[0].updated == len(parts)
    undo_import(sqlite_store, summary.import_id or 0)
    assert stored(sqlite_store) == totals(by_campaign)
    # More than one ad set is a sum of several.
    more = [(*part[:4], part[4] + 500, part[5]) for part in parts]
    assert run_import(sqlite_store, write(tmp_path / "more.csv", added_up(more)))[0].imported == len(parts)
    assert stored(sqlite_store) == totals(more)
