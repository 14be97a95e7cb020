"""`abkit experiment`: thousands of tests from a table, and one from the store, by real commands."""

import csv
import io
import json
from pathlib import Path

from abkit.workflows.workspace import make_workspace
from tests.commands.conftest import Here

FLAGS = [
    "--experiment-col", "test", "--variant-col", "arm", "--impressions-col", "views", "--clicks-col", "clicks",
]  # fmt: skip


def table(folder: Path, rows: list[tuple[object, ...]], name: str = "tests.csv") -> Path:
    path = folder / name
    path.write_text("test,arm,views,clicks\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def test_the_forest_of_a_table_is_drawn_and_options_for_the_store_are_refused(here: Here, tmp_path: Path) -> None:
    path = table(tmp_path, [("t1", "a", 1000, 50), ("t1", "b", 1010, 80)])
    done = here("experiment", "analyze", "--table", path, *FLAGS, "--plot", "forest.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "t1: b against a" in (tmp_path / "forest.svg").read_text()
    wrong = here("experiment", "analyze", "--table", path, *FLAGS, "--by", "country", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "not for --table" in wrong.stderr


def test_the_command_writes_json_csv_and_a_summary(here: Here, tmp_path: Path) -> None:
    path = table(tmp_path, [("t1", "a", 1000, 50), ("t1", "b", 1010, 80), ("t2", "a", 5, 9)])
    done = here("experiment", "analyze", "--table", path, *FLAGS, "-f", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["summary"]["tests"], len(found["comparisons"]), len(found["refused"])) == (1, 1, 1)
    assert "refused t2" in done.stderr
    missing = here("experiment", "analyze", "--table", path, cwd=tmp_path)
    assert missing.returncode == 1
    assert "no column 'experiment'; it has 'test', 'arm'" in missing.stderr


def test_an_experiment_from_creation_to_decision(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    lines = ["date,ad_id,impressions,clicks,spend"]
    for day in range(1, 11):
        lines += [f"2026-10-{day:02},A1,2000,40,10", f"2026-10-{day:02},A2,2010,90,10"]
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    assert here("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    create = ("experiment", "create", "t", "--unit", "impression", "--allocation", "random")
    assert here(*create, "--variant", "old=A1", "--variant", "new=A2", cwd=folder).returncode == 0
    done = here("experiment", "analyze", "t", "--as-of", "2026-10-10", "--plot", "forest.svg", "-f", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["look"]) == ("better", 1)
    assert (folder / "forest.svg").read_text().startswith("<svg")
    assert (folder / "forest-new.svg").exists()
    printed = here("experiment", "analyze", "t", "--as-of", "2026-10-10", "-f", "csv", cwd=folder).stdout
    (row,) = csv.DictReader(io.StringIO(printed))
    for figure in ("estimate", "ci_low", "ci_high"):
        assert float(row[f"deciding.lift.{figure}"]) == found["treatments"][0]["deciding"]["lift"][figure]
    assert float(row["adjusted_p"]) == found["treatments"][0]["adjusted_p"]
    assert row["verdict.state"] == "better"
    decided = here("experiment", "decide", "t", "ship", "--by", "Ana", "--reason", "clear", cwd=folder)
    assert decided.returncode == 0, decided.stderr
    listed = json.loads(here("experiment", "list", "-f", "json", cwd=folder).stdout)
    assert (listed[0]["verdict"], listed[0]["decision"], listed[0]["decided_by"]) == ("better", "ship", "Ana")
    wrong = here("experiment", "analyze", cwd=folder)
    assert wrong.returncode == 2
    assert "either the name of an experiment or --table" in wrong.stderr
