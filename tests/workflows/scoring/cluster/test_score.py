"""A real cluster of local processes: nothing lost or doubled, whatever dies, and the scores of one machine."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import delete, func, select, update

from abkit.config import ScoringSettings, Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.database.engine import Store
from abkit.store.schema import Campaign, CampaignCreative, Creative, CreativeAlias, Score
from abkit.workflows.scoring.cluster.score import score_on_cluster
from abkit.workflows.scoring.cluster.worker import Job, Worker
from abkit.workflows.scoring.score import score_paths
from tests.images import save_images
from tests.remote_files import Server
from tests.workflows.scoring.cluster.conftest import SPRING, image_bytes


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path, scoring=ScoringSettings(batch_size=4))


def scores_of(store: Store) -> dict[str, float]:
    with store.read() as session:
        rows = session.execute(select(Creative.sha256, Score.mean).join(Score, Score.creative_id == Creative.id)).all()
    assert len({sha256 for sha256, _ in rows}) == len(rows)  # none twice
    return {sha256: mean for sha256, mean in rows}  # noqa: C416


def alone(store: Store, settings: Settings, bucket: Server, folder: Path) -> dict[str, float]:
    """The scores of one machine for the images of a bucket, by content; the store has none afterwards but these."""
    local = folder / "local"
    local.mkdir()
    for key, data in bucket.files.items():
        if key.endswith(".png"):
            (local / key.rsplit("/", 1)[-1]).write_bytes(data)
    with store.write() as session:
        session.execute(delete(Score))
    files = score_paths(store, settings, [local], campaign="other").files
    return {file.sha256: file.mean for file in files if file.mean is not None and file.sha256 is not None}


def count(store: Store, table: type) -> int:
    with store.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


# What a real cluster does, a process in place of one answers in the tests below; Ray itself takes a minute to start.
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_worker_that_dies_costs_nothing_and_scores_are_those_of_one_machine(
    quick_store: Store, settings: Settings, stocked: Server, deadly: None, tmp_path: Path
) -> None:
    stocked.files["spring/a/once.png"] = image_bytes(50, b"ONCE")
    steps: list[tuple[int, int]] = []
    result = score_on_cluster(
        quick_store,
        settings,
        [SPRING],
        campaign="spring",
        workers=2,
        progress=lambda done, listed: steps.append((done, listed)),
    )

    assert (tmp_path / "once").exists()  # a worker did die
    assert result.counts == {"scored": 26, "known": 0, "rejected": 1, "skipped": 1}
    assert {one.place: one.reason for one in result.left_out}.keys() == {
        "s3://ads/spring/b/broken.png",
        "s3://ads/spring/logo.svg",
    }
    assert steps[-1] == (28, 28)
    made = scores_of(quick_store)
    assert (len(made), count(quick_store, CampaignCreative), count(quick_store, CreativeAlias)) == (25, 25, 26)
    assert made == pytest.approx(alone(quick_store, settings, stocked, tmp_path), abs=1e-4)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_image_that_ends_every_worker_is_rejected_and_a_second_run_scores_nothing_again(
    scoring_store: Store, settings: Settings, stocked: Server, deadly: None, tmp_path: Path
) -> None:
    stocked.files["spring/a/once.png"] = image_bytes(50, b"ONCE")
    stocked.files["spring/a/poison.png"] = image_bytes(51, b"ALWAYS")
    result = score_on_cluster(scoring_store, settings, [SPRING], campaign="spring", workers=2)

    assert result.counts == {"scored": 26, "known": 0, "rejected": 2, "skipped": 1}
    left = {one.place: one.reason for one in result.left_out}
    assert "the process that read it ended each time" in left["s3://ads/spring/a/poison.png"]
    assert 1 <= result.again <= 8  # its batch, and what waited for the same worker
    made = scores_of(scoring_store)
    again = score_on_cluster(scoring_store, settings, [SPRING], campaign="spring", workers=2)
    assert again.counts == {"scored": 0, "known": 26, "rejected": 2, "skipped": 1}
    assert scores_of(scoring_store) == made


@pytest.mark.long
@pytest.mark.timeout(600)
def test_four_workers_write_parquet_files_that_a_second_run_does_not_write_again(
    scoring_store: Store, settings: Settings, stocked: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    first = score_on_cluster(scoring_store, settings, [SPRING], workers=4, to=folder)
    rows = pl.read_parquet(folder / "scores-*.parquet")

    assert first.scored == 25
    assert rows["sha256"].n_unique() == len(rows) == 24
    assert count(scoring_store, Score) == 0
    stocked.files["spring/new.png"] = image_bytes(60)
    second = score_on_cluster(scoring_store, settings, [SPRING], workers=4, to=folder)
    assert second.counts == {"scored": 1, "known": 25, "rejected": 1, "skipped": 1}
    assert len(pl.read_parquet(folder / "scores-*.parquet")) == 25


@pytest.mark.long
@pytest.mark.timeout(600)
def test_workers_without_the_scorer_end_the_command_with_a_reason(
    scoring_store: Store, settings: Settings, stocked: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AbkitError, match="no torch here"):
        score_on_cluster(scoring_store, settings, [SPRING], workers=1)
    assert count(scoring_store, Score) == 0


def test_a_cluster_that_does_not_answer_and_no_workers_are_refused_with_what_to_do(
    quick_store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="0 workers score nothing"):
        score_on_cluster(quick_store, settings, [tmp_path], workers=0)
    with pytest.raises(AbkitError, match="no cluster answers at auto"):
        score_on_cluster(quick_store, settings, [tmp_path], address="auto")
    monkeypatch.setattr("abkit.workflows.scoring.cluster.score.find_spec", lambda name: None)
    with pytest.raises(AbkitError, match="needs the package ray") as raised:
        score_on_cluster(quick_store, settings, [tmp_path])
    assert raised.value.hint == "pip install 'abkit[ray]'"


class InProcess:
    """A cluster without processes: the same worker, and what a real cluster does to answers, as a test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost: set[str] = set()  # parts of names; a batch with one is lost
        self.twice = False
        self.asked: list[int] = []
        monkeypatch.setattr("abkit.workflows.scoring.cluster.score._cluster", self.cluster)
        monkeypatch.setattr("abkit.workflows.scoring.cluster.score._answers", self.answers)

    @contextmanager
    def cluster(self, address: str | None, workers: int | None, *, gpus: bool) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(ray=None, workers=workers or 1, gpus=0.0)

    def answers(
        self, cluster: Any, job: Job, questions: Iterable[dict[str, Any]], *, size: int, workers: int
    ) -> Iterator[list[dict[str, Any]]]:
        worker = Worker(job)
        for question in questions:
            self.asked.append(len(question["number"]))
            if any(name.encode() in place for name in self.lost for place in question["place"]):
                continue
            answer = worker({name: np.array(values, dtype=object) for name, values in question.items()})
            rows = [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]
            yield rows
            if self.twice:
                yield rows


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    return InProcess(monkeypatch)


def test_answers_that_come_twice_count_once(
    scoring_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess
) -> None:
    in_process.twice = True
    save_images(tmp_path / "ads", 6)
    result = score_on_cluster(scoring_store, settings, [tmp_path / "ads"])

    assert result.counts == {"scored": 6, "known": 0, "rejected": 0, "skipped": 0}
    assert (len(scores_of(scoring_store)), count(scoring_store, CreativeAlias)) == (6, 6)


def test_a_lost_batch_is_tried_again_one_by_one_and_only_what_is_lost_again_is_rejected(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess
) -> None:
    save_images(tmp_path / "ads", 6)
    in_process.lost = {"creative_0002"}
    result = score_on_cluster(quick_store, settings, [tmp_path / "ads"])

    assert result.counts == {"scored": 5, "known": 0, "rejected": 1, "skipped": 0}
    assert [one.place.rsplit("/", 1)[-1] for one in result.left_out] == ["creative_0002.png"]
    assert (result.again, in_process.asked) == (4, [4, 2, 1, 1, 1, 1])
    still_lost = score_on_cluster(quick_store, settings, [tmp_path / "ads"])
    assert still_lost.counts == {"scored": 0, "known": 5, "rejected": 1, "skipped": 0}
    in_process.lost, in_process.asked = set(), []
    again = score_on_cluster(quick_store, settings, [tmp_path / "ads"])
    assert again.counts == {"scored": 1, "known": 5, "rejected": 0, "skipped": 0}


def test_lists_longer_than_one_shard_are_scored_part_by_part_with_copies_across_parts_known(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abkit.workflows.scoring.cluster.score._SHARD", 3)
    paths = save_images(tmp_path / "ads", 7)
    (tmp_path / "ads" / "zz_copy.png").write_bytes(paths[0].read_bytes())
    result = score_on_cluster(quick_store, settings, [tmp_path / "ads"])

    assert in_process.asked == [3, 3, 2]
    assert result.counts == {"scored": 7, "known": 1, "rejected": 0, "skipped": 0}
    assert (len(scores_of(quick_store)), count(quick_store, CreativeAlias)) == (7, 8)


def test_pixels_that_an_earlier_release_made_otherwise_are_read_anew(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess
) -> None:
    save_images(tmp_path / "ads", 5)
    score_on_cluster(quick_store, settings, [tmp_path / "ads"])
    with quick_store.write() as session:
        session.execute(update(Creative).where(Creative.id == 2).values(reading=None, width=1))
    again = score_on_cluster(quick_store, settings, [tmp_path / "ads"])

    assert again.counts == {"scored": 1, "known": 4, "rejected": 0, "skipped": 0}
    with quick_store.read() as session:
        assert session.get_one(Creative, 2).width == 96


def test_a_mistyped_path_leaves_no_campaign_behind(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images in"):
        score_on_cluster(quick_store, settings, [tmp_path / "empty"], campaign="typo")
    result = score_on_cluster(quick_store, settings, [tmp_path / "nowhere"], campaign="typo")
    assert [one.reason for one in result.left_out] == ["there is no such file"]
    with quick_store.read() as session:
        assert session.scalars(select(Campaign)).all() == []


def test_a_full_disk_stops_with_a_reason_and_the_files_before_stay(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abkit.workflows.scoring.cluster.writers._ROWS", 4)
    save_images(tmp_path / "ads", 12)
    full = OSError(28, "No space left on device")
    honest, calls = os.fsync, []

    def fsync(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise full
        honest(file)

    monkeypatch.setattr("os.fsync", fsync)
    out = tmp_path / "out"
    with pytest.raises(AbkitError, match="No space left on device") as raised:
        score_on_cluster(quick_store, settings, [tmp_path / "ads"], to=out)
    assert "run the same command again" in str(raised.value.hint)
    assert len(pl.read_parquet(out / "scores-*.parquet")) == 4
    assert not list(out.glob("*.part"))
    again = score_on_cluster(quick_store, settings, [tmp_path / "ads"], to=out)
    assert again.counts == {"scored": 8, "known": 4, "rejected": 0, "skipped": 0}
    rows = pl.read_parquet(out / "scores-*.parquet")
    assert (len(rows), rows["sha256"].n_unique()) == (12, 12)


def test_a_damaged_parquet_file_is_named_before_anything_is_scored(
    quick_store: Store, settings: Settings, tmp_path: Path, in_process: InProcess
) -> None:
    save_images(tmp_path / "ads", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores-1-00000.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(AbkitError, match=r"scores-1-00000\.parquet cannot be read"):
        score_on_cluster(quick_store, settings, [tmp_path / "ads"], to=tmp_path / "out")
    assert in_process.asked == []
