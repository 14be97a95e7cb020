"""Scoring: every content once, every name kept, whole rows only, ranks that add up."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, func, select

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.intake.media.decoding_processes import DecodingProcesses
from abkit.intake.media.images import hash_file
from abkit.intake.media.properties import restored_properties
from abkit.store.database.engine import Store
from abkit.store.schema import (
    AdCreative,
    CampaignCreative,
    Creative,
    CreativeAlias,
    Embedding,
    ModelVersion,
    Run,
    Score,
)
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.scoring import image_files
from abkit.workflows.scoring.image_files import decode_batches
from abkit.workflows.scoring.score import score_paths
from tests.images import broken_files, make_image, save_images, unusual_files
from tests.kpi_files import rows, run_import, write
from tests.workflows.conftest import make_checkpoint_between


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path)


def count(store: Store, table: type) -> int:
    with store.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_every_image_gets_a_score_with_its_interval_and_its_run(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 5)
    result = score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring")

    assert [file.status for file in result.files] == ["scored"] * 5
    with scoring_store.read() as session:
        for score in session.scalars(select(Score)):
            assert score.run_id == result.run_id
            assert score.ci_low is not None
            assert score.ci_high is not None
            assert 1 <= score.ci_low <= score.mean <= score.ci_high <= 7
            assert sum(score.distribution) == pytest.approx(1, abs=1e-4)
        run = session.get_one(Run, result.run_id)
        outcome = {"scored": 5, "known": 0, "rejected": 0, "device": result.device}
        assert (run.state, run.outcome) == ("done", outcome)
        for embedding in session.scalars(select(Embedding)):
            assert np.isfinite(np.frombuffer(embedding.vector, dtype="<f2")).all()


def test_the_properties_of_every_image_are_kept_with_it(quick_store: Store, settings: Settings, tmp_path: Path) -> None:
    save_images(tmp_path, 2)
    score_paths(quick_store, settings, [tmp_path], campaign="spring")
    with quick_store.read() as session:
        kept = [restored_properties(one) for one in session.scalars(select(Creative.properties))]
    assert len(kept) == 2
    assert all(one is not None and 0 < one.brightness < 1 for one in kept)


def test_only_an_image_beyond_the_limit_of_the_version_is_far_from_its_training(
    sqlite_store: Store, settings: Settings, tmp_path: Path
) -> None:
    images = save_images(tmp_path / "ads", 4)
    checkpoint, far = make_checkpoint_between(tmp_path, images)
    promote(sqlite_store, register_checkpoint(sqlite_store, checkpoint).digest, why="for the tests")

    for _ in ("scored", "known"):
        files = score_paths(sqlite_store, settings, [tmp_path / "ads"], campaign="spring").files
        assert [file.path for file in files if file.far] == [far]
        assert all(file.novelty is not None and file.novelty > 0 for file in files)
    with sqlite_store.read() as session:
        kept = dict(session.execute(select(Score.creative_id, Score.novelty)).all())
    assert kept == {file.creative_id: file.novelty for file in files}


def test_without_a_limit_it_is_not_known_which_images_are_far(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 2)
    files = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring").files
    assert [file.novelty for file in files] == [None, None]
    with quick_store.read() as session:
        assert session.scalars(select(Score.novelty)).all() == [None, None]


def test_the_best_score_has_rank_one_and_ranks_follow_the_mean(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 6)
    files = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring").files
    means = [file.mean or 0 for file in files]
    assert means == sorted(means, reverse=True)
    assert [file.rank for file in files] == [1, 2, 3, 4, 5, 6]
    assert [file.percentile for file in files] == pytest.approx([100 * k / 6 for k in (6, 5, 4, 3, 2, 1)])


def test_scoring_a_folder_again_does_no_model_work(
    quick_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_images(tmp_path / "ads", 3)
    first = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")

    def refuse(*_: object) -> None:
        raise AssertionError("the scorer was loaded")

    monkeypatch.setattr("abkit.workflows.active_model.load_scorer", refuse)
    again = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")
    assert [file.status for file in again.files] == ["known"] * 3
    assert [file.mean for file in again.files] == [file.mean for file in first.files]
    assert count(quick_store, Score) == 3


def test_the_same_content_under_two_names_is_scored_once_and_both_names_are_kept(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 2)
    make_image(0).save(tmp_path / "ads" / "copy.png")
    result = score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring")

    assert len(result.files) == 3
    assert len({file.creative_id for file in result.files}) == 2
    assert (count(scoring_store, Creative), count(scoring_store, Score), count(scoring_store, CreativeAlias)) == (
        2,
        2,
        3,
    )
    assert result.files[0].n == 2


def test_a_known_image_becomes_a_candidate_of_another_campaign(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 3)
    score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring")
    other = score_paths(scoring_store, settings, [tmp_path / "ads" / "creative_0001.png"], campaign="summer")
    assert [(file.status, file.rank, file.n) for file in other.files] == [("known", 1, 1)]
    assert count(scoring_store, CampaignCreative) == 4


def test_each_broken_file_is_rejected_with_its_reason_and_the_rest_is_scored(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    reasons = broken_files(tmp_path / "ads")
    save_images(tmp_path / "ads", 2)
    files = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring").files

    rejected = {file.path.name: file.reason for file in files if file.status == "rejected"}
    assert rejected.keys() == reasons.keys()
    for name, word in reasons.items():
        assert word in rejected[name]
    assert sum(file.status == "scored" for file in files) == 2


def test_a_copy_of_a_broken_file_is_rejected_too(quick_store: Store, settings: Settings, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(b"the same junk")
    files = score_paths(quick_store, settings, [tmp_path], campaign="spring").files
    assert [(file.path.name, file.status) for file in files] == [("one.png", "rejected"), ("two.png", "rejected")]


def test_no_file_goes_missing_when_one_of_two_copies_changes_under_way(
    quick_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.png", "two.png"):
        make_image(1).save(tmp_path / name)

    def overwritten(*arguments: Any) -> Any:
        make_image(2).save(tmp_path / "one.png")
        return decode_batches(*arguments)

    monkeypatch.setattr("abkit.workflows.scoring.score.decode_batches", overwritten)
    files = score_paths(quick_store, settings, [tmp_path], campaign="spring").files
    assert [(file.path.name, file.status) for file in files] == [("one.png", "scored"), ("two.png", "rejected")]
    assert files[0].sha256 == hash_file(tmp_path / "one.png", max_bytes=2**20)
    assert "changed" in files[1].reason


def test_a_run_is_not_taken_for_dead_while_a_large_encoder_works_on_one_chunk(
    scoring_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_images(tmp_path / "ads", 6)
    settings = settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"batch_size": 2})})
    leases = []

    def expiring(*arguments: Any) -> Any:
        for batch in decode_batches(*arguments):
            with scoring_store.write() as session:  # what an hour's work on this batch looks like
                (run,) = session.scalars(select(Run).where(Run.what == "score"))
                leases.append(run.lease_until)
                run.lease_until = datetime.now(UTC) - timedelta(minutes=45)
            yield batch

    monkeypatch.setattr("abkit.workflows.scoring.score.decode_batches", expiring)
    score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring")
    assert len(leases) == 3
    assert all(lease > datetime.now(UTC) for lease in leases)


def test_beside_a_gpu_processes_decode_and_the_next_batch_is_encoded_while_one_is_written(
    scoring_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_images(tmp_path / "ads", 6)
    (tmp_path / "ads" / "broken.png").write_bytes(b"no image")
    read = []
    whole = DecodingProcesses.read
    monkeypatch.setattr(DecodingProcesses, "read", lambda *asked: read.append(asked[2].name) or whole(*asked))
    monkeypatch.setattr(image_files, "_cores", lambda: 4)
    monkeypatch.setattr(image_files, "_FILES_FOR_PROCESSES", 2)
    found = {}
    for beside_gpu in (False, True):
        monkeypatch.setattr("abkit.workflows.scoring.score._on_gpu", lambda scorer, there=beside_gpu: there)
        settings = Settings(workspace=tmp_path / str(beside_gpu))  # without the tokens of the other one
        settings = settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"batch_size": 2})})
        with scoring_store.write() as session:
            session.execute(delete(Score))
        result = score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring")
        assert len(read) == (7 if beside_gpu else 0)
        found[beside_gpu] = [(file.path.name, file.status, file.reason, file.mean, file.rank) for file in result.files]
    assert found[True] == found[False]
    assert len(found[True]) == 7


def test_unusual_images_are_scored(quick_store: Store, settings: Settings, tmp_path: Path) -> None:
    paths = unusual_files(tmp_path / "ads")
    files = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring").files
    assert {file.path: file.status for file in files} == dict.fromkeys(paths, "scored")
    with quick_store.read() as session:
        sizes = dict(
            session.execute(
                select(CreativeAlias.base_name, Creative.width).join(Creative, Creative.id == CreativeAlias.creative_id)
            ).all()
        )
    assert sizes["rotated.jpg"] == 80


def test_more_files_than_one_batch_and_one_chunk_are_all_scored(
    quick_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abkit.workflows.scoring.score._CHUNK", 4)
    save_images(tmp_path / "ads", 11)
    settings = Settings.model_validate({"workspace": tmp_path, "scoring": {"batch_size": 3}})
    done: list[tuple[int, int]] = []
    result = score_paths(
        quick_store, settings, [tmp_path / "ads"], campaign="c", progress=lambda *now: done.append(now)
    )
    assert len(result.files) == 11
    assert done[0] == (0, 11)
    assert done[-1] == (11, 11)


def test_files_are_announced_before_they_are_decoded_and_known_ones_are_not(
    quick_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = save_images(tmp_path / "ads", 3)
    steps: list[Any] = []

    def decoded(pool: Any, files: Any, *rest: Any) -> Any:
        steps.append("decode")
        return decode_batches(pool, files, *rest)

    monkeypatch.setattr("abkit.workflows.scoring.score.decode_batches", decoded)
    for _ in range(2):
        score_paths(quick_store, settings, paths, campaign="spring", opening=steps.append, together=2)
    assert [len(step) if step != "decode" else step for step in steps] == [2, "decode", 1, "decode"]


def test_a_folder_without_images_is_said(quick_store: Store, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AbkitError, match="no images"):
        score_paths(quick_store, settings, [tmp_path / "empty"], campaign="spring")


def test_a_name_that_is_not_utf8_is_scored_and_kept_readable(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "ads").mkdir()
    make_image(1).save(tmp_path / "ok.png")
    (tmp_path / "ok.png").rename(os.fsdecode(bytes(tmp_path / "ads") + b"/caf\xe9.png"))
    (file,) = score_paths(scoring_store, settings, [tmp_path / "ads"], campaign="spring").files
    assert file.status == "scored"
    with scoring_store.read() as session:
        assert session.scalars(select(CreativeAlias.base_name)).one() == "caf\\xe9.png"


def test_a_store_without_an_active_model_begins_with_the_shipped_scorer(
    sqlite_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save_images(tmp_path / "ads", 1)
    result = score_paths(sqlite_store, settings, [tmp_path / "ads"], campaign="spring")
    assert result.demonstration
    assert "emonstration" in result.notice
    with sqlite_store.read() as session:
        version = session.scalars(select(ModelVersion)).one()
    assert (version.digest, version.location) == (result.model_version, "shipped")


def test_a_scheduled_folder_goes_on_past_whatever_one_file_does(
    quick_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit.intake.media import images
    from abkit.jobs.job import Tick
    from abkit.jobs.work.folders import ScoreFolder, score_folder
    from abkit.store.runs import begin_run

    save_images(tmp_path / "ads", 2)
    make_image(5, (320, 240)).save(tmp_path / "ads" / "phone.jpg", "MPO", save_all=True, append_images=[make_image(6)])
    (tmp_path / "ads" / "banner.svg").write_text("<svg/>")
    make_image(7).save(tmp_path / "ads" / "hostile.png")
    read = images.open_creative

    def hostile(data: bytes) -> object:
        if data == (tmp_path / "ads" / "hostile.png").read_bytes():
            raise KeyError("MPO")
        return read(data)

    monkeypatch.setattr(images, "open_creative", hostile)
    now = datetime.now(UTC)
    tick = Tick(schedule="feed", at=now, started_at=now, attempt=1, run=begin_run(quick_store, "score_folder", {}))
    done = score_folder(quick_store, settings, tick, ScoreFolder(folder=Path("ads"), stable_seconds=0))
    assert (done["scored"], done["rejected"], done["files"]) == (3, 1, 4)
    assert done["not_read"] == {
        "banner.svg": "an SVG drawing is not read: export it as PNG in the size in which it is shown",
        "hostile.png": "it cannot be read (KeyError: 'MPO')",
    }


def test_ads_that_came_before_their_images_are_linked_and_launched_when_these_are_scored(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    lines = rows(
        "2026-01-05,1,CREATIVE 0000,10,1", "2026-01-05,2,later,10,1", header="day,ad,creative,impressions,clicks"
    )
    assert run_import(quick_store, write(tmp_path / "k.csv", lines))[0].unlinked == 2
    save_images(tmp_path / "ads", 2)
    result = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")

    with quick_store.read() as session:
        run = session.get_one(Run, result.run_id)
        assert run.outcome is not None
        assert (run.outcome["ads_linked"], run.outcome["links_withdrawn"]) == (1, 0)
        (link,) = session.scalars(select(AdCreative))
        assert (link.ad_id, link.linked_by) == (1, "normalized")
        launched = select(CampaignCreative.launched_on).where(CampaignCreative.creative_id == link.creative_id)
        assert session.scalars(launched).one() == date(2026, 1, 5)
    make_image(7).save(tmp_path / "ads" / "creative_0000.jpg")
    score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")
    assert count(quick_store, AdCreative) == 0


def test_images_that_a_job_scores_after_a_job_imported_their_kpis_are_linked_and_launched(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    from abkit.jobs.job import Tick
    from abkit.jobs.work.folders import ImportKpis, ScoreFolder, import_kpis, score_folder
    from abkit.store.runs import begin_run

    def tick(job: str) -> Tick:
        now = datetime.now(UTC)
        return Tick(schedule="feed", at=now, started_at=now, attempt=1, run=begin_run(scoring_store, job, {}))

    (tmp_path / "inbox").mkdir()
    header = "day,ad,creative,campaign,impressions,clicks"
    lines = ("2026-01-07,1,Creative-0000,spring,10,1", "2026-01-05,1,Creative-0000,spring,10,1")
    write(tmp_path / "inbox/k.csv", rows(*lines, "2026-01-05,2,later,spring,10,1", header=header))
    imported = import_kpis(
        scoring_store, settings, tick("import_kpis"), ImportKpis(folder=Path("inbox"), stable_seconds=0)
    )
    assert (imported["imported"], imported["unlinked"]) == (3, 3)
    save_images(tmp_path / "ads", 1)
    folder = ScoreFolder(folder=Path("ads"), campaign="spring", stable_seconds=0)
    scored = score_folder(scoring_store, settings, tick("score_folder"), folder)

    assert (scored["scored"], scored["ads_linked"]) == (1, 1)
    with scoring_store.read() as session:
        (link,) = session.scalars(select(AdCreative))
        assert link.linked_by == "normalized"
        assert session.scalars(select(CampaignCreative.launched_on)).one() == date(2026, 1, 5)
