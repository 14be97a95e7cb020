"""What is asked of the creatives of a campaign: read from an address, and written into one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from abkit.errors import UsageError
from abkit.store.leaderboards import EntryFilter
from abkit.vocabulary import CreativeAction, CreativeFormat, Fatigue, LeaderboardOrder, parse_choice
from abkit.workflows.creatives.tags import clean_tag

_MOST_TEXT = 200
#: Fields with a lowest and a highest value, and what a number in a form is divided by.
RANGES = {"score": 1.0, "p_best": 100.0, "ctr": 100.0, "cvr": 100.0, "cpa": 1.0, "roas": 1.0, "spend": 1.0}
_MOST_DAYS = 36_500
#: Names of all that leaves creatives out.
FILTERS = (
    *("q", "action", "fatigue", "format", "delivered", "idea", "tag"),
    *(f"{name}_{end}" for name in (*RANGES, "age") for end in ("min", "max")),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which creatives, in which order, which page of them."""

    entries: EntryFilter
    order: LeaderboardOrder
    reverse: bool
    page: int
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        """Whether some creatives are left out."""
        return self.entries != EntryFilter()


def asked_for(query: Mapping[str, str]) -> Asked:
    """Return what an address asks for; what is empty was not asked.

    Raises:
        UsageError: A value that is not valid.

    >>> asked_for({"ctr_min": "1.5", "order": "ctr"}).entries.ctr
    (0.015, None)
    """
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    text = given.get("q", "")
    if len(text) > _MOST_TEXT:
        raise UsageError(f"the text to look for has {len(text):,} characters", hint=f"{_MOST_TEXT} at most")
    choices: dict[str, Any] = {
        name: parse_choice(words, given[name], name=name) if name in given else None
        for name, words in (("action", CreativeAction), ("fatigue", Fatigue), ("format", CreativeFormat))
    }
    ran = {"yes": True, "no": False}
    if given.get("delivered", "yes") not in ran:
        raise UsageError(f"delivered is {given['delivered']!r}", hint="yes or no")
    ranges: dict[str, Any] = {
        name: tuple(_number(given, f"{name}_{end}", factor) for end in ("min", "max"))
        for name, factor in RANGES.items()
    }
    youngest, oldest = (_day_of_age(given, f"age_{end}") for end in ("min", "max"))
    entries = EntryFilter(
        text=text,
        tag=clean_tag(given["tag"]) if "tag" in given else "",
        first_day=(oldest, youngest),
        idea=_whole(given, "idea", None),
        delivered=ran[given["delivered"]] if "delivered" in given else None,
        **choices,
        **ranges,
    )
    return Asked(
        entries=entries,
        order=parse_choice(LeaderboardOrder, given.get("order", "score"), name="order"),
        reverse=given.get("reverse") == "1",
        page=_whole(given, "page", 1) or 1,
        given=given,
    )


def in_query(asked: Asked) -> dict[str, str]:
    """Return what was asked as the part of an address, without the page."""
    return {name: asked.given[name] for name in (*FILTERS, "order", "reverse") if name in asked.given}


def _day_of_age(given: Mapping[str, str], name: str) -> date | None:
    """Return the day on which a creative of so many days was shown first."""
    age = _whole(given, name, None)
    if age is None:
        return None
    if not 0 <= age <= _MOST_DAYS:
        raise UsageError(f"{name} is {age}", hint=f"give a number of days from 0 to {_MOST_DAYS:,}")
    return datetime.now(UTC).date() - timedelta(days=age - 1)


def _number(given: Mapping[str, str], name: str, factor: float) -> float | None:
    if name not in given:
        return None
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} is {given[name][:50]!r}", hint="give a number such as 1.5")
    return value / factor


def _whole(given: Mapping[str, str], name: str, default: int | None) -> int | None:
    if name not in given:
        return default
    try:
        value = int(given[name])
    except ValueError:
        value = 2**63
    if abs(value) >= 2**63:
        raise UsageError(f"{name} is {given[name][:50]!r}", hint="give a whole number")
    return value
