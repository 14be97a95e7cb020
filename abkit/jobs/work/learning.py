"""The jobs that learn: a challenger judged on later launches, which may take over; one from labels, which may not."""

import time
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from abkit.config import AppealMetric, Settings
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.openings import Openings, WatchedImages
from abkit.store import trials
from abkit.store.database.engine import Store

_TELL_EVERY_S = 2.0


class Retrain(Arguments):
    """Arguments of `retrain`, as for `abkit retrain`."""

    metric: AppealMetric | None = Field(default=None, description="KPI that is learned and judged; that of [retrain]")
    segment: str = Field(default="", description="learn and judge by this delivery only, such as placement=feed")
    shadow: bool = Field(default=False, description="train a challenger and hold it beside the champion")
    judge: bool = Field(default=False, description="judge the challenger that is held")


def retrain(store: Store, settings: Settings, tick: Tick, arguments: Retrain) -> Mapping[str, Any]:
    """Retrain as of the day of the tick. What an earlier attempt of the same tick found stands."""
    from abkit.workflows.learning.retraining.retrain import retrain as work

    with store.read() as session:
        found = trials.trial_of_run(session, tick.run.id)
        if found is not None:
            return {"note": "an earlier attempt had already written its verdict", "decision": found.decision}
    images = WatchedImages(settings, Openings.of(store, tick))
    work(
        store,
        settings,
        as_of=tick.at.date(),
        metric=arguments.metric,
        segment=arguments.segment,
        shadow=arguments.shadow,
        judge_shadow=arguments.judge,
        run=tick.run,
        watch=images,
    )
    return {**tick.run.outcome, **images.outcome()}


def train_labels(store: Store, settings: Settings, tick: Tick, arguments: Arguments) -> Mapping[str, Any]:
    """Train a challenger on ratings and comparisons; how far it is stands in the outcome of the run meanwhile."""
    from abkit.workflows.learning.retraining.labeled import train_on_labels

    told, images = 0.0, WatchedImages(settings, Openings.of(store, tick))

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            images.opened.tell({"stage": stage, "done": done, "total": total})

    result = train_on_labels(store, settings, progress=tell, run=tick.run, watch=images)
    figures = {one.figure: one.estimate for one in result.figures[:1]}
    return {**tick.run.outcome, "decision": result.decision, **figures, **images.outcome()}
