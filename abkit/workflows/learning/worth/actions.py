"""What to launch, what to give more, what to drop: from the clicks where there are enough, else from the score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.metrics import METRICS
from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.tails import normal_below
from abkit.store import scores as score_rows
from abkit.store.catalog import creatives
from abkit.store.kpis.delivery import Filters, deliveries
from abkit.vocabulary import CreativeAction, DriftDecision, ListeningVerdict
from abkit.workflows.learning.appeals.appeals import StoredAppeals
from abkit.workflows.learning.worth.event_value import RECENT, EventValue
from abkit.workflows.learning.worth.worth import WorthReport, scaled

Floats = NDArray[np.float64]

CERTAIN = 0.95
"""Chance, given the clicks, from which a creative counts as better or worse than the average of its campaign."""

FLOOR = 0.1
"""A difference that matters: a tenth of the rate."""

_DRAWS = 2000
_SEED = 20_260_316
_UNTRUSTED = (DriftDecision.RETRAIN, DriftDecision.FIX_DATA)


@dataclass(frozen=True, kw_only=True)
class ActionItem(Record):
    """What to do with one creative in one campaign.

    Attributes:
        creative_id: Its id in the store.
        campaign: Key of the campaign.
        action: What to do.
        lift: Its rate over the average of its campaign, less 1, with its 95 % interval given the clicks; None before
            it was shown beside others.
        per_week: What it brings in a week beyond an average creative at its present delivery, in money; None where no
            money is known or it does not run.
        rank, of: Its place by score among those of the campaign that have one; None without a score.
        randomized: Whether chance decided who saw it.
    """

    creative_id: int
    campaign: str
    action: CreativeAction
    lift: Estimate | None
    per_week: Estimate | None
    rank: int | None = None
    of: int | None = None
    randomized: bool = False


@dataclass(frozen=True, kw_only=True)
class Actions(Record):
    """What to do with all creatives, and what that is worth.

    Attributes:
        items: One per creative and campaign.
        events_per_week: Events that are gained in a week where what is dropped is delivered by the others of its
            campaign, in their present proportions; None where nothing is dropped.
        per_week: The same in money; None where no money is known.
        value: What an event is worth; None where no money is known.
        listens: Whether the score is trusted enough to launch and drop by it.
        why_not: Why not; "" where it is.
    """

    items: tuple[ActionItem, ...]
    events_per_week: Estimate | None
    per_week: Estimate | None
    value: EventValue | None
    listens: bool
    why_not: str

    def of(self, action: CreativeAction) -> tuple[ActionItem, ...]:
        """Return the creatives with an action, the most money first."""
        chosen = [item for item in self.items if item.action is action]
        return tuple(sorted(chosen, key=lambda item: (-_stake(item), item.rank or 0, item.creative_id)))


def find_actions(
    session: Session,
    found: StoredAppeals,
    worth: WorthReport,
    *,
    version_id: int | None,
    decision: str | None,
    ran: Collection[int] = (),
    campaigns: Sequence[str] | None = None,
    ads: Collection[int] | None = None,
    last: date | None = None,
) -> Actions:
    """Find what to do with every creative.

    1. Creatives that run beside others are judged by what they got: better or worse than the average of their campaign
       by a tenth or more, and with a chance of 95 %, given the clicks, their number and the spread between creatives.
    2. Those that have not run yet are judged by the score, where listening to it is shown to pay and the last drift
       check does not forbid it: the best of them are launched, as many as the report says.
    3. What dropping is worth is drawn from what the clicks say about each creative.

    Args:
        session: A reading session.
        found: The appeals of the last weeks: what runs now.
        worth: What listening is worth.
        version_id: The version whose scores are shown.
        decision: The last decision of a drift check; None without any.
        ran: Ids of creatives that were delivered at any time: they are not launched.
        campaigns: Keys of the only campaigns to look at.
        ads: Ids of the only ads that tell what runs; all by default.
        last: The last day with delivery; by default that of these ads.
    """
    why_not = _why_not(worth, decision)
    recent = _recent(session, found, ads, last)
    places = _places(session, version_id, campaigns)
    measured = _measured(found, recent, worth.value, places, campaigns)
    known = {item.creative_id for item in measured} | {creative for creative, _ in recent} | set(ran)
    waiting = _waiting(places, known, worth.k, not why_not)
    events = _gain(found, recent, measured)
    return Actions(
        items=(*measured, *waiting),
        events_per_week=events,
        per_week=scaled(events, worth.value.each) if events and worth.value else None,
        value=worth.value,
        listens=not why_not,
        why_not=why_not,
    )


def _why_not(worth: WorthReport, decision: str | None) -> str:
    if decision in _UNTRUSTED:
        return f"the last drift check says {str(decision).replace('_', ' ')}"
    if worth.verdict is ListeningVerdict.SHOWN:
        return ""
    return {
        ListeningVerdict.NOT_ENOUGH: "there are not enough clicks to say whether listening to it pays",
        ListeningVerdict.NOT_SHOWN: "it is not shown that listening to it pays",
        ListeningVerdict.HARMFUL: "listening to it is shown to lose",
    }[worth.verdict]


def _recent(
    session: Session, found: StoredAppeals, ads: Collection[int] | None, last: date | None
) -> dict[tuple[int, int], float]:
    """Return what each creative was shown in a week, on average over the last four, by creative and campaign."""
    exposure = METRICS[found.metric].rate[1]
    last = last or deliveries(session, Filters(end=found.as_of, ads=ads)).last
    if last is None or exposure not in ("impressions", "clicks", "conversions"):
        return {}
    window = deliveries(session, Filters(last - RECENT + timedelta(days=1), last, ads=ads))
    # A young account has fewer days than that; the money of a week counts days in the same way.
    weeks = max((last - (window.first or last)).days + 1, 7) / 7
    return {
        (row.creative_id, row.campaign_id): getattr(row, exposure) / weeks
        for row in window.rows
        if row.campaign_id is not None
    }


def _places(
    session: Session, version_id: int | None, campaigns: Sequence[str] | None
) -> dict[tuple[int, str], tuple[int, int]]:
    """Return place by score and number of scored creatives, by creative and campaign."""
    if version_id is None:
        return {}
    return {
        (place.creative_id, key): (place.rank, place.n)
        for id_, key in creatives.campaign_keys(session).items()
        if campaigns is None or key in campaigns
        for place in score_rows.ranking(session, id_, version_id)
    }


def _measured(
    found: StoredAppeals,
    recent: Mapping[tuple[int, int], float],
    value: EventValue | None,
    places: Mapping[tuple[int, str], tuple[int, int]],
    campaigns: Sequence[str] | None,
) -> list[ActionItem]:
    of, items, seen = found.appeals, [], set()
    rates = _group_rates(found)
    # Experiments first: what chance decided outweighs what the platform did.
    for i in sorted(range(len(of.creative)), key=lambda place: not found.causal[place]):
        creative, campaign = int(of.creative[i]), found.campaigns.get(int(of.campaign[i]), "")
        if (creative, campaign) in seen or (campaigns is not None and campaign not in campaigns):
            continue
        if of.group[i] < 0 or not math.isfinite(of.shrunk[i]):
            continue
        seen.add((creative, campaign))
        mean, sd = float(of.shrunk[i]), float(of.shrunk_sd[i])
        lift = Estimate(*(math.expm1(mean + z * sd) for z in (0.0, -1.96, 1.96)))
        shown = recent.get((creative, int(of.campaign[i])), 0.0)
        rank, n = places.get((creative, campaign), (None, None))
        items.append(
            ActionItem(
                creative_id=creative,
                campaign=campaign,
                action=_action(mean, sd, shown),
                lift=lift,
                per_week=scaled(lift, shown * rates[int(of.group[i])] * value.each) if value and shown else None,
                rank=rank,
                of=n,
                randomized=bool(found.causal[i]),
            )
        )
    return items


def _action(mean: float, sd: float, shown: float) -> CreativeAction:
    better = normal_below(mean / sd) if sd > 0 else 0.5
    if not shown:
        return CreativeAction.ENDED
    if better >= CERTAIN and math.expm1(mean) >= FLOOR:
        return CreativeAction.MORE
    return CreativeAction.DROP if better <= 1 - CERTAIN and math.expm1(mean) <= -FLOOR else CreativeAction.WAIT


def _waiting(
    places: Mapping[tuple[int, str], tuple[int, int]], ran: set[int], k: int, listens: bool
) -> list[ActionItem]:
    by_campaign: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for (creative, campaign), (rank, n) in places.items():
        if creative not in ran:
            by_campaign[campaign].append((rank, n, creative))
    items = []
    for campaign, rows in by_campaign.items():
        for place, (rank, n, creative) in enumerate(sorted(rows)):
            chosen = CreativeAction.LAUNCH if place < k else CreativeAction.HOLD
            items.append(
                ActionItem(
                    creative_id=creative, campaign=campaign, action=chosen if listens else CreativeAction.UNTESTED,
                    lift=None, per_week=None, rank=rank, of=n,
                )
            )  # fmt: skip
    return items


def _gain(
    found: StoredAppeals, recent: Mapping[tuple[int, int], float], items: Sequence[ActionItem]
) -> Estimate | None:
    """Return the events that a week gains where the others of a group deliver what is dropped, with its interval.

    A creative may be in two groups of its campaign: that of an experiment, and that of all other delivery. What it is
    shown in a week is that of both, so it is dropped once; in the experiment where it can be.
    """
    of, rates = found.appeals, _group_rates(found)
    action = {(item.creative_id, item.campaign): item.action for item in items}
    rng = np.random.default_rng(_SEED)
    total, counted = np.zeros(_DRAWS), set[tuple[int, int]]()
    random = set(of.group[found.causal].tolist())
    for group in sorted(np.unique(of.group[of.group >= 0]).tolist(), key=lambda one: one not in random):
        members = np.flatnonzero((of.group == group) & np.isfinite(of.shrunk))
        keys = [(int(of.creative[i]), int(of.campaign[i])) for i in members]
        said = [action.get((creative, found.campaigns.get(campaign, ""))) for creative, campaign in keys]
        shown = np.array([recent.get(key, 0.0) for key in keys])
        to_drop = np.array([one is CreativeAction.DROP for one in said])
        dropped = to_drop & np.array([key not in counted for key in keys])
        kept = ~to_drop & (shown > 0)
        if not dropped.any() or not kept.any():
            continue
        counted.update(key for key, out in zip(keys, dropped, strict=True) if out)
        drawn = np.exp(of.shrunk[members] + of.shrunk_sd[members] * rng.standard_normal((_DRAWS, len(members))))
        others = drawn[:, kept] @ shown[kept] / shown[kept].sum()
        total += rates[group] * ((others[:, None] - drawn[:, dropped]) @ shown[dropped])
    if not counted:
        return None
    return Estimate(float(total.mean()), *(float(end) for end in np.quantile(total, (0.025, 0.975))))


def _group_rates(found: StoredAppeals) -> dict[int, float]:
    """Return events per exposure of an average creative of each group."""
    of = found.appeals
    return {
        int(group): float(of.events[of.group == group].sum() / max(of.exposure[of.group == group].sum(), 1e-12))
        for group in np.unique(of.group[of.group >= 0])
    }


def _stake(item: ActionItem) -> float:
    return abs(item.per_week.estimate) if item.per_week else abs(item.lift.estimate) if item.lift else 0.0
