"""Ads without an id are known by their names, whatever their case and blanks; ids are exact."""

import unicodedata
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.store.schema import Ad
from abkit.workflows.kpis.import_kpis import import_files
from abkit.workflows.kpis.imports import undo_import
from tests.kpi_files import rows, run_import, write

HEADER = "day,campaign,creative,impressions,clicks"


def _file(*names: str, campaign: str = "spring", more: int = 0) -> str:
    lines = [
        f"2026-01-0{day},{campaign},{name},{1000 * day + 10 * place + more},{day}"
        for place, name in enumerate(names)
        for day in (1, 2, 3)
    ]
    return rows(*lines, header=HEADER)


def _ads(store: Store) -> set[str]:
    with store.read() as session:
        return set(session.scalars(select(Ad.external_id)))


def _shown(store: Store) -> int:
    with store.read() as session:
        return deliveries(session, Filters()).impressions


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hero.png", "hero.png"),
        ("summer sale.png", " Summer  Sale.png "),
        ("Été.png", unicodedata.normalize("NFD", "été.PNG")),
    ],
)
def test_a_restatement_in_another_spelling_replaces_and_can_be_taken_back(
    store: Store, tmp_path: Path, one: str, other: str
) -> None:
    first = run_import(store, write(tmp_path / "one.csv", _file(one)))[0]
    notes: list[str] = []
    path = write(tmp_path / "two.csv", _file(other, more=-7))
    (second,) = import_files(store, [path], KpiOptions(), note=notes.append)
    assert (second.imported, second.updated, _ads(store)) == (0, 3, {f"spring/{one}"})
    assert _shown(store) == 6000 - 21
    assert any("is taken for" in note and one in note for note in notes)
    undo_import(store, first.import_id or 0)
    assert _shown(store) == 6000 - 21
    undo_import(store, second.import_id or 0)
    assert _shown(store) == 0


def test_two_spellings_in_one_file_are_two_ads_and_a_third_is_neither(sqlite_store: Store, tmp_path: Path) -> None:
    run_import(sqlite_store, write(tmp_path / "both.csv", _file("Hero.png", "hero.png")))
    run_import(sqlite_store, write(tmp_path / "third.csv", _file("HERO.png", more=5)))
    assert _ads(sqlite_store) == {"spring/Hero.png", "spring/hero.png", "spring/HERO.png"}


def test_other_names_campaigns_and_ids_stay_apart(sqlite_store: Store, tmp_path: Path) -> None:
    run_import(sqlite_store, write(tmp_path / "one.csv", _file("hero.png", "hero_v1.png")))
    run_import(sqlite_store, write(tmp_path / "two.csv", _file("hero.jpg", "hero_v11.png", more=5)))
    run_import(sqlite_store, write(tmp_path / "three.csv", _file("Hero.png", campaign="summer", more=9)))
    assert len(_ads(sqlite_store)) == 5
    for number, ad in enumerate(("aB1", "Ab1")):
        line = f"2026-01-01,{ad},{500 + number},5"
        run_import(sqlite_store, write(tmp_path / f"{ad}.csv", rows(line, header="day,ad,impressions,clicks")))
    assert {"aB1", "Ab1"} <= _ads(sqlite_store)
