"""From what the layers of a drift check found to one decision: the first row of the table that holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Layer = Literal["data", "input", "score", "relation", "kpi"]
Verdict = Literal["ok", "watch", "major", "fault", "insufficient_data"]
DecisionName = Literal["stable", "watch", "retrain", "fix_data", "insufficient_data"]


@dataclass(frozen=True)
class Finding:
    """What one test of one layer says.

    Attributes:
        layer: data, input, score, relation or kpi.
        verdict: ok; watch: beyond the lower floor; major: beyond the upper one, and sure; fault: broken data;
            insufficient_data: the minimum sample is not there, or there is nothing to compare with.
        sentence: what was found, for people.
        persistent: for input and score: the shift is there in both halves of the current window, too.
        holds: for the relation: it is shown to hold on the new creatives.
    """

    layer: Layer
    verdict: Verdict
    sentence: str
    persistent: bool = False
    holds: bool = False


@dataclass(frozen=True)
class Triage:
    """The decision, its cause ("" for none), and the sentences that led to it, the most important first."""

    decision: DecisionName
    cause: str
    reasons: tuple[str, ...]


def triage(findings: Iterable[Finding]) -> Triage:
    """Decide by the first row that holds.

    | what is found | decision | cause |
    | --- | --- | --- |
    | a data fault | fix_data | data_fault |
    | input, scores, relation and KPI level all lack their minimum sample | insufficient_data | – |
    | the relation is major: materially and surely weaker than its reference | retrain | concept_shift |
    | input or scores major and persistent, and the relation is not shown to hold | retrain | input_shift |
    | input or scores beyond a floor otherwise | watch | input_shift |
    | only the level of the KPI moved | watch | kpi_shift |
    | nothing of that | stable | – |

    A layer that cannot be judged adds a sentence; it does not change what the others decide.

    >>> triage([Finding("input", "ok", "Inputs agree."), Finding("kpi", "major", "CTR fell by half.")])
    Triage(decision='watch', cause='kpi_shift', reasons=('CTR fell by half.',))
    """
    found = list(findings)
    missing = _sentences(found, "insufficient_data", layers=("input", "score", "relation", "kpi"))
    faults = _sentences(found, "fault")
    if faults:
        return Triage("fix_data", "data_fault", faults)
    judged = [f for f in found if f.layer != "data" and f.verdict != "insufficient_data"]
    if not judged:
        return Triage("insufficient_data", "", missing or ("No layer could be judged.",))
    lost = _sentences(found, "major", layers=("relation",))
    if lost:
        return Triage("retrain", "concept_shift", lost + missing)
    shifted = [f for f in judged if f.layer in ("input", "score") and f.verdict in ("watch", "major")]
    if shifted:
        return _input_shift(shifted, found, missing)
    level = _sentences(found, "watch", "major", layers=("kpi",))
    if level:
        return Triage("watch", "kpi_shift", level + missing)
    return Triage("stable", "", ("Nothing moved beyond its floor in the layers that could be judged.", *missing))


def _input_shift(shifted: list[Finding], found: list[Finding], missing: tuple[str, ...]) -> Triage:
    sentences = tuple(f.sentence for f in sorted(shifted, key=lambda f: f.verdict != "major"))
    sure = any(f.verdict == "major" and f.persistent for f in shifted)
    relation = [f for f in found if f.layer == "relation"]
    holds = any(f.holds for f in relation)
    if sure and not holds:
        why = "The score is not shown to go with the KPI on the new creatives: label these first, then retrain."
        return Triage("retrain", "input_shift", (*sentences, why, *missing))
    if holds:
        why = "The score still goes with the KPI on the new creatives, so there is no need to retrain."
    elif any(f.verdict == "major" for f in shifted):
        why = "The shift is not there in both halves of the current window: it may be passing."
    else:
        why = "The shift is below the floor at which the scorer would have to be retrained."
    return Triage("watch", "input_shift", (*sentences, why, *missing))


def _sentences(found: list[Finding], *verdicts: str, layers: tuple[str, ...] | None = None) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            f.sentence for f in found if f.verdict in verdicts and (layers is None or f.layer in layers) and f.sentence
        )
    )
