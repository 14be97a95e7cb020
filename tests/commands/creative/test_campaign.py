"""`abkit campaign` and `abkit creative`: what they print, and their exit codes."""

import json
from pathlib import Path

from abkit.store.database.engine import Store
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here
from tests.kpi_files import add_creatives


def test_campaigns_and_creatives_on_the_command_line(here: Here, tmp_path: Path) -> None:
    make_workspace(tmp_path / "w")
    folder = tmp_path / "w"
    assert "no campaign yet" in here("campaign", "list", cwd=folder).stderr
    assert "no creative yet" in here("creative", "list", cwd=folder).stderr
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    add_creatives(store, "ads/a.png", campaign="spring")
    add_creatives(store, "ads/b.png", campaign="sale")
    store.close()

    assert [row["campaign"] for row in json.loads(here("campaign", "list", "-f", "json", cwd=folder).stdout)] == [
        "sale",
        "spring",
    ]
    renamed = here("campaign", "rename", "spring", "easter", cwd=folder)
    assert "campaign 'spring' is renamed as 'easter'" in renamed.stdout
    assert "makes a campaign of that name again" in renamed.stderr
    assert "is merged into 'easter': 1 creatives" in here("campaign", "merge", "sale", "easter", cwd=folder).stdout
    assert json.loads(here("campaign", "delete", "easter", "-f", "json", cwd=folder).stdout)["creatives"] == 2
    assert here("campaign", "delete", "easter", cwd=folder).returncode == 2

    listed = json.loads(here("creative", "list", "-f", "json", cwd=folder).stdout)
    assert [row["creative"] for row in listed] == ["b.png", "a.png"]
    assert "a.png" in here("creative", "list", cwd=folder).stdout
    assert "ads/a.png" in here("creative", "show", "a.png", cwd=folder).stdout
    assert here("creative", "list", "-f", "csv", cwd=folder).stdout.startswith("creative,")
    assert here("creative", "show", "z.png", cwd=folder).returncode == 2
