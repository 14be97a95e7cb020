"""`--format json|csv`: nothing but the result is on stdout, as one JSON value or one CSV table; notes are on stderr."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import text

from abkit.store.database.engine import Store
from tests.commands.conftest import Here, Said
from tests.images import make_image, save_images
from tests.kpi_files import add_creatives

EXPORT = "day,ad,ad_name,impressions,clicks,spend,currency\n" + "".join(
    f"2026-01-0{day},{ad},{name},1000,{10 + day},2.5,EUR\n"
    for day in (1, 2, 3)
    for ad, name in (("a1", "creative_0000"), ("a2", "creative_0001.jpg"), ("a3", "nobody"))
)
LATER = "day,ad,ad_name,impressions,clicks\n2026-01-04,a1,creative_0000,500,6\n"
ROWS = "user,value\n" + "".join(f"u{user},{user % 5}\n" for user in range(60))
PLAN = ("experiment", "create", "t", "--variant", "old=a1", "--variant", "new=a2", "--unit", "impression",
        "--allocation", "random", "--monitoring", "fixed", "--planned-total", "6000", "--from", "2026-01-01",
        "--to", "2026-01-03")  # fmt: skip

# In an order in which one can follow the other: the workspace is one for all of them.
COMMANDS = [
    "score ads --campaign spring",
    "kpi import export.csv --platform web",
    "kpi import later.csv --platform web --map ad_name=ad_name",
    "kpi list",
    "kpi show 1",
    "kpi mappings",
    "kpi rejects",
    "kpi link",
    "kpi link --all",
    "kpi link --ad a3 --creative creative_0002.png",
    "kpi link --ad a3 --remove",
    "kpi link --table links.csv",
    "kpi link --undo table",
    "kpi link --pattern {brand}_{n}",
    "kpi link --accept 0.9",
    "idea list --campaign spring",
    "idea join creative_0000.png creative_0001.png --campaign spring",
    "idea confirm 1 --campaign spring",
    "idea split creative_0000.png creative_0001.png --campaign spring",
    "creative list",
    "creative show creative_0000.png",
    "creative tag creative_0000.png --tag sale",
    "creative tags",
    "creative untag creative_0000.png --tag sale",
    "campaign list",
    "campaign rename spring summer",
    "campaign merge summer autumn",
    "campaign list",
    "preflight ads --placement meta-feed",
    "preflight --list",
    "experiment list",
    "experiment list t",
    "experiment analyze t",
    "experiment design --campaign autumn",
    "experiment simulate --rows rows.csv --unit user --metric value --runs 20 --lift 0.1",
    "experiment decide t undecided --by me",
    "experiment rename t u",
    "experiment archive u",
    "experiment list --all",
    "experiment archive u --restore",
    "experiment delete u --yes",
    "kpi undo 2",
    "kpi list",
]


NO_MODEL = ["idea list --campaign spring", "creative list", "campaign list", "kpi list", "kpi mappings", "kpi link"]


def filled(folder: Path) -> None:
    save_images(folder / "ads", 2)
    make_image(9, (64, 96)).save(folder / "ads" / "creative_0002.png")
    (folder / "export.csv").write_text(EXPORT)
    (folder / "later.csv").write_text(LATER)
    (folder / "rows.csv").write_text(ROWS)
    (folder / "links.csv").write_text("ad,creative\na3,creative_0002.png\n")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_result_is_alone_on_stdout_and_notes_are_on_stderr(here: Here, quick_workspace: Path, form: str) -> None:
    filled(quick_workspace)
    for command in COMMANDS:
        if command == "campaign merge summer autumn":
            store_campaign(here, quick_workspace)
        if command == "experiment list":
            assert here(*PLAN, cwd=quick_workspace).returncode == 0
        said = here(*command.split(), "-f", form, cwd=quick_workspace)
        assert said.returncode in (0, 3), (command, said)  # 3: preflight found a failure
        check(command, form, said)


def store_campaign(here: Here, folder: Path) -> None:
    save_images(folder / "more", 1, first=20)
    assert here("score", "more", "--campaign", "autumn", cwd=folder).returncode == 0


@pytest.mark.parametrize("form", ["json", "csv"])
def test_without_a_model_there_is_a_result_too(here: Here, tmp_path: Path, form: str) -> None:
    assert here("init", ".", cwd=tmp_path).returncode == 0
    store = Store(f"sqlite:///{tmp_path / 'abkit.db'}")
    add_creatives(store, "ads/a.png", campaign="spring")
    with store.read() as session:
        assert session.execute(text("SELECT count(*) FROM model_version")).scalar_one() == 0
    store.close()
    for command in NO_MODEL:
        said = here(*command.split(), "-f", form, cwd=tmp_path)
        assert said.returncode == 0, (command, said)
        check(command, form, said)


def check(command: str, form: str, said: Said) -> None:
    """Read stdout strictly: whatever else is printed there makes it something else than one JSON value or table."""
    assert "Traceback" not in said.stderr, command
    if form == "json":
        found = json.loads(said.stdout, parse_constant=lambda word: pytest.fail(f"{command}: {word} is no JSON"))
        assert isinstance(found, dict | list), command
        return
    header, *rows = csv.reader(StringIO(said.stdout, newline=""), strict=True)
    assert len(set(header)) == len(header), command
    assert all(name == name.strip() and name for name in header), (command, header)
    assert all(len(row) == len(header) for row in rows), command
    assert not any("│" in cell or "─" in cell for row in [header, *rows] for cell in row), command
