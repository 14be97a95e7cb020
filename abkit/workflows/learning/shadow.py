"""A challenger that is held beside the champion scores what the champion scores, before anybody knows the clicks."""

from __future__ import annotations

from collections.abc import Collection

from abkit.config import Settings
from abkit.store import models, scores, trials
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.workflows.active_model import ActiveModel
from abkit.workflows.learning.scores import log_scores, scores_of


def score_beside(store: Store, settings: Settings, creatives: Collection[int]) -> int:
    """Score creatives by the challenger that is held beside the active model, if there is one; return how many.

    The scores are logged as scores of its own version; `abkit correlate` shows both.
    """
    with store.read() as session:
        active = models.active_model(session)
        trial = trials.candidate(session, active.id) if active is not None else None
        version = models.version(session, trial.challenger_id) if trial and trial.challenger_id else None
        if version is None:
            return 0
        missing = set(creatives) - set(scores.mean_scores(session, version.id))
    if not missing:
        return 0
    challenger = ActiveModel(version)
    with recorded_run(store, "score in shadow", {"model": version.digest, "creatives": len(missing)}) as run:
        made = scores_of(store, settings, run, challenger, missing)
        log_scores(store, run, challenger, made)
        run.outcome.update(scored=len(made))
    return len(made)
