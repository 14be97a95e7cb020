"""What stands above the creatives of a campaign, as it is kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from abkit.errors import AbkitError
from abkit.records import Record

FORMAT = 1
#: Creatives of each list of advice that are named, and points of a chart at most.
LISTED, POINTS = 12, 150


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """A campaign in figures and sentences.

    Attributes:
        model, digest: The active model; "" without one.
        scale: Of its scores.
        demonstration, notice: What everybody who sees a score has to be told.
        creatives, scored, delivered: How many there are, have a score, ran.
        why_no_p_best: Why there is no P(best); "" where there is.
        currency: Of amounts; "" where none is known.
        impressions, clicks, conversions, spend, revenue: Of all together; an amount is None where a part is unknown.
        first_day, last_day: Days with delivery.
        headline, sentences: What to launch and to drop, and what that rests on.
        lists: Action, ids of the first creatives, and how many there are.
        relation: A sentence for each KPI: whether scores were shown to go with it.
        points: sha256, name, score, CTR, CVR and impressions of the creatives with most impressions.
        points_of: How many there are with a score and delivery.
        simulated: Whether delivery was simulated.
        notes: What was left out, and why.
    """

    model: str
    digest: str
    scale: tuple[float, float]
    demonstration: bool
    notice: str
    creatives: int
    scored: int
    delivered: int
    why_no_p_best: str
    currency: str
    impressions: int
    clicks: int
    conversions: float
    spend: float | None
    revenue: float | None
    first_day: date | None
    last_day: date | None
    headline: str
    sentences: tuple[str, ...]
    lists: tuple[tuple[str, tuple[int, ...], int], ...]
    relation: tuple[str, ...]
    points: tuple[tuple[str, str, float, float | None, float | None, int], ...]
    points_of: int
    simulated: bool
    notes: tuple[str, ...]
    version: int = FORMAT


@dataclass(frozen=True, kw_only=True)
class Heading(Record):
    """What the list of campaigns shows of a summary; the fields are those of `Summary`."""

    impressions: int
    clicks: int
    spend: float | None
    currency: str
    first_day: date | None
    last_day: date | None
    headline: str
    version: int


#: What of a summary makes a heading.
HEADING = tuple(field.name for field in fields(Heading))


def read_heading(kept: Mapping[str, Any]) -> Heading | None:
    """Return a heading from what the store keeps; None where another release wrote it."""
    return Heading(**_with_days(kept)) if kept["version"] == FORMAT else None


def read_summary(kept: Mapping[str, Any]) -> Summary:
    """Return a summary from what the store keeps.

    Raises:
        AbkitError: Another release wrote it.
    """
    if kept.get("version") != FORMAT:
        raise AbkitError("another release of abkit made the figures of this campaign", hint="make them anew")
    values = {field.name: kept[field.name] for field in fields(Summary)}
    for name in ("sentences", "relation", "notes", "scale"):
        values[name] = tuple(values[name])
    values["lists"] = tuple((action, tuple(ids), number) for action, ids, number in values["lists"])
    values["points"] = tuple(tuple(point) for point in values["points"])
    return Summary(**_with_days(values))


def _with_days(values: Mapping[str, Any]) -> dict[str, Any]:
    days = {name: values[name] for name in ("first_day", "last_day")}
    return {**values, **{name: date.fromisoformat(day) if day else None for name, day in days.items()}}
