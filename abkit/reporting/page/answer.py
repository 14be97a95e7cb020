"""What the person who pays asks first: launch these, drop these, worth about so much a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abkit.records import percent
from abkit.reporting.charts.scores import RankedCreative
from abkit.reporting.page.records import ReportData
from abkit.stats.estimate import Estimate
from abkit.workflows.learning.worth.action_words import (
    ACTION_LISTS,
    ACTION_RULE,
    action_headline,
    action_sentences,
)
from abkit.workflows.learning.worth.actions import Actions
from abkit.workflows.learning.worth.worth_words import alike, count

EXTREMES = 3
"""How many of the best and the worst are shown."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The top of the page.

    Attributes:
        headline: What to do and what it is worth, in a line.
        sentences: What that rests on.
        rule: When a creative is on which list.
        lists: Name, creatives on the page, meaning and number of creatives of each list that has any.
        nothing: Why there is no list.
    """

    headline: str
    sentences: tuple[str, ...]
    rule: str
    lists: tuple[tuple[str, tuple[RankedCreative, ...], str, int], ...]
    nothing: str


def answer(data: ReportData) -> Answer:
    """Return the top of the page."""
    actions = data.actions
    if actions is None:
        return Answer(headline="Nothing can be said yet", sentences=(), rule="", lists=(), nothing="")
    shown = {(one.campaign, one.creative_id): one for one in data.creatives}
    lists = []
    for action, name, meaning in ACTION_LISTS:
        found = [shown.get((item.campaign, item.creative_id)) for item in actions.of(action)]
        chosen = tuple(one for one in found if one is not None)
        if found:
            lists.append((name, chosen, meaning, len(found)))
    return Answer(
        headline=action_headline(actions),
        sentences=tuple(_sentences(data, actions)),
        rule=ACTION_RULE,
        lists=tuple(lists),
        nothing=f"The score is not used: {actions.why_not}." if actions.why_not else "",
    )


def extremes(data: ReportData) -> list[tuple[str, Sequence[RankedCreative]]]:
    """Return the best and the worst by score and by money; by CTR over the campaign's average without money."""
    everything = data.creatives
    few = EXTREMES
    by_score = sorted(everything, key=lambda one: -one.score)
    paid = [one for one in everything if one.per_week is not None]
    by_money = sorted(paid, key=lambda one: -(one.per_week.estimate if one.per_week else 0.0))
    lifted = sorted((one for one in everything if one.lift), key=lambda one: -(one.lift.estimate if one.lift else 0.0))
    found: list[tuple[str, Sequence[RankedCreative]]] = []
    for name, ordered in (("score", by_score), ("money", by_money), *((("clicks", lifted),) if not paid else ())):
        if ordered:
            best = ordered[:few]
            worst = [one for one in ordered[::-1][:few] if one not in best]
            found.append((f"Best by {name}", best))
            found += [(f"Worst by {name}", worst)] if worst else []
    return found


def reason(item: RankedCreative) -> str:
    """Return why a creative is where it is."""
    if item.lift is not None:
        ends = f"{percent(item.lift.ci_low, 0, sign=True)} to {percent(item.lift.ci_high, 0, sign=True)}"
        said = f"CTR {percent(item.lift.estimate, 0, sign=True)} against its campaign ({ends})"
        return f"{said}; score {item.score:.2f}"
    if not item.impressions:
        return f"not delivered yet; score {item.score:.2f}"
    return f"cannot be compared: it ran beside no other; score {item.score:.2f}"


def money(figure: Estimate) -> tuple[str, str, str]:
    """Return a difference in money with its sign, and the ends of its interval."""
    value, low, high = alike(figure)
    return f"+{value}" if figure.estimate > 0 else value, low, high


def _sentences(data: ReportData, actions: Actions) -> list[str]:
    said = action_sentences(actions)
    if data.alerts:
        said.append(f"{count(max(data.alerts_open, len(data.alerts)), 'alert')} open: see below.")
    return said
