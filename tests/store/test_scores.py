"""Scores: each creative once per version, ranked within its campaign, with the embeddings that drift is tested on."""

import struct

import numpy as np
import pytest
from sqlalchemy import select

from abkit.store import scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import BriefFit, Creative, Embedding, Score
from tests.store.rows import add_scores, add_version, content, count, score


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


def half(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def test_a_creative_is_scored_once_per_version_and_the_first_score_stays(store: Store) -> None:
    run = begin_run(store, "test", {})
    first, second = add_version(store, run, "a"), add_version(store, run, "b")
    ids = add_scores(store, run, first, {"x": 4.0, "y": 5.0})
    add_scores(store, run, first, {"x": 6.0, "y": 6.0})
    add_scores(store, run, second, {"x": 2.0})

    with store.read() as session:
        assert scores.mean_scores(session, first.id) == {ids["x"]: 4.0, ids["y"]: 5.0}
        assert scores.mean_scores(session, second.id) == {ids["x"]: 2.0}
    # Both versions share an encoder: its embedding is kept once.
    assert [count(store, table) for table in (Creative, Embedding, Score)] == [2, 2, 3]


def test_the_contents_with_a_score_are_told_from_the_others(sqlite_store: Store, run: RunRecord) -> None:
    version, other = add_version(sqlite_store, run, "a"), add_version(sqlite_store, run, "b")
    add_scores(sqlite_store, run, version, {"x": 4.0})
    asked = [content(name)["sha256"] for name in ("x", "y")]
    with sqlite_store.read() as session:
        assert scores.scored_contents(session, version.id, asked) == {asked[0]}
        assert scores.scored_contents(session, other.id, asked) == set()


def test_equal_scores_share_a_rank_and_the_percentile_counts_those_no_higher(store: Store) -> None:
    run = begin_run(store, "test", {})
    version = add_version(store, run)
    add_scores(store, run, version, {"c": 3.0, "b": 5.0, "a": 5.0, "d": 1.0})
    add_scores(store, run, version, {"e": 9.0}, campaign="summer")

    with store.read() as session:
        spring = creatives.find_campaign(session, "spring")
        ranked = scores.ranking(session, spring, version.id)
        assert scores.ranking(session, spring, version.id + 1) == []

    assert [(row.sha256[0], row.rank, row.percentile, row.n) for row in ranked] == [
        ("a", 1, 100.0, 4),
        ("b", 1, 100.0, 4),
        ("c", 3, 50.0, 4),
        ("d", 4, 25.0, 4),
    ]
    assert [row.score.mean for row in ranked] == [5.0, 5.0, 3.0, 1.0]
    assert all(row.score.creative_id == row.creative_id for row in ranked)


def test_candidates_without_a_score_are_listed_in_the_order_they_came(sqlite_store: Store, run: RunRecord) -> None:
    first, second = add_version(sqlite_store, run, "a"), add_version(sqlite_store, run, "b")
    ids = add_scores(sqlite_store, run, first, {"z": 1.0, "y": 2.0})
    add_scores(sqlite_store, run, second, {"y": 2.0})
    with sqlite_store.read() as session:
        spring = creatives.find_campaign(session, "spring")
        assert scores.unscored(session, spring, first.id) == []
        assert scores.unscored(session, spring, second.id) == [(ids["z"], content("z")["sha256"])]


def test_campaigns_come_by_size_and_a_creative_of_two_counts_in_its_first(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    add_scores(sqlite_store, run, version, {"x": 1.0}, campaign="autumn")
    add_scores(sqlite_store, run, version, {"x": 1.0, "y": 2.0}, campaign="spring")
    with sqlite_store.read() as session:
        autumn, spring = (creatives.find_campaign(session, key) for key in ("autumn", "spring"))
        assert scores.campaigns_by_size(session, version.id) == [(spring, "spring", 2), (autumn, "autumn", 1)]
        assert scores.scores_by_campaign(session, version.id, None) == [("autumn", 1.0), ("spring", 2.0)]
        assert scores.scores_by_campaign(session, version.id, spring) == [("spring", 1.0), ("spring", 2.0)]


def test_scored_creatives_have_their_first_name_and_activations(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    ids = add_scores(sqlite_store, run, version, {"x": 1.0, "y": 2.0})
    with sqlite_store.write() as session:
        creatives.write_names(session, run, [(ids["x"], "/later/x.png", "x.png")])
        found = scores.scored_creatives(session, version.digest)
        assert scores.scored_creatives(session, "unknown") == []
    assert [(one.name, one.activations, one.distribution) for one in found] == [
        ("/ads/x.png", [0.25], [0.5, 0.5]),
        ("/ads/y.png", [0.25], [0.5, 0.5]),
    ]


def test_a_sample_keeps_the_order_asked_for_and_leaves_out_what_is_missing(store: Store) -> None:
    run = begin_run(store, "test", {})
    version, other = add_version(store, run), add_version(store, run, "b", encoder_fingerprint="another")
    vectors = [half(1, 2), half(3, 4), half(5, 6)]
    ids = add_scores(store, run, version, {"x": 1.0, "y": 2.0, "z": 3.0}, vectors=vectors)
    with store.write() as session:
        session.get_one(Creative, ids["y"]).width = 15
        wanted = [ids["z"], 999, ids["y"]]
        sample = scores.creative_sample(session, version, wanted)
        nothing = scores.creative_sample(session, other, wanted)

    assert sample.ids == tuple(wanted)
    assert sample.scores.tolist() == [3.0, 2.0]
    assert sample.embeddings.dtype == np.float32
    assert sample.embeddings.tolist() == [[5.0, 6.0], [3.0, 4.0]]
    assert (sample.small, nothing.small) == (1, 1)
    assert (nothing.scores.size, nothing.embeddings.shape) == (0, (0, 1))


def test_embeddings_of_another_length_are_left_out_of_a_sample(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    ids = add_scores(sqlite_store, run, version, {"x": 1.0, "y": 2.0}, vectors=[half(1, 2), half(3)])
    with sqlite_store.read() as session:
        sample = scores.creative_sample(session, version, list(ids.values()))
    assert sample.embeddings.tolist() == [[1.0, 2.0]]


def test_embeddings_are_those_of_the_campaign_and_of_the_encoder(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    ids = add_scores(sqlite_store, run, version, {"x": 1.0}, vectors=[half(1)])
    add_scores(sqlite_store, run, version, {"y": 1.0}, campaign="summer", vectors=[half(2)])
    with sqlite_store.write() as session:
        scores.write_embeddings(session, run, "reader", {ids["x"]: half(7)})
        scores.write_embeddings(session, run, "reader", {ids["x"]: half(8)})
        spring = creatives.find_campaign(session, "spring")
        assert scores.campaign_embeddings(session, spring, "enc") == {ids["x"]: half(1)}
        assert scores.campaign_embeddings(session, spring, "reader") == {ids["x"]: half(7)}


def test_a_fit_to_a_brief_stays_with_the_run_that_made_it(store: Store) -> None:
    run = begin_run(store, "test", {})
    ids = add_scores(store, run, add_version(store, run), {"x": 1.0})
    for fit, brief in ((0.25, "calm"), (0.5, "calm"), (0.75, "loud")):
        with store.write() as session:
            scores.write_fits(
                session,
                run,
                {ids["x"]: fit},
                encoder="reader",
                encoder_fingerprint="r",
                brief=brief,
                brief_sha256=brief.ljust(64),
            )
    with store.read() as session:
        assert session.execute(select(BriefFit.brief, BriefFit.cosine).order_by(BriefFit.id)).all() == [
            ("calm", 0.25),
            ("loud", 0.75),
        ]


def test_a_score_keeps_what_it_was_given(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    columns = score(4.5, epistemic_std=0.1, ci_low=4.0, ci_high=5.0, distribution=[0.1, 0.9], novelty=1.5)
    with sqlite_store.write() as session:
        scores.write_scores(session, run, version, [scores.ScoredContent(content("x"), columns, half(1))])
        row = session.scalars(select(Score)).one()
        assert {name: getattr(row, name) for name in columns} == columns
        assert (row.model_version_id, row.run_id) == (version.id, run.id)
