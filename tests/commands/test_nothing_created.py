"""A mistyped path or an empty name creates nothing: no campaign, no workspace, no store, no run."""

from pathlib import Path

import pytest
from sqlalchemy import select

import abkit as ab
from abkit.errors import AbkitError
from abkit.store.database.engine import Store
from abkit.store.schema import Campaign, Experiment, RatingSource, Run
from tests.commands.conftest import Here
from tests.images import make_image

_VARIANTS = ("--variant", "a=a.png", "--variant", "b=b.png")
MISTYPED = {
    "score a path": ("score", "nothere", "--campaign", "c"),
    "score a pattern": ("score", "nothere/*.png", "--campaign", "c"),
    "import KPIs": ("kpi", "import", "missing.csv", "also-missing.csv"),
    "try an import": ("kpi", "import", "missing.csv", "--dry-run"),
    "import ratings": ("ratings", "import", "missing.csv", "--images", "."),
    "train for a blank segment": ("model", "train", "votes.csv", "--images", ".", "--out", "new", "--segment", "  "),
    "train for a segment that moves the cursor": (
        *("model", "train", "votes.csv", "--images", ".", "--out", "new", "--segment", "a\x1b[2J"),
    ),
    "import ratings of images": ("ratings", "import", "votes.csv", "--images", "nothere"),
}
EMPTY = {
    f"{command} {name!r}": (*arguments[:at], name, *arguments[at:])
    for command, arguments, at in (
        ("score for campaign", ("score", "a.png", "--campaign"), 3),
        ("create experiment", ("experiment", "create", *_VARIANTS), 2),
        ("rate for study", ("ratings", "import", "votes.csv", "--images", ".", "--source"), 6),
    )
    for name in ("", "  ", "\t\n", "a\x1b[2Jb", "x" * 300)
}


def rows(folder: Path) -> list[tuple[str, int]]:
    """What the store has, by table."""
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    with store.read() as session:
        tables = (Campaign, Experiment, RatingSource, Run)
        found = [(table.__tablename__, len(session.scalars(select(table.id)).all())) for table in tables]
    store.close()
    return found


@pytest.fixture
def workspace(quick_workspace: Path) -> Path:
    make_image(0).save(quick_workspace / "a.png")
    (quick_workspace / "votes.csv").write_text("image,rater,score\na.png,ann,5\na.png,bob,6\n")
    return quick_workspace


@pytest.mark.parametrize("command", [*MISTYPED.values(), *EMPTY.values()], ids=[*MISTYPED, *EMPTY])
def test_a_mistyped_path_or_an_empty_name_changes_nothing(
    workspace: Path, here: Here, command: tuple[str, ...]
) -> None:
    before, files = rows(workspace), sorted(workspace.rglob("*"))
    said = here(*command, cwd=workspace)

    assert said.returncode in (1, 2), said
    assert "Error: " in said.stderr
    assert "\x1b" not in said.stderr
    assert rows(workspace) == before
    assert sorted(path for path in workspace.rglob("*") if path.suffix not in (".db-wal", ".db-shm")) == files


@pytest.mark.parametrize(
    "command",
    [
        ("init", ""),
        ("init", "  "),
        ("score", "a.png"),
        ("kpi", "import", "k.csv"),
        ("drift", "check"),
        ("--database-url", "sqlite:///mistyped.db", "kpi", "import", "k.csv"),
        ("--database-url", "sqlite:///mistyped.db", "drift", "check"),
        ("--database-url", "sqlite:///mistyped.db", "score", "a.png"),
        ("--config", "nothere/abkit.toml", "correlate"),
    ],
    ids=" ".join,
)
def test_where_there_is_no_workspace_none_is_made(tmp_path: Path, here: Here, command: tuple[str, ...]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "k.csv").write_text("day,ad,impressions,clicks\n2026-01-01,1,10,1\n")
    make_image(0).save(folder / "a.png")
    files = sorted(folder.rglob("*"))

    said = here(*command, cwd=folder)
    assert said.returncode in (1, 2), said
    assert said.stderr.startswith("Error: ")
    assert sorted(folder.rglob("*")) == files


def test_a_name_loses_the_spaces_around_it(workspace: Path, here: Here) -> None:
    said = here("score", "a.png", "--campaign", " spring ", cwd=workspace)

    assert said.returncode == 0, said
    store = Store(f"sqlite:///{workspace / 'abkit.db'}")
    with store.read() as session:
        assert session.scalars(select(Campaign.key)).all() == ["spring"]
    store.close()


def test_the_workspace_of_python_creates_nothing_either(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.parent)
    before, folders = rows(workspace), sorted(workspace.parent.iterdir())
    with ab.Workspace.open(workspace) as shop:
        for campaign, path in (("c", "nothere"), ("", workspace / "a.png"), (" ", workspace / "a.png")):
            with pytest.raises(AbkitError):
                shop.score(path, campaign=campaign)
        assert shop.import_kpis("missing.csv")[0].error is not None
    with pytest.raises(AbkitError):
        ab.Workspace.create("")
    with pytest.raises(AbkitError):
        ab.Workspace.open("nothere")

    assert rows(workspace) == before
    assert sorted(workspace.parent.iterdir()) == folders


def test_images_that_cannot_be_read_make_no_campaign(workspace: Path, here: Here) -> None:
    folder = workspace / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no image")
    (folder / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "c.svg").write_text("<svg/>")
    before = dict(rows(workspace))
    said = here("score", "broken", "--campaign", "new", cwd=workspace)
    assert said.returncode == 1, said
    assert "a.png" in said.stderr
    assert dict(rows(workspace)) == {**before, "run": before["run"] + 1}

    # With one that can be read, there is a campaign; its candidates are those that can.
    make_image(3).save(folder / "d.png")
    assert here("score", "broken", "--campaign", "new", cwd=workspace).returncode == 0
    assert dict(rows(workspace))["campaign"] == before["campaign"] + 1
