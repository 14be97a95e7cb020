"""Which model is active: the last promotion counts, a rollback is one more row, a broken checkpoint stays out."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from abkit.errors import AbkitError, UsageError
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Base, ModelVersion, Promotion
from abkit.workflows.active_model import (
    SHIPPED,
    ensure_active_model,
    find_model,
    list_versions,
    promote,
    read_checkpoint,
    register_checkpoint,
    rollback,
)
from abkit_model.errors import ModelError
from tests.workflows.conftest import make_checkpoint


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return [make_checkpoint(folder / str(seed), seed=seed) for seed in (1, 2, 3)]


@pytest.fixture
def versions(store: Store, checkpoints: list[Path]) -> list[str]:
    return [register_checkpoint(store, folder).digest for folder in checkpoints]


def active_digest(store: Store, segment: str = "") -> str:
    with store.read() as session:
        version = models.active_model(session, segment)
    assert version is not None
    return version.digest


def test_registering_twice_makes_one_version(store: Store, checkpoints: list[Path]) -> None:
    assert register_checkpoint(store, checkpoints[0]).id == register_checkpoint(store, checkpoints[0]).id
    assert len(list_versions(store)) == 1


def test_registering_does_not_promote(store: Store, versions: list[str]) -> None:
    with store.read() as session:
        assert models.active_model(session) is None


def test_the_last_promotion_counts_and_every_one_is_kept(store: Store, versions: list[str]) -> None:
    for digest in versions:
        promote(store, digest[:10], why="better on held-out ratings", by="ann")
    assert active_digest(store) == versions[-1]
    with store.read() as session:
        rows = session.scalars(select(Promotion).order_by(Promotion.id)).all()
    assert [(row.promoted_by, row.why) for row in rows] == [("ann", "better on held-out ratings")] * 3


def test_rollback_goes_back_one_step_at_a_time(store: Store, versions: list[str]) -> None:
    for digest in versions:
        promote(store, digest, why="next")
    assert rollback(store, why="worse").digest == versions[1]
    assert rollback(store, why="worse still").digest == versions[0]
    shipped = read_checkpoint(None).card.digest
    assert rollback(store, why="to the weights that ship").digest == shipped
    with pytest.raises(UsageError, match="no earlier active model to go back to"):
        rollback(store, why="once more")
    promote(store, versions[2], why="again")
    assert rollback(store, why="no").digest == shipped


def test_rollback_passes_over_a_model_that_is_gone_and_says_so(store: Store, versions: list[str]) -> None:
    for digest in versions:
        promote(store, digest, why="next")
    with store.write() as session:
        gone = update(ModelVersion).where(ModelVersion.digest == versions[1]).values(location="/nowhere")
        session.execute(gone)
    assert rollback(store, why="worse").digest == versions[0]
    with store.read() as session:
        why = session.scalars(select(Promotion.why).order_by(Promotion.id.desc())).first()
    assert why == f"rollback: worse (cannot be used any more: {versions[1][:12]})"
    assert rollback(store, why="again").digest == read_checkpoint(None).card.digest


def test_rollback_returns_to_the_shipped_weights_where_they_were_active_just_before(
    store: Store, versions: list[str]
) -> None:
    first, second, third = versions
    for wanted in (first, second, SHIPPED, third):
        promote(store, wanted, why="next")
    shipped = read_checkpoint(None).card.digest
    gone_back = [rollback(store, why="worse").digest for _ in range(4)]
    assert gone_back == [shipped, second, first, shipped]


def test_rollback_of_a_segment_ends_with_the_model_for_all(store: Store, versions: list[str]) -> None:
    promote(store, versions[0], why="first")
    promote(store, versions[1], why="for games", segment="games")
    assert rollback(store, segment="games", why="worse").digest == versions[0]
    with pytest.raises(UsageError, match="for segment 'games'"):
        rollback(store, segment="games", why="once more")


def test_a_segment_has_its_own_active_model_and_falls_back_to_the_global_one(store: Store, versions: list[str]) -> None:
    promote(store, versions[0], why="first")
    promote(store, versions[1], why="for games", segment="games")
    assert active_digest(store, "games") == versions[1]
    assert active_digest(store, "finance") == versions[0]
    assert {line.digest: line.active_for for line in list_versions(store)} == {
        versions[0]: "all",
        versions[1]: "games",
        versions[2]: "",
    }


def test_a_store_that_is_about_to_score_gets_the_shipped_scorer_once(store: Store) -> None:
    run = begin_run(store, "test", {})
    shipped = read_checkpoint(None).card.digest

    assert [ensure_active_model(store, run).version.digest for _ in range(2)] == [shipped] * 2
    assert ensure_active_model(store, run).note == ""
    with store.read() as session:
        assert [(row.promoted_by, row.segment) for row in session.scalars(select(Promotion))] == [("abkit", "")]


def test_after_an_upgrade_with_other_shipped_weights_those_become_active_and_a_note_says_so(
    sqlite_store: Store,
) -> None:
    run = begin_run(sqlite_store, "test", {})
    ensure_active_model(sqlite_store, run)
    with sqlite_store.write() as session:
        session.execute(update(ModelVersion).values(digest="0" * 64, name="of another abkit"))

    active = ensure_active_model(sqlite_store, run)

    shipped = read_checkpoint(None).card.digest
    assert (active.version.digest, active_digest(sqlite_store)) == (shipped, shipped)
    assert active.note == f"abkit was upgraded and ships another scorer: from now on scores are by {shipped[:12]}"
    with pytest.raises(AbkitError, match="shipped with another abkit"):
        find_model(sqlite_store, "of another abkit")


def test_a_promoted_version_stays_active_when_the_store_scores(sqlite_store: Store, checkpoints: list[Path]) -> None:
    own = register_checkpoint(sqlite_store, checkpoints[0])
    promote(sqlite_store, own.digest, why="ours")

    assert ensure_active_model(sqlite_store, begin_run(sqlite_store, "test", {})).version.digest == own.digest
    assert len(list_versions(sqlite_store)) == 1


def test_asking_for_the_active_model_or_a_version_writes_nothing(sqlite_store: Store, checkpoints: list[Path]) -> None:
    register_checkpoint(sqlite_store, checkpoints[0])
    before = _dump(sqlite_store)

    with sqlite_store.read() as session:
        assert models.active_model(session) is None
        assert models.promoted_models(session) == {}
    with pytest.raises(UsageError):
        find_model(sqlite_store, SHIPPED)
    assert find_model(sqlite_store, "quick-1").version.location == str(checkpoints[0])
    assert [line.active_for for line in list_versions(sqlite_store)] == [""]

    assert _dump(sqlite_store) == before


def _dump(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with store.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(table.select())] for table in Base.metadata.sorted_tables
        }


def test_a_checkpoint_that_was_altered_does_not_become_active(store: Store, tmp_path: Path) -> None:
    good = register_checkpoint(store, make_checkpoint(tmp_path / "good", seed=7))
    promote(store, good.digest, why="first")
    bad_folder = make_checkpoint(tmp_path / "bad", seed=8)
    bad = register_checkpoint(store, bad_folder)
    weights = bad_folder / "queries.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError):
        promote(store, bad.digest, why="by mistake")
    assert active_digest(store) == good.digest


def test_a_checkpoint_that_was_exchanged_is_refused(store: Store, tmp_path: Path) -> None:
    version = register_checkpoint(store, make_checkpoint(tmp_path / "here", seed=4))
    (tmp_path / "here").rename(tmp_path / "away")
    make_checkpoint(tmp_path / "here", seed=5)
    with pytest.raises(AbkitError, match="not the one that was registered"):
        promote(store, version.digest, why="x")


def test_an_unknown_or_ambiguous_name_is_said(store: Store, versions: list[str]) -> None:
    with pytest.raises(UsageError, match="no model version"):
        promote(store, "feedbeef", why="x")
    with pytest.raises(UsageError, match="3 model versions"):
        promote(store, "", why="x")


def test_the_reference_sample_survives_the_store(store: Store, versions: list[str]) -> None:
    with store.read() as session:
        version = models.find(session, versions[0])
        assert version is not None
        reference = models.reference_of(session, version.id)
    assert reference is not None
    sample = models.ReferenceSample.from_bytes(reference)
    assert sample.scores.shape == (200,)
    assert sample.embeddings.shape[0] == 200
