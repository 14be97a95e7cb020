"""A dry run says what an import would do, and changes no table."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, text

import abkit as ab
from abkit.errors import UsageError
from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.schema import Base, KpiImport
from abkit.workflows.kpis.import_kpis import import_files
from abkit.workflows.kpis.imports import show_import, undo_import
from abkit.workflows.kpis.mappings import forget_mapping, list_mappings
from abkit.workflows.kpis.preview import preview_files
from abkit.workflows.upkeep.workspace import make_workspace
from tests.kpi_files import rows, run_import, write

CONTENT = rows(
    "13.01.2026;7;hero.png;1.000,50;2000;9;x",
    "14.01.2026;8;logo.png;2,25;100;1;x",
    "14.01.2026;8;logo.png;2,25;-10;0;x",
    header="Tag;Anzeigen-ID;Bildname;Ausgegebener Betrag (EUR);Impressionen;Klicks;Thema",
)
MAPPING = {"Bildname": "creative", "Tag": "day", "Anzeigen-ID": "ad", "Ausgegebener Betrag (EUR)": "spend"}


def everything(store: Store) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with store.read() as session:
        return {
            table.name: sorted(map(str, session.execute(text(f'SELECT * FROM "{table.name}"'))))
            for table in Base.metadata.sorted_tables
        }


@pytest.mark.parametrize("kind", ["csv", "parquet", "refused", "unreadable", "missing"])
def test_a_dry_run_changes_no_table(store: Store, tmp_path: Path, kind: str) -> None:
    run_import(store, write(tmp_path / "before.csv", CONTENT.replace("2000", "1999")), mapping=MAPPING)
    path = write(tmp_path / "k.csv", CONTENT)
    if kind == "parquet":
        path = tmp_path / "k.parquet"
        pl.DataFrame({"day": ["2026-01-01"], "ad": ["1"], "impressions": [10], "clicks": [1]}).write_parquet(path)
    elif kind == "refused":
        write(path, "a;b;c\n1;2;3\n")
    elif kind == "unreadable":
        write(path, bytes(range(256)))
    elif kind == "missing":
        path.unlink()
    before = everything(store)
    (seen,) = preview_files(store, [path], KpiOptions())

    assert everything(store) == before
    assert (seen.error is None) == (kind in ("csv", "parquet"))
    assert seen.lands == (kind in ("csv", "parquet"))
    assert str(seen)


def test_a_preview_agrees_with_the_import(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", CONTENT)
    options = KpiOptions(mapping=MAPPING, account="act_1", time_zone="Europe/Berlin")
    (seen,) = preview_files(store, [path], options)
    (done,) = import_files(store, [path], options)

    assert (seen.rows, seen.good, seen.refused) == (done.rows, done.imported, done.reasons)
    assert done.import_id is not None
    kept = show_import(store, done.import_id)
    assert seen.contents == kept.contents
    assert seen.reading == kept.reading
    assert kept.time_zone == seen.time_zone == "Europe/Berlin"
    assert seen.columns == {
        "Tag": "day",
        "Anzeigen-ID": "ad",
        "Bildname": "creative",
        "Ausgegebener Betrag (EUR)": "spend",
        "Impressionen": "impressions",
        "Klicks": "clicks",
        "Thema": "",
    }
    first = seen.first_rows[0]
    assert {name: str(first[name]) for name in ("day", "ad", "creative", "spend", "impressions", "account")} == {
        "day": "2026-01-13",
        "ad": "7",
        "creative": "hero.png",
        "spend": "1000.5",
        "impressions": "2000",
        "account": "act_1",
    }
    shown = str(seen)
    for words in ("your column", "our field", "(not used)", "2,100", "as they are understood", "Europe/Berlin"):
        assert words in shown
    (again,) = preview_files(store, [path], options)
    assert again.imported_before == done.import_id
    assert again.lands


def test_a_preview_of_a_file_that_lacks_columns_names_one_whole_command(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows("2026-01-13,7,10,1", header="day,Ad number,Views shown,clicks"))
    (seen,) = preview_files(sqlite_store, [path], KpiOptions(account="act 1"))
    assert seen.error is not None
    assert seen.hint is not None
    assert f"abkit kpi import {path} --account 'act 1' --map" in seen.hint
    assert seen.hint.count("--map") == 2


# --- remembered mappings ------------------------------------------------------------------------------------------


def told(store: Store, path: Path, **options: Any) -> tuple[Any, str]:
    notes: list[str] = []
    forgetting = options.pop("forget_mapping", False)
    (done,) = import_files(store, [path], KpiOptions(**options), note=notes.append, forget_mapping=forgetting)
    return done, "\n".join(notes)


HEADER = "when,who,what,seen,clicked"
SAID = {"when": "day", "who": "ad", "what": "creative", "seen": "impressions", "clicked": "clicks"}


def file(folder: Path, number: int, header: str = HEADER) -> Path:
    return write(folder / f"{number}.csv", rows(f"2026-01-{number:02d},7,a.png,10,1", header=header))


def test_the_next_file_with_the_same_columns_needs_no_mapping(store: Store, tmp_path: Path) -> None:
    first, _ = told(store, file(tmp_path, 1), mapping=SAID, platform="meta", account="act_1")
    done, notes = told(store, file(tmp_path, 2), platform="meta", account="act_1")

    assert (done.imported, done.error) == (1, None)
    assert f"mapped as for import {first.import_id}" in notes
    assert done.import_id is not None
    assert show_import(store, done.import_id).mapping == SAID
    again, notes = told(store, file(tmp_path, 2), platform="meta", account="act_1")
    assert (again.import_id, again.unchanged) == (done.import_id, 1)
    assert "nothing to do" in notes
    (seen,) = preview_files(store, [file(tmp_path, 3)], KpiOptions(platform="meta", account="act_1"))
    assert seen.mapped_as == first.import_id


@pytest.mark.parametrize(
    "other",
    [
        {"account": "act_2", "platform": "meta"},
        {"account": "act_1", "platform": "tiktok"},
        {"account": "act_1", "platform": "meta", "forget_mapping": True},
    ],
    ids=["other account", "other platform", "forgotten"],
)
def test_a_mapping_goes_for_its_account_alone(sqlite_store: Store, tmp_path: Path, other: dict[str, Any]) -> None:
    told(sqlite_store, file(tmp_path, 1), mapping=SAID, platform="meta", account="act_1")
    done, notes = told(sqlite_store, file(tmp_path, 2), **other)
    assert done.error is not None
    assert "mapped as" not in notes


def test_a_mapping_goes_for_the_account_that_the_file_names(sqlite_store: Store, tmp_path: Path) -> None:
    header, said = f"{HEADER},owner", SAID | {"owner": "account"}
    one = write(tmp_path / "1.csv", rows("2026-01-01,7,a.png,10,1,act_1", header=header))
    same = write(tmp_path / "2.csv", rows("2026-01-02,7,a.png,10,1,act_1", header=header))
    other = write(tmp_path / "3.csv", rows("2026-01-02,7,a.png,10,1,act_2", header=header))
    told(sqlite_store, one, mapping=said)
    assert told(sqlite_store, same)[0].imported == 1
    assert told(sqlite_store, other)[0].error is not None


def test_other_columns_are_another_header(sqlite_store: Store, tmp_path: Path) -> None:
    told(sqlite_store, file(tmp_path, 1), mapping=SAID)
    assert told(sqlite_store, file(tmp_path, 2, header=HEADER.replace("seen", "shown")))[0].error is not None


def test_what_is_said_wins_and_is_remembered_instead(store: Store, tmp_path: Path) -> None:
    told(store, file(tmp_path, 1), mapping=SAID)
    other = SAID | {"what": "campaign"}
    second, notes = told(store, file(tmp_path, 2), mapping=other)
    assert "mapped as" not in notes
    assert second.import_id is not None
    assert show_import(store, second.import_id).mapping == other
    (kept,) = list_mappings(store).mappings
    assert (kept.mapping, kept.import_id, kept.columns) == (other, second.import_id, tuple(HEADER.split(",")))


def test_a_mapping_is_forgotten_by_its_number_and_with_the_import_that_said_it(store: Store, tmp_path: Path) -> None:
    told(store, file(tmp_path, 1), mapping=SAID)
    forget_mapping(store, list_mappings(store).mappings[0].mapping_id)
    assert list_mappings(store).mappings == ()
    with pytest.raises(UsageError, match="there is no mapping 99"):
        forget_mapping(store, 99)

    done, _ = told(store, file(tmp_path, 2), mapping=SAID)
    assert len(list_mappings(store).mappings) == 1
    assert done.import_id is not None
    assert undo_import(store, done.import_id).mappings == 1
    assert list_mappings(store).mappings == ()
    assert told(store, file(tmp_path, 3))[0].error is not None


def test_doing_without_a_mapping_forgets_it_where_the_file_can_be_read_without(
    sqlite_store: Store, tmp_path: Path
) -> None:
    header = "day,ad,name,impressions,clicks"
    told(sqlite_store, file(tmp_path, 1, header=header), mapping={"name": "creative"})
    done, _ = told(sqlite_store, file(tmp_path, 2, header=header), forget_mapping=True)
    assert done.imported == 1
    assert list_mappings(sqlite_store).mappings == ()


def test_mappings_are_remembered_for_parquet_too(sqlite_store: Store, tmp_path: Path) -> None:
    for number in (1, 2):
        frame = pl.DataFrame([[f"2026-01-0{number}"], ["7"], ["a.png"], [10], [number]], schema=HEADER.split(","))
        frame.write_parquet(tmp_path / f"{number}.parquet")
    told(sqlite_store, tmp_path / "1.parquet", mapping=SAID)
    assert told(sqlite_store, tmp_path / "2.parquet")[0].imported == 1


# --- time zones ---------------------------------------------------------------------------------------------------


def test_files_of_one_account_in_two_time_zones_are_noted(store: Store, tmp_path: Path) -> None:
    header = "day,ad,creative,impressions,clicks"
    said = {"account": "act_1", "platform": "meta"}
    _, notes = told(store, file(tmp_path, 1, header), time_zone="Europe/Berlin", **said)
    assert "days of" not in notes
    _, notes = told(store, file(tmp_path, 2, header), time_zone="Europe/Berlin", **said)
    assert "days of" not in notes
    _, notes = told(store, file(tmp_path, 3, header), time_zone="America/New_York", **said)
    assert "account meta / act_1: earlier files have days of Europe/Berlin, this one of America/New_York" in notes
    _, notes = told(store, file(tmp_path, 4, header), time_zone="Asia/Tokyo", account="act_2", platform="meta")
    assert "days of" not in notes


def test_the_time_zone_of_a_file_that_came_without_one_is_filled_in(store: Store, tmp_path: Path) -> None:
    header = "day,ad,creative,impressions,clicks"
    for zone in ("", "Europe/Berlin", "Asia/Tokyo"):
        done, _ = told(store, file(tmp_path, 1, header), time_zone=zone)
        assert done.error is None
    with store.read() as session:
        assert session.scalars(select(KpiImport.time_zone)).all() == ["Europe/Berlin"]


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no time zone 'Berlin'"):
        KpiOptions(time_zone="Berlin")


# --- from Python --------------------------------------------------------------------------------------------------


def test_the_workspace_of_python_previews_lists_and_takes_back(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop").config.parent
    (folder / "abkit.toml").write_text('[kpi]\ntime_zone = "Asia/Tokyo"\n')
    path = file(tmp_path, 1)
    with ab.Workspace.open(folder) as shop:
        (seen,) = shop.import_kpis(path, dry_run=True, mapping=SAID)
        assert (seen.good, shop.imports().imports) == (1, ())
        (done,) = shop.import_kpis(path, mapping=SAID)
        (kept,) = shop.imports().imports
        assert (kept.import_id, kept.time_zone) == (done.import_id, "Asia/Tokyo")
        assert shop.imports().to_polars()["rows"].to_list() == [1]
        assert shop.undo_import(kept.import_id).removed == 1
        with pytest.raises(UsageError, match="there is no option 'maping'"):
            shop.import_kpis(path, maping=SAID)
