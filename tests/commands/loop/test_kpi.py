"""`abkit kpi`: what it prints, what it refuses, and its exit codes."""

import json
from pathlib import Path

import pytest
import typer

from abkit.store.database.engine import Store
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here
from tests.images import make_image
from tests.kpi_files import add_creatives, rows, write

COLUMNS = ["file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path / "w")
    return tmp_path / "w"


def test_json_has_one_object_a_file_and_notes_go_to_stderr(here: Here, workspace: Path) -> None:
    good = write(
        workspace / "good.csv",
        rows("1/13/2026,1,10,1,x", "1/14/2026,2,10,11,x", header="Date,Ad ID,Impr.,Link clicks,Theme"),
    )
    done = here("kpi", "import", good, workspace / "none.csv", "-f", "json", cwd=workspace)

    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert list(first)[:7] == COLUMNS
    assert [first[name] for name in COLUMNS[1:]] == [2, 1, 0, 0, 1, 1]
    assert [second[name] for name in COLUMNS[1:]] == [0] * 6
    assert "unused columns: 'Theme'" in done.stderr
    assert "clicks above impressions" in done.stderr
    assert "there is no file" in done.stderr

    listed = here("kpi", "rejects", "--import", first["import_id"], "-f", "json", cwd=workspace)
    assert [(row["line"], row["reason"]) for row in json.loads(listed.stdout)] == [
        (3, "clicks above impressions over all rows of the ad: 11 clicks, 10 impressions")
    ]


def test_nothing_imported_is_exit_code_one_with_the_option_to_write(here: Here, workspace: Path) -> None:
    path = write(workspace / "k.csv", rows("01/02/2026,1,10,1", header="day,ad,impressions,clicks"))
    done = here("kpi", "import", path, cwd=workspace)
    assert done.returncode == 1
    assert "--dayfirst or --no-dayfirst" in done.stderr

    assert here("kpi", "import", path, "--dayfirst", cwd=workspace).returncode == 0
    assert here("kpi", "import", path, "--dayfirst", cwd=workspace).returncode == 0


def test_mapping_decimal_platform_and_period_are_taken(here: Here, workspace: Path) -> None:
    path = write(workspace / "k.csv", rows('7,"1.234",5,"2.500"', header="id,views,clicks,paid"))
    said = ["--map", "id=ad", "--map", "views=impressions", "--map", "paid=spend", "--decimal", ",", "--platform", "p"]
    done = here("kpi", "import", path, *said, "--period", "2026-01-01..2026-01-31", "-f", "json", cwd=workspace)
    assert json.loads(done.stdout)[0]["imported"] == 1, done.stderr

    listed = json.loads(here("kpi", "link", "-f", "json", cwd=workspace).stdout)
    assert [(row["ad"], row["platform"], row["impressions"], row["share_of_impressions"]) for row in listed] == [
        ("7", "p", 1234, 1.0)
    ]


@pytest.mark.parametrize(
    "said",
    [
        ["--map", "nonsense"],
        ["--map", "a=nofield"],
        ["--period", "January"],
        ["--period", "2026-02-01..2026-01-01"],
        ["--decimal", "x"],
        ["--encoding", "ebcdic"],
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_sentence(here: Here, workspace: Path, said: list[str]) -> None:
    done = here("kpi", "import", "k.csv", *said, cwd=workspace)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")


def test_a_guessed_encoding_is_a_note_and_one_that_was_given_is_not(here: Here, workspace: Path) -> None:
    content = rows("2026-01-01,1,10,1,Größe", header="day,ad,impressions,clicks,campaign")
    write(workspace / "latin.csv", content, "cp1252")
    guessed = here("kpi", "import", "latin.csv", cwd=workspace)
    assert guessed.stderr.startswith("latin.csv: not UTF-8: read as windows-1252; if names look wrong, say ")
    assert "not UTF-8" not in here("-q", "kpi", "import", "latin.csv", cwd=workspace).stderr
    given = here("kpi", "import", "latin.csv", "--encoding", "windows-1252", "--platform", "x", cwd=workspace)
    assert (guessed.returncode, given.returncode) == (0, 0)
    assert "not UTF-8" not in given.stderr


def test_links_are_suggested_taken_from_a_table_and_removed(here: Here, workspace: Path) -> None:
    path = write(workspace / "k.csv", rows("2026-01-01,1,hero,10,1", header="day,ad,creative,impressions,clicks"))
    assert here("kpi", "import", path, cwd=workspace).returncode == 0
    (row,) = json.loads(here("kpi", "link", "-f", "json", cwd=workspace).stdout)
    assert (row["status"], row["suggestion"], row["confidence"]) == ("unlinked", None, None)

    table = write(workspace / "links.csv", rows("1,hero.png", header="ad,creative"))
    done = here("kpi", "link", "--table", table, cwd=workspace)
    assert done.returncode == 0
    assert "line 2: no scored creative is called 'hero.png'" in done.stderr
    assert here("kpi", "link", "--ad", "1", "--remove", cwd=workspace).returncode == 0
    wrong = [["--ad", "1"], ["--remove"], ["--accept", "2"], ["--ad", "1", "--remove", "--accept", "1"]]
    wrong += [["--pattern", "hero"], ["--pattern", "{a}", "--accept", "1"], ["--images", "nowhere"], ["--undo", "hand"]]
    wrong += [["--all", "--undo", "hash"], ["--images", ".", "--table", str(table)]]
    for said in wrong:
        assert here("kpi", "link", *said, cwd=workspace).returncode == 2, said


def test_links_by_pattern_and_by_image_are_listed_and_taken_back(here: Here, workspace: Path) -> None:
    store = Store(f"sqlite:///{workspace / 'abkit.db'}")
    add_creatives(store, "/ads/acme_winter_v1_9x16.png", "/ads/hero.png")
    store.close()
    lines = ("2026-01-01,1,women - Winter - v1,10,1", "2026-01-01,2,Hero,10,1", "2026-01-01,3,x,10,1")
    path = write(workspace / "k.csv", rows(*lines, header="day,ad,creative,impressions,clicks"))
    assert here("kpi", "import", path, cwd=workspace).returncode == 0
    patterns = ["--pattern", "{brand}_{concept}_v{n}_{size}", "--pattern", "{who} - {concept} - v{n}"]
    linked = here("kpi", "link", *patterns, cwd=workspace)
    assert linked.returncode == 0, linked.stderr
    assert "pattern" in linked.stdout
    assert "1 links made" in linked.stderr

    listed = json.loads(here("kpi", "link", "--all", "-f", "json", cwd=workspace).stdout)
    assert [(row["ad"], row["status"], row["linked_by"]) for row in listed] == [
        ("1", "linked", "pattern"),
        ("2", "linked", "normalized"),
        ("3", "unlinked", None),
    ]
    header = here("kpi", "link", "--all", "-f", "csv", cwd=workspace).stdout.splitlines()[0]
    assert header.split(",") == list(listed[0])
    taken = here("kpi", "link", "--undo", "pattern", cwd=workspace)
    assert (taken.returncode, "1 links are no longer clear or were taken back" in taken.stderr) == (0, True)

    make_image(1).save(workspace / "3.png")
    seen = json.loads(here("kpi", "link", "--images", workspace, "-f", "json", cwd=workspace).stdout)
    assert [(row["ad"], row["bits"]) for row in seen] == [("1", None), ("3", None)]


def test_imports_are_listed_shown_and_taken_back(here: Here, workspace: Path) -> None:
    assert "nothing was imported yet" in here("kpi", "list", cwd=workspace).stderr
    path = write(workspace / "k.csv", rows("2026-01-13,1,10,1", header="day,ad,impressions,clicks"))
    here("kpi", "import", path, cwd=workspace)
    (listed,) = json.loads(here("kpi", "list", "-f", "json", cwd=workspace).stdout)
    assert [listed[name] for name in ("file", "rows", "first_day", "state")] == [str(path), 1, "2026-01-13", "counts"]
    shown = here("kpi", "show", listed["import_id"], cwd=workspace).stdout
    for text in ("import 1", str(path), "2026-01-13 … 2026-01-13", "total impressions", "delimiter", "unknown"):
        assert text in shown

    undone = here("kpi", "undo", listed["import_id"], cwd=workspace)
    assert "1 rows are gone" in undone.stdout
    assert "undone" in here("kpi", "list", cwd=workspace).stdout
    again = here("kpi", "undo", listed["import_id"], cwd=workspace)
    assert again.returncode == 2
    assert "was taken back" in again.stderr
    assert here("kpi", "import", path, cwd=workspace).returncode == 0
    assert here("kpi", "show", "99", cwd=workspace).returncode == 2


def test_a_dry_run_shows_what_would_be_imported(here: Here, workspace: Path) -> None:
    content = rows("2026-01-13,1,10,1", "2026-01-14,1,-10,0", header="day,ad,impressions,clicks")
    path = write(workspace / "k.csv", content)
    said = here("kpi", "import", path, "--dry-run", cwd=workspace)
    assert said.returncode == 0, said.stderr
    for text in ("our field", "1 of 2 rows would be imported", "is negative", "2026-01-13"):
        assert text in said.stdout
    (seen,) = json.loads(here("kpi", "import", path, "--dry-run", "-f", "json", cwd=workspace).stdout)
    assert (seen["good"], seen["columns"]["ad"]) == (1, "ad")
    assert "day,day" in here("kpi", "import", path, "--dry-run", "-f", "csv", cwd=workspace).stdout
    assert json.loads(here("kpi", "list", "-f", "json", cwd=workspace).stdout) == []
    refused = here("kpi", "import", write(workspace / "x.csv", "a,b\n1,2\n"), "--dry-run", cwd=workspace)
    assert refused.returncode == 1
    assert "Hint: " in refused.stderr


def test_a_person_at_a_terminal_is_asked_once(here: Here, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(workspace / "k.csv", rows("2026-01-13,1,10,1", header="day,ad,impressions,clicks"))
    asked: list[str] = []

    def answer(text: str, **_: object) -> bool:
        asked.append(text)
        if len(asked) == 1:
            raise typer.Abort
        return True

    monkeypatch.setattr("abkit.commands.loop.kpi.is_asked", lambda: True)
    monkeypatch.setattr("typer.confirm", answer)
    assert here("kpi", "import", path, "-f", "csv", "--dry-run", cwd=workspace).returncode == 0
    assert asked == []
    refused = here("kpi", "import", path, cwd=workspace)
    assert refused.returncode == 1
    assert "our field" in refused.stdout
    assert "undone" not in here("kpi", "list", cwd=workspace).stdout
    done = here("kpi", "import", path, cwd=workspace)
    assert done.returncode == 0
    assert len(asked) == 2
    here("kpi", "import", path, cwd=workspace)  # imported before: nothing to ask
    here("kpi", "import", write(workspace / "l.csv", path.read_text() + "2026-01-14,1,5,1\n"), "--yes", cwd=workspace)
    assert len(asked) == 2
    assert len(json.loads(here("kpi", "list", "-f", "json", cwd=workspace).stdout)) == 2


def test_remembered_mappings_are_listed_and_forgotten(here: Here, workspace: Path) -> None:
    assert "no mapping is remembered" in here("kpi", "mappings", cwd=workspace).stderr
    path = write(workspace / "k.csv", rows("2026-01-13,1,10,1", header="day,number,impressions,clicks"))
    here("kpi", "import", path, "--map", "number=ad", cwd=workspace)
    assert "number = ad" in here("kpi", "mappings", cwd=workspace).stdout
    (kept,) = json.loads(here("kpi", "mappings", "-f", "json", cwd=workspace).stdout)
    assert kept["mapping"] == {"number": "ad"}
    assert here("kpi", "mappings", "--forget", kept["mapping_id"], "-f", "json", cwd=workspace).stdout.strip() == "[]"
    assert here("kpi", "mappings", "--forget", "7", cwd=workspace).returncode == 2


RECIPE = """
platform = "shopnet"
title = "Shop Net"
signatures = [["Werbemittel", "Sichtkontakte"]]

[[headers]]
language = "de"
source = "our own export"
day = ["Buchungstag"]
creative = ["Werbemittel"]
impressions = ["Sichtkontakte"]
clicks = ["Besuche"]
"""


def test_the_recipes_of_the_configuration_name_columns_and_a_change_reads_the_file_again(
    here: Here, workspace: Path
) -> None:
    header = "Buchungstag,Werbemittel,Sichtkontakte,Besuche"
    path = write(workspace / "k.csv", rows("2026-01-01,a.png,10,1", header=header))
    assert here("kpi", "import", path, cwd=workspace).returncode == 1

    (workspace / "recipes").mkdir()
    write(workspace / "recipes" / "shopnet.toml", RECIPE)
    with (workspace / "abkit.toml").open("a", encoding="utf-8") as config:
        config.write('\n[kpi]\nrecipes = "recipes"\n')
    done = here("kpi", "import", path, "-f", "json", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert "an export of Shop Net: platform is 'shopnet'" in done.stderr
    assert json.loads(done.stdout)[0]["imported"] == 1

    write(workspace / "recipes" / "shopnet.toml", RECIPE.replace("Besuche", "Visits"))
    again = here("kpi", "import", path, cwd=workspace)
    assert "imported before" not in again.stderr
    assert "no column is clicks" in again.stderr


def test_the_pattern_of_the_configuration_holds_where_no_option_is_said(here: Here, workspace: Path) -> None:
    store = Store(f"sqlite:///{workspace / 'abkit.db'}")
    add_creatives(store, "/ads/acme_winter_v1.png", "/ads/acme_summer_v1.png")
    store.close()
    lines = ("2026-01-01,1,acme_winter_v01,10,1", "2026-01-01,2,fall - summer,10,1")
    path = write(workspace / "k.csv", rows(*lines, header="day,ad,creative,impressions,clicks"))
    assert here("kpi", "import", path, cwd=workspace).returncode == 0

    def links(*said: str) -> dict[str, str | None]:
        assert here("kpi", "link", *said, cwd=workspace).returncode == 0
        listed = json.loads(here("kpi", "link", "--all", "-f", "json", cwd=workspace).stdout)
        return {row["ad"]: row.get("linked_by") for row in listed}

    assert links() == {"1": None, "2": None}
    config = workspace / "abkit.toml"
    kept = config.read_text(encoding="utf-8") if config.exists() else ""
    write(config, kept + '\n[kpi]\nname_pattern = "{brand}_{concept}_v{n}"\n')
    assert links("--undo", "hash") == {"1": None, "2": None}
    two = ("--pattern", "{season} - {concept}", "--pattern", "{a}_{concept}_v{n}")
    assert links(*two) == {"1": "pattern", "2": "pattern"}
    assert links("--undo", "pattern") == {"1": None, "2": None}
    assert links() == {"1": "pattern", "2": None}
    write(config, kept + '\n[kpi]\nname_pattern = "winter"\n')
    wrong = here("kpi", "link", cwd=workspace)
    assert (wrong.returncode, "winter" in wrong.stderr) == (2, True), wrong.stderr
    assert "name_pattern" in wrong.stderr
