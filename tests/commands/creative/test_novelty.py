"""Images far from the training, as a person and a pipeline meet them in `abkit score` and `abkit shortlist`."""

import csv
import io
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here
from tests.images import broken_files, save_images
from tests.workflows.conftest import make_checkpoint, make_checkpoint_between


def workspace(folder: Path, checkpoint: Path) -> Path:
    """A workspace whose active model is this checkpoint."""
    make_workspace(folder)
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    promote(store, register_checkpoint(store, checkpoint).digest, why="for the tests")
    store.close()
    return folder


@pytest.fixture(scope="module")
def _one_far(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("novelty")
    images = save_images(folder / "workspace" / "ads", 3)
    checkpoint, far = make_checkpoint_between(folder, images)
    return workspace(folder / "workspace", checkpoint), far.name


@pytest.fixture
def one_far(_one_far: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A workspace with three images under `ads`, and the name of the one that is far from the training."""
    return shutil.copytree(_one_far[0], tmp_path / "workspace"), _one_far[1]


def test_the_note_below_the_scores_names_the_far_image_and_the_table_is_as_ever(
    one_far: tuple[Path, str], here: Here
) -> None:
    folder, far = one_far
    broken_files(folder / "ads")  # no images, and not counted
    said = here("score", "ads", cwd=folder)
    assert (
        "1 of 3 creatives is unlike anything the queries were trained on: "
        f"a score without an interval, to be doubted: {far}\n"
    ) in said.stderr
    assert "novelty" not in said.stdout
    assert [line.split()[0] for line in said.stdout.splitlines() if "none: unlike the training" in line] == [far]


def test_the_rows_of_the_scores_have_the_novelty(one_far: tuple[Path, str], here: Here) -> None:
    folder, far = one_far
    rows = json.loads(here("score", "ads", "-f", "json", cwd=folder).stdout)
    assert [Path(row["path"]).name for row in rows if row["novelty"] > 1] == [far]
    assert [Path(row["path"]).name for row in rows if row["ci_low"] is None or row["ci_high"] is None] == [far]
    assert [row["no_interval"] for row in rows if row["novelty"] > 1] == ["unlike anything the queries were trained on"]
    assert {row["no_interval"] for row in rows if row["novelty"] <= 1} == {""}
    table = list(csv.DictReader(io.StringIO(here("score", "ads", "-f", "csv", cwd=folder).stdout)))
    assert [float(row["novelty"]) for row in table] == [row["novelty"] for row in rows]


def test_a_shortlist_says_it_in_the_reason_and_below(one_far: tuple[Path, str], here: Here) -> None:
    folder, far = one_far
    here("score", "ads", "-c", "spring", cwd=folder)
    said = here("shortlist", "-c", "spring", "-v", cwd=folder)
    assert said.stdout.count("; unlike anything the queries were trained on") == 1
    assert "Not clear: 1 candidate is unlike anything the queries were trained on" in said.stdout
    assert (
        "1 of 3 creatives is unlike anything the queries were trained on: a score without an interval, to be doubted; "
        f"the probabilities promise nothing: {far}\n"
    ) in said.stderr
    rows = json.loads(here("shortlist", "-c", "spring", "-f", "json", cwd=folder).stdout)["creatives"]
    assert [row["creative"] for row in rows if row["novelty"] > 1] == [far]
    assert [row["creative"] for row in rows if "unlike anything" in row["reason"]] == [far]


def test_the_gate_does_not_pass_a_campaign_with_an_image_unlike_the_training(
    one_far: tuple[Path, str], here: Here
) -> None:
    folder, _ = one_far
    here("score", "ads", "-c", "spring", cwd=folder)
    said = here("shortlist", "-c", "spring", "--keep", "1", "--p-best", "0.01", "--gate", cwd=folder)
    assert said.returncode == 3
    assert "Not clear: 1 candidate is unlike anything the queries were trained on" in said.stdout
    with closing(sqlite3.connect(folder / "abkit.db")) as connection:
        connection.execute("UPDATE score SET novelty = 0.5")
        connection.commit()
    assert here("shortlist", "-c", "spring", "--keep", "1", "--p-best", "0.01", "--gate", cwd=folder).returncode == 0


def test_scores_of_an_earlier_release_are_shown_without_it(one_far: tuple[Path, str], here: Here) -> None:
    folder, _ = one_far
    here("score", "ads", "-c", "spring", cwd=folder)
    with closing(sqlite3.connect(folder / "abkit.db")) as connection:
        connection.execute("UPDATE score SET novelty = NULL")
        connection.commit()
    for command in (["score", "ads", "-c", "spring"], ["shortlist", "-c", "spring"]):
        said = here(*command, cwd=folder)
        assert said.returncode == 0, said.stderr
        assert "unlike anything" not in said.stdout + said.stderr
        assert '"novelty": null' in here(*command, "-f", "json", cwd=folder).stdout


def test_a_note_about_many_images_names_five(tmp_path: Path, here: Here) -> None:
    folder = workspace(tmp_path / "workspace", make_checkpoint(tmp_path / "checkpoint", seed=0, novelty_limit=1e-6))
    save_images(folder / "ads", 7)
    said = here("score", "ads", cwd=folder)
    (line,) = [line for line in said.stderr.splitlines() if "unlike anything" in line]
    assert "7 of 7 creatives are unlike" in line
    assert line.count("creative_") == 5
    assert line.endswith(" and 2 more")
