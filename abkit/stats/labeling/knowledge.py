"""How much of the ranking the labels tell so far, and whether more of them would change it.

The ranking's variance before any label is what the prior says about the liking of each creative against the others of
its group; the labels have taken a part of it away. More labels are worth while as long as the next list is expected to
take a noticeable part, too. A list that is not says so: "stop".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit.records import Record
from abkit.stats.labeling.questions import Question, group_variance
from abkit.stats.labeling.taste import Floats, Taste

#: The next list has to tell this share of the ranking; with less, labels change little.
WORTH_WHILE = 0.01


@dataclass(frozen=True, kw_only=True)
class Knowledge(Record):
    """What the labels tell about a ranking.

    Attributes:
        known: Share of the ranking's variance that they tell, 0 … 1.
        ahead: Share that the next questions are expected to tell.
        questions: How many these are.
        candidates: How many creatives are ranked.
        stop: Whether more labels would change little.
    """

    known: float
    ahead: float
    questions: int
    candidates: int
    stop: bool


def knowledge(taste: Taste, alike: Floats, groups: NDArray[np.intp], ahead: Sequence[Question]) -> Knowledge:
    """Return what is known about a ranking, and what the next questions are expected to tell.

    Args:
        taste: The posterior over the n candidates.
        alike: `(n, n)`, of `kernel`, of the same candidates.
        groups: `(n,)`, the group whose ranking each is part of.
        ahead: The next questions; each gain is the share of what is left that its answer takes away.

    >>> from abkit.stats.labeling.taste import Labels, kernel, learn_taste
    >>> alike = kernel(np.array([[0.0], [1.0], [5.0]]))
    >>> knowledge(learn_taste(alike, Labels.none()), alike, np.zeros(3, dtype=int), []).known
    0.0
    """
    before = group_variance(taste.spread * alike, groups)
    left = group_variance(taste.covariance, groups)
    share_left = min(left / before, 1.0) if before > 0 else 0.0
    told = share_left * min(sum(one.gain for one in ahead), 1.0)
    return Knowledge(
        known=round(1.0 - share_left, 9),
        ahead=told,
        questions=len(ahead),
        candidates=len(groups),
        stop=told < WORTH_WHILE,
    )
