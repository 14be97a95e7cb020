"""Retrain: a challenger learns from what was known at a day, and takes over if it is better on launches after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.records import to_plain
from abkit.stats.promotion.verdict import PromotionRule, PromotionVerdict, judge
from abkit.store import models, results, scores, trials
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.kpis import delivery
from abkit.store.kpis.dimensions import largest_segments
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import RetrainTrial
from abkit.vocabulary import Metric, TrialDecision, parse_choice
from abkit.workflows.active_model import ActiveModel, ensure_active_model
from abkit.workflows.learning.appeals.appeals import StoredAppeals, find_appeals
from abkit.workflows.learning.retraining.challenger import Challenger, train_challenger
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch
from abkit.workflows.learning.retraining.launched import LaunchWindow, launch_window, launches_of
from abkit.workflows.learning.retraining.scores import score_as, scores_of
from abkit.workflows.learning.retraining.trials import RetrainResult
from abkit.workflows.models.train import Progress, alive, require_model
from abkit_model.errors import LabelError

BY = "abkit retrain"
_SEGMENTS = 8
_FORMAT = 1


def retrain(
    store: Store,
    settings: Settings,
    *,
    as_of: date,
    metric: Metric | str | None = None,
    segment: str = "",
    shadow: bool = False,
    judge_shadow: bool = False,
    seed: int = 0,
    run: RunRecord | None = None,
    progress: Progress | None = None,
    watch: ImageWatch = UNWATCHED,
) -> RetrainResult:
    """Train a challenger from the champion's queries, judge both on launches that neither saw, and promote the better.

    1. Find the launches that can be judged: the latest that no judgment against this champion has used. With fewer
       than 100 creatives or 10 campaigns nothing is trained or judged, and nothing is spent.
    2. Learn from what was known on the day before the first of them; where a drift check had found that the champion's
       scores no longer go with the KPI, from what was delivered since.
    3. Judge both on these launches, inside their campaigns, at the level that this number of judgments leaves.
    4. Write the trial with its reason. A challenger that is better becomes the active model, and scores everything
       that the champion had scored, in the same run.

    With `shadow`, the challenger learns from everything that is known and is held beside the champion: what launches
    from then on is scored by both, and `judge_shadow` judges it once there is enough.

    Args:
        store: A store at the current migration.
        settings: `[retrain]` has the metric, the minimum numbers, margin and tolerance.
        as_of: The last day of delivery that counts.
        metric: The KPI; that of `[retrain]` by default.
        segment: Learn and judge by this delivery only, such as "placement=feed", for a model of this segment.
        shadow: Train and hold a challenger; judge nothing.
        judge_shadow: Judge the challenger that is held; train nothing.
        seed: Seed of the training.
        run: The run of a scheduled tick; a run is recorded when None.
        progress: As for `train`.
        watch: Where a job notes images before they are opened.

    Raises:
        UsageError: No such metric or segment; or there is no challenger to judge.
        AbkitError: The champion cannot be used, the training failed, or amounts are in several currencies.
    """
    require_model()
    if shadow and judge_shadow:
        raise UsageError("a challenger is either trained and held, or judged", hint="leave one of the two out")
    chosen = parse_choice(Metric, metric, name="metric") if metric else settings.retrain.metric
    arguments = {"as_of": as_of.isoformat(), "metric": chosen.value, "segment": segment, "seed": seed}
    arguments |= {"shadow": shadow, "judge": judge_shadow}
    with recorded_run(store, "retrain", arguments, run=run) as run:
        champion = _champion(store, run, segment)
        report = alive(run, progress)
        work = _Retraining(store, settings, run, champion, chosen, segment, as_of, seed, report, watch)
        result = work.hold() if shadow else work.judge_held() if judge_shadow else work.train_and_judge()
        run.outcome.update(decision=result.decision.value, reason=result.reason, challenger=result.challenger)
        return result


def _champion(store: Store, run: RunRecord, segment: str) -> ActiveModel:
    with store.read() as session:
        own = models.promoted_models(session).get(segment) if segment else None
    return ActiveModel(own) if own is not None else ensure_active_model(store, run)


class _Retraining:
    """One retraining: what is known, and the steps."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        run: RunRecord,
        champion: ActiveModel,
        metric: Metric,
        segment: str,
        as_of: date,
        seed: int,
        progress: Progress,
        watch: ImageWatch,
    ) -> None:
        self.store, self.settings, self.run, self.champion = store, settings, run, champion
        self.metric, self.segment, self.as_of, self.seed, self.progress = metric, segment, as_of, seed, progress
        self.watch = watch

    def train_and_judge(self) -> RetrainResult:
        """Learn until the day before the first launch that is judged, and judge."""
        found = self._appeals(self.as_of)
        window = self._window(found, None)
        if window.missing:
            return self._not_enough(f"not enough: {window.missing} were launched since the last judgment", window)
        try:
            challenger = self._train(window)
        except LabelError as error:  # a shortage; all else is a failure to report
            hint = f" ({error.hint})" if error.hint else ""
            return self._not_enough(f"not enough to learn from by {window.until}: {error.message}{hint}", window)
        return self._judge(found, window, challenger.version, challenger)

    def hold(self) -> RetrainResult:
        """Learn from everything that is known, and hold the challenger beside the champion."""
        window = LaunchWindow(
            until=self.as_of,
            first=None,
            last=None,
            entries=np.zeros(0, np.intp),
            creatives=frozenset(),
            campaigns=0,
            ideas=0,
        )
        challenger = self._train(window)
        digest = challenger.version.version.digest
        reason = (
            f"held beside the champion: {digest[:12]} learned until {self.as_of}; what launches from now on is scored "
            "by both, and `abkit retrain --judge` judges them on it"
        )
        return self._write(TrialDecision.CANDIDATE, reason, window, challenger.version, challenger=challenger)

    def judge_held(self) -> RetrainResult:
        """Judge the challenger that is held beside the champion on what launched since."""
        with self.store.read() as session:
            trial = trials.candidate(session, self.champion.version.id)
            version = models.version(session, trial.challenger_id) if trial and trial.challenger_id else None
        if trial is None or version is None or trial.learned_until is None:
            raise UsageError(
                f"no challenger is held beside {self.champion.version.name} {self.champion.version.digest[:12]}",
                hint="`abkit retrain --shadow` trains one and holds it",
            )
        challenger = ActiveModel(version)
        self.metric, self.segment = Metric(trial.metric), trial.segment
        found = self._appeals(self.as_of)
        window = self._window(found, trial.learned_until)
        if window.missing:
            reason = f"not enough: {window.missing} were launched since {trial.learned_until}; {version.name} is held"
            return self._not_enough(reason, window)
        return self._judge(found, window, challenger, None)

    def _appeals(self, as_of: date, *, first: date | None = None, segment: str | None = None) -> StoredAppeals:
        with self.store.read() as session:
            return find_appeals(
                session,
                self.settings,
                metric=self.metric,
                as_of=as_of,
                first=first,
                segment=self.segment if segment is None else segment,
            )

    def _window(self, found: StoredAppeals, after: date | None) -> LaunchWindow:
        ids = {int(one) for one in found.appeals.creative}
        with self.store.read() as session:
            launched = delivery.first_deliveries(session, ids)
            used = trials.used_creatives(session, self.champion.version.id)
            since = trials.judged_until(session, self.champion.version.id)
            contents = creatives.contents_of(session, ids)
        digests = list(contents.values())
        seen = self.champion.scorer.trained_on(digests, "")
        used |= {one for one, known in zip(contents, seen.tolist(), strict=True) if known}
        return launch_window(found, launched, self.settings.retrain, used=used, since=since, after=after)

    def _train(self, window: LaunchWindow) -> Challenger:
        with self.store.read() as session:
            # What was clicked before taste changed would be learned as though it still held.
            broken = results.first_break(session, self.champion.version.id, window.until)
        return train_challenger(
            self.store,
            self.settings,
            self.champion,
            self._appeals(window.until, first=broken),
            name=f"retrain-{self.run.id}",
            segment=self.segment,
            seed=self.seed,
            leave_out=window.creatives,
            progress=self.progress,
            watch=self.watch,
        )

    def _judge(
        self, found: StoredAppeals, window: LaunchWindow, version: ActiveModel, challenger: Challenger | None
    ) -> RetrainResult:
        with self.store.read() as session:
            attempt = trials.attempts(session, self.champion.version.id) + 1
        ids = window.creatives
        old, new = (self._scores(who, ids) for who in (self.champion, version))
        rule = PromotionRule(
            margin=self.settings.retrain.margin,
            tolerance=self.settings.retrain.tolerance,
            min_campaigns=self.settings.retrain.min_campaigns,
            min_creatives=self.settings.retrain.min_creatives,
        )
        parts = {}
        for name in self._segments(window):
            part = self._appeals(self.as_of, first=window.first, segment=name)
            parts[name] = launches_of(part, _entries(part, ids), old, new)
        verdict = judge(launches_of(found, window.entries, old, new), attempt=attempt, rule=rule, segments=parts)
        if verdict.decision is TrialDecision.NOT_ENOUGH:
            # Scores were missing: their images are gone.
            return self._not_enough(f"{verdict.reason}, whose images are still there", window, verdict)
        decision, reason = verdict.decision, verdict.reason
        if decision is TrialDecision.PROMOTED and not self.settings.retrain.promote:
            decision = TrialDecision.CANDIDATE
            reason = f"better, and not promoted because [retrain] promote is off: {reason.partition(': ')[2]}"
        if decision is TrialDecision.PROMOTED:
            score_as(self.store, self.settings, self.run, version, self.champion.version.id, self.watch)
        return self._write(decision, reason, window, version, challenger=challenger, verdict=verdict)

    def _scores(self, who: ActiveModel, ids: frozenset[int]) -> dict[int, float]:
        """Return the scores of creatives: those of the log, made before the clicks, where there are any."""
        with self.store.read() as session:
            logged = scores.mean_scores(session, who.version.id)
        missing = [one for one in ids if one not in logged]
        made = scores_of(self.store, self.settings, self.run, who, missing, self.watch)
        return {one: logged[one] for one in ids if one in logged} | {one: score.mean for one, score in made.items()}

    def _segments(self, window: LaunchWindow) -> list[str]:
        if self.segment:
            return []
        with self.store.read() as session:
            return largest_segments(session, window.first or self.as_of, self.as_of, _SEGMENTS)

    def _not_enough(self, reason: str, window: LaunchWindow, verdict: PromotionVerdict | None = None) -> RetrainResult:
        window = replace(window, creatives=frozenset())  # they are judged when there are enough
        return self._write(TrialDecision.NOT_ENOUGH, reason, window, None, verdict=verdict)

    def _write(
        self,
        decision: TrialDecision,
        reason: str,
        window: LaunchWindow,
        version: ActiveModel | None,
        *,
        challenger: Challenger | None = None,
        verdict: PromotionVerdict | None = None,
    ) -> RetrainResult:
        """Write the trial, the creatives that it used, and the promotion, in one transaction."""
        row = version.version if version else None
        judged = verdict is not None and verdict.attempt > 0
        gain = verdict.gain if verdict else None
        figures: dict[str, Any] = {"format": _FORMAT, "verdict": to_plain(verdict) if verdict else None}
        trial = RetrainTrial(
            champion_id=self.champion.version.id,
            challenger_id=row.id if row else None,
            segment=self.segment,
            metric=self.metric.value,
            learned_until=window.until if row else None,
            judged_first=window.first if judged else None,
            judged_last=window.last if judged else None,
            as_of=self.as_of,
            campaigns=window.campaigns,
            creatives=window.ideas,
            attempt=verdict.attempt if verdict else 0,
            spent=verdict.spent if verdict else 0.0,
            gain=gain.gain if gain else None,
            gain_low=gain.low if gain else None,
            figures=figures,
            decision=decision.value,
            reason=reason,
            created_at=datetime.now(UTC),
            run_id=self.run.id,
        )
        with self.store.write() as session:
            trials.write_trial(session, trial, window.creatives if judged else ())
            if decision is TrialDecision.PROMOTED and row is not None:
                models.promote(session, self.run, row, segment=self.segment, by=BY, why=reason)
        known = challenger.known if challenger else None
        return RetrainResult(
            decision=decision,
            reason=reason,
            champion=self.champion.version.digest,
            challenger=row.digest if row else "",
            segment=self.segment,
            metric=self.metric,
            as_of=self.as_of,
            learned_until=window.until if row else None,
            learned_creatives=len({line["image"] for line in known.outcomes}) if known else 0,
            learned_campaigns=known.campaigns if known else 0,
            judged_first=window.first if judged else None,
            judged_last=window.last if judged else None,
            verdict=verdict,
            tables=str(challenger.tables) if challenger else "",
            notes=challenger.notes if challenger else (),
            run_id=self.run.id,
        )


def _entries(found: StoredAppeals, ids: frozenset[int]) -> NDArray[np.intp]:
    figures = found.appeals
    return np.flatnonzero(figures.identified & np.isfinite(figures.appeal) & np.isin(figures.creative, sorted(ids)))
