"""`abkit experiment`: thousands of tests from a table, and one from the store, by real commands."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abkit.errors import AbkitError
from abkit.stats.counts import Counts
from abkit.stats.proportions import compare_proportions
from abkit.workflows.experiment_bulk import analyze_table
from abkit.workflows.workspace import make_workspace
from tests.conftest import Abkit

COLUMNS = {"experiment": "test", "variant": "arm", "trials": "views", "successes": "clicks"}
FLAGS = [
    "--experiment-col", "test", "--variant-col", "arm", "--impressions-col", "views", "--clicks-col", "clicks",
]  # fmt: skip


def table(folder: Path, rows: list[tuple[object, ...]], name: str = "tests.csv") -> Path:
    path = folder / name
    path.write_text("test,arm,views,clicks\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def test_every_test_of_a_table_is_compared_with_its_control(tmp_path: Path) -> None:
    rows = [
        ("t1", "a", 1000, 50),
        ("t2", "a", 1000, 20),
        ("t1", "b", 1010, 80),
        ("t2", "b", 990, 22),
        ("t2", "c", 1005, 60),
    ]
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [(row["experiment"], row["control"], row["treatment"]) for row in report.comparisons] == [
        ("t1", "a", "b"), ("t2", "a", "b"), ("t2", "a", "c"),
    ]  # fmt: skip
    one = compare_proportions(Counts(50, 1000), Counts(80, 1010))
    assert report.comparisons[0]["p_value"] == pytest.approx(one.p_value, rel=1e-9)
    assert report.comparisons[0]["lift_low"] == pytest.approx(one.lift.ci_low, rel=1e-9)
    assert "3 comparisons of 2 tests" in report.summary["family"]
    named = analyze_table(table(tmp_path, rows), **COLUMNS, control="b")
    assert {row["control"] for row in named.comparisons} == {"b"}


def test_what_cannot_be_is_refused_with_the_value_and_the_others_go_on(tmp_path: Path) -> None:
    rows = [
        ("good", "a", 1000, 50), ("good", "b", 1000, 60),
        ("more", "a", 10, 11), ("more", "b", 10, 1),
        ("minus", "a", 1000, -3), ("minus", "b", 1000, 3),
        ("text", "a", 1000, "x"), ("text", "b", 1000, 3),
        ("alone", "a", 1000, 3),
        ("twice", "a", 1000, 3), ("twice", "a", 1000, 4), ("twice", "b", 1000, 4),
    ]  # fmt: skip
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [row["experiment"] for row in report.comparisons] == ["good"]
    reasons = {refused.experiment: refused.reason for refused in report.refused}
    assert "11 successes in 10 trials" in reasons["more"]
    assert "-3 successes" in reasons["minus"]
    assert "missing successes" in reasons["text"]
    assert "only one arm, 'a'" in reasons["alone"]
    assert "3 rows for 2 variants" in reasons["twice"]
    with pytest.raises(AbkitError, match="no test has a variant 'z'"):
        analyze_table(table(tmp_path, rows), **COLUMNS, control="z")


def test_a_split_that_does_not_fit_gets_no_significance(tmp_path: Path) -> None:
    rows = [("bad", "a", 1000, 50), ("bad", "b", 1500, 150), ("good", "a", 1000, 50), ("good", "b", 1010, 120)]
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [(row["blocked"], row["significant"]) for row in report.comparisons] == [("sample_ratio", False), ("", True)]
    optimised = analyze_table(table(tmp_path, rows), **COLUMNS, allocation="optimised")
    assert [row["significant"] for row in optimised.comparisons] == [True, True]


def test_the_false_discovery_rate_is_kept_across_tests(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    false, found = 0, 0
    for repeat in range(20):
        real = np.arange(400) < 60
        clicks = rng.binomial(5000, np.column_stack((np.full(400, 0.03), np.where(real, 0.042, 0.03))))
        frame = pl.DataFrame(
            {
                "test": np.repeat(np.arange(400), 2).astype(str),
                "arm": ["a", "b"] * 400,
                "views": 5000,
                "clicks": clicks.ravel(),
            }
        )
        path = tmp_path / f"{repeat}.parquet"
        frame.write_parquet(path)
        hits = np.array([row["significant"] for row in analyze_table(path, **COLUMNS).comparisons])
        false, found = false + int(hits[~real].sum()), found + int(hits.sum())
    assert false / found <= 0.06
    assert found > 20 * 40


def test_the_command_writes_json_csv_and_a_summary(abkit: Abkit, tmp_path: Path) -> None:
    path = table(tmp_path, [("t1", "a", 1000, 50), ("t1", "b", 1010, 80), ("t2", "a", 5, 9)])
    done = abkit("experiment", "analyze", "--table", path, *FLAGS, "-f", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["summary"]["tests"], len(found["comparisons"]), len(found["refused"])) == (1, 1, 1)
    assert "refused t2" in done.stderr
    missing = abkit("experiment", "analyze", "--table", path, cwd=tmp_path)
    assert missing.returncode == 1
    assert "no column 'experiment'; it has 'test', 'arm'" in missing.stderr


def test_an_experiment_from_creation_to_decision(abkit: Abkit, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    lines = ["date,ad_id,impressions,clicks,spend"]
    for day in range(1, 11):
        lines += [f"2026-10-{day:02},A1,2000,40,10", f"2026-10-{day:02},A2,2010,90,10"]
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    assert abkit("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    create = ("experiment", "create", "t", "--unit", "impression", "--allocation", "random")
    assert abkit(*create, "--variant", "old=A1", "--variant", "new=A2", cwd=folder).returncode == 0
    done = abkit(
        "experiment", "analyze", "t", "--as-of", "2026-10-10", "--plot", "forest.svg", "-f", "json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["look"]) == ("better", 1)
    assert (folder / "forest.svg").read_text().startswith("<svg")
    assert (folder / "forest-new.svg").exists()
    decided = abkit("experiment", "decide", "t", "ship", "--by", "Ana", "--reason", "clear", cwd=folder)
    assert decided.returncode == 0, decided.stderr
    listed = json.loads(abkit("experiment", "list", "-f", "json", cwd=folder).stdout)
    assert (listed[0]["verdict"], listed[0]["decision"], listed[0]["decided_by"]) == ("better", "ship", "Ana")
    wrong = abkit("experiment", "analyze", cwd=folder)
    assert wrong.returncode == 2
    assert "either the name of an experiment or --table" in wrong.stderr
