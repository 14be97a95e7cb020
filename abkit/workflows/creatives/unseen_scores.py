"""The scores that prove something: without those of creatives whose delivery the version learned from."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from abkit.store import scores, trials
from abkit.store.kpis import delivery
from abkit.store.schema import ModelVersion

#: Why a creative is not in figures that judge a score.
LEARNED_FROM = "creatives whose delivery this version learned from"


@dataclass(frozen=True, kw_only=True)
class UnseenScores:
    """Scores of one version.

    Attributes:
        scores: Mean score by creative, of those that it did not learn from.
        seen: The scored creatives whose delivery it learned from.
        note: What cannot be told: which creatives a version that was trained by hand learned from; "" otherwise.
    """

    scores: dict[int, float]
    seen: frozenset[int] = frozenset()
    note: str = ""


def unseen_scores(session: Session, version: ModelVersion, creatives: Collection[int] | None = None) -> UnseenScores:
    """Return the scores of a version on creatives that were launched after the last day it learned from.

    Their own clicks would make a scorer that learned from them look better than it is on the next ones.

    Args:
        session: A reading session.
        version: The version.
        creatives: Only of these; of all that it scored when None.
    """
    means = scores.mean_scores(session, version.id, creatives)
    found = {one: score for one, score in means.items() if math.isfinite(score)}
    until = trials.learned_until(session, version.id)
    if until is None:
        by_hand = (version.card.get("data") or {}).get("metric")
        note = f"{version.name} learned from outcomes: what it learned from proves nothing, look at later launches only"
        return UnseenScores(scores=found, note=note if by_hand else "")
    launched = delivery.first_deliveries(session, found)
    seen = frozenset(creative for (creative, _), day in launched.items() if day <= until)
    return UnseenScores(scores={one: score for one, score in found.items() if one not in seen}, seen=seen)
