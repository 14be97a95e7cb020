"""The page of a proof of concept: the question that was agreed, what was found, its worth, what would change it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import PocSettings, Settings
from abkit.metrics import METRICS
from abkit.money import Rates
from abkit.records import percent
from abkit.reporting.charts.listening import gain_chart, shares_chart
from abkit.reporting.page.gather import DATABASES, RUN_KINDS
from abkit.reporting.page.html import drawing, render, write_page
from abkit.stats.listening.averages import FEWEST_CLUSTERS
from abkit.stats.listening.savings import VariantCosts
from abkit.store import imports, results, runs
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.store.schema import ModelVersion
from abkit.version import __version__
from abkit.vocabulary import DriftDecision
from abkit.workflows.learning.worth.worth import WorthReport, find_worth, judged_version
from abkit.workflows.learning.worth.worth_words import (
    amount,
    count,
    dropping_sentence,
    money_sentence,
    noise_sentence,
    pairs_sentence,
    policy_sentence,
    rate_name,
    recall_sentence,
    share_rows,
    times_the_data,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from abkit.store.database.engine import Store

LONGEST_WAIT = 104
"""Weeks; a longer wait is said as such, not in figures."""


@dataclass(frozen=True, kw_only=True)
class PocData:
    """What the page is made of.

    Attributes:
        question: What was agreed to be answered.
        agreed: When, and what was agreed to count; "" where nothing was written down.
        worth: What listening is worth.
        smallest_lift: The lift from which on it is worth it.
        weeks: Weeks of delivery that it rests on.
        model: The version that is judged.
        decision: The last decision of a drift check; "" without any.
        min_clicks: How many events a creative has to be expected to get: `[drift] min_clicks`.
        simulated: Whether the figures come from `abkit demo`.
    """

    question: str
    agreed: str
    worth: WorthReport
    smallest_lift: float
    weeks: float
    campaigns: tuple[str, ...]
    as_of: date
    made_at: datetime
    abkit_version: str
    database: str
    model: ModelVersion | None
    runs: Mapping[str, int]
    decision: str
    min_clicks: int
    simulated: bool


def make_poc(
    store: Store,
    settings: Settings,
    out: Path,
    *,
    campaign: str | Sequence[str] | None = None,
    as_of: date,
    question: str | None = None,
    rates: Rates | None = None,
) -> Path:
    """Write the page of the proof of concept as one HTML file.

    Args:
        store: What is reported on; nothing in it changes.
        settings: `[poc]` has what was agreed.
        out: The file.
        campaign: Key or keys of the only campaigns that count.
        as_of: The last day of delivery that counts.
        question: The question, instead of that of `[poc]`.
        rates: The currency of amounts, and what others are worth in it.

    Raises:
        UsageError: No such campaign.
        AbkitError: The file cannot be written.
    """
    found = gather_poc(store, settings, campaign=campaign, as_of=as_of, question=question, rates=rates)
    return write_page(render_poc(found), out)


def gather_poc(
    store: Store,
    settings: Settings,
    *,
    campaign: str | Sequence[str] | None = None,
    as_of: date,
    question: str | None = None,
    rates: Rates | None = None,
) -> PocData:
    """Return what the page shows; see `make_poc` for the arguments."""
    agreed = settings.poc
    wanted = (campaign,) if isinstance(campaign, str) else tuple(dict.fromkeys(campaign or ()))
    with store.read() as session:
        worth = find_worth(
            session,
            settings,
            as_of=as_of,
            metric=agreed.metric,
            k=agreed.keep,
            campaigns=wanted or None,
            first=agreed.first_day,
            costs=VariantCosts(money=agreed.cost_per_variant, hours=agreed.hours_per_variant),
            rates=rates,
        )
        windows = [Filters(agreed.first_day, as_of, one) for one in wanted or (None,)]
        spans = [deliveries(session, one) for one in windows]
        first = min((one.first for one in spans if one.first), default=None)
        last = max((one.last for one in spans if one.last), default=None)
        return PocData(
            question=question or agreed.question or _question(worth),
            agreed=_agreed(agreed, question),
            worth=worth,
            smallest_lift=agreed.smallest_lift,
            weeks=((last - first).days + 1) / 7 if first and last else 0.0,
            campaigns=wanted,
            as_of=as_of,
            made_at=datetime.now(UTC),
            abkit_version=__version__,
            database=DATABASES.get(store.dialect, store.dialect),
            model=judged_version(session, None, as_of),
            runs=runs.last_runs(session, RUN_KINDS),
            decision=_last_decision(session, as_of),
            min_clicks=settings.drift.min_clicks,
            simulated=imports.is_simulated(session),
        )


def _last_decision(session: Session, as_of: date) -> str:
    made = results.last_decision(session, as_of)
    return made.decision if made else ""


def render_poc(data: PocData) -> str:
    """Return the page as HTML."""
    worth = data.worth
    answered, tone = _answer(data)
    per_month = worth.per_month
    return render(
        "poc.html.j2",
        (),
        data=data,
        answered=answered,
        tone=tone,
        found=_found(worth),
        money=_money(worth),
        per_month=amount(per_month, worth.value.currency) if per_month and worth.value else "",
        changes=_changes(data),
        notes=(*(f"Left out: {n:,} {reason}." for reason, n in worth.left_out.items()), *map(_sentence, worth.notes)),
        basis=f"{count(worth.ideas, 'idea')} ({count(worth.creatives, 'creative')}) in "
        f"{count(worth.campaigns, 'campaign')}, {data.weeks:.0f} weeks of delivery up to {data.as_of.isoformat()}",
        shares=drawing(lambda width: shares_chart(share_rows(worth), width=width), "s") if worth.campaigns else "",
        gains=drawing(lambda width: gain_chart(worth.curve, width=width), "g") if worth.curve else "",
    )


def _question(worth: WorthReport) -> str:
    return (
        f"Does {METRICS[worth.metric].name} rise where only the {worth.k} variants of a campaign with the highest "
        "scores are launched, instead of any?"
    )


def _agreed(agreed: PocSettings, question: str | None) -> str:
    if question is None and not agreed.question:
        return (
            "No question was written down at the start, so this one is the usual one. Agree on it before the next "
            "look: question under [poc] in abkit.toml."
        )
    least = f"a lift above {percent(agreed.smallest_lift, 1)}" if agreed.smallest_lift else "a lift above 0"
    when = f"Agreed on {agreed.agreed_on.isoformat()}" if agreed.agreed_on else "Agreed"
    if question is not None and question != agreed.question:
        when = "Asked with this page, and not written down at the start"
    return f"{when}: {METRICS[agreed.metric].name} decides, and {least} means yes."


def _answer(data: PocData) -> tuple[str, str]:
    """Return the answer in a sentence, and its tone."""
    policy = data.worth.policy
    if policy is None or not math.isfinite(policy.lift.ci_low):
        return "Not answered: there are not enough clicks yet.", "open"
    lift, least = policy.lift, data.smallest_lift
    said = (
        f"{rate_name(data.worth)} {percent(lift.estimate, 1, sign=True)} "
        f"[{percent(lift.ci_low, 1, sign=True)}, {percent(lift.ci_high, 1, sign=True)}]"
    )
    if lift.ci_low > least:
        return f"Yes: {said}.", "yes"
    if lift.ci_high < max(least, 0.0):
        return f"No: {said}.", "no"
    return f"Not answered yet: {said}; both yes and no are still possible.", "open"


def _found(worth: WorthReport) -> list[str]:
    if not worth.campaigns:
        return ["No two ideas of one campaign were shown beside each other with enough clicks."]
    said = [policy_sentence(worth, one) for one in worth.policies]
    return [*said, recall_sentence(worth), pairs_sentence(worth), dropping_sentence(worth), noise_sentence(worth)]


def _money(worth: WorthReport) -> list[str]:
    if not worth.policies:
        return []
    return [money_sentence(worth)]


def _changes(data: PocData) -> list[str]:
    """Return what would change the answer."""
    worth, policy = data.worth, data.worth.policy
    lost = (
        ["A scorer that is trained anew: the last drift check says that this one no longer tells who wins."]
        if data.decision == DriftDecision.RETRAIN
        else []
    )
    if policy is None or not math.isfinite(policy.lift.ci_low):
        return [
            *lost,
            "Scored creatives that run beside each other in a campaign, with at least "
            f"{data.min_clicks:g} expected {worth.events} each; {FEWEST_CLUSTERS} such campaigns tell about others.",
        ]
    lift, least, said = policy.lift, data.smallest_lift, lost
    times = times_the_data(lift, least)
    if times is not None:
        weeks = data.weeks * (times - 1)
        if weeks <= LONGEST_WAIT:
            said.append(
                f"More campaigns: if the lift stays what it is, about {times:.1f} times the data so far settle it: "
                f"{count(max(round(weeks), 1), 'more week')} at the present pace."
            )
        else:
            said.append(
                "More campaigns would take years at the present pace: the lift is close to "
                f"{percent(least, 1)}, and so the answer is that it matters little either way."
            )
    elif lift.ci_low > least:
        said.append(f"A lift that falls below {percent(least, 1)} on the creatives to come: look again every month.")
    else:
        said.append("Another scorer: one that is trained on your own ratings or outcomes, judged in the same way.")
    if not policy.randomized:
        said.append(
            "A test with random allocation: here the platform chose who saw what, and the score may only have agreed "
            "with its choice."
        )
    if worth.campaigns < FEWEST_CLUSTERS:
        themselves = "tells about itself" if worth.campaigns == 1 else "tell about themselves"
        said.append(f"Other campaigns: {count(worth.campaigns, 'campaign')} {themselves} only.")
    if worth.noise.ceiling is None or worth.noise.ceiling < 0.7:
        said.append(
            f"More {worth.events} per creative: much of what differs between creatives is still noise, which hides "
            "what a score knows."
        )
    if worth.demonstration:
        said.append("A scorer of your own: these scores come from demonstration weights that have never seen your ads.")
    if worth.value is None:
        said.append("Spend or revenue in the imported exports: without them there is no answer in money.")
    return said


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
