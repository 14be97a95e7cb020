"""What to launch, to give more and to drop, in sentences: the same on the report and on the page of a campaign."""

from __future__ import annotations

from collections.abc import Mapping

from abkit.records import percent
from abkit.vocabulary import CreativeAction
from abkit.workflows.learning.worth.actions import CERTAIN, Actions
from abkit.workflows.learning.worth.worth_words import amount, count

#: What is done with a creative, in a word or two, and the color of its tag.
WORDS: Mapping[str, str] = {
    CreativeAction.LAUNCH.value: "launch",
    CreativeAction.MORE.value: "give more",
    CreativeAction.WAIT.value: "wait",
    CreativeAction.DROP.value: "drop",
    CreativeAction.HOLD.value: "hold back",
    CreativeAction.UNTESTED.value: "not tested",
    CreativeAction.ENDED.value: "not running",
}
TONES: Mapping[str, str] = {
    CreativeAction.LAUNCH.value: "ok",
    CreativeAction.MORE.value: "ok",
    CreativeAction.DROP.value: "major",
    CreativeAction.HOLD.value: "watch",
    CreativeAction.WAIT.value: "insufficient_data",
    CreativeAction.UNTESTED.value: "insufficient_data",
    CreativeAction.ENDED.value: "insufficient_data",
}

#: Each list: its creatives, its name, and when one is on it.
ACTION_LISTS = (
    (CreativeAction.LAUNCH, "Launch", "Not delivered yet, and the best of their campaign by score."),
    (CreativeAction.MORE, "Give more", "Their clicks say that they are better than the average of their campaign."),
    (CreativeAction.DROP, "Drop", "Their clicks say that they are worse than the average of their campaign."),
    (CreativeAction.HOLD, "Hold back", "Not delivered yet, and behind the best of their campaign by score."),
)

ACTION_RULE = (
    "A creative that runs is on a list where its clicks of the last four weeks differ by a tenth or more from "
    f"the average of its campaign, with a chance of {percent(CERTAIN, 0)}; one that did not run yet, where the "
    "score is trusted."
)


def action_headline(actions: Actions) -> str:
    """Return what to do and what it is worth, in a line."""
    parts = [
        f"{verb} {len(items)}"
        for verb, action in (
            ("launch", CreativeAction.LAUNCH),
            ("give more to", CreativeAction.MORE),
            ("drop", CreativeAction.DROP),
        )
        if (items := actions.of(action))
    ]
    if not parts:
        return "Nothing to launch and nothing to drop"
    said = ", ".join(parts)
    said = said[:1].upper() + said[1:]
    if actions.per_week is not None and actions.value is not None:
        return f"{said}: worth about {amount(actions.per_week, actions.value.currency)} a week"
    if actions.events_per_week is not None:
        events = actions.events_per_week
        return f"{said}: about {events.estimate:,.0f} more clicks a week [{events.ci_low:,.0f}, {events.ci_high:,.0f}]"
    return said


def action_sentences(actions: Actions) -> list[str]:
    """Return what the headline rests on."""
    said = []
    drop = actions.of(CreativeAction.DROP)
    if drop and actions.events_per_week is not None:
        value = actions.value
        basis = f", at {value.each:,.3g} {value.currency}".rstrip() + f" each ({value.basis})" if value else ""
        said.append(
            f"That is what a week gains where the impressions of the {count(len(drop), 'creative')} to drop go to the "
            f"others of their campaigns: about {actions.events_per_week.estimate:,.0f} clicks{basis}; brackets are "
            "95 % intervals."
        )
    chosen = [item for item in actions.items if item.action in (CreativeAction.DROP, CreativeAction.MORE)]
    if chosen and not all(item.randomized for item in chosen):
        said.append(
            "The platform chose who saw what, so a part of these differences may be its choice: an experiment with "
            "random allocation would show the cause."
        )
    if actions.listens:
        said.append("What has not run yet is judged by the score: listening to it is shown to pay.")
    else:
        said.append(f"What has not run yet is not judged: {actions.why_not}.")
    return said
