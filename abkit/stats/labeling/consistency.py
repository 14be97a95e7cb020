"""How consistent people are: with themselves where a question comes back, and with each other where they share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from abkit.records import Record
from abkit.stats.proportions.intervals import wilson

#: Answers to a rating count as the same where they lie this many steps apart at most.
ONE_STEP = 1.0


@dataclass(frozen=True, kw_only=True)
class Share(Record):
    """How often two answers to one question were the same.

    Attributes:
        share: 0 … 1; None without questions.
        ci_low, ci_high: Wilson's 95 % interval; None without questions.
        n: Questions that were answered twice or more; answers of more than two people count as one question.
    """

    share: float | None
    ci_low: float | None
    ci_high: float | None
    n: int

    @classmethod
    def of(cls, found: Iterable[float]) -> Share:
        """Return the mean of the shares of single questions, each between 0 and 1.

        >>> Share.of([1.0, 1.0, 0.0, 1.0]).share, Share.of([]).n
        (0.75, 0)
        """
        values = list(found)
        if not values:
            return cls(share=None, ci_low=None, ci_high=None, n=0)
        low, high = wilson([sum(values)], [len(values)], 0.05)
        return cls(share=sum(values) / len(values), ci_low=float(low[0]), ci_high=float(high[0]), n=len(values))


def chosen(left: int, right: int | None, answer: str) -> float:
    """Return an answer so that sides do not matter: the creative that was chosen, 0 for a tie; or the rating."""
    if right is None:
        return float(answer)
    return {"left": float(left), "right": float(right), "tie": 0.0}[answer]


def same(one: float, other: float, *, pairs: bool) -> bool:
    """Return whether two answers agree: the same choice, or ratings at most one step apart."""
    return one == other if pairs else abs(one - other) <= ONE_STEP


def agreement(votes: Mapping[tuple[int, ...], Mapping[int, float]], *, pairs: bool) -> Share:
    """Return how often two people agree on a question that both answered.

    Args:
        votes: By question (its creatives, in order), the answer of each rater, as `chosen` returns it.
        pairs: Whether the answers are choices.

    >>> agreement({(1, 2): {7: 1.0, 8: 1.0}, (1, 3): {7: 1.0}}, pairs=True).n
    1
    """
    found = []
    for given in votes.values():
        met = [same(one, other, pairs=pairs) for one, other in combinations(given.values(), 2)]
        if met:
            found.append(sum(met) / len(met))
    return Share.of(found)


def first_votes(votes: Iterable[tuple[int, int, int | None, str]]) -> dict[tuple[int, ...], dict[int, float]]:
    """Return votes (rater, left, right, answer) by question, as `agreement` takes them; the first of a rater counts."""
    found: dict[tuple[int, ...], dict[int, float]] = defaultdict(dict)
    for rater, left, right, answer in votes:
        question = (left,) if right is None else (min(left, right), max(left, right))
        found[question].setdefault(rater, chosen(left, right, answer))
    return dict(found)
