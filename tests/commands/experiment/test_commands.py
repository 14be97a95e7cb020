"""`abkit experiment`: thousands of tests from a table, and one from the store, by real commands."""

import csv
import io
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import abkit as ab
from abkit.workflows.upkeep.workspace import make_workspace
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
    assert "--by has no effect on --table" in wrong.stderr


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


def test_a_table_whose_tests_are_all_refused_fails_with_the_reasons(here: Here, tmp_path: Path) -> None:
    path = table(tmp_path, [("t1", "a", 5, 9), ("t1", "b", 10, 2), ("t2", "a", 100, 5)])
    for form in ("table", "json", "csv"):
        done = here("experiment", "analyze", "--table", path, *FLAGS, "-f", form, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "t1: variant 'a' has 9 successes in 5 trials" in done.stderr
        assert "t2: " in done.stderr


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
    against = ("experiment", "decide", "t", "keep", "--by", "Ana", "--reason", "the logo is law")
    (folder / "abkit.toml").write_text("[experiments]\nsecond_name = true\n")
    alone = here(*against, cwd=folder)
    assert alone.returncode == 1
    assert "name them with --second" in alone.stderr
    agreed = here(*against, "--second", "Bo", "-f", "json", cwd=folder)
    assert json.loads(agreed.stdout)["second"] == "Bo"
    assert here("experiment", "rename", "t", "spring", cwd=folder).returncode == 0
    assert here("experiment", "archive", "spring", cwd=folder).returncode == 0
    assert "no experiments yet" in here("experiment", "list", cwd=folder).stderr
    (archived,) = json.loads(here("experiment", "list", "--all", "-f", "json", cwd=folder).stdout)
    assert (archived["experiment"], archived["archived"]) == ("spring", True)
    kept = here("experiment", "delete", "spring", cwd=folder)
    assert kept.returncode == 2
    assert "2 looks and 2 decisions would be lost" in kept.stderr
    gone = here("experiment", "delete", "spring", "--yes", "-f", "json", cwd=folder)
    assert json.loads(gone.stdout)["what"] == "deleted"
    assert json.loads(here("experiment", "list", "--all", "-f", "json", cwd=folder).stdout) == []
    wrong = here("experiment", "analyze", cwd=folder)
    assert wrong.returncode == 2
    assert "give the name of an experiment, --table FILE or --rows FILE" in wrong.stderr


def test_a_test_of_geographies_from_an_export_by_country_to_its_verdict(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    lines = ["date,ad_id,country,impressions,clicks"]
    places = ("DE", "FR", "IT", "ES", "PL", "SE", "NL", "AT", "PT", "FI")
    for number, place in enumerate(places):
        ad, rate = ("A1", 0.02) if number % 2 == 0 else ("A2", 0.05)
        shown = 1000 + 100 * number
        lines += [f"2026-10-{day:02},{ad},{place},{shown},{int(shown * rate) + number % 3}" for day in range(1, 11)]
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    assert here("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    create = ("experiment", "create", "t", "--unit", "geography", "--allocation", "random")
    variants = ("--variant", "old=A1", "--variant", "new=A2")
    refused = here(*create, *variants, "--to", "2026-10-10", "--monitoring", "anytime", cwd=folder)
    assert refused.returncode == 1
    assert "any-time analysis is not valid where the unit is geography" in refused.stderr
    twice = here(*create, *variants, "--to", "2026-10-10", "--pair", "DE=FR", "--pair", "FR=IT", cwd=folder)
    assert "--pair FR=IT names a geography twice" in twice.stderr
    assert here(*create, *variants, "--from", "2026-10-01", "--to", "2026-10-10", cwd=folder).returncode == 0
    done = here("experiment", "analyze", "t", "--as-of", "2026-10-11", "-f", "json", cwd=folder)
    found = json.loads(done.stdout)
    assert (found["verdict"], found["analyzed_by"], found["units"]) == ("better", "geographies", {"old": 5, "new": 5})
    assert found["treatments"][0]["verdict"]["sentence"].startswith("new caused a higher rate than old")
    matched = here(
        *("experiment", "create", "p", "--unit", "geography", "--allocation", "random", *variants),
        *("--from", "2026-10-01", "--to", "2026-10-10", "--pair", "DE=FR", "--pair", "IT=ES", "--pair", "PL=SE"),
        *("--pair", "NL=AT", "--pair", "PT=FI"), cwd=folder,
    )  # fmt: skip
    assert matched.returncode == 0, matched.stderr
    blocked = here("experiment", "analyze", "p", "--as-of", "2026-10-11", "--exit-code", cwd=folder)
    assert blocked.returncode == 3
    # Five pairs can be drawn in 32 ways.
    assert "the smallest p-value is 0.062" in blocked.stdout
    assert here("experiment", "analyze", "p", "--as-of", "2026-10-11", "--by", "country", cwd=folder).returncode == 1


def test_drawn_days_take_a_schedule_and_leave_out_carry_over(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    lines, schedule = ["date,ad_id,impressions,clicks"], ["date,variant"]
    for day in range(1, 29):
        ad = "A1" if (day - 1) // 2 % 2 == 0 else "A2"
        lines.append(f"2026-09-{day:02},{ad},2000,{(40 if ad == 'A1' else 80) + day % 5}")
        schedule.append(f"2026-09-{day:02},{'old' if ad == 'A1' else 'new'}")
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    (folder / "days.csv").write_text("\n".join(schedule) + "\n")
    assert here("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    made = here(
        *("experiment", "create", "t", "--unit", "day", "--allocation", "random", "--variant", "old=A1"),
        *("--variant", "new=A2", "--schedule", "days.csv", "--carry-over", "1"), cwd=folder,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    done = here("experiment", "analyze", "t", "--as-of", "2026-09-28", cwd=folder)
    assert "better" in done.stdout
    assert "carry-over: 14 of 28 days are left out" in done.stdout + done.stderr
    wrong = here(
        *("experiment", "create", "u", "--unit", "user", "--allocation", "random", "--variant", "old=A1"),
        *("--variant", "new=A2", "--schedule", "days.csv"), cwd=folder,
    )  # fmt: skip
    assert "a schedule or carry-over is given, and the unit is user" in wrong.stderr


def test_parts_of_a_day_are_compared_from_rows_and_refused_of_the_store_with_that_command(
    here: Here, tmp_path: Path
) -> None:
    made = ("experiment", "create", "u", "--allocation", "random", "--variant", "old=A1", "--variant", "new=A2")
    wrong = here(*made, "--unit", "day-part", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "the store keeps days" in wrong.stderr
    assert "abkit experiment analyze --rows FILE --unit PART" in wrong.stderr
    assert "expected one of user, session, impression" in here(*made, "--unit", "cookie", cwd=tmp_path).stderr
    path = tmp_path / "parts.csv"
    lines = [
        f"2026-09-{part // 2 + 1:02} {'evening' if part % 2 else 'morning'},"
        f"{'new' if part * 7 % 10 < 5 else 'old'},{1000 + part},{(30 if part * 7 % 10 < 5 else 20) + part % 4}"
        for part in range(56)
    ]
    path.write_text("part,arm,impressions,clicks\n" + "\n".join(lines) + "\n")
    columns = ("--unit", "part", "--variant", "arm", "--metric", "clicks", "--denominator", "impressions")
    found = here("experiment", "analyze", "--rows", path, *columns, "--control", "old", "-f", "json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["comparisons"][0]["comparison"]["lift"]["ci_low"] > 0.3


def user_rows(folder: Path, name: str = "rows.csv") -> Path:
    """Two rows of each of 400 users, every second of whom saw the new variant and bought more."""
    lines = ["user,arm,revenue,visits"]
    for user in range(400):
        arm, bought = ("new", 3) if user % 2 else ("old", 2)
        lines += [f"u{user},{arm},{bought * (user % 7)}.5,1", f"u{user},{arm},{user % 5},2"]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_of_users_are_compared_by_mean_ratio_and_median(here: Here, tmp_path: Path) -> None:
    path = user_rows(tmp_path)
    options = ("experiment", "analyze", "--rows", path, "--unit", "user", "--variant", "arm", "--metric", "revenue")
    mean = here(*options, cwd=tmp_path)
    assert mean.returncode == 0, mean.stderr
    assert "revenue per user, against old; 95 % intervals" in mean.stdout
    ratio = json.loads(here(*options, "--denominator", "visits", "-f", "json", cwd=tmp_path).stdout)
    assert [arm["denominator"] for arm in ratio["arms"]] == [600, 600]
    median = here(*options, "--quantile", "0.5", "--plot", "median.svg", cwd=tmp_path)
    assert "median of revenue per user" in median.stdout
    assert "median of revenue per user" in (tmp_path / "median.svg").read_text()


def test_what_users_did_before_is_taken_out_of_rows_and_said(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"u{user},{'new' if user % 2 else 'old'},{user % 7 + user % 3},{user % 7}" for user in range(400)]
    path.write_text("user,arm,revenue,before\n" + "\n".join(lines) + "\n")
    columns = ("--unit", "user", "--variant", "arm", "--metric", "revenue", "--covariate", "before")
    found = here("experiment", "analyze", "--rows", path, *columns, "-f", "json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    one = json.loads(found.stdout)["comparisons"][0]
    assert one["adjustment"]["covariate"] == "before"
    assert one["adjustment"]["variance_kept"] < 0.3
    wrong = here("experiment", "analyze", "spring", "--rows", path, *columns, cwd=tmp_path)
    assert "--covariate has no effect on an experiment of the store and --rows" in wrong.stderr


def test_rows_take_their_columns_and_refuse_what_has_no_effect_on_them(here: Here, tmp_path: Path) -> None:
    path = user_rows(tmp_path)
    bare = here("experiment", "analyze", "--rows", path, "--unit", "user", cwd=tmp_path)
    assert (bare.returncode, "--rows takes --variant and --metric" in bare.stderr) == (2, True)
    both = here("experiment", "analyze", "--table", path, "--rows", path, cwd=tmp_path)
    assert (both.returncode, "--table FILE or --rows FILE" in both.stderr) == (2, True)
    columns = ("--unit", "user", "--variant", "arm", "--metric", "revenue")
    idle = here("experiment", "analyze", "--rows", path, *columns, "--correction", "bh", "--add-up", cwd=tmp_path)
    assert idle.returncode == 2
    assert "--add-up, --correction has no effect on --rows" in idle.stderr


def test_a_test_is_tried_out_on_rows_before_it_is_made(here: Here, tmp_path: Path) -> None:
    path = user_rows(tmp_path)
    done = here(
        "experiment", "simulate", "--rows", path, "--unit", "user", "--metric", "revenue", "--lift", "0.1,0.5",
        "--runs", "200", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "none (A/A)" in done.stdout
    assert "tests of 200 units per arm at alpha 0.05" in done.stdout
    assert "units drawn without replacement from 400; seed 0" in done.stderr + done.stdout


def test_a_planned_test_of_users_gets_its_verdict_from_their_rows(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    rng = np.random.default_rng(1)
    lines = ["user,arm,clicks,impressions"]
    for user in range(1_200):
        shown = int(rng.integers(5, 40))
        arm, rate = ("new", 0.3) if user % 2 else ("old", 0.2)
        lines.append(f"u{user},{arm},{rng.binomial(shown, rate)},{shown}")
    (folder / "users.csv").write_text("\n".join(lines) + "\n")
    create = ("experiment", "create", "t", "--unit", "user", "--allocation", "random", "--to", "2026-10-10")
    assert here(*create, "--variant", "old=A1", "--variant", "new=A2", cwd=folder).returncode == 0
    look = ("experiment", "analyze", "t", "--as-of", "2026-10-11", "--rows", "users.csv", "--unit", "user")
    columns = ("--variant", "arm", "--metric", "clicks", "--denominator", "impressions")
    done = here(*look, *columns, "-f", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["analyzed_by"], found["units"]) == ("better", "users", {"old": 600, "new": 600})
    assert "new caused a higher rate than old" in found["treatments"][0]["verdict"]["sentence"]
    assert "clicks ÷ impressions of users from 1,200 rows" in found["notes"]
    with ab.Workspace.open(folder) as workspace:
        for rows in (folder / "users.csv", str(folder / "users.csv")):
            same = workspace.experiment(
                "t", as_of=date(2026, 10, 11), rows=rows, unit="user", variant="arm", metric="clicks",
                denominator="impressions",
            )  # fmt: skip
            assert (str(same.verdict), str(same.analyzed_by), same.units) == ("better", "users", found["units"])
            assert same.treatments[0].verdict.sentence == found["treatments"][0]["verdict"]["sentence"]
    mean = here(*look, *columns[:-2], cwd=folder)
    assert (mean.returncode, "t compares CTR: clicks ÷ impressions" in mean.stderr) == (1, True)
    other = here(*look, *columns, "--quantile", "0.5", cwd=folder)
    assert (other.returncode, "--quantile has no effect on an experiment of the store" in other.stderr) == (2, True)
    (folder / "users.csv").write_text("\n".join(lines).replace(",new,", ",fresh,") + "\n")
    strange = here(*look, *columns, cwd=folder)
    assert "the rows have the variants 'old', 'fresh'; t has 'old', 'new'" in strange.stderr


def test_the_programme_is_a_table_a_workbook_and_a_csv_without_formulas(here: Here, tmp_path: Path) -> None:
    from python_calamine import CalamineWorkbook

    folder = tmp_path / "w"
    make_workspace(folder)
    lines = ["date,ad_id,impressions,clicks,spend"]
    for day in range(1, 11):
        lines += [f"2026-10-{day:02},A1,2000,40,10", f"2026-10-{day:02},A2,2010,90,10"]
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    here("kpi", "import", "kpi.csv", cwd=folder)
    create = ("experiment", "create", "=t", "--unit", "impression", "--allocation", "random")
    assert here(*create, "--variant", "old=A1", "--variant", "new=A2", cwd=folder).returncode == 0
    here("experiment", "analyze", "=t", "--as-of", "2026-10-10", cwd=folder)
    done = here("experiment", "programme", "--xlsx", "p.xlsx", "--csv", "p.csv", "-f", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    sheet = CalamineWorkbook.from_path(folder / "p.xlsx").get_sheet_by_name("experiments").to_python()
    (record,) = csv.DictReader((folder / "p.csv").open())
    written = dict(zip(sheet[0], sheet[1], strict=True))["lift"]
    assert written == pytest.approx(row["lift"]["estimate"], rel=1e-12)  # a workbook keeps 16 digits
    assert float(record["lift"]) == row["lift"]["estimate"]
    assert (sheet[1][0], record["experiment"]) == ("=t", "'=t")
    wrong = here("experiment", "programme", "--xlsx", "p.ods", cwd=folder)
    assert wrong.returncode == 1
    assert "does not end with .xlsx" in wrong.stderr


def test_the_digest_is_sentences_json_or_rows(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    make_workspace(folder)
    create = ("experiment", "create", "t", "--unit", "impression", "--allocation", "random")
    assert here(*create, "--variant", "old=A1", "--variant", "new=A2", cwd=folder).returncode == 0
    said = here("digest", cwd=folder).stdout
    assert "Launched:\n- t\n" in said
    assert "Winners: none" in said
    assert json.loads(here("digest", "-f", "json", cwd=folder).stdout)["launched"] == ["t"]
    assert list(csv.reader(io.StringIO(here("digest", "-f", "csv", cwd=folder).stdout))) == [
        ["part", "sentence"], ["Launched", "t"],
    ]  # fmt: skip


def test_a_plan_in_money_takes_both_the_price_and_the_budget(here: Here, tmp_path: Path) -> None:
    make_workspace(tmp_path / "w")
    for options, says in ((("--cpm", "7.5"), "takes both --cpm and --budget"), (("--lift", "0.1"), "give --cpm and")):
        refused = here("experiment", "design", "--campaign", "spring", *options, cwd=tmp_path / "w")
        assert refused.returncode == 2
        assert says in refused.stderr


def test_a_planned_total_that_the_method_does_not_use_is_refused(here: Here, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user,variant,y\n" + "".join(f"u{n},{'ab'[n % 2]},{n % 7}\n" for n in range(60)))
    call = ("experiment", "analyze", "--rows", "r.csv", "--unit", "user", "--variant", "variant", "--metric", "y")
    refused = here(*call, "--planned-total", "500", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--planned-total has no effect on the method welch" in refused.stderr
    assert here(*call, "--planned-total", "500", "--method", "sequential", cwd=tmp_path).returncode == 0
