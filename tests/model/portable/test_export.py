"""A scorer exported as ONNX: it says what the original says, alone, and is refused where it does not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from abkit_model.checkpoint import Checkpoint
from abkit_model.errors import CheckpointError, ImageRejected, ModelError, RequestError
from abkit_model.portable import export
from abkit_model.portable.records import Exported
from abkit_model.portable.scorer import PortableScorer
from abkit_model.scorer import Scorer
from tests.model.conftest import photograph

SHAPES = [(160, 120), (120, 160), (300, 60), (64, 64), (160, 121)]


@pytest.fixture(scope="module")
def exported(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export.export_scorer(scorer, tmp_path_factory.mktemp("export") / "portable")


def test_the_copy_says_what_the_original_says_of_images_of_any_shape_in_any_batch(
    scorer: Scorer, exported: Exported
) -> None:
    images = [photograph(seed, *SHAPES[seed % len(SHAPES)]) for seed in range(12)]
    copy = PortableScorer(exported.folder)
    theirs = copy.score(images)
    for mine, one, image in zip(scorer.in_float32().score(images), theirs, images, strict=True):
        assert one.mean == pytest.approx(mine.mean, abs=1e-4)
        assert one.std == pytest.approx(mine.std, abs=1e-4)
        assert one.distribution == pytest.approx(mine.distribution, abs=1e-4)
        assert copy.score([image])[0].mean == pytest.approx(one.mean, abs=1e-5)
    assert np.ptp([one.mean for one in theirs]) > 0.01, "the images differ"


def test_what_it_was_compared_on_is_said(exported: Exported) -> None:
    assert exported.srcc > 0.9999
    assert exported.largest < 1e-3
    assert exported.generated
    assert exported.n == 32
    assert exported.megabytes == pytest.approx((exported.folder / "scorer.onnx").stat().st_size / 1e6)


def test_it_scores_where_there_is_no_torch(exported: Exported, tmp_path: Path) -> None:
    photograph(3).save(tmp_path / "ad.png")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from abkit_model.portable.scorer import PortableScorer\n"
        f"[score] = PortableScorer(Path({str(exported.folder)!r})).score([{str(tmp_path / 'ad.png')!r}])\n"
        "print(1 <= score.mean <= 7, score.ci_low < score.mean < score.ci_high)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True True", "")


@pytest.mark.parametrize("number", [3, 10, 11, 19, 20, 25])
def test_images_to_compare_on_are_spread_over_the_whole_folder(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(export, "_MOST", 10)
    seen = list[int]()

    def reject(path: Path) -> None:
        seen.append(int(path.stem))
        raise ImageRejected("not an image")

    monkeypatch.setattr(export, "open_creative", reject)
    paths = [tmp_path / f"{one}.png" for one in range(number)]
    with pytest.raises(RequestError, match="0 can be read"):
        export.export_scorer(scorer, tmp_path / "copy", images=paths, int8=True)
    assert len(set(seen)) == len(seen) == min(number, 10)
    assert np.diff(seen).max() <= -(-number // 10)
    assert seen[-1] >= number - -(-number // 10)


def test_a_copy_that_ranks_images_unlike_the_original_is_not_kept(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = export.write_graph

    def of_another_scorer(_scorer: Scorer, folder: Path) -> Path:
        arrays = {**scorer_arrays, "members.0.contribution": -scorer_arrays["members.0.contribution"] * 50}
        return real(Scorer(Checkpoint(scorer.card, arrays), scorer.encoder), folder)

    scorer_arrays = {name: value.numpy() for name, value in scorer.network.state_dict().items()}
    monkeypatch.setattr(export, "write_graph", of_another_scorer)
    with pytest.raises(ModelError, match="ranks 32 images unlike the original"):
        export.export_scorer(scorer, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_was_altered_is_refused(exported: Exported, tmp_path: Path) -> None:
    for file in exported.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    graph = tmp_path / "scorer.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(CheckpointError, match="their digests differ"):
        PortableScorer(tmp_path)
    (tmp_path / "scorer.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="damaged"):
        PortableScorer(tmp_path)


def test_integers_without_images_to_measure_ranges_on_are_refused(scorer: Scorer, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="8-bit integers need 60 images") as caught:
        export.export_scorer(scorer, tmp_path / "copy", int8=True)
    assert "--images" in caught.value.hint
    assert not (tmp_path / "copy").exists()


@pytest.mark.realdata
@pytest.mark.long
def test_a_copy_in_integers_ranks_photographs_as_the_original_does(testdata: Path, tmp_path: Path) -> None:
    images = sorted((testdata / "oasis_beauty" / "images").iterdir())[::5]
    found = export.export_scorer(Scorer.load(), tmp_path / "copy", images=images, int8=True)
    assert found.srcc >= 0.995
    assert found.megabytes < 12
