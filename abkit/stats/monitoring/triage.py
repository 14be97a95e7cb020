"""From what the layers of a drift check found to one decision: the first row of the table that holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abkit.records import Record
from abkit.vocabulary import DriftDecision as Decision
from abkit.vocabulary import DriftVerdict as Verdict
from abkit.vocabulary import Layer


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one test of one layer says.

    Attributes:
        layer: data, input, score, relation or kpi.
        verdict: ok; watch: beyond the lower floor; major: beyond the upper one, and significant; fault: broken data;
            insufficient_data: the minimum sample is not there, or there is nothing to compare with.
        sentence: What was found, for people.
        persistent: For input and score: the shift is there in both halves of the current window, too.
        holds: For the relation: it is shown to hold on the new creatives.
        coarse: Without enough data for its floor, a test rules out a shift of twice the major floor.
        against_model: For input and score: the reference is the model's own sample and not earlier creatives, so a
            shift says whether the scorer knows such images, not that anything has changed.
    """

    layer: Layer
    verdict: Verdict
    sentence: str
    persistent: bool = False
    holds: bool = False
    against_model: bool = False
    coarse: bool = False

    @property
    def judged(self) -> bool:
        """Whether it says anything: that something moved, or that a shift of some size is ruled out."""
        return self.verdict is not Verdict.INSUFFICIENT_DATA or self.coarse


@dataclass(frozen=True)
class Triage(Record):
    """The decision, its cause ("" for none), and the sentences that led to it, the most important first."""

    decision: Decision
    cause: str
    reasons: tuple[str, ...]


def layers_judged(findings: Iterable[Finding]) -> int:
    """Return how many of the five layers have at least one test that could be judged.

    >>> input_ = Finding(layer=Layer.INPUT, verdict=Verdict.OK, sentence="")
    >>> layers_judged([input_, Finding(layer=Layer.KPI, verdict=Verdict.INSUFFICIENT_DATA, sentence="")])
    1
    """
    return len({found.layer for found in findings if found.judged})


def coarse_layers(findings: Iterable[Finding]) -> tuple[Layer, ...]:
    """Return the layers that are judged for major shifts only: there is too little to tell smaller ones.

    >>> coarse_layers([Finding(layer=Layer.SCORE, verdict=Verdict.INSUFFICIENT_DATA, sentence="", coarse=True)])
    (<Layer.SCORE: 'score'>,)
    """
    found = list(findings)
    fine = {one.layer for one in found if one.verdict is not Verdict.INSUFFICIENT_DATA}
    return tuple(layer for layer in Layer if layer not in fine and any(f.coarse for f in found if f.layer is layer))


def triage(findings: Iterable[Finding]) -> Triage:
    """Decide by the first row that holds.

    | what is found | decision | cause |
    | --- | --- | --- |
    | a data fault | fix_data | data_fault |
    | input, scores, relation and KPI level all lack their minimum sample | insufficient_data | – |
    | the relation is major: materially and significantly weaker than its reference | retrain | concept_shift |
    | input or scores major and persistent, and the relation is not shown to hold | retrain | input_shift |
    | input or scores unlike the model's own sample only, and the relation is shown to hold | the next row | – |
    | input or scores beyond a floor otherwise | watch | input_shift |
    | only the level of the KPI moved | watch | kpi_shift |
    | none of these | stable | – |

    A layer that cannot be judged, or for major shifts only, adds a sentence, and so does a watch on the data; neither
    changes what the others decide.

    >>> input_ = Finding(layer=Layer.INPUT, verdict=Verdict.OK, sentence="Inputs agree.")
    >>> found = [input_, Finding(layer=Layer.KPI, verdict=Verdict.MAJOR, sentence="CTR halved.")]
    >>> triage(found)
    Triage(decision=<DriftDecision.WATCH: 'watch'>, cause='kpi_shift', reasons=('CTR halved.',))
    """
    found = list(findings)
    missing = (
        *_sentences(found, Verdict.WATCH, layers=(Layer.DATA,)),
        *_what_is_missing(found),
    )
    faults = _sentences(found, Verdict.FAULT)
    if faults:
        return Triage(Decision.FIX_DATA, "data_fault", faults)
    judged = [f for f in found if f.layer is not Layer.DATA and f.judged]
    if not judged:
        return Triage(Decision.INSUFFICIENT_DATA, "", missing or ("No layer could be judged.",))
    lost = _sentences(found, Verdict.MAJOR, layers=(Layer.RELATION,))
    if lost:
        return Triage(Decision.RETRAIN, "concept_shift", lost + missing)
    shifted = [
        f for f in judged if f.layer in (Layer.INPUT, Layer.SCORE) and f.verdict in (Verdict.WATCH, Verdict.MAJOR)
    ]
    known = any(f.holds for f in found if f.layer is Layer.RELATION) and all(f.against_model for f in shifted)
    nothing = "Nothing moved beyond its floor in the layers that could be judged."
    if shifted and known:
        nothing = (
            "The creatives are unlike the images that the model was checked on, and its score is shown to hold on them."
        )
    elif shifted:
        return _input_shift(shifted, found, missing)
    level = _sentences(found, Verdict.WATCH, Verdict.MAJOR, layers=(Layer.KPI,))
    if level:
        return Triage(Decision.WATCH, "kpi_shift", level + missing)
    return Triage(Decision.STABLE, "", (nothing, *missing))


def _input_shift(shifted: list[Finding], found: list[Finding], missing: tuple[str, ...]) -> Triage:
    sentences = tuple(f.sentence for f in sorted(shifted, key=lambda f: f.verdict is not Verdict.MAJOR))
    lasting = any(f.verdict is Verdict.MAJOR and f.persistent for f in shifted)
    relation = [f for f in found if f.layer is Layer.RELATION]
    holds = any(f.holds for f in relation)
    if lasting and not holds:
        why = "The score is not shown to go with the KPI on the new creatives: label these first, then retrain."
        return Triage(Decision.RETRAIN, "input_shift", (*sentences, why, *missing))
    if holds:
        why = "The score still goes with the KPI on the new creatives, so there is no need to retrain."
    elif any(f.verdict is Verdict.MAJOR for f in shifted):
        why = "The shift is not there in both halves of the current window: it may be passing."
    else:
        why = "The shift is below the floor at which the scorer would have to be retrained."
    return Triage(Decision.WATCH, "input_shift", (*sentences, why, *missing))


def _what_is_missing(found: list[Finding]) -> tuple[str, ...]:
    """Return what each layer lacks; of a layer that one test could judge, what another lacks is no news."""
    missing: tuple[str, ...] = ()
    for layer in (Layer.INPUT, Layer.SCORE, Layer.RELATION, Layer.KPI):
        mine = [f for f in found if f.layer is layer]
        if any(f.verdict is not Verdict.INSUFFICIENT_DATA for f in mine):
            continue
        coarse = [f for f in mine if f.coarse][:1]
        missing += _sentences(coarse or mine, Verdict.INSUFFICIENT_DATA)
    return missing


def _sentences(found: list[Finding], *verdicts: Verdict, layers: tuple[Layer, ...] | None = None) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            f.sentence for f in found if f.verdict in verdicts and (layers is None or f.layer in layers) and f.sentence
        )
    )
