"""Model versions and promotions: append-only, the last one counts, each segment on its own."""

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError

from abkit.errors import UsageError
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import ModelVersion, Promotion
from tests.store.rows import add_scores, add_version, count, entry


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


def promote(store: Store, run: RunRecord, version: ModelVersion, segment: str = "") -> None:
    with store.write() as session:
        models.promote(session, run, version, segment=segment, by="ann", why="better")


def test_a_digest_is_registered_once_and_its_first_entry_stays(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "test", {})
    first = add_version(sqlite_store, run, "a")
    again = add_version(sqlite_store, run, "a", name="another name")
    assert (again.id, again.name, count(sqlite_store, ModelVersion)) == (first.id, "model a", 1)
    assert again.card == {"made": "by hand"}


def test_the_images_of_a_version_are_read_only_where_they_are_asked_for(sqlite_store: Store, run: RunRecord) -> None:
    sample = ReferenceSample(np.ones(3), np.ones((3, 2)))
    version = add_version(sqlite_store, run, "a", reference=sample)
    other = add_version(sqlite_store, run, "b")
    with sqlite_store.read() as session:
        promoted = session.get_one(ModelVersion, version.id)
        with pytest.raises(InvalidRequestError):
            _ = promoted.reference
        kept = models.reference_of(session, version.id)
        assert models.reference_of(session, other.id) is None
    assert kept is not None
    assert ReferenceSample.from_bytes(kept).scores.tolist() == [1, 1, 1]


def test_a_child_names_its_parent_and_an_unknown_parent_is_none(sqlite_store: Store, run: RunRecord) -> None:
    parent = add_version(sqlite_store, run, "a")
    child = add_version(sqlite_store, run, "b", parent=parent.digest)
    orphan = add_version(sqlite_store, run, "c", parent="f" * 64)
    assert (child.parent_id, orphan.parent_id) == (parent.id, None)


def test_versions_are_found_by_digest_by_its_beginning_and_by_name(sqlite_store: Store, run: RunRecord) -> None:
    one, two = add_version(sqlite_store, run, "abc"), add_version(sqlite_store, run, "abd")
    with sqlite_store.read() as session:
        assert models.find(session, one.digest) is not None
        assert models.find(session, "abc") is None
        assert [models.find_by_prefix(session, wanted).id for wanted in ("abc", "model abd")] == [one.id, two.id]
        assert [row.id for row in models.all_versions(session)] == [one.id, two.id]
        for wanted, said in (("ab", "2 model versions"), ("x", "no model version"), ("", "2 model versions")):
            with pytest.raises(UsageError, match=said):
                models.find_by_prefix(session, wanted)
        with pytest.raises(UsageError, match="no model version"):
            models.find_by_prefix(session, "ab%")  # a wildcard of SQL is an ordinary letter


def test_the_version_promoted_last_is_active_and_nothing_is_overwritten(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "test", {})
    one, two = add_version(sqlite_store, run, "a"), add_version(sqlite_store, run, "b")
    for version in (two, one, two, one):
        promote(sqlite_store, run, version)
    with sqlite_store.read() as session:
        active = models.active_model(session)
        history = session.scalars(select(Promotion.model_version_id).order_by(Promotion.id)).all()
    assert active is not None
    assert active.id == one.id
    assert history == [two.id, one.id, two.id, one.id]


def test_a_segment_has_its_own_active_model_or_that_for_all(sqlite_store: Store, run: RunRecord) -> None:
    one, two = add_version(sqlite_store, run, "a"), add_version(sqlite_store, run, "b")
    promote(sqlite_store, run, one)
    promote(sqlite_store, run, two, "games")
    with sqlite_store.read() as session:
        found = {segment: models.active_model(session, segment) for segment in ("", "games", "finance")}
        promoted = models.promoted_models(session)
    assert {segment: row.name for segment, row in found.items() if row} == {
        "": "model a",
        "games": "model b",
        "finance": "model a",
    }
    assert {segment: row.id for segment, row in promoted.items()} == {"": one.id, "games": two.id}


def test_before_any_promotion_the_version_that_scored_last_is_active(sqlite_store: Store, run: RunRecord) -> None:
    one, two = add_version(sqlite_store, run, "a"), add_version(sqlite_store, run, "b")
    with sqlite_store.read() as session:
        assert models.active_model(session) is None
        assert models.versions_with_scores(session) == []
    add_scores(sqlite_store, run, two, {"x": 1.0})
    add_scores(sqlite_store, run, one, {"x": 1.0})
    with sqlite_store.read() as session:
        active = models.active_model(session)
        assert [row.id for row in models.versions_with_scores(session)] == [one.id, two.id]
    assert active is not None
    assert active.id == one.id
    promote(sqlite_store, run, two)
    with sqlite_store.read() as session:
        active = models.active_model(session)
    assert active is not None
    assert active.id == two.id


def test_rollbacks_walk_back_one_promotion_at_a_time(sqlite_store: Store, run: RunRecord) -> None:
    versions = [add_version(sqlite_store, run, name) for name in "abc"]
    expected = [None, "model a", "model b"]
    for version, former in zip(versions, expected, strict=True):
        promote(sqlite_store, run, version)
        assert before(sqlite_store) == former
    for _ in range(2):  # back to b, then to a: each is a promotion of its own
        with sqlite_store.read() as session:
            version = models.models_before(session)[0]
        promote(sqlite_store, run, version)
    assert before(sqlite_store) is None
    promote(sqlite_store, run, versions[0])  # the active one again changes nothing
    assert before(sqlite_store) is None
    assert before(sqlite_store, "games") is None


def before(store: Store, segment: str = "") -> str | None:
    with store.read() as session:
        versions = models.models_before(session, segment)
    return versions[0].name if versions else None


def test_a_reference_sample_comes_back_bit_for_bit_and_nothing_is_unpickled(store: Store) -> None:
    run = begin_run(store, "test", {})
    rng = np.random.default_rng(1)
    sample = ReferenceSample(rng.normal(size=7), rng.normal(size=(7, 3)).astype(np.float16))
    with store.write() as session:
        version = models.register(session, run, entry("a", reference=sample))
        kept = models.reference_of(session, version.id)
    assert kept is not None
    back = ReferenceSample.from_bytes(kept)
    assert np.array_equal(back.scores, sample.scores)
    assert np.array_equal(back.embeddings, sample.embeddings)
    assert back.embeddings.dtype == np.float16

    poisoned = ReferenceSample(np.array([{"a": 1}], dtype=object), sample.embeddings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pickle"):
        ReferenceSample.from_bytes(poisoned.to_bytes())
