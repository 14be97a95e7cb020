"""Shortlists: probabilities that fit the scores, a line that is drawn where it was asked for, and words for each."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.store import models, results, scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion, Run
from abkit.workflows.scoring.score import score_paths
from abkit.workflows.scoring.shortlist import shortlist
from abkit_model.selection import pair_probability
from tests.images import make_image, save_images

CALIBRATED = {"pairs": {"error_spread": 0.5, "n": 616}}
INTERVAL = {"level": 0.9, "half_width": 1.2, "n": 616}


def campaign(
    store: Store,
    means: Sequence[float],
    *,
    key: str = "spring",
    metrics: dict[str, Any] | None = None,
    interval: dict[str, Any] | None = None,
    digest: str = "d" * 64,
    novelty: Sequence[float | None] | None = None,
) -> ModelVersion:
    """An active model that gave these scores to the images p0.png, p1.png, … of a campaign."""
    with recorded_run(store, "test", {}) as run, store.write() as session:
        entry = models.ModelEntry(
            digest=digest,
            name="ours",
            location="nowhere",
            encoder="e",
            encoder_fingerprint="f",
            scale_low=1,
            scale_high=7,
            segment="",
            demonstration=False,
            card={"metrics": CALIBRATED if metrics is None else metrics, "interval": interval or INTERVAL},
        )
        version = models.register(session, run, entry)
        models.promote(session, run, version, segment="", by="tests", why="tests")
        far = novelty or [None] * len(means)
        contents = [_content(f"p{i}", mean, far[i]) for i, mean in enumerate(means)]
        scores.write_scores(session, run, version, contents)
        _name(session, run, key, [f"p{i}" for i in range(len(means))])
    return version


def _content(name: str, mean: float, novelty: float | None = None) -> scores.ScoredContent:
    creative = {"perceptual_hash": "0" * 16, "width": 64, "height": 64, "media_type": "image/png", "bytes": 1}
    score = {
        "mean": mean,
        "std": 1.0,
        "epistemic_std": 0.1,
        "distribution": [1.0],
        "ci_low": mean - 1,
        "ci_high": mean + 1,
        "ci_level": 0.9,
        "query_activations": [],
        "novelty": novelty,
    }
    return scores.ScoredContent({**creative, "sha256": _sha256(name)}, score, b"")


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _name(session: Any, run: RunRecord, key: str, names: Sequence[str]) -> None:
    number = creatives.ensure_campaign(session, run, key)
    ids = creatives.creative_ids(session, [_sha256(name) for name in names])
    aliases = [(ids[_sha256(n)], f"/ads/{n}.png", f"{n}.png") for n in names]
    creatives.write_names(session, run, aliases, campaign=number)


def test_images_come_best_first_with_probabilities_that_fit_their_scores(store: Store) -> None:
    campaign(store, [4.0, 5.0, 4.6])
    result = shortlist(store, campaign="spring", keep=1)

    assert [one.creative for one in result.creatives] == ["p1.png", "p2.png", "p0.png"]
    assert [one.rank for one in result.creatives] == [1, 2, 3]
    assert sum(one.p_best or 0 for one in result.creatives) == pytest.approx(1)
    first, second, third = result.creatives
    assert first.p_beats_next == pytest.approx(float(pair_probability(5.0, 4.6, 0.5)))
    assert (first.p_beats_first_left_out, second.p_beats_first_left_out) == (first.p_beats_next, None)
    assert third.p_beats_first_left_out == pytest.approx(1 - float(pair_probability(4.6, 4.0, 0.5)))
    assert [one.kept for one in result.creatives] == [True, False, False]
    assert (first.ci_low, first.ci_high, first.ci_level) == (4.0, 6.0, 0.9)
    assert (result.n, result.kept, result.unscored) == (3, 1, 0)


def test_the_run_is_recorded_with_what_came_of_it(store: Store) -> None:
    version = campaign(store, [5.0, 2.0])
    result = shortlist(store, campaign="spring")
    with store.read() as session:
        run = session.get_one(Run, result.run_id)
    assert (run.what, run.state) == ("shortlist", "done")
    assert run.outcome is not None
    assert run.outcome["kept"] == 1
    assert run.outcome["model_version"] == version.digest
    assert run.outcome["p_best_kept"] == result.p_best_kept


def test_without_a_number_the_fewest_are_kept_that_hold_the_best_as_demanded(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.0, 4.9, 4.3, 3.0, 2.0])
    for demanded in (0.4, 0.8, 0.95, 0.999):
        result = shortlist(sqlite_store, campaign="spring", p_best=demanded)
        chances = [one.p_best or 0 for one in result.creatives]
        assert sum(chances[: result.kept]) >= demanded > sum(chances[: result.kept - 1])
        assert result.p_best_kept == pytest.approx(sum(chances[: result.kept]))


def test_a_clear_gap_is_clear_and_every_reason_says_why(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.5, 5.4, 2.0])
    result = shortlist(sqlite_store, campaign="spring", keep=2)
    assert result.clear
    assert "every creative kept beats every one left out" in result.why
    assert "the best candidate is kept with a probability of 1.000" in result.why
    assert [one.tie_group for one in result.creatives] == [1, 1, 2]
    assert [one.tied_with for one in result.creatives] == [1, 1, 0]
    assert [one.reason for one in result.creatives] == [
        "kept: P(best) 0.56; not told apart from place 2",
        "kept: P(best) 0.44; not told apart from place 1",
        "left out: P(best) <0.01; behind the last one kept, which beats it with P >0.99",
    ]


def test_an_image_unlike_the_training_says_so_kept_or_left_out_and_has_no_interval(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.5, 5.4, 2.0, 1.9, 1.8], novelty=[1.62, 1.0, 1.01, None, 0.3])
    result = shortlist(sqlite_store, campaign="spring", keep=2)
    assert [one.novelty for one in result.creatives] == [1.62, 1.0, 1.01, None, 0.3]
    far = [one.reason.endswith("; unlike anything the queries were trained on") for one in result.creatives]
    assert far == [True, False, True, False, False]
    assert [one.ci_low is None and one.ci_high is None for one in result.creatives] == far
    assert result.creatives[0].reason.startswith("kept: P(best) ")
    assert result.creatives[2].reason.startswith("left out: P(best) ")


@pytest.mark.parametrize("keep", [None, 1, 2])
def test_with_an_image_unlike_the_training_nothing_is_clear(sqlite_store: Store, keep: int | None) -> None:
    campaign(sqlite_store, [6.0, 2.0], novelty=[0.3, 1.01])
    result = shortlist(sqlite_store, campaign="spring", keep=keep)
    assert (result.clear, result.unfamiliar) == (False, 1)
    assert result.why.startswith("1 candidate is unlike anything the queries were trained on")
    campaign(sqlite_store, [6.0, 2.0], novelty=[0.3, 1.0], key="autumn", digest="e" * 64)
    assert shortlist(sqlite_store, campaign="autumn", keep=keep).clear


def test_many_alike_are_no_clear_choice_though_the_best_is_kept_as_demanded(sqlite_store: Store) -> None:
    campaign(sqlite_store, [4.0 - 0.01 * place for place in range(60)])
    result = shortlist(sqlite_store, campaign="spring")
    assert result.p_best_kept >= 0.9
    assert 30 < result.kept < 60
    assert not result.clear
    assert "the first one left out is a tie with the best one kept" in result.why


def test_a_clear_edge_is_not_enough_where_the_best_is_kept_too_rarely(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.0, *[4.05] * 20])
    result = shortlist(sqlite_store, campaign="spring", keep=1)
    assert (result.creatives[0].p_beats_next or 0) >= 0.9
    assert result.p_best_kept < 0.9
    assert not result.clear
    assert "although every creative kept beats every one left out" in result.why


def test_a_line_through_a_tie_is_not_clear(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.0, 4.9, 4.8, 1.5])
    result = shortlist(sqlite_store, campaign="spring", keep=1)
    assert not result.clear
    assert "a tie" in result.why
    assert result.creatives[0].reason.endswith("not told apart from places 2 to 3 (2 of them left out)")
    assert "a tie with the last one kept" in result.creatives[1].reason
    assert "behind the last one kept" in result.creatives[3].reason


def test_a_line_through_a_tie_is_clear_when_the_best_is_kept_with_the_probability_demanded(sqlite_store: Store) -> None:
    campaign(sqlite_store, [6.0, 6.0, 3.1, 3.0])
    asked = shortlist(sqlite_store, campaign="spring", keep=3)
    assert asked.clear
    assert "although" in asked.why
    assert not shortlist(sqlite_store, campaign="spring", keep=1, p_best=0.6).clear
    assert shortlist(sqlite_store, campaign="spring", keep=1, p_best=0.4).clear


def test_a_campaign_that_cannot_be_narrowed_down_is_not_clear(sqlite_store: Store) -> None:
    campaign(sqlite_store, [4.0, 4.0, 4.0])
    result = shortlist(sqlite_store, campaign="spring")
    assert result.kept == 3
    assert not result.clear
    assert "none of the 3 candidates can be left out" in result.why


def test_equal_scores_share_rank_and_chances_and_are_a_tie(store: Store) -> None:
    campaign(store, [4.0, 4.0, 4.0, 4.0])
    result = shortlist(store, campaign="spring", keep=2)
    assert {one.rank for one in result.creatives} == {1}
    assert [one.p_best for one in result.creatives] == pytest.approx([0.25] * 4)
    assert {one.tie_group for one in result.creatives} == {1}
    assert result.creatives[1].p_beats_next == 0.5
    assert not result.clear


def test_a_lower_threshold_tells_more_apart(sqlite_store: Store) -> None:
    campaign(sqlite_store, [4.6, 4.0])
    assert shortlist(sqlite_store, campaign="spring").creatives[0].tied_with == 1
    strict = shortlist(sqlite_store, campaign="spring", keep=1, p_best=0.75, min_probability=0.75)
    assert strict.creatives[0].tied_with == 0
    assert strict.clear


def test_one_image_is_kept_and_it_is_noted_that_there_was_no_choice(sqlite_store: Store) -> None:
    campaign(sqlite_store, [4.0])
    result = shortlist(sqlite_store, campaign="spring")
    assert (result.kept, result.clear, result.p_best_kept) == (1, True, pytest.approx(1))
    assert "nothing to choose" in result.note
    assert result.creatives[0].reason == "kept: the only scored candidate; there is nothing to compare it with"


def test_more_than_there_are_keeps_all_and_says_so(sqlite_store: Store) -> None:
    campaign(sqlite_store, [4.0, 5.0])
    result = shortlist(sqlite_store, campaign="spring", keep=7)
    assert result.kept == 2
    assert "more than the 2 scored creatives" in result.note


def test_a_candidate_without_a_score_is_listed_and_nothing_is_clear(store: Store) -> None:
    campaign(store, [6.0, 2.0])
    with recorded_run(store, "test", {}) as run, store.write() as session:
        creative = {**_content("late", 1).creative, "created_at": run_time(session, run), "run_id": run.id}
        scores.insert_missing(session, scores.Creative, [creative], key=["sha256"])
        _name(session, run, "spring", ["late"])
    result = shortlist(store, campaign="spring", keep=1)
    assert (result.n, result.unscored, result.clear) == (2, 1, False)
    assert "1 of 3 candidates have no score" in result.why
    last = result.creatives[-1]
    assert (last.creative, last.score, last.p_best, last.kept) == ("late.png", None, None, False)
    assert last.reason.startswith("not judged: no score by ours")


def run_time(session: Any, run: RunRecord) -> Any:
    return session.get_one(Run, run.id).started_at


def test_a_card_of_an_earlier_version_gives_cautious_probabilities_and_says_so(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.0, 4.0], metrics={})
    old = shortlist(sqlite_store, campaign="spring")
    assert old.error_spread == pytest.approx(1.2 / 1.6448536)
    assert not old.error_spread_measured
    assert old.calibration is None


def test_a_model_whose_errors_are_not_known_gives_no_probabilities(sqlite_store: Store) -> None:
    campaign(sqlite_store, [5.0, 4.0], metrics={}, interval={"level": 0.9, "half_width": None, "n": 3})
    with pytest.raises(AbkitError, match="were never measured"):
        shortlist(sqlite_store, campaign="spring")


def test_what_does_not_exist_is_one_sentence(sqlite_store: Store) -> None:
    with pytest.raises(UsageError, match="no campaign 'spring'"):
        shortlist(sqlite_store, campaign="spring")
    campaign(sqlite_store, [5.0, 4.0])
    with pytest.raises(UsageError, match="no model version"):
        shortlist(sqlite_store, campaign="spring", model="nothing")
    with recorded_run(sqlite_store, "test", {}) as run, sqlite_store.write() as session:
        creatives.ensure_campaign(session, run, "empty")
    with pytest.raises(AbkitError, match="'empty' has no scores by ours"):
        shortlist(sqlite_store, campaign="empty")
    for wrong in ({"p_best": 0.0}, {"p_best": 1.5}, {"min_probability": 0.5}, {"min_probability": 1.0}, {"keep": 0}):
        with pytest.raises(UsageError):
            shortlist(sqlite_store, campaign="spring", **wrong)


def test_scores_of_another_version_are_used_when_it_is_named(store: Store) -> None:
    campaign(store, [5.0, 2.0], digest="a" * 64)
    campaign(store, [2.0, 5.0], digest="b" * 64)
    assert shortlist(store, campaign="spring").creatives[0].creative == "p1.png"
    assert shortlist(store, campaign="spring", model="aaaa").creatives[0].creative == "p0.png"


def test_it_says_whether_the_score_was_held_to_a_kpi(store: Store) -> None:
    version = campaign(store, [5.0, 2.0])
    assert "never measured" in shortlist(store, campaign="spring").relation[0]

    with recorded_run(store, "correlate", {}) as run, store.write() as session:
        row = {
            "run_id": run.id,
            "model_version_id": version.id,
            "metric": "ctr",
            "segment": "",
            "statistic": "srcc",
            "ci_level": 0.95,
            "method": "m",
            "note": "",
            "as_of": date(2025, 5, 1),
            "filters": {},
        }
        everywhere = {**row, "scope": "all", "estimate": 0.5, "ci_low": 0.3, "ci_high": 0.7, "n": 60}
        inside = {**row, "scope": "within_campaign", "estimate": 0.2, "ci_low": -0.1, "ci_high": 0.5, "n": 53}
        results.write_results(session, CorrelationResult, [everywhere, inside])
    (said,) = shortlist(store, campaign="spring").relation
    assert "CTR: not shown to go together, SRCC within campaigns +0.20 [-0.10, +0.50], n = 53" in said
    assert f"run {run.id}, as of 2025-05-01" in said

    with recorded_run(store, "correlate", {}) as run, store.write() as session:
        later = {**everywhere, "run_id": run.id}
        unknown = {**inside, "run_id": run.id, "estimate": None, "ci_low": None, "ci_high": None, "note": "too few"}
        results.write_results(session, CorrelationResult, [later, unknown])
    assert "CTR: shown to go together, SRCC over all creatives +0.50" in shortlist(store, campaign="spring").relation[0]


def test_copies_count_once_and_images_of_the_same_name_are_told_apart(
    scoring_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ads = tmp_path / "ads"
    save_images(ads, 3)
    make_image(0).save(ads / "copy.png")
    (ads / "b").mkdir()
    make_image(9).save(ads / "b" / "creative_0001.png")
    score_paths(scoring_store, Settings(workspace=tmp_path), [ads, ads / "b"], campaign="spring")

    def refuse(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("abkit.workflows.active_model.load_scorer", refuse)
    result = shortlist(scoring_store, campaign="spring")
    assert result.n == 4
    names = sorted(one.creative for one in result.creatives)
    assert names[:2] == ["ads/creative_0001.png", "b/creative_0001.png"]
    assert sum(len(one.names) for one in result.creatives) == 5
    with scoring_store.read() as session:
        assert session.scalars(select(Run.what).order_by(Run.id.desc()).limit(1)).one() == "shortlist"
