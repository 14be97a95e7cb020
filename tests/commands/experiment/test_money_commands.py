"""Experiments, correlations and drift checks of money, by real commands and from Python."""

import json
from pathlib import Path

import pytest

import abkit as ab
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here


@pytest.fixture
def shop(here: Here, tmp_path: Path) -> Path:
    """A workspace with two ads of four weeks: one in euros, one in dollars whose conversions cost less."""
    folder = tmp_path / "shop"
    make_workspace(folder)
    lines = ["Date,Ad ID,Currency,Impressions,Clicks,Conversions,Spend,Revenue"]
    for day in range(1, 29):
        wave = day % 7
        lines.append(f"2026-03-{day:02},A1,EUR,{5000 + 40 * wave},150,{12 + wave},{30 + wave / 2},{(12 + wave) * 40}")
        lines.append(f"2026-03-{day:02},B1,USD,{5010 + 41 * wave},152,{13 + wave},{24 + day % 3},{(13 + wave) * 45}")
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    (folder / "rates.csv").write_text("currency,rate\nUSD,0.9\n")
    assert here("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    create = ("experiment", "create", "t", "--unit", "impression", "--allocation", "random", "--metric", "cpa")
    plan = ("--guardrail", "roas=0.2", "--watch", "ctr, cpm", "--margin-rate", "0.5", "--to", "2026-03-28")
    assert here(*create, "--variant", "old=A1", "--variant", "new=B1", *plan, cwd=folder).returncode == 0
    return folder


def test_two_currencies_are_refused_with_the_way_out_and_the_way_out_works(here: Here, shop: Path) -> None:
    analyze = ("experiment", "analyze", "t", "--as-of", "2026-03-29")
    refused = here(*analyze, cwd=shop)
    assert refused.returncode == 1
    assert "EUR (spend" in refused.stderr
    assert "--rates FILE" in refused.stderr
    missing = here(*analyze, "--currency", "CHF", "--rates", "rates.csv", cwd=shop)
    assert "no rate from EUR to CHF" in missing.stderr
    done = here(*analyze, "--currency", "EUR", "--rates", "rates.csv", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "less per conversion than old" in done.stdout
    assert "Watched, does not decide" in done.stdout
    assert "converted to EUR at 0.9 (rates.csv)" in done.stderr
    found = json.loads(here(*analyze, "--currency", "EUR", "--rates", "rates.csv", "-f", "json", cwd=shop).stdout)
    assert (found["verdict"], found["currency"]) == ("better", "EUR")
    assert [one["metric"] for one in found["watched"]] == ["ctr", "cpm"]


def test_python_takes_the_table_as_an_argument_or_from_the_configuration(shop: Path) -> None:
    with ab.Workspace.open(shop) as workspace:
        with pytest.raises(ab.AbkitError, match="2 currencies"):
            workspace.experiment("t")
        assert workspace.experiment("t", rates=shop / "rates.csv", currency="EUR").currency == "EUR"
    (shop / "abkit.toml").write_text('[money]\ncurrency = "EUR"\nrates = "rates.csv"\n')
    with ab.Workspace.open(shop) as workspace:
        assert workspace.experiment("t").currency == "EUR"
        with pytest.raises(ab.AbkitError, match="without the names of their columns: unit and variant and metric"):
            workspace.experiment("t", rows=shop / "rows.csv")
        with pytest.raises(ab.AbkitError, match="no rows are given"):
            workspace.experiment("t", unit="user")
        assert workspace.check_drift(metric="cpa").metric == "cpa"
        assert workspace.correlate("margin", margin_rate=0.5).metric == "margin"


def test_python_compares_by_a_dimension(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "places"
    make_workspace(folder)
    lines = ["Date,Ad ID,Country,Impressions,Clicks"]
    for day in range(1, 15):
        lines += [f"2026-03-{day:02},A1,FR,5000,{100 + day}", f"2026-03-{day:02},A1,DE,2000,{60 + day}"]
        lines += [f"2026-03-{day:02},B1,FR,5010,{131 + day}", f"2026-03-{day:02},B1,DE,2010,{61 + day}"]
    (folder / "kpi.csv").write_text("\n".join(lines) + "\n")
    assert here("kpi", "import", "kpi.csv", cwd=folder).returncode == 0
    create = ("experiment", "create", "t", "--unit", "impression", "--allocation", "random", "--to", "2026-03-14")
    assert here(*create, "--variant", "old=A1", "--variant", "new=B1", cwd=folder).returncode == 0
    with ab.Workspace.open(folder) as workspace:
        assert workspace.experiment("t").segments == ()
        (found,) = workspace.experiment("t", by="country").segments
        assert (str(found.dimension), [one.segment for one in found.segments]) == ("country", ["FR", "DE"])
        with pytest.raises(ab.AbkitError, match="planet"):
            workspace.experiment("t", by="planet")


def test_unknown_metrics_and_rates_are_refused_by_name(here: Here, shop: Path) -> None:
    unknown = here("correlate", "--metric", "likes", cwd=shop)
    assert unknown.returncode == 2
    assert "roas" in unknown.stderr
    margin = here("drift", "check", "--metric", "margin", cwd=shop)
    assert "the margin may be zero or less" in margin.stderr
    nothing = here("correlate", "--metric", "roas", "--rates", "none.csv", "--currency", "EUR", cwd=shop)
    assert "none.csv cannot be read" in nothing.stderr
