"""What comes of a shortlist: each candidate with its figures and reason, and how sure the choice is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abkit_model.selection import ErrorSpread


@dataclass(frozen=True)
class Candidate:
    """A picture of the campaign; whatever is not known is None.

    Attributes:
        rank: 1 is the highest score; equal scores share a rank. None without a score.
        creative: its name, in full where another candidate is called the same.
        names: all names under which this content came; it counts once.
        score: predicted mean opinion, with ci_low, ci_high and ci_level.
        p_best: probability that it is the best of the scored candidates; they sum to 1.
        p_beats_next: probability that it is better than the next one in the ranking.
        p_beats_first_left_out: the same for the best of those left out; None for that one itself.
        tie_group: 1 holds all that are not told apart from the best, 2 all of the rest not told apart from its best, …
        tied_with: how many other candidates it is not told apart from.
        novelty: distance from the training pictures in units of the version's limit; above 1 neither interval nor
            probabilities promise anything. None where the version has no limit, or an earlier release scored it.
        kept: whether it is on the shortlist.
        reason: why, in words.
    """

    creative: str
    names: tuple[str, ...]
    sha256: str
    kept: bool
    reason: str
    rank: int | None = None
    score: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float | None = None
    p_best: float | None = None
    p_beats_next: float | None = None
    p_beats_first_left_out: float | None = None
    tie_group: int | None = None
    tied_with: int | None = None
    novelty: float | None = None


@dataclass(frozen=True)
class Shortlist:
    """All candidates of a campaign, best first, those without a score last.

    Attributes:
        n: scored candidates, each content once.
        unscored: candidates without a score by this version.
        kept: how many are on the shortlist.
        p_best_kept: probability that the best of the scored candidates is on it.
        p_best_demanded: what that had to reach.
        tie_threshold: two pictures are a tie when P(A beats B) lies between 1 − this and this.
        clear: whether the scores tell the kept from those left out; `why` says it in words.
        spread: of the errors, and where it comes from.
        calibration: said, right and ece of P(A beats B) on held-out pairs, as on the model's card; None without.
        relation: a sentence for each KPI: whether these scores were shown to go with it in this store.
        notice: what everybody who sees these scores has to be told.
        note: what is unusual about the request; '' otherwise.
    """

    candidates: tuple[Candidate, ...]
    campaign: str
    n: int
    unscored: int
    kept: int
    p_best_kept: float
    p_best_demanded: float
    tie_threshold: float
    clear: bool
    why: str
    spread: ErrorSpread
    method: str
    calibration: Mapping[str, Any] | None
    relation: tuple[str, ...]
    model_version: str
    model_name: str
    scale: tuple[float, float]
    demonstration: bool
    notice: str
    note: str
    run_id: int
