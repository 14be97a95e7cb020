"""What the encoder saw is kept: another scorer with the same encoder looks at nothing twice."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.config import ScoringSettings, Settings
from abkit.store.database.engine import Store
from abkit.store.schema import CreativeAlias, Embedding, Run, Score
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workflows.scoring.score import score_paths
from abkit_model.data.tokens import TokenCache
from tests.images import save_images
from tests.workflows.conftest import make_checkpoint


@pytest.fixture(scope="session")
def other_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other queries on the same encoder."""
    return make_checkpoint(tmp_path_factory.mktemp("other") / "quick", seed=1)


def tokens(workspace: Path) -> list[Path]:
    return sorted((workspace / ".abkit" / "cache" / "tokens").rglob("*.tokens"))


def change_active_model(store: Store, checkpoint: Path) -> None:
    promote(store, register_checkpoint(store, checkpoint).digest, why="for the test")


def look_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the encoder looked again")

    monkeypatch.setattr("abkit_model.encoders.frozen.FrozenEncoder.encode", refuse)
    monkeypatch.setattr("abkit_model.encoders.frozen.FrozenEncoder.prepare", refuse)


def test_another_active_model_scores_known_images_without_encoder_as_it_would_from_pixels(
    quick_store: Store, other_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(workspace=tmp_path, scoring=ScoringSettings(batch_size=2))
    save_images(tmp_path / "ads", 5)
    first = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")
    assert (len(tokens(tmp_path)), first.from_tokens) == (5, 0)
    change_active_model(quick_store, other_checkpoint)
    with monkeypatch.context() as patch:
        look_away(patch)
        second = score_paths(quick_store, settings, [tmp_path / "ads"], campaign="spring")
    assert ([file.status for file in second.files], second.from_tokens) == (["scored"] * 5, 5)

    from abkit_model.images import open_image
    from abkit_model.scorer import Scorer

    scorer = Scorer.load(other_checkpoint)
    for file in second.files:
        (wanted,) = scorer.score_prepared([scorer.prepare(open_image(file.path).image)])
        assert file.mean == pytest.approx(wanted.mean, abs=1e-3)
        assert file.std == pytest.approx(wanted.std, abs=1e-3)
    with quick_store.read() as session:
        counts = [session.scalars(select(func.count()).select_from(table)).one() for table in (Score, Embedding)]
        assert counts == [10, 5]
        assert session.get_one(Run, second.run_id).outcome == {"scored": 5, "known": 0, "rejected": 0}


def test_an_image_whose_tokens_are_damaged_is_looked_at_again(
    sqlite_store: Store, quick_checkpoint: Path, other_checkpoint: Path, tmp_path: Path
) -> None:
    settings = Settings(workspace=tmp_path)
    save_images(tmp_path / "ads", 4)
    change_active_model(sqlite_store, quick_checkpoint)
    score_paths(sqlite_store, settings, [tmp_path / "ads"], campaign="spring")
    cut = tokens(tmp_path)[0]
    cut.write_bytes(cut.read_bytes()[:1000])
    change_active_model(sqlite_store, other_checkpoint)
    result = score_paths(sqlite_store, settings, [tmp_path / "ads"], campaign="spring")
    assert ([file.status for file in result.files], result.from_tokens) == (["scored"] * 4, 3)
    assert cut.stat().st_size > 1000


def test_a_new_name_of_an_image_is_written_down_when_it_is_scored_from_tokens(
    sqlite_store: Store, quick_checkpoint: Path, other_checkpoint: Path, tmp_path: Path
) -> None:
    settings = Settings(workspace=tmp_path)
    (path,) = save_images(tmp_path / "ads", 1)
    change_active_model(sqlite_store, quick_checkpoint)
    score_paths(sqlite_store, settings, [path], campaign="spring")
    path.rename(tmp_path / "ads" / "renamed.png")
    (tmp_path / "ads" / "copy.png").write_bytes((tmp_path / "ads" / "renamed.png").read_bytes())
    change_active_model(sqlite_store, other_checkpoint)
    result = score_paths(sqlite_store, settings, [tmp_path / "ads"], campaign="autumn")
    assert [(file.status, file.rank, file.n) for file in result.files] == [("scored", 1, 1)] * 2
    with sqlite_store.read() as session:
        assert set(session.scalars(select(CreativeAlias.base_name))) == {"creative_0000.png", "renamed.png", "copy.png"}


def test_a_full_disk_costs_tokens_and_no_score(sqlite_store: Store, quick_checkpoint: Path, tmp_path: Path) -> None:
    change_active_model(sqlite_store, quick_checkpoint)
    save_images(tmp_path / "ads", 3)
    (tmp_path / ".abkit").write_text("where the cache would be")
    result = score_paths(sqlite_store, Settings(workspace=tmp_path), [tmp_path / "ads"], campaign="spring")
    assert [file.status for file in result.files] == ["scored"] * 3
    assert "could not be kept" in result.note


def test_the_settings_limit_the_size_and_zero_keeps_nothing(
    sqlite_store: Store, quick_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_active_model(sqlite_store, quick_checkpoint)
    save_images(tmp_path / "ads", 12, size=(320, 240))
    off = Settings(workspace=tmp_path, scoring=ScoringSettings(token_cache_mb=0))
    score_paths(sqlite_store, off, [tmp_path / "ads" / "creative_0000.png"], campaign="spring")
    assert not (tmp_path / ".abkit").exists()
    small = Settings(workspace=tmp_path, scoring=ScoringSettings(token_cache_mb=1))
    score_paths(sqlite_store, small, [tmp_path / "ads"], campaign="spring")
    size = sum(path.stat().st_size for path in tokens(tmp_path))
    assert 0 < size <= 2**20
    assert len(tokens(tmp_path)) < 11


def test_tokens_of_an_image_that_the_store_does_not_know_are_not_enough(
    sqlite_store: Store, quick_checkpoint: Path, tmp_path: Path
) -> None:
    """Its size and media type come from its pixels: it is decoded once, whatever the cache has."""
    change_active_model(sqlite_store, quick_checkpoint)
    (path,) = save_images(tmp_path / "ads", 1)
    from abkit_model.data.tokens import extract
    from abkit_model.scorer import Scorer

    cache = TokenCache(tmp_path / ".abkit" / "cache" / "tokens")
    extract([path], Scorer.load(quick_checkpoint).encoder, cache=cache)
    result = score_paths(sqlite_store, Settings(workspace=tmp_path), [path], campaign="spring")
    assert (result.files[0].status, result.from_tokens) == ("scored", 0)
