"""The tables that training reads: what is known by a day, and what is left out and said."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import InvalidInput
from abkit.store.database.engine import Store
from abkit.store.schema import Campaign, Creative, CreativeAlias, Rater, Rating, RatingImport, RatingSource
from abkit.workflows.creatives import creative_files
from abkit.workflows.learning.appeals.appeals import find_appeals
from abkit.workflows.learning.retraining import challenger, image_watch, labeled
from abkit.workflows.learning.retraining.outcome_table import write_outcomes
from abkit.workflows.learning.retraining.tables import KnownTables, known_tables
from abkit_model.data.outcomes import read_outcomes
from abkit_model.data.raters import contrary_raters
from abkit_model.training.request import TrainingRequest
from tests.monitoring_rows import NOW, Seed, seeded

START = date(2025, 3, 3)
LATER = START + timedelta(days=9)


@pytest.fixture
def seed(sqlite_store: Store, tmp_path: Path) -> Seed:
    """Two campaigns of twelve creatives with images of their own; the first of each is the best."""
    rows = seeded(sqlite_store)
    for campaign in ("spring", "summer"):
        ads = rows.creatives(campaign, [None] * 12)
        rows.kpis(
            [
                {"ad_id": ad, "day": START, "impressions": 10_000, "clicks": 300 - 10 * place}
                for place, ad in enumerate(ads)
            ]
        )
    with sqlite_store.write() as session:
        for number, creative in enumerate(session.scalars(select(Creative).order_by(Creative.id))):
            path = tmp_path / "ads" / f"ad-{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(str(number).encode())
            creative.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            session.add(
                CreativeAlias(
                    creative_id=creative.id, name=str(path), base_name=path.name, created_at=NOW, run_id=rows.run_id
                )
            )
    return rows


def rated(seed: Seed, against: bool = False, poisoned: bool = False) -> None:
    """Six raters; their ratings go with the clicks, or against them; one of them may vote against the others."""
    with seed.store.write() as session:
        source = RatingSource(key="panel", scale_low=1, scale_high=7, salt=b"", created_at=NOW, run_id=seed.run_id)
        session.add(source)
        session.flush()
        done = RatingImport(
            digest="r", name="r.csv", rating_source_id=source.id, kind="votes", options={}, rows=1, imported=1,
            unchanged=0, rejected=0, imported_at=NOW, run_id=seed.run_id,
        )  # fmt: skip
        session.add(done)
        session.flush()
        ids = session.scalars(select(Creative.id).order_by(Creative.id)).all()
        rng = np.random.default_rng(0)
        for person in range(6):
            rater = Rater(rating_source_id=source.id, pseudonym=f"p{person}", created_at=NOW, run_id=seed.run_id)
            session.add(rater)
            session.flush()
            for place, creative in enumerate(ids):
                like = 6 - place % 12 / 2.2
                score = 8 - like if against != (poisoned and person == 3) else like
                score = float(np.clip(round(score + rng.normal(0, 0.5)), 1, 7))
                session.add(Rating(rater_id=rater.id, creative_id=creative, score=score, rating_import_id=done.id))


def known(seed: Seed, scale: tuple[float, float] | None = (1, 7), **options: frozenset[int]) -> KnownTables:
    with seed.store.read() as session:
        found = find_appeals(session, Settings(), metric="ctr", as_of=LATER)
    return known_tables(seed.store, found, scale=scale, **options)


def test_the_table_that_is_written_is_the_one_that_training_reads(seed: Seed, tmp_path: Path) -> None:
    written = write_outcomes(seed.store, Settings(), tmp_path / "outcomes.csv", as_of=LATER)
    assert (written.rows, written.creatives, written.campaigns, written.randomized) == (24, 24, 2, 0)
    table = read_outcomes(tmp_path / "outcomes.csv")
    assert (len(table.images), len(table.cells), table.metric) == (24, 2, "ctr")
    assert table.appeal[0] > 0 > table.appeal[11]
    assert f"--images {tmp_path / 'ads'}" in written.notes[-1]
    with (tmp_path / "outcomes.csv").open() as file:
        assert {row["source"] for row in csv.DictReader(file)} == {"observational"}
    with pytest.raises(InvalidInput, match="no decided experiment"):
        write_outcomes(seed.store, Settings(), tmp_path / "tests.csv", as_of=LATER, only_experiments=True)
    with pytest.raises(InvalidInput, match="none ran beside another"):
        write_outcomes(seed.store, Settings(), tmp_path / "x.csv", as_of=START - timedelta(days=1))


def test_images_that_are_gone_or_have_changed_are_left_out_and_counted(seed: Seed, tmp_path: Path) -> None:
    (tmp_path / "ads" / "ad-0.png").unlink()
    (tmp_path / "ads" / "ad-1.png").write_bytes(b"another image")
    tables = known(seed, None)
    assert len(tables.outcomes) == 22
    assert any(note.startswith("2 creatives are left out") for note in tables.notes)


def test_campaigns_whose_keys_begin_alike_are_counted_apart(seed: Seed, tmp_path: Path) -> None:
    with seed.store.write() as session:
        for campaign in session.scalars(select(Campaign).where(Campaign.key.in_(("spring", "summer")))):
            campaign.key = f"shop / {campaign.key}"
    assert known(seed, None).campaigns == 2
    assert write_outcomes(seed.store, Settings(), tmp_path / "outcomes.csv", as_of=LATER).campaigns == 2


def test_no_image_is_read_while_a_transaction_is_open(
    seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, content, during = Store.read, creative_files._content, []
    active = 0

    @contextmanager
    def counted(store: Store) -> Iterator[Session]:
        nonlocal active
        with usual(store) as session:
            active += 1
            try:
                yield session
            finally:
                active -= 1

    def noted(path: Path) -> str:
        during.append(active)
        return content(path)

    monkeypatch.setattr(Store, "read", counted)
    monkeypatch.setattr(creative_files, "_content", noted)
    known(seed, None)
    write_outcomes(seed.store, Settings(), tmp_path / "outcomes.csv", as_of=LATER)
    assert during == [0] * 48


def test_what_will_be_judged_is_not_learned_from_not_even_its_ratings(seed: Seed) -> None:
    rated(seed)
    tables = known(seed, leave_out=frozenset({1, 2, 3}))
    names = {row["image"] for row in tables.outcomes}
    assert len(names) == 21
    assert {row["image"] for row in tables.ratings} == names
    assert len(tables.ratings) == 21 * 6
    assert not any("contradict" in note or "against" in note for note in tables.notes)


def test_a_rater_who_votes_against_everybody_is_named_and_left_out(seed: Seed) -> None:
    rated(seed, poisoned=True)
    tables = known(seed)
    assert {row["rater"] for row in tables.ratings} == {f"panel/p{person}" for person in (0, 1, 2, 4, 5)}
    assert any("panel/p3 (24 votes)" in note for note in tables.notes)


def test_what_training_says_about_its_labels_is_said_of_the_challenger(
    seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(seed, against=True)
    against = "the ratings contradict the outcomes of the same creatives: SRCC inside campaigns -0.80"
    asked = []

    def train(store: Store, request: TrainingRequest, **options: Any) -> Any:
        asked.append(request)
        return SimpleNamespace(digest="c")

    fit = {"outcome_fit": {"moved": True, "own_share": 0.25}}
    made = SimpleNamespace(version=SimpleNamespace(card={"data": {"notes": [against]}, "metrics": fit}))
    monkeypatch.setattr(challenger, "train", train)
    monkeypatch.setattr(challenger, "find_model", lambda store, digest: made)
    card = SimpleNamespace(name="ours", scale=SimpleNamespace(low=1, high=7), encoder="e", data={})
    scorer = SimpleNamespace(card=card, encoder="encoder")
    champion: Any = SimpleNamespace(scorer=scorer, version=SimpleNamespace(digest="d"))
    settings = Settings(workspace=tmp_path)
    with seed.store.read() as session:
        appeals = find_appeals(session, settings, metric="ctr", as_of=LATER)
    found = challenger.train_challenger(seed.store, settings, champion, appeals, name="new")
    assert against in found.notes
    assert any(note.startswith("25 % of what tells creatives of a campaign apart") for note in found.notes)
    assert asked[0].ratings is not None  # they are learned from all the same


class _Watch(image_watch.Unwatched):
    def kills(self, path: Path | str) -> str:
        return "it ended the job" if Path(path).name == "ad-1.png" else ""


def test_an_image_that_ended_the_job_too_often_is_in_no_table_and_those_that_are_learned_from_are_watched(
    seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(seed)
    watched: list[tuple[Any, list[str]]] = []
    card = SimpleNamespace(name="ours", scale=SimpleNamespace(low=1, high=7), encoder="e", data={})
    scorer = SimpleNamespace(card=card, encoder="encoder")
    champion: Any = SimpleNamespace(scorer=scorer, version=SimpleNamespace(digest="d"))
    made = SimpleNamespace(version=SimpleNamespace(card={"data": {}, "metrics": {}}))
    monkeypatch.setattr(challenger, "train", lambda *_, **__: SimpleNamespace(digest="c"))
    monkeypatch.setattr(challenger, "find_model", lambda store, digest: made)
    monkeypatch.setattr(labeled, "train", lambda *_, **__: SimpleNamespace(name="n", digest="c"))
    monkeypatch.setattr(labeled, "ensure_active_model", lambda *_: champion)
    for module in (challenger, labeled):
        monkeypatch.setattr(
            module,
            "encode_ahead",
            lambda watch, settings, encoder, paths: watched.append((watch, [path.name for path in paths])),
        )
    settings, watch = Settings(workspace=tmp_path), _Watch()
    with seed.store.read() as session:
        appeals = find_appeals(session, settings, metric="ctr", as_of=LATER)
    found = challenger.train_challenger(seed.store, settings, champion, appeals, name="new", watch=watch)
    assert "left out, because reading it ended the job again and again: ad-1.png" in found.notes
    assert not any(row["image"] == "ad-1.png" for row in (*found.known.outcomes, *found.known.ratings))
    labeled.train_on_labels(seed.store, settings, watch=watch)
    assert [one for one, _ in watched] == [watch, watch]
    for _, names in watched:
        assert len(names) == 23
        assert "ad-1.png" not in names


def test_ratings_on_another_scale_are_not_learned_from(seed: Seed) -> None:
    rated(seed)
    assert known(seed, (1, 5)).ratings == []


def test_of_two_who_disagree_nobody_is_blamed_and_noise_alone_is_no_malice() -> None:
    item, two = np.tile(np.arange(30), 2), np.repeat(np.arange(2), 30)
    assert contrary_raters(item, two, np.r_[np.arange(30.0), np.arange(30.0)[::-1]]).tolist() == []
    rng, wrong = np.random.default_rng(1), 0
    item, rater = np.tile(np.arange(20), 8), np.repeat(np.arange(8), 20)
    for _ in range(200):
        wrong += len(contrary_raters(item, rater, rng.normal(size=160))) > 0
    assert wrong <= 10
