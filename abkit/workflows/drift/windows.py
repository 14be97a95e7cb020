"""The two windows of a drift check: written by a person, resolved once to days and creatives, then only read.

Windows are made of launch and delivery dates, never of the time a row was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.errors import UsageError
from abkit.store import results
from abkit.store.catalog import creatives
from abkit.store.kpis.late_events import DeliveryRow
from abkit.store.schema import ModelVersion
from abkit.vocabulary import Window, WindowKind


@dataclass(frozen=True)
class WindowSpec:
    """A window as it is written: `model`, `campaign:KEY` or `days:N`.

    Attributes:
        kind: What the window is made of.
        campaign: Key of the campaign; "" for the other kinds.
        days: How many days; 0 for the other kinds.
    """

    kind: WindowKind
    campaign: str = ""
    days: int = 0

    def __str__(self) -> str:
        value = self.campaign or self.days
        return f"{self.kind}:{value}" if value else self.kind.value


def parse_window(text: str, *, current: bool) -> WindowSpec:
    """Read a window.

    Raises:
        UsageError: It is not a valid window; the current one cannot be the model's own sample.

    >>> str(parse_window("days:30", current=False))
    'days:30'
    """
    if text == WindowKind.MODEL and not current:
        return WindowSpec(WindowKind.MODEL)
    kind, _, value = text.partition(":")
    if kind == WindowKind.CAMPAIGN and value:
        return WindowSpec(WindowKind.CAMPAIGN, campaign=value)
    if kind == WindowKind.DAYS and re.fullmatch(r"[1-9][0-9]{0,3}", value):
        return WindowSpec(WindowKind.DAYS, days=int(value))
    allowed = "campaign:KEY or days:N" if current else "model, campaign:KEY or days:N"
    raise UsageError(
        f"{text!r} is not a {'current' if current else 'reference'} window", hint=f"write {allowed}, for example days:7"
    )


@dataclass(frozen=True, kw_only=True)
class DriftWindows:
    """Both windows of one check, with everything that says what belongs to them.

    Attributes:
        reference, current: The windows as written.
        as_of: The last day that counts.
        segment: Which delivery counts; "" for all.
        version: The version whose scores are looked at; None where nothing was scored.
        start: First day of the current window; it ends with `as_of`.
        reference_start, reference_end: First and last day of the reference.
        current_campaign, reference_campaign: Ids of the campaigns that are windows; None for other kinds.
        current_creatives: Ids of the current creatives, in order of launch.
        reference_creatives: Ids of those of the reference; () where it is the model's own sample.
    """

    reference: WindowSpec
    current: WindowSpec
    as_of: date
    segment: str
    version: ModelVersion | None
    start: date
    reference_start: date
    reference_end: date
    current_campaign: int | None
    reference_campaign: int | None
    current_creatives: tuple[int, ...]
    reference_creatives: tuple[int, ...]

    @property
    def first_delivery_day(self) -> date | None:
        """How far back deliveries are read; None for all of them."""
        if self.current.kind is WindowKind.CAMPAIGN or self.reference.kind is WindowKind.CAMPAIGN:
            return None
        return self.reference_start

    def window_of(self, row: DeliveryRow) -> Window:
        """Return which window a delivery belongs to.

        A delivery belongs to a campaign's window by its own campaign, or where that is neither of the two, by its
        creative: a folder may be scored under another name than the platform's.
        """
        current, reference = self.current_campaign, self.reference_campaign
        if current is not None:
            if row.campaign_id == current or (row.campaign_id != reference and row.creative_id in self._only_current):
                return Window.CURRENT
        elif row.period_end >= self.start:
            return Window.CURRENT if row.period_start >= self.start else Window.NEITHER
        if reference is not None:
            own = row.campaign_id == reference or row.creative_id in self._only_reference
            return Window.REFERENCE if own else Window.NEITHER
        too_late = row.period_end > self.reference_end
        too_early = self.reference.kind is WindowKind.DAYS and row.period_start < self.reference_start
        return Window.NEITHER if too_late or too_early else Window.REFERENCE

    @cached_property
    def _only_current(self) -> frozenset[int]:
        return frozenset(self.current_creatives) - self._campaign_creatives

    @cached_property
    def _only_reference(self) -> frozenset[int]:
        current = self.current_creatives if self.current_campaign is not None else ()
        return self._campaign_creatives.difference(current)

    @cached_property
    def _campaign_creatives(self) -> frozenset[int]:
        return frozenset(self.reference_creatives if self.reference_campaign is not None else ())


def resolve_windows(
    session: Session,
    reference: WindowSpec,
    current: WindowSpec,
    *,
    as_of: date,
    settings: DriftSettings,
    version: ModelVersion | None,
) -> DriftWindows:
    """Turn two windows as written into days, campaigns and creatives.

    Raises:
        UsageError: There is no such campaign.
    """
    start = _first_day(current.days or 1, until=as_of)
    # Before a campaign there is no day: its reference reaches up to as_of.
    reference_end = start - timedelta(days=1) if current.kind is WindowKind.DAYS else as_of
    # A relation that was found lost must not become its own reference while nobody acts on it: until another
    # version is active, the days from then on belong to no reference.
    by_days = version is not None and current.kind is WindowKind.DAYS
    broken = results.first_break(session, version.id, as_of) if version and by_days else None
    if broken is not None:
        reference_end = min(reference_end, _first_day(current.days, until=broken) - timedelta(days=1))
    reference_start = _first_day(reference.days or settings.reference_days, until=reference_end)
    current_campaign, reference_campaign = _campaign(session, current), _campaign(session, reference)
    if current_campaign is not None:
        now = creatives.candidates(session, current_campaign)
    else:
        now = creatives.creatives_launched(session, start, as_of)
    if reference_campaign is not None:
        before = creatives.candidates(session, reference_campaign)
    elif reference.kind is WindowKind.DAYS:
        launched = creatives.creatives_launched(session, reference_start, reference_end)
        own = set(now)
        before = [creative for creative in launched if creative not in own]
    else:
        before = []
    return DriftWindows(
        reference=reference,
        current=current,
        as_of=as_of,
        segment="",
        version=version,
        start=start,
        reference_start=reference_start,
        reference_end=reference_end,
        current_campaign=current_campaign,
        reference_campaign=reference_campaign,
        current_creatives=tuple(now),
        reference_creatives=tuple(before),
    )


def _campaign(session: Session, window: WindowSpec) -> int | None:
    return creatives.find_campaign(session, window.campaign) if window.kind is WindowKind.CAMPAIGN else None


def _first_day(days: int, *, until: date) -> date:
    return until - timedelta(days=days - 1)
