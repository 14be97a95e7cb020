"""`abkit correlate` and `abkit drift`: output, exit codes, files."""

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from abkit.store.database import migrate
from abkit.store.database.engine import Store
from tests.commands.conftest import Here
from tests.monitoring_rows import seeded

START = date(2025, 3, 3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two campaigns of images that differ, with thirty days of delivery."""
    folder: Path = tmp_path_factory.mktemp("workspace")
    (folder / "abkit.toml").write_text("")
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    migrate.upgrade(store)
    seed = seeded(store)
    rng = np.random.default_rng(1)
    rows = []
    for campaign, shift in (("before", 0.0), ("after", 1.0)):
        scores = rng.normal(4 + shift, 0.7, 60)
        embeddings = rng.normal(shift, 1, size=(60, 8))
        ads = seed.creatives(campaign, [float(s) for s in scores], embeddings=embeddings)
        for ad, score in zip(ads, scores, strict=True):
            for index in range(30):
                clicks = int(rng.poisson(30 * np.exp(0.1 * (score - 4))))
                rows.append({"ad_id": ad, "day": START + timedelta(days=index), "impressions": 2000, "clicks": clicks})
    seed.kpis(rows)
    store.close()
    return folder


def test_correlate_prints_the_agreed_json(here: Here, workspace: Path) -> None:
    done = here("correlate", "--metric", "ctr", "-f", "json", cwd=workspace)

    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [(one["scope"], one["statistic"]) for one in results] == [
        ("all", "srcc"),
        ("all", "plcc"),
        ("within_campaign", "srcc"),
        ("within_campaign", "plcc"),
    ]
    for one in results:
        assert one["metric"] == "ctr"
        assert one["n"] == 120
        assert -1 <= one["ci_low"] <= one["estimate"] <= one["ci_high"] <= 1
        assert one["model_version"] == "d" * 64


def test_correlate_says_on_stderr_what_was_left_out_and_draws_the_chart(
    here: Here, workspace: Path, tmp_path: Path
) -> None:
    done = here("correlate", "--min-impressions", 10**9, "--plot", tmp_path / "chart.png", cwd=workspace)

    assert done.returncode == 0, done.stderr
    assert "left out: 120 creatives with fewer than 1,000,000,000 impressions" in done.stderr
    assert "needed: 4" in done.stdout
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"


def test_correlate_in_csv_has_one_line_a_result(here: Here, workspace: Path) -> None:
    done = here("correlate", "-m", "ctr", "-c", "before", "-f", "csv", cwd=workspace)
    assert [line["n"] for line in csv.DictReader(io.StringIO(done.stdout))] == ["60"] * 4


def test_correlate_shows_the_relation_with_appeal_beside_its_correlations(here: Here, workspace: Path) -> None:
    table = here("correlate", cwd=workspace).stdout
    assert "against appeal, within campaign" in table
    rows = json.loads(here("correlate", "-f", "json", cwd=workspace).stdout)
    for row in rows:
        inside = row["scope"] == "within_campaign"
        assert (row["appeal_raw"] is not None) == inside
        assert row["appeal_ideas"] == (120 if inside else None)
    row = rows[-1]
    assert row["appeal_raw_low"] < row["appeal_raw"] < row["appeal_raw_high"]
    assert 0 < row["appeal_raw"] < row["appeal_disattenuated"]
    assert row["appeal_noise_ceiling"] < 1


def test_kpi_appeal_shows_every_creative_the_best_first(here: Here, workspace: Path) -> None:
    done = here("kpi", "appeal", "-c", "before", "-f", "json", cwd=workspace)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 60
    assert {row["source"] for row in rows} == {"observational"}
    shrunk = [row["shrunk"] for row in rows]
    assert shrunk == sorted(shrunk, reverse=True)
    table = here("kpi", "appeal", "--as-of", START, cwd=workspace)
    assert "Appeal by CTR, as of 2025-03-03" in table.stdout
    assert "clicks over those expected" in table.stderr
    refused = here("kpi", "appeal", "-m", "margin", cwd=workspace)
    assert (refused.returncode, "no logarithm" in refused.stderr) == (2, True)


def test_drift_check_prints_the_agreed_json_and_exits_with_3_when_something_needs_doing(
    here: Here, workspace: Path
) -> None:
    done = here(
        "drift", "check", "--reference", "campaign:before", "--current", "campaign:after",
        "--as-of", "2025-04-01", "--exit-code", "-f", "json", cwd=workspace,
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert report["decision"] in ("watch", "retrain")
    assert report["cause"] == "input_shift"
    assert done.returncode == 3
    assert report["reasons"]
    keys = {"layer", "test", "segment", "statistic", "p_value", "n_reference", "n_current", "threshold", "verdict"}
    assert all(keys <= set(one) for one in report["results"])
    assert {one["layer"] for one in report["results"]} == {"data", "input", "score", "relation", "kpi"}


def test_drift_check_without_exit_code_ends_with_0_and_the_decision_is_listed(here: Here, workspace: Path) -> None:
    done = here("drift", "check", "--as-of", "2025-04-01", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert "Decision: " in done.stdout

    listed = json.loads(here("drift", "list", "-f", "json", cwd=workspace).stdout)
    assert listed[0]["windows"] == "creatives against creatives"


def test_an_empty_workspace_gives_answers_that_say_what_is_missing(here: Here, tmp_path: Path) -> None:
    assert here("init", cwd=tmp_path).returncode == 0
    correlated = here("correlate", "-f", "json", cwd=tmp_path)
    drifted = here("drift", "check", "--exit-code", "-f", "json", cwd=tmp_path)

    assert correlated.returncode == 0
    assert {one["estimate"] for one in json.loads(correlated.stdout)} == {None}
    assert "nothing has been scored yet" in correlated.stderr
    assert drifted.returncode == 0
    assert json.loads(drifted.stdout)["decision"] == "insufficient_data"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("correlate", "--campaign", "none"), "there is no campaign 'none'"),
        (("correlate", "--segment", "weather=rain"), "'weather=rain' is not a segment"),
        (("correlate", "--model", "none"), "no model version in this store for 'none'"),
        (("drift", "check", "--current", "week"), "'week' is not a current window"),
        (("drift", "check", "--as-of", "yesterday"), "yesterday"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    here: Here, workspace: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = here(*arguments, cwd=workspace)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
