"""What to label next, from what a store knows: who is asked about, who is not, and what comes back by import."""

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.intake.media.images import names_of
from abkit.store import models, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Comparison, Decision, IdeaCreative, Rating
from abkit.vocabulary import IdeaSource, Tells
from abkit.workflows.ratings import label_pool
from abkit.workflows.ratings.import_ratings import import_labels
from abkit.workflows.ratings.next_labels import NextLabels, next_labels
from tests.images import save_images
from tests.store import rows

DAY = date(2026, 3, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    save_images(folder := tmp_path_factory.mktemp("ads"), 10)
    return folder


def add(
    store: Store,
    paths: Sequence[Path],
    campaign: str | None = "spring",
    *,
    novelty: Sequence[float | None] = (),
    vectors: Sequence[np.ndarray] = (),
) -> list[int]:
    """Scored creatives, as files that are there; returns their ids."""
    rng = np.random.default_rng(len(campaign or ""))
    with recorded_run(store, "test", {}) as run, store.write() as session:
        version = models.register(session, run, rows.entry("ours"))
        models.promote(session, run, version, segment="", by="tests", why="tests")
        contents = []
        for number, path in enumerate(paths):
            content = {"sha256": sha256(path.read_bytes()).hexdigest(), "perceptual_hash": f"{number:016x}"}
            content |= {"width": 96, "height": 64, "media_type": "image/png", "bytes": path.stat().st_size}
            vector = vectors[number] if len(vectors) else rng.standard_normal(4)
            score = rows.score(float(rng.normal(4, 1)), novelty=novelty[number] if novelty else None)
            contents.append(scores.ScoredContent(content, score, vector.astype("<f2").tobytes()))
        scores.write_scores(session, run, version, contents)
        ids = creatives.creative_ids(session, [one.creative["sha256"] for one in contents])
        found = [ids[one.creative["sha256"]] for one in contents]
        target = creatives.ensure_campaign(session, run, campaign) if campaign else None
        names = [(id_, *names_of(path)) for id_, path in zip(found, paths, strict=True)]
        creatives.write_names(session, run, names, campaign=target)
    return found


def images(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def asked(store: Store, **options: Any) -> NextLabels:
    return next_labels(store, day=DAY, **options)


def filled(result: NextLabels, path: Path, answer: str, name: str = "choice") -> Path:
    """The table of questions as somebody filled it in."""
    answers = [{**row, name: answer, "rater": "ann"} for row in result.rows()]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(answers[0]))
        writer.writeheader()
        writer.writerows(answers)
    return path


def test_pairs_are_asked_inside_campaigns_and_come_back_by_import(store: Store, folder: Path, tmp_path: Path) -> None:
    add(store, images(folder)[:5], "spring")
    add(store, images(folder)[5:], "summer")
    first = asked(store, count=8)
    spring = {path.name for path in images(folder)[:5]}
    assert len(first.questions) == 8
    assert all((one.left in spring) == (one.right in spring) for one in first.questions)
    assert (first.candidates, first.comparisons, first.folder) == (10, 0, str(folder))
    assert list(first.rows()[0]) == ["rank", "image_left", "image_right", "choice", "rater", "time", "tells"]

    table = filled(first, tmp_path / "answers.csv", "left")
    landed = import_labels(store, Settings(), table, Path(first.folder))
    assert (landed.kind, landed.imported, landed.rejected) == ("comparisons", 8, 0)
    again = asked(store, count=8)
    assert again.comparisons == 8
    before, after = ({frozenset((one.left, one.right)) for one in result.questions} for result in (first, again))
    assert not before & after


def test_every_tenth_question_was_answered_before_and_its_new_answer_lands_beside_the_old_one(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    add(store, images(folder))
    first = asked(store, count=20)
    import_labels(store, Settings(), filled(first, tmp_path / "one.csv", "left"), folder, source="team")
    again = next_labels(store, count=20, day=date(2026, 3, 10))
    repeats = [one for one in again.questions if one.tells is Tells.REPEAT]
    assert [one.rank for one in repeats] == [10, 20]
    before = {frozenset((one.left, one.right)) for one in first.questions}
    assert all(frozenset((one.left, one.right)) in before for one in repeats)
    landed = import_labels(store, Settings(), filled(again, tmp_path / "two.csv", "right"), folder, source="team")
    assert (landed.imported, landed.rejected) == (20, 0)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Comparison)) == 40


def test_images_are_asked_about_once_and_come_back_as_ratings(store: Store, folder: Path, tmp_path: Path) -> None:
    add(store, images(folder))
    first = asked(store, count=6, images=True)
    assert {one.right for one in first.questions} == {""}
    table = filled(first, tmp_path / "rated.csv", "4", name="score")
    landed = import_labels(store, Settings(), table, folder, scale=(1, 7))
    assert (landed.kind, landed.imported, landed.rejected) == ("votes", 6, 0)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Rating)) == 6
    rest = asked(store, count=9, images=True)
    assert rest.ratings == 6
    assert not {one.left for one in first.questions} & {one.left for one in rest.questions}
    means = tmp_path / "means.csv"
    means.write_text("image,mean,n\n" + "".join(f"{one.left},3.5,20\n" for one in rest.questions))
    import_labels(store, Settings(), means, folder, scale=(1, 7))
    with pytest.raises(AbkitError, match="every image was rated"):
        asked(store, images=True)


def test_rows_left_empty_are_refused_with_a_reason_and_the_others_land(
    quick_store: Store, folder: Path, tmp_path: Path
) -> None:
    add(quick_store, images(folder))
    table = filled(asked(quick_store, count=5), tmp_path / "some.csv", "left")
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace(",left,ann,", ",,,")
    table.write_text("\n".join(lines))
    landed = import_labels(quick_store, Settings(), table, folder)
    assert (landed.imported, landed.rejected) == (4, 1)


def test_sizes_of_one_idea_and_nearly_equal_images_are_not_compared(quick_store: Store, folder: Path) -> None:
    rng = np.random.default_rng(1)
    vectors = list(rng.standard_normal((4, 4)))
    vectors[1] = vectors[0] + 1e-3
    ids = add(quick_store, images(folder)[:4], vectors=vectors)
    with recorded_run(quick_store, "test", {}) as run, quick_store.write() as session:
        one_idea = ideas.Joining(
            into=None, name="one", ideas=(), creatives=((ids[2], IdeaSource.HAND), (ids[3], IdeaSource.HAND))
        )
        ideas.join(session, run, [one_idea])
        assert session.scalar(select(func.count()).select_from(IdeaCreative)) == 2
    result = asked(quick_store, count=20)
    names = [path.name for path in images(folder)]
    pairs = {frozenset((one.left, one.right)) for one in result.questions}
    assert len(pairs) == 4
    assert not pairs & {frozenset(names[:2]), frozenset(names[2:4])}


def decide(store: Store, cause: str, scope: str = "days:7 against model") -> None:
    with recorded_run(store, "drift check", {}) as run, store.write() as session:
        version = models.active_model(session)
        assert version is not None
        session.add(
            Decision(
                run_id=run.id,
                model_version_id=version.id,
                decision="retrain",
                cause=cause,
                reasons={},
                scope=scope,
                as_of=DAY,
                decided_at=datetime.now(UTC),
            )
        )


def test_what_the_latest_drift_check_points_at_comes_first(quick_store: Store, folder: Path) -> None:
    add(quick_store, images(folder), novelty=[None, 2.0, 0.5, 3.0, *[0.9] * 6])
    names = [path.name for path in images(folder)]
    plain = asked(quick_store, count=10, images=True)
    assert plain.unfamiliar == 0

    decide(quick_store, "input_shift")
    result = asked(quick_store, count=10, images=True)
    assert {one.left for one in result.questions[:2]} == {names[1], names[3]}
    assert [one.tells for one in result.questions[:3]] == [Tells.UNFAMILIAR, Tells.UNFAMILIAR, Tells.UNKNOWN]
    pairs = asked(quick_store, count=12)
    assert all({one.left, one.right} & {names[1], names[3]} for one in pairs.questions)
    assert "2 creatives are asked about first" in " ".join(pairs.notes)

    decide(quick_store, "kpi_shift")
    assert asked(quick_store, count=3).unfamiliar == 0


def test_the_creatives_of_the_window_that_drifted_count_as_unfamiliar(quick_store: Store, folder: Path) -> None:
    add(quick_store, images(folder)[:6], "spring")
    add(quick_store, images(folder)[6:], "autumn")
    decide(quick_store, "input_shift", "campaign:autumn against campaign:spring")
    result = asked(quick_store, count=4, images=True)
    assert {one.left for one in result.questions} == {path.name for path in images(folder)[6:]}


def test_images_that_are_gone_or_have_changed_are_left_out_with_a_note(quick_store: Store, tmp_path: Path) -> None:
    paths = save_images(tmp_path / "own", 5)
    add(quick_store, paths)
    paths[0].unlink()
    paths[1].write_bytes(b"changed")
    result = asked(quick_store, count=20)
    assert {one.left for one in result.questions} | {one.right for one in result.questions} == {
        path.name for path in paths[2:]
    }
    assert "1 creatives are left out: their images are not where they were" in result.notes
    assert any("3 questions are left out: an image has changed" in note for note in result.notes)


def test_of_very_many_creatives_some_are_asked_about_and_it_says_so(
    quick_store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_pool, "MOST_CANDIDATES", 4)
    add(quick_store, images(folder))
    result = asked(quick_store, count=3)
    assert result.candidates == 4
    assert any("6 of 10 creatives are left out, by chance" in note for note in result.notes)


def test_what_is_missing_is_said(quick_store: Store, folder: Path) -> None:
    with pytest.raises(AbkitError, match="no creative has a score by the active model"):
        asked(quick_store)
    add(quick_store, images(folder)[:1])
    with pytest.raises(AbkitError, match="no campaign has two images"):
        asked(quick_store)
    with pytest.raises(UsageError, match="no campaign 'winter'"):
        asked(quick_store, campaign="winter")
    with pytest.raises(UsageError, match="0 is not a number of questions"):
        asked(quick_store, count=0)


def test_the_same_store_gives_the_same_questions(quick_store: Store, folder: Path) -> None:
    add(quick_store, images(folder))
    assert asked(quick_store).questions == asked(quick_store).questions
