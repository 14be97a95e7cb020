"""Two processes that score one campaign at the same time: nothing is doubled, nothing is lost."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import text

from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint
from tests.conftest import ENGINES, MakeDatabase
from tests.images import save_images

#: No two rows of these tables may agree in these columns.
UNIQUE = {
    "creative": "sha256",
    "score": "creative_id, model_version_id",
    "embedding": "creative_id",
    "creative_alias": "creative_id, name",
    "campaign_creative": "campaign_id, creative_id",
    "campaign": "key",
    "model_version": "digest",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_and_overlapping_folders_scored_at_once_are_scored_once(
    engine: str, new_database: MakeDatabase, quick_workspace: Path, tmp_path: Path
) -> None:
    url = new_database(engine, migrated=True)
    store = Store(url)
    promote(store, register_checkpoint(store, quick_workspace / "checkpoint").digest, why="for the tests")
    images = save_images(tmp_path / "made", 8)
    both, some, more = (
        folder_of(quick_workspace / name, images[first:last])
        for name, first, last in (("both", 0, 4), ("some", 2, 6), ("more", 4, 8))
    )
    said = score_at_once(url, quick_workspace, [(both, some), (both, more)])

    by_file: dict[str, set[tuple[str, str]]] = {}
    for entry in [entry for printed in said for entry in csv.DictReader(StringIO(printed))]:
        assert entry["status"] in ("scored", "known")
        by_file.setdefault(entry["sha256"], set()).add((entry["creative_id"], entry["mean"]))
    assert len(by_file) == 8
    assert all(len(told) == 1 for told in by_file.values())  # both name one creative and one score
    with store.read() as session:
        for table, columns in UNIQUE.items():
            twice = f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1"
            assert session.execute(text(twice)).all() == [], table
        for table in ("creative", "score", "embedding", "campaign_creative"):
            assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 8, table
        states = session.execute(text("SELECT state FROM run WHERE what = 'score'")).scalars().all()
        names = session.execute(text("SELECT name FROM creative_alias")).scalars().all()
        campaigns = session.execute(text("SELECT key FROM campaign")).scalars().all()
    assert states == ["done", "done"]
    assert sorted(names) == sorted(str(path) for folder in (both, some, more) for path in folder.iterdir())
    assert campaigns == ["spring"]
    store.close()


def folder_of(folder: Path, images: Sequence[Path]) -> Path:
    folder.mkdir()
    for path in images:
        shutil.copy(path, folder)
    return folder


def score_at_once(url: str, workspace: Path, of_each: Sequence[Sequence[Path]]) -> list[str]:
    """Start one `abkit score` per group of folders together; return what they print. None may fail."""
    command = [sys.executable, "-m", "abkit", "--database-url", url, "score", "--campaign", "spring", "-f", "csv"]
    processes = [
        subprocess.Popen(
            [*command, *map(str, folders)],
            cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for folders in of_each
    ]  # fmt: skip
    said = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(of_each), said
    for _, complaint in said:
        assert "Traceback" not in complaint
        assert "Error" not in complaint
    return [printed for printed, _ in said]
