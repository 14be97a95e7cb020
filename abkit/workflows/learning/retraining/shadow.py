"""A challenger that is held beside the champion scores what the champion scores, before anybody knows the clicks."""

from __future__ import annotations

from collections.abc import Collection

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.store import models, scores, trials
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.workflows.active_model import ActiveModel
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch
from abkit.workflows.learning.retraining.scores import log_scores, scores_of


def score_beside(store: Store, settings: Settings, creatives: Collection[int], watch: ImageWatch = UNWATCHED) -> str:
    """Score creatives by the challenger that is held beside the active model, if there is one.

    The scores are logged as scores of its own version; `abkit correlate` shows both. Whatever keeps a challenger from
    scoring, its checkpoint or the store, does not take the champion's scores away, which are there already: the
    sentence that is returned says that it was left out, and why; "" otherwise.
    """
    digest = ""
    try:
        with store.read() as session:
            active = models.active_model(session)
            trial = trials.candidate(session, active.id) if active is not None else None
            version = models.version(session, trial.challenger_id) if trial and trial.challenger_id else None
            missing = set(creatives) - set(scores.mean_scores(session, version.id)) if version is not None else set()
        if version is None or not missing:
            return ""
        digest, challenger = f" {version.digest[:12]}", ActiveModel(version)
        with recorded_run(store, "score in shadow", {"model": version.digest, "creatives": len(missing)}) as run:
            made = scores_of(store, settings, run, challenger, missing, watch)
            log_scores(store, run, challenger, made)
            run.outcome.update(scored=len(made))
    except AbkitError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return f"the challenger{digest} that is held did not score: {error.message}{hint}"
    return ""
