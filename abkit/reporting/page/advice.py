"""What a decision means, and what somebody should do about it, in the words of the report."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.stats.monitoring.decisions import MEANING
from abkit.vocabulary import DriftDecision


@dataclass(frozen=True)
class Advice:
    """The words for one decision.

    Attributes:
        headline: Answer to "is the score still worth listening to?".
        meaning: Why, in one sentence.
        steps: What to do, in order.
        tone: good, caution, bad or unknown; it sets the color on the page.
    """

    headline: str
    meaning: str
    steps: tuple[str, ...]
    tone: str


_NONE = Advice(
    "Nobody has checked yet",
    "No drift check has been recorded, so nothing is known about whether the scores still hold.",
    ("Import what the platforms delivered: abkit kpi import FILE", "Check: abkit drift check"),
    "unknown",
)
_BY_DECISION = {
    "stable": Advice(
        "Stable: keep using the scores",
        MEANING[DriftDecision.STABLE],
        ("Nothing. The next check comes with the schedule.",),
        "good",
    ),
    "insufficient_data": Advice(
        "Not enough data to judge",
        MEANING[DriftDecision.INSUFFICIENT_DATA],
        ("Import more delivery, or widen the windows.", "See which sample is missing in the table of the last check."),
        "unknown",
    ),
    "fix_data": Advice(
        "Fix the data first",
        MEANING[DriftDecision.FIX_DATA],
        ("Repair the feed that is named below.", "Import again, then check again: abkit drift check"),
        "bad",
    ),
    "retrain": Advice(
        "Retrain the scorer",
        MEANING[DriftDecision.RETRAIN],
        ("Do not drop variants on their score until this is settled.", "Gather new labels, then retrain."),
        "bad",
    ),
    "watch": Advice(
        "Watch",
        MEANING[DriftDecision.WATCH],
        ("Read the reasons below; look again after the next check.",),
        "caution",
    ),
}
_BY_CAUSE = {
    ("retrain", "concept_shift"): Advice(
        "Retrain: the score no longer tells which creative wins",
        "The relation of score and KPI is clearly weaker than its reference; what the audience responds "
        "to has changed, not the images.",
        (
            "Do not drop variants on their score until this is settled.",
            "Gather labels on creatives that ran since the change: new ratings or A/B outcomes.",
            "Retrain the queries and let the challenger prove itself against the active model.",
        ),
        "bad",
    ),
    ("retrain", "input_shift"): Advice(
        "Retrain: these creatives are new to the scorer",
        "The creatives differ from the reference beyond the floor for major shifts, and the relation with the KPI is "
        "not shown to hold on them.",
        (
            "Label some of the new creatives first (abkit review next names the most telling), or gather A/B outcomes.",
            "Retrain the queries with these labels and compare them with the active model.",
        ),
        "bad",
    ),
    ("watch", "kpi_shift"): Advice(
        "Watch: the KPIs moved, the scores did not",
        "Only the level of the KPIs changed (season, budget, tracking). Retraining would not help.",
        ("Check tracking and budgets around the date of the change.", "Keep using the scores for ranking."),
        "caution",
    ),
    ("watch", "input_shift"): Advice(
        "Watch: the creatives changed",
        "The new creatives differ from the reference, but the scores are not shown to fail on them.",
        ("Keep importing KPIs: the relation on the new creatives will decide.",),
        "caution",
    ),
}


def advice(decision: str | None, cause: str = "") -> Advice:
    """Return the words for a decision and its cause; careful ones for a decision that this version does not know.

    >>> advice("stable").tone, advice("retrain", "concept_shift").tone, advice(None).tone
    ('good', 'bad', 'unknown')
    """
    if decision is None:
        return _NONE
    known = _BY_CAUSE.get((decision, cause)) or _BY_DECISION.get(decision)
    return known or Advice(decision.replace("_", " "), "This page does not know this decision.", (), "unknown")
