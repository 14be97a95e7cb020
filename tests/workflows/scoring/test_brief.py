"""A brief beside the scores: the fit is logged with its run and text, and ranks within the campaign."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import select

from abkit.config import ScoringSettings, Settings
from abkit.errors import AbkitError, UsageError
from abkit.store.database.engine import Store
from abkit.store.schema import BriefFit, Embedding, Run, Score
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.scoring.results import ScoringResult
from abkit.workflows.scoring.score import score_paths
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import EncoderUnavailable, TextRejected
from tests.images import save_images
from tests.workflows.conftest import make_checkpoint

BRIEF = "a red square beside the sea"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path)


def score(
    store: Store, settings: Settings, folder: Path, brief: str = BRIEF, encoder: str | None = None
) -> ScoringResult:
    return score_paths(store, settings, [folder], campaign="spring", brief=brief, brief_encoder=encoder)


def test_the_fit_is_the_cosine_of_the_towers_and_stands_in_the_log_with_run_and_text(
    scoring_store: Store, settings: Settings, tmp_path: Path, reader: str
) -> None:
    paths = save_images(tmp_path / "ads", 5)
    result = score(scoring_store, settings, tmp_path / "ads", encoder=reader)

    from abkit_model.images import open_image

    encoder = load_encoder(reader, text=True)
    images = encoder.encode([encoder.prepare(open_image(path).image) for path in paths]).embedding[:, :16].numpy()
    wanted = images @ encoder.embed_text(BRIEF) / np.linalg.norm(images, axis=1)
    found = {file.path: file.fit for file in result.files}
    assert [found[path] for path in paths] == pytest.approx(list(wanted), abs=2e-3)
    order = sorted(result.files, key=lambda file: file.fit_rank or 0)
    assert [(file.fit_rank, file.fit_n) for file in order] == [(rank, 5) for rank in range(1, 6)]
    assert [file.fit for file in order] == sorted(found.values(), reverse=True)  # type: ignore[type-var]
    with scoring_store.read() as session:
        rows = session.scalars(select(BriefFit)).all()
        run = session.get_one(Run, result.run_id)
        assert {(row.brief, row.encoder, row.encoder_fingerprint, row.run_id) for row in rows} == {
            (BRIEF, reader, encoder.fingerprint, result.run_id)
        }
        assert {row.cosine for row in rows} == set(found.values())
        assert (run.arguments["brief"], run.outcome["fits"]) == (BRIEF, 5)  # type: ignore[index]
    assert (result.brief, result.brief_encoder) == (BRIEF, reader)


def test_another_brief_needs_no_second_look_at_the_images(
    quick_store: Store, settings: Settings, tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_images(tmp_path / "ads", 3)
    first = score(quick_store, settings, tmp_path / "ads", encoder=reader)
    monkeypatch.setattr("abkit_model.encoders.frozen.FrozenEncoder.encode", lambda *_: pytest.fail("it looked again"))
    other = score(quick_store, settings, tmp_path / "ads", "snow on a mountain", encoder=reader)
    again = score(quick_store, settings, tmp_path / "ads", encoder=reader)
    fits = [{file.path: file.fit for file in result.files} for result in (first, other, again)]
    assert fits[0] == fits[2] != fits[1]
    with quick_store.read() as session:
        rows = session.scalars(select(BriefFit)).all()
        assert {(row.brief, row.run_id) for row in rows} == {
            (BRIEF, first.run_id),
            ("snow on a mountain", other.run_id),
        }
        assert len(rows) == 6


def test_ranks_count_the_creatives_that_came_earlier_and_nothing_of_other_campaigns(
    scoring_store: Store, settings: Settings, tmp_path: Path, reader: str
) -> None:
    save_images(tmp_path / "first", 3)
    save_images(tmp_path / "second", 2, first=10)
    save_images(tmp_path / "elsewhere", 4, first=20)
    score(scoring_store, settings, tmp_path / "first", encoder=reader)
    score_paths(scoring_store, settings, [tmp_path / "elsewhere"], campaign="autumn", brief=BRIEF, brief_encoder=reader)
    later = score(scoring_store, settings, tmp_path / "second", encoder=reader)
    assert {file.fit_n for file in later.files} == {5}
    assert all(1 <= (file.fit_rank or 0) <= 5 for file in later.files)


def test_a_scorer_that_reads_itself_needs_no_other_encoder_and_refuses_other_weights(
    sqlite_store: Store, settings: Settings, tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.workflows.conftest.ENCODER", reader)
    version = register_checkpoint(sqlite_store, make_checkpoint(tmp_path / "reading", seed=0))
    promote(sqlite_store, version.digest, why="for the test")
    save_images(tmp_path / "ads", 3)
    result = score(sqlite_store, settings, tmp_path / "ads")
    assert all(file.fit is not None for file in result.files)
    with sqlite_store.read() as session:
        assert len(session.scalars(select(Embedding)).all()) == 3  # the scorer's own, which the fit uses

    weights = Path(reader.partition("/")[2])
    before = weights.read_bytes()
    state = torch.load(weights, weights_only=True)
    state["visual.proj"] += 1
    torch.save(state, weights)
    try:
        with pytest.raises(AbkitError, match="are not those that quick-0 was trained on"):
            score(sqlite_store, settings, tmp_path / "ads")
    finally:
        weights.write_bytes(before)


def test_the_settings_can_name_the_encoder(quick_store: Store, tmp_path: Path, reader: str) -> None:
    save_images(tmp_path / "ads", 1)
    settings = Settings(workspace=tmp_path, scoring=ScoringSettings(brief_encoder=reader))
    assert score(quick_store, settings, tmp_path / "ads").files[0].fit_rank == 1


@pytest.mark.parametrize(
    ("brief", "encoder", "error", "said"),
    [
        (BRIEF, None, UsageError, "bundled:efficientnet-lite0, which cannot read a brief"),
        (BRIEF, "bundled:efficientnet-lite2", EncoderUnavailable, "has no text tower"),
        (BRIEF, "openclip:ViT-B-32/nowhere.pt", EncoderUnavailable, "are missing"),
        (" ", "reader", TextRejected, "is empty"),
        ("sea " * 30, "reader", TextRejected, "30 tokens, and ViT-reader-test reads 18"),
    ],
)
def test_a_brief_that_cannot_be_read_is_said_before_anything_is_scored(
    sqlite_store: Store,
    settings: Settings,
    tmp_path: Path,
    quick_checkpoint: Path,
    reader: str,
    brief: str,
    encoder: str | None,
    error: type[Exception],
    said: str,
) -> None:
    version = register_checkpoint(sqlite_store, quick_checkpoint)
    promote(sqlite_store, version.digest, why="for the test")
    save_images(tmp_path / "ads", 1)
    with pytest.raises(error, match=said) as refused:
        score(sqlite_store, settings, tmp_path / "ads", brief, reader if encoder == "reader" else encoder)
    assert refused.value.hint  # type: ignore[attr-defined]
    with sqlite_store.read() as session:
        assert session.scalars(select(Score)).all() == []
        assert session.scalars(select(Run).where(Run.what == "score")).one().state == "failed"


def test_images_that_are_gone_or_broken_have_no_fit_and_stop_nobody(
    sqlite_store: Store, settings: Settings, tmp_path: Path, quick_checkpoint: Path, reader: str
) -> None:
    version = register_checkpoint(sqlite_store, quick_checkpoint)
    promote(sqlite_store, version.digest, why="for the test")
    save_images(tmp_path / "ads", 2)
    (tmp_path / "ads" / "broken.png").write_text("no image")
    files = score(sqlite_store, settings, tmp_path / "ads", encoder=reader).files
    assert [(file.status, file.fit is None) for file in files] == [
        ("scored", False),
        ("scored", False),
        ("rejected", True),
    ]
