"""What the five decisions of a drift check mean, each in one sentence, on how much one rests, and on what."""

from __future__ import annotations

from abkit.vocabulary import DriftDecision, Layer, WindowKind

#: How many layers there are to judge.
LAYERS = len(Layer)

#: For somebody who has never heard of drift.
MEANING = {
    DriftDecision.STABLE: "Nothing that could be judged has moved by more than its floor: keep using the scores.",
    DriftDecision.WATCH: "Something has moved, but not so that the scores would be wrong: keep using them, and look "
    "again after the next check.",
    DriftDecision.RETRAIN: "The scores can no longer be relied on for choosing creatives: let the scorer learn anew, "
    "and drop no creative by its score until then.",
    DriftDecision.FIX_DATA: "Figures or images do not arrive as they should, so nothing else can be trusted: fix that "
    "first.",
    DriftDecision.INSUFFICIENT_DATA: "There is too little to judge anything, which is not the same as being stable: "
    "import more delivery, or score more creatives.",
}


def meaning(decision: str) -> str:
    """Return what a decision means, in one sentence; "" for one that this version does not know.

    >>> meaning("stable")
    'Nothing that could be judged has moved by more than its floor: keep using the scores.'
    """
    return MEANING.get(DriftDecision(decision), "") if decision in set(DriftDecision) else ""


def headline(decision: str, layers_judged: int | None, coarse: int = 0) -> str:
    """Return a decision with how many layers it rests on.

    Args:
        decision: One of the five.
        layers_judged: How many; None where an earlier release did not count them.
        coarse: How many of them were judged for major shifts only.

    >>> headline("stable", 2), headline("fix_data", None)
    ('stable (2 of 5 layers judged)', 'fix data')
    >>> headline("stable", 5, coarse=1)
    'stable (5 of 5 layers judged, 1 for major shifts only)'
    """
    words = decision.replace("_", " ")
    if layers_judged is None:
        return words
    only = f", {coarse} for major shifts only" if coarse else ""
    return f"{words} ({layers_judged} of {LAYERS} layers judged{only})"


def windows_in_words(scope: str) -> str:
    """Return the two windows of a check as one would say them aloud; "" where an earlier release did not note them.

    >>> windows_in_words("creatives against creatives")
    'the latest creatives against earlier ones'
    >>> windows_in_words("creatives:60 against model")
    "the latest 60 creatives against the model's own sample"
    >>> windows_in_words("days:7 against campaign:spring")
    'the last 7 days against campaign spring'
    """
    current, _, reference = scope.partition(" against ")
    return f"{_in_words(current, 0)} against {_in_words(reference, 1)}" if reference else ""


# Of each kind of window: as the current one, and as the reference.
_WINDOWS = {
    WindowKind.CREATIVES: ("the latest creatives", "earlier ones"),
    WindowKind.MODEL: ("the model's own sample", "the model's own sample"),
}
_WINDOWS_OF = {
    WindowKind.CREATIVES: ("the latest {} creatives", "the {} before them"),
    WindowKind.DAYS: ("the last {} days", "the {} days before"),
    WindowKind.CAMPAIGN: ("campaign {}", "campaign {}"),
}


def _in_words(window: str, place: int) -> str:
    kind, _, value = window.partition(":")
    words = (_WINDOWS_OF if value else _WINDOWS).get(WindowKind(kind)) if kind in set(WindowKind) else None
    return words[place].format(value) if words else window
