"""Suggest creatives for ads whose names are only similar. A suggestion waits for a person; nothing is linked by it.

Names that people write differ in their words, and versions differ in their numbers. So a suggestion needs the same
numbers on both sides, or all those of one side on the other; and words that only one name has count against it twice
where the other name has words of its own there: `red` and `blue` are not two spellings.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from abkit.names import words

_LEAST = 0.6
_ONE_SIDED = 0.9
_APART = 0.05
# Comparisons of two names within some seconds; the ads with most impressions come first.
_MOST_COMPARISONS = 20_000_000
_CLOSEST = 8


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A creative that an ad may show: its name, and a confidence in [0, 1]."""

    creative_id: int
    name: str
    confidence: float


def confidence(one: str, other: str) -> float:
    """Return how likely two names are meant to be the same, in [0, 1].

    >>> confidence("Sprng Sale v2", "spring_sale_v2.png") > 0.7
    True
    >>> confidence("spring_sale_v1", "spring_sale_v2"), confidence("hero_a", "hero_b")
    (0.0, 0.0)
    """
    from rapidfuzz import fuzz

    first, second = Counter(words(one)), Counter(words(other))
    only_first, only_second = list((first - second).elements()), list((second - first).elements())
    if any(map(str.isdecimal, only_first)) and any(map(str.isdecimal, only_second)):
        return 0.0
    value = fuzz.ratio("".join(words(one)), "".join(words(other))) / 100
    if only_first and only_second:
        return float(value * fuzz.ratio("".join(only_first), "".join(only_second)) / 100)
    return float(min(value, _ONE_SIDED) if only_first or only_second else value)


def suggest(names: Mapping[int, Iterable[str]], creatives: Iterable[tuple[int, str]]) -> dict[int, Suggestion]:
    """Return the one creative that each ad may show; none where two are nearly as likely.

    Args:
        names: By ad, its names; the ads that matter most first.
        creatives: Id and name of each creative, under each of its names.
    """
    from rapidfuzz import fuzz, process

    known = list(creatives)
    plain = ["".join(words(name)) for _, name in known]
    found: dict[int, Suggestion] = {}
    for ad in list(names)[: max(1, _MOST_COMPARISONS // max(1, len(known)))]:
        best: dict[int, Suggestion] = {}
        for name in names[ad]:
            asked = "".join(words(name))
            near = process.extract(asked, plain, scorer=fuzz.ratio, score_cutoff=100 * _LEAST, limit=_CLOSEST)
            for _, _, index in near:
                creative, called = known[index]
                value = confidence(name, called)
                if value > (best[creative].confidence if creative in best else 0):
                    best[creative] = Suggestion(creative_id=creative, name=called, confidence=value)
        ranked = sorted(best.values(), key=lambda one: -one.confidence)
        clear = len(ranked) == 1 or (len(ranked) > 1 and ranked[0].confidence - ranked[1].confidence >= _APART)
        if clear and ranked[0].confidence >= _LEAST:
            found[ad] = ranked[0]
    return found
