import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.database.engine import Store
from abkit.workflows.models.most_active import TILE, Tile, contact_sheet, most_active, rows_of
from abkit.workflows.scoring.score import score_paths
from abkit_model.scorer import Scorer
from tests.images import save_images


@pytest.fixture(scope="module")
def scorer(quick_checkpoint: Path) -> Scorer:
    return Scorer.load(quick_checkpoint)


def test_each_query_has_a_sheet_with_the_images_that_it_raises_most(scorer: Scorer, tmp_path: Path) -> None:
    images = save_images(tmp_path / "in", 10)
    sheets = most_active(scorer, [tmp_path / "in"], tmp_path / "out", top=2)
    assert len(sheets.files) == 4  # two members of two queries
    assert all(Image.open(file).size[0] > 600 for file in sheets.files)
    listed = json.loads(sheets.listing.read_text())
    activations = {path: scorer.score(path).query_activations for path in images}
    for place, query in enumerate(listed["queries"]):
        highest = max(images, key=lambda path: activations[path][place])
        assert query["most_active"][0]["name"] == str(highest)
        assert query["most_active"][0]["activation"] == pytest.approx(activations[highest][place], abs=1e-2)


def test_without_paths_the_images_that_were_scored_before_are_ranked(
    scoring_store: Store, quick_checkpoint: Path, scorer: Scorer, tmp_path: Path
) -> None:
    save_images(tmp_path / "in", 9)
    score_paths(scoring_store, Settings(workspace=tmp_path), [tmp_path / "in"], campaign="spring")
    from_store = most_active(scorer, [], tmp_path / "a", store=scoring_store, top=2)
    from_files = most_active(scorer, [tmp_path / "in"], tmp_path / "b", top=2)
    assert from_store.report.n == 9
    for one, other in zip(rows_of(from_store), rows_of(from_files), strict=True):
        assert one["most_active"] == other["most_active"]
        assert one["share"] == pytest.approx(other["share"], rel=0.05)


def test_a_file_that_is_no_image_is_named_and_the_others_are_ranked(scorer: Scorer, tmp_path: Path) -> None:
    save_images(tmp_path / "in", 8)
    (tmp_path / "in" / "text.jpg").write_text("no image")
    sheets = most_active(scorer, [tmp_path / "in"], tmp_path / "out")
    assert sheets.report.n == 8
    ((path, reason),) = sheets.rejected
    assert path.name == "text.jpg"
    assert "not an image" in reason


def test_a_few_images_are_too_few(scorer: Scorer, tmp_path: Path) -> None:
    save_images(tmp_path / "in", 7)
    with pytest.raises(UsageError, match=r"7 images .* at least 8"):
        most_active(scorer, [tmp_path / "in"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_one_sentence(scorer: Scorer, tmp_path: Path) -> None:
    save_images(tmp_path / "in", 8)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(AbkitError, match="cannot be written"):
        most_active(scorer, [tmp_path / "in"], tmp_path / "out")


def test_figures_of_a_query_have_intervals_and_their_n(scorer: Scorer, tmp_path: Path) -> None:
    save_images(tmp_path / "in", 12)
    for row in rows_of(most_active(scorer, [tmp_path / "in"], tmp_path / "out")):
        assert row["share_low"] <= row["share"] <= row["share_high"]
        assert row["n"] == 12
        assert np.isfinite(row["alike"])


def test_every_image_is_on_the_sheet_and_keeps_its_shape() -> None:
    wide, tall = Image.new("RGB", (400, 50), (200, 0, 0)), Image.new("RGB", (50, 400), (0, 0, 200))
    sheet = np.asarray(contact_sheet(["Sheet"], [("most", [Tile(wide, "w", "1"), Tile(tall, "t", "0")])])).astype(int)
    red = (sheet[..., 0] > 150) & (sheet[..., 1] < 60)
    blue = (sheet[..., 2] > 150) & (sheet[..., 1] < 60)
    assert np.ptp(np.flatnonzero(red.any(axis=0))) + 1 == TILE[0]
    assert np.ptp(np.flatnonzero(blue.any(axis=1))) + 1 == TILE[1]
    assert red.sum() < TILE[0] * TILE[1] / 4


def test_an_image_that_is_gone_leaves_a_place_that_says_so() -> None:
    gone = contact_sheet(["Sheet"], [("most", [Tile(None, "gone.png", "1.0")])])
    assert (np.asarray(gone) == (230, 232, 238)).all(axis=-1).any()


def test_more_images_take_more_rows() -> None:
    tiles = [Tile(None, f"{number}.png", "1") for number in range(13)]
    assert contact_sheet(["a"], [("b", tiles)]).height > contact_sheet(["a"], [("b", tiles[:12])]).height


def test_odd_names_are_drawn_and_not_a_reason_to_fail() -> None:
    names = ["", "x" * 5000, "日本語.png", "a\x00b\n\t.png", "\u202eevil.png", "😀"]
    sheet = contact_sheet(names, [(name, [Tile(None, name, name)]) for name in names])
    assert sheet.width < 2000
