"""What a retry costs: each judgment against one champion may promote by mistake a little less often than the last."""

from __future__ import annotations

from abkit.errors import InvalidInput

#: How often anything worthless is promoted against one champion, over all judgments there will ever be: 4 %, so that
#: it stays below 5 % where a dozen unequal campaigns make a single judgment err a little more often than it says.
TOTAL = 0.04
#: The level of the first judgment: a one-sided interval of 97.5 %.
FIRST = 0.025


def spent_at(attempt: int) -> float:
    """Return how often judgment number `attempt` against a champion may promote a challenger that gains nothing.

    The first has 2.5 %; the k-th has 1.5 % ÷ (k(k − 1)), so that all of them together, however many follow, never have
    more than 4 % (Bonferroni's inequality, which holds however judgments depend on each other). Every champion has its
    own account; another champion begins a new one.

    Raises:
        InvalidInput: An attempt below 1.

    >>> [round(spent_at(k), 5) for k in (1, 2, 3, 10)]
    [0.025, 0.0075, 0.0025, 0.00017]
    >>> sum(spent_at(k) for k in range(1, 10_000)) < TOTAL
    True
    """
    if attempt < 1:
        raise InvalidInput(f"judgment number {attempt}; the first is number 1")
    return FIRST if attempt == 1 else (TOTAL - FIRST) / (attempt * (attempt - 1))
