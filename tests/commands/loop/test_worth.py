"""`abkit worth` and `abkit report --poc` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from tests.commands.conftest import Here
from tests.monitoring_rows import seeded
from tests.workflows.learning.worth.test_worth import LAST, fill


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from abkit.workflows.upkeep.workspace import make_workspace

    folder = tmp_path_factory.mktemp("worth") / "workspace"
    make_workspace(folder)
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    fill(seeded(store), 6, informed=True)
    store.close()
    return folder


def test_it_prints_tables_json_and_csv(here: Here, workspace: Path) -> None:
    shared = ("worth", "--as-of", LAST.isoformat(), "--k", "2", "--cost-per-variant", "120,5", "--hours-per-variant", 3)
    table = here(*shared, cwd=workspace)
    assert table.returncode == 0, table.stderr
    for part in ("winner among the best 2", "Listening to the score is shown to pay.", "EUR", "hours a month"):
        assert part in table.stdout
    assert "observational" in table.stdout
    plain = json.loads(here(*shared, "-f", "json", cwd=workspace).stdout)
    assert (plain["verdict"], plain["k"], plain["campaigns"]) == ("shown", 2, 6)
    assert plain["savings"]["money"] == pytest.approx(plain["savings"]["dropped"] * 120.5)
    lines = here(*shared, "-f", "csv", cwd=workspace).stdout.splitlines()
    assert lines[0].startswith("figure,k,estimate,ci_low,ci_high,chance,ceiling,unit,campaigns")
    assert any(line.startswith("winner_recall,2,1.0") for line in lines)


def test_one_campaign_can_be_asked_for_and_others_are_named(here: Here, workspace: Path) -> None:
    one = here("worth", "--as-of", LAST.isoformat(), "--campaign", "c1", "-f", "json", cwd=workspace)
    assert json.loads(one.stdout)["only"] == ["c1"]
    none = here("worth", "--campaign", "autumn", cwd=workspace)
    assert none.returncode == 2
    assert "no campaign 'autumn'" in none.stderr


def test_the_page_of_the_proof_of_concept_answers_the_question_that_was_agreed(here: Here, workspace: Path) -> None:
    config = workspace / "abkit.toml"
    before = config.read_text()
    config.write_text(
        before + '\n[poc]\nquestion = "Do <b>two</b> of eight suffice?"\nagreed_on = 2025-02-01\nkeep = 2\n'
        "smallest_lift = 0.05\n"
    )
    try:
        done = here("report", "--poc", "--as-of", LAST.isoformat(), cwd=workspace)
    finally:
        config.write_text(before)
    assert (done.returncode, done.stdout.strip()) == (0, str(workspace / "poc.html"))
    page = (workspace / "poc.html").read_text()
    for part in (
        "Do &lt;b&gt;two&lt;/b&gt; of eight suffice?",
        "Agreed on 2025-02-01: CTR decides, and a lift above 5.0 % means yes.",
        "Yes: CTR +",
        "a month</b> (95 % interval in brackets)",
        "What would change the answer",
        "A test with random allocation",
    ):
        assert part in page, part
    assert "<script" not in page
    assert page.count("<svg") == 4  # two charts, each wide and narrow


def test_a_question_can_be_asked_on_the_way_and_needs_the_page_for_it(here: Here, workspace: Path) -> None:
    out = workspace / "asked.html"
    asked = ("report", "--as-of", LAST.isoformat(), "--out", out, "--question", "Is it worth it?")
    assert here(*asked, cwd=workspace).returncode == 2
    assert here(*asked, "--poc", "--campaign", "c1", cwd=workspace).returncode == 0
    page = out.read_text()
    assert "Is it worth it?" in page
    assert "Other campaigns: 1 campaign tells about itself only." in page
    assert "Asked with this page, and not written down at the start: CTR decides" in page


def test_the_report_shows_only_the_campaigns_that_are_asked_for(here: Here, workspace: Path) -> None:
    out = workspace / "two.html"
    done = here("report", "--as-of", LAST.isoformat(), "-c", "c1", "-c", "c2", "--out", out, cwd=workspace)
    assert done.returncode == 0, done.stderr
    page = out.read_text()
    assert "All 16 creatives: c1 (n = 8), c2 (n = 8)" in page
    assert 'data-campaign="c3"' not in page
    assert ">c3" not in page
    assert "#1 of 8" in page
    assert "what listening is worth is of c1, c2." in page
