"""`abkit shortlist` as a pipeline and a person meet it, with real images."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.scoring.score import score_paths
from abkit.workflows.upkeep.workspace import make_workspace
from tests.commands.conftest import Here
from tests.images import make_image, save_images

ROW = {
    "rank", "creative", "names", "sha256", "score", "ci_low", "ci_high", "ci_level", "p_best", "p_beats_next",
    "p_beats_first_left_out", "tie_group", "tied_with", "novelty", "kept", "reason", "idea", "size_of",
}  # fmt: skip
WHOLE = {
    "campaign", "n", "unscored", "kept", "p_best_kept", "p_best_demanded", "tie_threshold", "clear", "why", "method",
    "by_idea", "error_spread", "error_spread_from", "error_spread_measured", "calibration", "relation", "model_version",
    "model_name", "scale", "demonstration", "notice", "note", "run_id", "creatives", "unfamiliar",
}  # fmt: skip


@pytest.fixture(scope="module")
def spring(_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with four images and a copy of one, scored by an untrained scorer in campaign `spring`."""
    folder = tmp_path_factory.mktemp("shortlist") / "workspace"
    make_workspace(folder)
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    version = register_checkpoint(store, _checkpoint)
    promote(store, version.digest, why="for the tests")
    save_images(folder / "ads", 4)
    make_image(0).save(folder / "ads" / "copy.png")
    score_paths(store, Settings(workspace=folder), [folder / "ads"], campaign="spring")
    store.close()
    return folder


def test_the_json_has_every_field_and_probabilities_that_add_up(spring: Path, here: Here) -> None:
    result = here("shortlist", "-c", "spring", "--keep", "2", "-f", "json", cwd=spring)

    assert result.returncode == 0, result.stderr
    whole = json.loads(result.stdout)
    assert whole.keys() == WHOLE
    assert all(row.keys() == ROW for row in whole["creatives"])
    assert (whole["n"], whole["kept"], whole["unscored"]) == (4, 2, 0)
    assert abs(sum(row["p_best"] for row in whole["creatives"]) - 1) < 1e-9
    assert [row["kept"] for row in whole["creatives"]] == [True, True, False, False]
    assert sorted(len(row["names"]) for row in whole["creatives"]) == [1, 1, 1, 2]
    assert whole["demonstration"]
    assert not whole["error_spread_measured"]
    assert f"run {whole['run_id']}, model version {whole['model_version'][:12]}" in result.stderr


def test_the_table_says_what_the_probabilities_are_of(spring: Path, here: Here) -> None:
    result = here("shortlist", "-c", "spring", cwd=spring)
    assert result.returncode == 0, result.stderr
    for words in (
        "(demonstration weights)",
        "P(best)",
        "creative_0000.png",
        "not of clicks",
        "never measured in this store",
        "how well these probabilities hold was not measured",
    ):
        assert words in result.stdout
    assert "Note: untrained" in result.stderr


def test_the_csv_has_one_line_per_creative_with_its_run(spring: Path, here: Here) -> None:
    result = here("shortlist", "-c", "spring", "-f", "csv", cwd=spring)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 4
    assert rows[0].keys() == ROW | {"campaign", "model_version", "run_id"}
    assert all(row["campaign"] == "spring" and int(row["run_id"]) > 0 for row in rows)


def test_the_gate_ends_with_3_when_the_scores_cannot_tell_and_with_0_when_they_can(spring: Path, here: Here) -> None:
    tied = here("shortlist", "-c", "spring", "--keep", "1", "--gate", cwd=spring)
    assert tied.returncode == 3
    assert "Not clear: " in tied.stdout
    assert "Traceback" not in tied.stderr
    assert here("shortlist", "-c", "spring", "--keep", "1", cwd=spring).returncode == 0
    lenient = here("shortlist", "-c", "spring", "--keep", "1", "--p-best", "0.1", "--gate", cwd=spring)
    assert lenient.returncode == 0, lenient.stdout
    assert "Clear: " in lenient.stdout


def test_what_is_wrong_is_one_sentence_and_a_hint(spring: Path, here: Here) -> None:
    for arguments, code, said in (
        (["-c", "autumn"], 2, "no campaign 'autumn'"),
        (["-c", "spring", "--p-best", "2"], 2, "--p-best 2 is not a probability"),
        (["-c", "spring", "--min-probability", "0.4"], 2, "cannot tell a tie"),
        (["-c", "spring", "--keep", "0"], 2, "greater than or equal to 1"),
        ([], 2, "--campaign"),
    ):
        result = here("shortlist", *arguments, cwd=spring)
        assert result.returncode == code, result.stderr
        assert said in result.stderr
        assert "Traceback" not in result.stderr
        assert not result.stdout


def test_it_needs_no_torch(spring: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from abkit.commands.app import main\n"
        "main(['shortlist', '-c', 'spring', '--keep', '1'])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=spring, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "1 of 4 kept" in result.stdout
