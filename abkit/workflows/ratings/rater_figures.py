"""How consistent raters are on the page, with themselves and with each other, and whether to go on."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.records import Record, percent
from abkit.stats.labeling.consistency import Share, agreement, first_votes, same
from abkit.stats.labeling.knowledge import Knowledge
from abkit.store.database.engine import Store
from abkit.store.ratings import questions
from abkit.workflows.ratings.queue import RaterQueue

#: The latest answers that figures are made of: what a page can count while somebody waits.
LATEST = 2000


@dataclass(frozen=True, kw_only=True)
class RaterFigures(Record):
    """How far answers can be trusted.

    Attributes:
        own: How often this rater answered a question that came back as before.
        everybody: The same over all raters.
        agreement: How often two raters agree on a question that both answered; for ratings, within one step.
        raters: Raters behind the latest answers.
        answers: Answers behind these figures, the latest ones.
    """

    own: Share
    everybody: Share
    agreement: Share
    raters: int
    answers: int


def rater_figures(store: Store, queue: RaterQueue) -> RaterFigures:
    """Return how consistent the rater of a queue is, and how far raters agree about its campaign."""
    with store.read() as session:
        found = [
            questions.answers(session, queue.campaign, pairs=queue.pairs, rater=rater, limit=LATEST)
            for rater in (queue.rater, None)
        ]
    own, everybody = (Share.of(_repeated(repeat, queue.pairs) for repeat in one.repeats) for one in found)
    votes = found[1].votes
    return RaterFigures(
        own=own,
        everybody=everybody,
        agreement=agreement(first_votes(votes), pairs=queue.pairs),
        raters=len({one[0] for one in votes}),
        answers=len(votes),
    )


def _repeated(one: tuple[int, str, int, str], pairs: bool) -> float:
    """Return 1.0 where a question that came back was answered as before, else 0.0; its sides may have changed."""
    left_then, then, left_now, now = one
    if not pairs:
        return float(same(float(then), float(now), pairs=False))
    side = {"left": 1.0, "right": -1.0, "tie": 0.0}
    return float(side[then] == side[now] * (1 if left_now == left_then else -1))


def why_stop(known: Knowledge) -> str:
    """Return in words what the labels tell, and whether more of them would change the ranking."""
    told = f"The labels tell {percent(known.known, 0)} of how these {known.candidates:,} creatives rank"
    if not known.questions:
        return f"{told}; nothing new is left to ask."
    ahead = f"the next {known.questions} answers are expected to tell {percent(known.ahead, 1)} more"
    return f"{told}, and {ahead}." + (" Stop here: more labels would change little." if known.stop else "")
