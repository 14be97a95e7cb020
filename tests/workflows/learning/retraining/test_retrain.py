"""Retraining: what becomes of a challenger. Training and scoring are stand-ins here; the demo does both for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from sqlalchemy import func, select

from abkit.config import RetrainSettings, Settings
from abkit.errors import AbkitError, StoreError, UsageError
from abkit.jobs.job import Tick
from abkit.jobs.work.learning import Retrain
from abkit.jobs.work.learning import retrain as job
from abkit.store import models, trials
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Creative, ModelVersion, RetrainJudged, RetrainTrial, Run
from abkit.vocabulary import TrialDecision
from abkit.workflows.active_model import ActiveModel
from abkit.workflows.learning.appeals.appeals import StoredAppeals
from abkit.workflows.learning.retraining import retrain as module
from abkit.workflows.learning.retraining.challenger import Challenger
from abkit.workflows.learning.retraining.image_watch import Unwatched
from abkit.workflows.learning.retraining.shadow import score_beside
from abkit.workflows.learning.retraining.tables import KnownTables
from abkit.workflows.learning.retraining.trials import RetrainResult
from abkit_model.errors import EncoderUnavailable, LabelError
from tests.monitoring_rows import seeded
from tests.store.rows import NOW, add_version

START, DAYS = date(2026, 1, 1), 60
TODAY = START + timedelta(days=DAYS - 1)


@dataclass
class Shop:
    """A store with delivery, a champion, and challengers that know as much as the test says."""

    store: Store
    truth: dict[int, float]
    champion: ActiveModel
    settings: Settings
    known: dict[str, float]  # by digest: how far the scores follow the truth
    learned: list[StoredAppeals]
    hidden: list[frozenset[int]]
    watches: list[Any] = field(default_factory=list)
    fails: Exception | None = None

    def retrain(self, skill: float = 0.0, **options: Any) -> RetrainResult:
        self.known["next"] = skill
        return module.retrain(self.store, self.settings, **{"as_of": TODAY, **options})

    def score(self, digest: str, creative: int) -> float:
        skill = self.known.get(digest, 0.0)
        luck = np.random.default_rng([creative, len(digest), int(digest[:6], 36)]).normal()
        return float(skill * self.truth[creative] / 0.3 + np.sqrt(1 - skill**2) * luck)

    def active(self) -> str:
        with self.store.read() as session:
            version = models.active_model(session)
        assert version is not None
        return version.digest


@pytest.fixture
def shop(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return opened(sqlite_store, monkeypatch)


def opened(store: Store, monkeypatch: pytest.MonkeyPatch, *, campaigns: int = 12, each: int = 12) -> Shop:
    rows, rng, truth = seeded(store), np.random.default_rng(0), {}
    parts = [rows.segment(placement=name) for name in ("feed-0", "stories-0")]
    for number in range(campaigns):
        launches = [START + timedelta(days=int(day)) for day in np.linspace(0, DAYS - 12, each)]
        ads = rows.creatives(f"campaign-{number}", [None] * each, launched=launches)
        appeal = rng.normal(0, 0.3, each)
        rows.kpis(
            [
                {
                    "ad_id": ad, "period_start": launch, "period_end": TODAY, "impressions": 4000,
                    "clicks": rng.poisson(80 * np.exp(value)), "segment_id": part,
                }
                for ad, value, launch in zip(ads, appeal, launches, strict=True)
                for part in parts
            ]
        )  # fmt: skip
        with store.read() as session:
            latest = session.scalars(select(Creative.id).order_by(Creative.id.desc()).limit(each)).all()
        truth |= dict(zip(sorted(latest), appeal.tolist(), strict=True))
    run = begin_run(store, "test", {})
    with store.write() as session:
        version = session.get_one(ModelVersion, rows.version_id)
        models.promote(session, run, version, segment="", by="test", why="first")
    champion = with_scorer(version)
    shop = Shop(store, truth, champion, Settings(), {}, [], [])

    def challenger(store: Store, _: Settings, __: ActiveModel, found: StoredAppeals, **said: Any) -> Challenger:
        if shop.fails:
            raise shop.fails
        shop.learned.append(found)
        shop.hidden.append(said["leave_out"])
        shop.watches.append(said["watch"])
        made = add_version(store, run, f"{len(shop.known)}challenger")
        shop.known[made.digest] = shop.known["next"]
        known = KnownTables(folder=Path(), outcomes=[], ratings=[], comparisons=[], creatives=frozenset(), campaigns=0)
        return Challenger(version=with_scorer(made), known=known, tables=Path("tables"), notes=("said",))

    def scores_of(_: Store, __: Settings, ___: Any, who: ActiveModel, ids: Any, watch: Any) -> Mapping[int, Any]:
        shop.watches.append(watch)
        return {one: SimpleNamespace(mean=shop.score(who.version.digest, one)) for one in ids}

    monkeypatch.setattr(module, "train_challenger", challenger)
    monkeypatch.setattr(module, "scores_of", scores_of)
    monkeypatch.setattr(module, "score_as", lambda *said: shop.watches.append(said[-1]) or 0)
    monkeypatch.setattr(module, "ensure_active_model", lambda *_: champion)
    return shop


def with_scorer(version: ModelVersion) -> ActiveModel:
    active = ActiveModel(version)
    active.__dict__["scorer"] = SimpleNamespace(trained_on=lambda digests, _: np.zeros(len(digests), bool))
    return active


def test_a_challenger_that_is_better_on_later_launches_is_promoted(shop: Shop) -> None:
    result = shop.retrain(0.6)
    assert result.decision is TrialDecision.PROMOTED
    assert shop.active() == result.challenger
    (found,) = shop.learned
    assert found.as_of == result.learned_until
    assert result.judged_first is not None
    assert found.as_of < result.judged_first  # it learned until the day before
    judged = {int(one) for one in found.appeals.creative} & shop.hidden[0]
    assert not judged  # and nothing of what it is judged on was even delivered by then
    with shop.store.read() as session:
        (row,) = session.scalars(select(RetrainTrial)).all()
        assert (row.decision, row.attempt, row.spent) == ("promoted", 1, 0.025)
        assert row.gain_low is not None
        assert row.gain_low > 0
        assert row.figures["verdict"]["gain"]["challenger"]["concordance"] > 0.6
        used = session.scalar(select(func.count(RetrainJudged.id)))
        assert used == row.creatives >= 100
        why = session.scalars(select(models.Promotion.why).order_by(models.Promotion.id.desc())).first()
    assert why == result.reason


def test_outcomes_that_carry_nothing_do_not_promote_and_the_reason_is_kept(shop: Shop) -> None:
    result = shop.retrain(0.0)
    assert result.decision is TrialDecision.REFUSED
    assert "does not exceed 0" in result.reason
    assert shop.active() == shop.champion.version.digest
    with shop.store.read() as session:
        assert session.scalars(select(RetrainTrial.reason)).all() == [result.reason]


def test_launches_are_judged_in_order_and_once(shop: Shop) -> None:
    first = shop.retrain(0.0)
    again = shop.retrain(0.9)  # the launches before those that were judged are no later ones
    assert again.decision is TrialDecision.NOT_ENOUGH
    assert again.reason == (
        "not enough: 0 of 10 campaigns and 0 of 100 creatives were launched since the last judgment"
    )
    assert again.challenger == ""
    assert again.judged_first is None
    assert first.challenger != ""
    with shop.store.read() as session:
        assert trials.attempts(session, shop.champion.version.id) == 1


def test_a_shop_with_three_creatives_is_told_what_is_missing(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = opened(sqlite_store, monkeypatch, campaigns=1, each=3)
    result = shop.retrain(0.9)
    assert result.decision is TrialDecision.NOT_ENOUGH
    assert result.reason.startswith("not enough: 1 of 10 campaigns and 3 of 100 creatives")
    assert shop.learned == []


def test_equal_scores_are_refused_and_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "score", lambda digest, creative: 4.0)
    result = shop.retrain(0.9)
    assert result.decision is TrialDecision.REFUSED
    assert "all scores of the champion and the challenger are equal" in result.reason


def test_too_little_to_learn_from_leaves_the_champion_and_costs_nothing(shop: Shop) -> None:
    shop.fails = LabelError("the table has usable outcomes of 4 creatives", "add some")
    result = shop.retrain(0.9)
    assert result.decision is TrialDecision.NOT_ENOUGH
    assert "not enough to learn from by" in result.reason
    assert "(add some)" in result.reason
    with shop.store.read() as session:
        assert trials.attempts(session, shop.champion.version.id) == 0
        assert trials.used_creatives(session, shop.champion.version.id) == set()


@pytest.mark.parametrize(
    "failure", [EncoderUnavailable("no weights", "fetch them"), AbkitError("the disk is full", hint="make room")]
)
def test_a_training_that_failed_is_a_failure_with_its_hint_and_not_a_verdict(shop: Shop, failure: AbkitError) -> None:
    shop.fails = failure
    with pytest.raises(AbkitError) as raised:
        shop.retrain(0.9)
    assert raised.value.hint == failure.hint
    with shop.store.read() as session:
        assert session.scalars(select(RetrainTrial)).all() == []
        assert session.scalars(select(Run.state).where(Run.what == "retrain")).all() == ["failed"]


def test_a_challenger_whose_checkpoint_is_gone_does_not_score_and_says_so(shop: Shop) -> None:
    held = shop.retrain(0.6, as_of=START + timedelta(days=10), shadow=True)
    said = score_beside(shop.store, shop.settings, sorted(shop.truth))
    assert said.startswith(f"the challenger {held.challenger[:12]} that is held did not score: ")
    with shop.store.read() as session:
        assert session.scalars(select(Run.state).where(Run.what == "score in shadow")).all() == ["failed"]


def test_a_challenger_whose_scores_the_store_does_not_take_leaves_the_champions_as_they_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = shop.retrain(0.6, as_of=START + timedelta(days=10), shadow=True)
    full = StoreError("the disk of the store is full", hint="make room")
    monkeypatch.setattr("abkit.workflows.learning.retraining.shadow.scores_of", Mock(side_effect=full))
    said = score_beside(shop.store, shop.settings, sorted(shop.truth))
    assert said == (
        f"the challenger {held.challenger[:12]} that is held did not score: the disk of the store is full (make room)"
    )


def test_a_job_watches_every_image_that_a_retraining_opens(shop: Shop) -> None:
    watch = Unwatched()
    assert shop.retrain(0.6, watch=watch).decision is TrialDecision.PROMOTED
    assert len(shop.watches) == 4  # learned from, scored by both, and scored anew after the promotion
    assert all(one is watch for one in shop.watches)


def test_without_promote_a_better_challenger_waits_for_a_person(shop: Shop) -> None:
    shop.settings = Settings(retrain=RetrainSettings(promote=False))
    result = shop.retrain(0.6)
    assert result.decision is TrialDecision.CANDIDATE
    assert "[retrain] promote is off" in result.reason
    assert shop.active() == shop.champion.version.digest


def test_a_challenger_is_held_and_judged_on_what_launched_since(shop: Shop) -> None:
    early = START + timedelta(days=10)
    held = shop.retrain(0.6, as_of=early, shadow=True)
    assert held.decision is TrialDecision.CANDIDATE
    assert held.learned_until == early
    later = module.retrain(shop.store, shop.settings, as_of=early + timedelta(days=9), judge_shadow=True)
    assert later.decision is TrialDecision.NOT_ENOUGH
    result = module.retrain(shop.store, shop.settings, as_of=TODAY, judge_shadow=True)
    assert result.decision is TrialDecision.PROMOTED
    assert result.challenger == held.challenger
    assert result.judged_first is not None
    assert result.judged_first > early
    assert len(shop.learned) == 1
    with pytest.raises(UsageError, match="no challenger is held"):
        module.retrain(shop.store, shop.settings, as_of=TODAY, judge_shadow=True)


def test_an_attempt_that_was_taken_over_does_not_judge_again(shop: Shop) -> None:
    run = begin_run(shop.store, "retrain", {})
    shop.known["next"] = 0.0
    tick = Tick(schedule="weekly", at=NOW.replace(year=2026, month=3, day=1), started_at=NOW, attempt=1, run=run)
    first = job(shop.store, shop.settings, tick, Retrain())
    second = job(shop.store, shop.settings, tick, Retrain())
    assert first["decision"] == second["decision"] == "refused"
    assert "already written" in second["note"]
    with shop.store.read() as session:
        assert session.scalar(select(func.count(RetrainTrial.id))) == 1


def test_a_challenger_that_is_worse_in_a_placement_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    usual = module.launches_of

    def worse_in_stories(found: StoredAppeals, *columns: Any) -> Any:
        launches = usual(found, *columns)
        if found.segment:
            parts.append(found.segment)
        if found.segment == "placement=stories-0":
            return type(launches)(**{**vars(launches), "appeal": -launches.appeal, "champion": -launches.champion})
        return launches

    monkeypatch.setattr(module, "launches_of", worse_in_stories)
    result = shop.retrain(0.7)
    assert "placement=stories-0" in parts
    assert result.decision is TrialDecision.REFUSED
    assert "worse in placement=stories-0" in result.reason
