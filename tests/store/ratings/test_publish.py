"""Publishing a staged table of ratings: what somebody said is written once and never overwritten."""

from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, update

from abkit.errors import UsageError
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.database.staging import publish_staged
from abkit.store.ratings.publish import (
    CONFLICT,
    STAGE_FAULT,
    STAGE_LABEL,
    TEMPORARY,
    LabelHeader,
    publish,
    source_of,
)
from abkit.store.ratings.read import vote_sources, votes_of
from abkit.store.runs import begin_run
from abkit.store.schema import (
    Comparison,
    Rater,
    Rating,
    RatingImport,
    RatingReject,
    RatingSource,
    RatingSummary,
)
from tests.store.rows import add_scores, add_version, content, count

TEXT = {"rater": pl.String, "at": pl.String}


def vote(creative: int, score: float, rater: str = "ann", at: str = "") -> dict[str, Any]:
    return {"creative_id": creative, "score": score, "rater": rater, "at": at}


def import_rows(
    store: Store, digest: str, kind: str, rows: list[dict[str, Any]], faults: tuple[tuple[int, str], ...] = ()
) -> RatingImport:
    run = begin_run(store, "ratings import", {})
    with store.write() as session:
        source, _ = source_of(session, run, "panel", None if kind == "comparisons" else (1.0, 7.0))
    header = LabelHeader(digest=digest, name=f"{digest}.csv", source_id=source, kind=kind, options={}, run_id=run.id)
    staged = pl.DataFrame([{"line": number, **row} for number, row in enumerate(rows, 2)], schema_overrides=TEXT)
    refused = pl.DataFrame(list(faults), schema={"line": pl.Int64, "reason": pl.String}, orient="row")
    frames = [(STAGE_LABEL, staged), (STAGE_FAULT, refused)]
    return publish_staged(store, frames, lambda session: publish(session, header)[0], TEMPORARY)


def add_creatives(store: Store) -> list[int]:
    run = begin_run(store, "test", {})
    with store.write() as session:
        creatives.write_creatives(session, run, [content(name) for name in "abc"])
        return sorted(creatives.creative_ids(session, [content(name)["sha256"] for name in "abc"]).values())


def counts(record: RatingImport) -> dict[str, int]:
    return {n: getattr(record, n) for n in ("rows", "imported", "unchanged", "rejected") if getattr(record, n)}


def test_votes_are_written_once_and_those_that_contradict_are_refused(store: Store) -> None:
    one, two, _ = add_creatives(store)
    first = import_rows(store, "one", "votes", [vote(one, 3.0), vote(two, 4.0, "bob")], ((9, "no score"),))
    assert counts(first) == {"rows": 3, "imported": 2, "rejected": 1}

    again = import_rows(store, "two", "votes", [vote(one, 3.0), vote(two, 5.0, "bob"), vote(two, 6.0)])
    assert counts(again) == {"rows": 3, "imported": 1, "unchanged": 1, "rejected": 1}
    with store.read() as session:
        votes = session.execute(select(Rating.creative_id, Rating.score).order_by(Rating.id)).all()
        refused = session.execute(select(RatingReject.line, RatingReject.reason).order_by(RatingReject.id)).all()
    assert votes == [(one, 3.0), (two, 4.0), (two, 6.0)]
    assert refused == [(9, "no score"), (3, CONFLICT)]
    assert count(store, Rater) == 2


def test_the_same_rater_may_judge_again_at_another_time(sqlite_store: Store) -> None:
    one, *_ = add_creatives(sqlite_store)
    record = import_rows(sqlite_store, "one", "votes", [vote(one, 3.0, at="monday"), vote(one, 5.0, at="tuesday")])
    assert counts(record) == {"rows": 2, "imported": 2}


def test_summaries_belong_to_the_source_and_need_no_rater(store: Store) -> None:
    one, two, _ = add_creatives(store)
    row = {"rater": "", "at": "", "score": 4.0, "n": 12, "sd": 1.5}
    summaries = [{**row, "creative_id": id_, "counts": "[0, 12]"} for id_ in (one, two)]
    assert counts(import_rows(store, "one", "summaries", summaries)) == {"rows": 2, "imported": 2}
    differs = [{**summaries[0], "n": 13}, summaries[1]]
    assert counts(import_rows(store, "two", "summaries", differs)) == {"rows": 2, "unchanged": 1, "rejected": 1}
    with store.read() as session:
        kept = session.scalars(select(RatingSummary).order_by(RatingSummary.id)).all()
    assert [(row.creative_id, row.n, row.sd, row.counts) for row in kept] == [
        (one, 12, 1.5, [0, 12]),
        (two, 12, 1.5, [0, 12]),
    ]
    assert count(store, Rater) == 0


def test_comparisons_keep_share_and_weight_and_a_source_of_them_has_no_scale(store: Store) -> None:
    one, two, three = add_creatives(store)
    pair = {"creative_id": one, "second_id": two, "rater": "ann", "at": "", "share": 1.0, "weight": 1.0}
    rows = [pair, {**pair, "second_id": three, "share": 0.5, "weight": 4.0}]
    assert counts(import_rows(store, "one", "comparisons", rows)) == {"rows": 2, "imported": 2}
    assert counts(import_rows(store, "two", "comparisons", [{**pair, "share": 0.0}])) == {"rows": 1, "rejected": 1}
    with store.read() as session:
        kept = session.scalars(select(Comparison).order_by(Comparison.id)).all()
        source = session.scalars(select(RatingSource)).one()
    assert [(row.first_id, row.second_id, row.share, row.weight) for row in kept] == [
        (one, two, 1.0, 1.0),
        (one, three, 0.5, 4.0),
    ]
    assert source.scale_low is None


def test_a_digest_is_published_once(sqlite_store: Store) -> None:
    one, *_ = add_creatives(sqlite_store)
    first = import_rows(sqlite_store, "one", "votes", [vote(one, 3.0)])
    assert import_rows(sqlite_store, "one", "votes", [vote(one, 6.0)]).id == first.id
    assert [count(sqlite_store, table) for table in (RatingImport, Rating)] == [1, 1]


def test_a_source_keeps_its_salt_and_its_scale(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "test", {})
    with sqlite_store.write() as session:
        made = source_of(session, run, "panel", None)
        assert source_of(session, run, "panel", (1, 7)) == source_of(session, run, "panel", None) == made
        assert source_of(session, run, "other", (1, 5))[1] != made[1]
        with pytest.raises(UsageError, match="on 1 to 7, this table is on 1 to 5"):
            source_of(session, run, "panel", (1, 5))


def test_raters_who_come_after_the_salt_was_emptied_are_new_people(sqlite_store: Store) -> None:
    run = begin_run(sqlite_store, "test", {})
    with sqlite_store.write() as session:
        id_, salt = source_of(session, run, "panel", None)
        session.execute(update(RatingSource).values(salt=b""))
        session.expire_all()
        again, new = source_of(session, run, "panel", None)
    assert again == id_
    assert len(new) == 32
    assert new != salt


def test_votes_are_read_by_source_and_campaign(store: Store) -> None:
    run = begin_run(store, "test", {})
    version = add_version(store, run)
    inside = add_scores(store, run, version, {"x": 1.0})["x"]
    outside = add_scores(store, run, version, {"y": 1.0}, campaign="summer")["y"]
    import_rows(store, "one", "votes", [vote(inside, 2.0), vote(outside, 5.0, "bob")])
    with store.write() as session:
        source_of(session, run, "without votes", None)
    with store.read() as session:
        (source,) = vote_sources(session)
        every, spring = (votes_of(session, source.id, campaign) for campaign in (None, "spring"))
        nothing = votes_of(session, source.id, "winter")
    assert source.key == "panel"
    assert every.creative.tolist() == [inside, outside]
    assert (every.rater.tolist(), every.score.tolist()) == (["ann", "bob"], [2.0, 5.0])
    assert spring.creative.tolist() == [inside]
    assert (nothing.creative.size, nothing.score.dtype.kind) == (0, "f")
