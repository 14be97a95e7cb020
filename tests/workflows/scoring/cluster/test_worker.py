"""One worker: every place answered in its order, with the scores of one machine, bit for bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from abkit.config import ScoringSettings, Settings
from abkit.store.database.engine import Store
from abkit.workflows.active_model import read_checkpoint
from abkit.workflows.scoring.cluster.worker import Job, Worker, digests, is_among
from abkit.workflows.scoring.score import score_paths
from tests.images import broken_files, save_images


def batch_of(paths: list[Path]) -> dict[str, Any]:
    places = np.array([str(path).encode() for path in paths], dtype=object)
    return {
        "number": np.arange(len(paths)),
        "place": places,
        "elsewhere": np.zeros(len(paths), dtype=bool),
    }


@pytest.fixture
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_worker_scores_like_one_machine_bit_for_bit(
    quick_store: Store, quick_checkpoint: Path, tmp_path: Path, one_thread: None
) -> None:
    paths = save_images(tmp_path / "ads", 6)
    local = score_paths(quick_store, Settings(workspace=tmp_path), paths, campaign="spring")

    worker = Worker(
        Job(settings=ScoringSettings(), checkpoint=read_checkpoint(quick_checkpoint), known=digests([]), threads=1)
    )
    answer = worker(batch_of(paths))

    mine = {sha256: json.loads(score) for sha256, score in zip(answer["sha256"], answer["score"], strict=True)}
    assert answer["state"] == ["scored"] * 6
    for file in local.files:
        assert file.sha256 is not None
        assert mine[file.sha256]["mean"] == file.mean
        assert tuple(mine[file.sha256]["distribution"]) == file.distribution


def test_known_contents_are_not_decoded_copies_share_their_fate_and_broken_files_are_rejected(
    quick_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = save_images(tmp_path / "ads", 3)
    copy = tmp_path / "copy.png"
    copy.write_bytes(second.read_bytes())
    broken = broken_files(tmp_path / "broken")
    from abkit.intake.media.images import hash_file

    known = digests([hash_file(first, max_bytes=10**9)])
    worker = Worker(
        Job(settings=ScoringSettings(), checkpoint=read_checkpoint(quick_checkpoint), known=known, threads=1)
    )
    bad = [tmp_path / "broken" / name for name in sorted(broken)]
    answer = worker(batch_of([first, second, copy, third, *bad]))

    assert answer["state"] == ["known", "scored", "scored", "scored", *["rejected"] * len(bad)]
    assert answer["score"][0] == ""
    assert answer["sha256"][1] == answer["sha256"][2]
    for name, reason in zip(sorted(broken), answer["reason"][4:], strict=True):
        assert broken[name] in reason


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_a_digest_is_among_those_that_were_given_and_no_other(n: int) -> None:
    random = np.random.default_rng(n)
    given = [random.bytes(32).hex() for _ in range(n)] + ["ab" * 31 + "00", "00" * 32]
    known = digests(given)
    assert all(is_among(known, one) for one in given)
    assert not any(is_among(known, random.bytes(32).hex()) for _ in range(50))
    assert not is_among(known, "ab" * 31 + "01")
