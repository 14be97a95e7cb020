"""Ads by their names, and the same ads by ids on several platforms, count once: one is the sum of the others."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from abkit.workflows.creatives.campaigns import show_creative
from abkit.workflows.kpis.imports import list_imports, undo_import
from tests.kpi_files import add_creatives, figures, rows, run_import, write

NAMES = ("hero.png", "tail.png")
LONG, SHORT = (
    {name: f"12020000000000012{number}" for number, name in enumerate(NAMES)},
    {"hero.png": "11", "tail.png": "12"},
)
Day = tuple[str, str, int, int]
Files = dict[str, Path]
DAYS = range(1, 9)


def delivered(days: Sequence[int] = DAYS) -> list[Day]:
    dice = random.Random(3)
    every = [(day, name, dice.randint(900, 4000), dice.randint(10, 90)) for day in DAYS for name in NAMES]
    return [(f"2026-01-{day:02d}", *row) for day, *row in every if day in days]


def files(
    folder: Path, ids: dict[str, str], platforms: tuple[str, str], *, named: bool, days: Sequence[int] = DAYS
) -> Files:
    """An export by names without platforms, and one by ids with them: each day is divided between two."""
    parts = []
    for day, name, shown, clicks in delivered(days):
        label = name if named else ""
        parts.append(f"{day},{ids[name]},{label},spring,{platforms[0]},{shown // 3},{clicks // 2}")
        parts.append(f"{day},{ids[name]},{label},spring,{platforms[1]},{shown - shown // 3},{clicks - clicks // 2}")
    wholes = [f"{day},{name},spring,{shown},{clicks}" for day, name, shown, clicks in delivered(days)]
    by_id = rows(*parts, header="day,ad,ad_name,campaign,platform,impressions,clicks")
    by_name = rows(*wholes, header="day,creative,campaign,impressions,clicks")
    return {"ids": write(folder / "ids.csv", by_id), "names": write(folder / "names.csv", by_name)}


@pytest.mark.parametrize("order", [("names", "ids"), ("ids", "names")])
@pytest.mark.parametrize("platforms", [("facebook", "instagram"), ("google", "bing")])
@pytest.mark.parametrize("ids", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_an_ad_by_name_is_one_with_its_id_on_several_platforms(
    store: Store, tmp_path: Path, order: tuple[str, str], platforms: tuple[str, str], ids: dict[str, str], named: bool
) -> None:
    add_creatives(store, *(f"ads/{name}" for name in NAMES))
    given = files(tmp_path, ids, platforms, named=named)
    for name in order:
        run_import(store, given[name])
    for name in NAMES:
        own = [row for row in delivered() if row[1] == name]
        creative = show_creative(store, name)
        assert (creative.impressions, creative.clicks) == (sum(row[2] for row in own), sum(row[3] for row in own))
    undo_import(store, 2)
    assert sum(row[1] for row in figures(store)) == sum(row[2] for row in delivered())
    assert len(list_imports(store).imports) == 2


@pytest.mark.parametrize("order", [("names", "ids"), ("ids", "names")])
@pytest.mark.parametrize("platforms", [("facebook", "instagram"), ("google", "bing")])
def test_one_day_that_proves_nothing_counts_and_is_said(
    sqlite_store: Store, tmp_path: Path, order: tuple[str, str], platforms: tuple[str, str]
) -> None:
    given = files(tmp_path, SHORT, platforms, named=False, days=[1])
    _, last = (run_import(sqlite_store, given[name])[0] for name in order)
    shown = sum(row[2] for row in delivered([1]))
    assert any(f"{shown:,} impressions count twice" in note for note in last.notes)
    assert sum(row[1] for row in figures(sqlite_store)) == 2 * shown


def test_an_ad_that_is_the_sum_of_two_ids_is_none_of_them(sqlite_store: Store, tmp_path: Path) -> None:
    given = files(tmp_path, LONG, ("google", "bing"), named=False)
    twin = given["ids"].read_text().replace(LONG["hero.png"], "120200000000000999")
    doubled = given["ids"].read_text() + "".join(line + "\n" for line in twin.splitlines() if "0999" in line)
    write(given["ids"], doubled)
    run_import(sqlite_store, given["names"])
    run_import(sqlite_store, given["ids"])
    with sqlite_store.read() as session:
        from sqlalchemy import select

        from abkit.store.kpis.once.same_ads import groups_of
        from abkit.store.schema import Ad

        ads = {row.external_id: row.id for row in session.execute(select(Ad.external_id, Ad.id))}
        heads = groups_of(session, list(ads.values()))
    assert heads[ads["spring/hero.png"]] not in {heads[ads["120200000000000999"]], heads[ads[LONG["hero.png"]]]}
    assert heads[ads["spring/tail.png"]] == heads[ads[LONG["tail.png"]]]
