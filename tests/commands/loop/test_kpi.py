"""`abkit kpi`: real commands, real files."""

import json
from pathlib import Path

import pytest

from abkit.workflows.workspace import make_workspace
from tests.conftest import Abkit
from tests.kpi_files import rows, write

COLUMNS = ["file", "rows", "imported", "updated", "unchanged", "unlinked", "rejected"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path / "w")
    return tmp_path / "w"


def test_json_has_one_object_a_file_and_notes_go_to_stderr(abkit: Abkit, workspace: Path) -> None:
    good = write(
        workspace / "good.csv",
        rows("1/13/2026,1,10,1,x", "1/14/2026,1,10,11,x", header="Date,Ad ID,Impr.,Link clicks,Theme"),
    )
    done = abkit("kpi", "import", good, workspace / "none.csv", "-f", "json", cwd=workspace)

    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert list(first)[:7] == COLUMNS
    assert [first[name] for name in COLUMNS[1:]] == [2, 1, 0, 0, 1, 1]
    assert [second[name] for name in COLUMNS[1:]] == [0] * 6
    assert "unused columns: 'Theme'" in done.stderr
    assert "clicks above impressions" in done.stderr
    assert "there is no file" in done.stderr

    listed = abkit("kpi", "rejects", "--import", first["import_id"], "-f", "json", cwd=workspace)
    assert [(row["line"], row["reason"]) for row in json.loads(listed.stdout)] == [(3, "clicks above impressions")]


def test_nothing_imported_is_exit_code_one_with_the_option_to_write(abkit: Abkit, workspace: Path) -> None:
    path = write(workspace / "k.csv", rows("01/02/2026,1,10,1", header="day,ad,impressions,clicks"))
    done = abkit("kpi", "import", path, cwd=workspace)
    assert done.returncode == 1
    assert "--dayfirst or --no-dayfirst" in done.stderr

    assert abkit("kpi", "import", path, "--dayfirst", cwd=workspace).returncode == 0
    assert abkit("kpi", "import", path, "--dayfirst", cwd=workspace).returncode == 0


def test_mapping_decimal_platform_and_period_are_taken(abkit: Abkit, workspace: Path) -> None:
    path = write(workspace / "k.csv", rows('7,"1.234",5,"2.500"', header="id,views,clicks,paid"))
    said = ["--map", "id=ad", "--map", "views=impressions", "--map", "paid=spend", "--decimal", ",", "--platform", "p"]
    done = abkit("kpi", "import", path, *said, "--period", "2026-01-01..2026-01-31", "-f", "json", cwd=workspace)
    assert json.loads(done.stdout)[0]["imported"] == 1, done.stderr

    listed = json.loads(abkit("kpi", "link", "-f", "json", cwd=workspace).stdout)
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
def test_options_that_make_no_sense_are_refused_in_one_sentence(
    workspace: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from abkit.commands.app import main

    monkeypatch.chdir(workspace)
    with pytest.raises(SystemExit) as ended:
        main(["kpi", "import", "k.csv", *said])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("Error: ")
