"""The two windows of a drift check: written by a person, resolved once to days and creatives, then only read.

Windows are made of launch and delivery dates, never of the time a row was written. No creative and no delivery is in
both of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.errors import UsageError
from abkit.stats.monitoring.budget import last_look
from abkit.store import results
from abkit.store.catalog import creatives
from abkit.store.kpis.late_events import DeliveryRow
from abkit.store.schema import ModelVersion
from abkit.vocabulary import Window, WindowKind
from abkit.workflows.drift.windows.launches import Chosen, Launches, launches_until
from abkit.workflows.drift.windows.sketches import History

WEEK = 7


@dataclass(frozen=True)
class WindowSpec:
    """A window as it is written: `creatives`, `creatives:N`, `model`, `campaign:KEY` or `days:N`.

    Attributes:
        kind: What the window is made of.
        campaign: Key of the campaign; "" for the other kinds.
        days: How many days; 0 for the other kinds.
        creatives: How many creatives, where the sizes of one idea count once; 0 for as many as a judgment needs, and
            for the other kinds.
    """

    kind: WindowKind
    campaign: str = ""
    days: int = 0
    creatives: int = 0

    def __str__(self) -> str:
        value = self.campaign or self.days or self.creatives
        return f"{self.kind}:{value}" if value else self.kind.value


def parse_window(text: str, *, current: bool) -> WindowSpec:
    """Read a window.

    Raises:
        UsageError: It is not a valid window; the current one cannot be the model's own sample.

    >>> str(parse_window("creatives:60", current=True)), str(parse_window("days:30", current=False))
    ('creatives:60', 'days:30')
    """
    kind, colon, value = text.partition(":")
    if kind == WindowKind.MODEL and not colon and not current:
        return WindowSpec(WindowKind.MODEL)
    if kind == WindowKind.CREATIVES and not colon:
        return WindowSpec(WindowKind.CREATIVES)
    if kind == WindowKind.CREATIVES and re.fullmatch(r"[1-9][0-9]{0,6}", value):
        return WindowSpec(WindowKind.CREATIVES, creatives=int(value))
    if kind == WindowKind.CAMPAIGN and value:
        return WindowSpec(WindowKind.CAMPAIGN, campaign=value)
    if kind == WindowKind.DAYS and re.fullmatch(r"[1-9][0-9]{0,3}", value):
        return WindowSpec(WindowKind.DAYS, days=int(value))
    allowed = "creatives, creatives:N, campaign:KEY or days:N"
    allowed = allowed if current else f"model, {allowed}"
    raise UsageError(
        f"{text!r} is not a {'current' if current else 'reference'} window",
        hint=f"write {allowed}, for example creatives:60",
    )


@dataclass(frozen=True, kw_only=True)
class DriftWindows:
    """Both windows of one check, with everything that says what belongs to them.

    Attributes:
        reference, current: The windows as written.
        as_of: The last day that counts.
        judged_until: The last day of delivery that relation and level are judged on: that of the last look.
        segment: Which delivery counts; "" for all.
        version: The version whose scores are looked at; None where nothing was scored.
        start: First day of delivery of the current window; it ends with `as_of`.
        reference_start, reference_end: First and last day of delivery of the reference.
        current_campaign, reference_campaign: Ids of the campaigns that are windows; None for other kinds.
        current_creatives: Ids of the current creatives, in order of launch.
        reference_creatives: Ids of those of the reference; () where it is the model's own sample.
        since: Day on which the first of the current creatives was launched; None where there is none.
        reference_since: The same, of the reference.
        model_sample: Whether images and scores are compared with the model's own sample.
        earlier_creatives: Where that is asked for, those launched before: the sample holds no properties of images.
        current_ideas: How many ideas the current creatives are.
        launched_per_day: How many ideas are launched a day, as of the last look.
    """

    reference: WindowSpec
    current: WindowSpec
    as_of: date
    judged_until: date
    segment: str
    version: ModelVersion | None
    start: date
    reference_start: date
    reference_end: date
    current_campaign: int | None
    reference_campaign: int | None
    current_creatives: tuple[int, ...]
    reference_creatives: tuple[int, ...]
    since: date | None = None
    reference_since: date | None = None
    model_sample: bool = False
    earlier_creatives: tuple[int, ...] = ()
    current_ideas: int = 0
    launched_per_day: float = 0.0

    @property
    def by_days(self) -> bool:
        """Whether the current delivery is that of the last days rather than that of a campaign."""
        return self.current.kind is not WindowKind.CAMPAIGN

    @property
    def feed_start(self) -> date:
        """First day of what the tests of feeds look at: a week at most where the days are not given by hand."""
        last_week = self.as_of - timedelta(days=WEEK - 1)
        return max(self.start, last_week) if self.current.kind is WindowKind.CREATIVES else self.start

    @property
    def first_delivery_day(self) -> date | None:
        """How far back deliveries are read; None for all of them."""
        if not self.by_days or self.reference.kind is WindowKind.CAMPAIGN:
            return None
        return self.reference_start

    def in_words(self) -> str:
        """Say how far back the windows reach."""
        if self.current.kind is WindowKind.CAMPAIGN:
            now = f"campaign {self.current.campaign}"
        else:
            kind = "last" if self.current.kind is WindowKind.CREATIVES else "new"
            launched = f", launched since {self.since}" if self.since else ""
            now = f"the {len(self.current_creatives):,} {kind} creatives{launched}, and delivery since {self.start}"
        if self.reference.kind is WindowKind.CAMPAIGN:
            return f"{now}; against campaign {self.reference.campaign}"
        before = f"{len(self.reference_creatives):,} earlier creatives"
        if self.reference_since:
            before += f", launched since {self.reference_since}"
        if self.model_sample:
            before = "the model's own sample of images"
            if self.reference.kind is WindowKind.CREATIVES:
                before += " (there are too few earlier creatives)"
        return f"{now}; against {before}, and delivery from {self.reference_start} to {self.reference_end}"

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
    recent_start: Callable[[date], date] | None = None,
    history: History | None = None,
) -> DriftWindows:
    """Turn two windows as written into days, campaigns and creatives.

    Args:
        session: A reading session.
        reference, current: The windows.
        as_of: The last day that counts.
        settings: How much a window of creatives takes, and the days of the reference.
        version: The version whose scores are looked at.
        recent_start: Returns the first day of as much delivery up to a day as a judgment needs; a week when None.
        history: The months that are over; what was launched in them is read again when None.

    Raises:
        UsageError: There is no such campaign.
    """
    current_campaign, reference_campaign = _campaign(session, current), _campaign(session, reference)
    standing = (str(reference), str(current)) == (settings.reference, settings.current)
    until = _last_look(as_of, current, settings) if standing else as_of
    start = _first_day(current.days or WEEK, until=until)
    if current.kind is WindowKind.CREATIVES and recent_start is not None:
        start = recent_start(until)
    # Before a campaign there is no day: its reference reaches up to as_of.
    reference_end = start - timedelta(days=1) if current_campaign is None else as_of
    # A relation that was found lost must not become its own reference while nobody acts on it: until another
    # version is active, the days from then on belong to no reference.
    broken = results.broken_window(session, version.id, as_of) if version and current_campaign is None else None
    if broken is not None:
        reference_end = min(reference_end, broken - timedelta(days=1))
    reference_start = _first_day(reference.days or settings.reference_days, until=reference_end)
    early = [day for spec, day in ((current, start), (reference, reference_start)) if spec.kind is WindowKind.DAYS]
    strange = results.strange_since(session, version.id, as_of) if version else None
    campaigns = current_campaign is not None or reference_campaign is not None
    if history is None or campaigns:  # the candidates of a campaign may be of any day
        every = launches_until(session, as_of, version)
    else:
        least = min([*early, *filter(None, [strange])], default=None)
        every = history.launches(session, as_of, ideas=_needed(reference, current, settings), before=least)
    if standing and current.kind is WindowKind.CREATIVES:
        every = every.at_last_look(current.creatives or _enough(every, settings))
    now = _current(session, every, current, current_campaign, start, settings)
    earlier, others = _until(current, now.first or start, strange), Chosen()
    if reference_campaign is not None:
        before = every.of(creatives.candidates(session, reference_campaign), without=now)
    elif reference.kind is WindowKind.DAYS:
        before = every.between(reference_start, reference_end, without=now)
    elif reference.kind is WindowKind.CREATIVES:
        before = every.latest(reference.creatives or settings.max_images, before=earlier, without=now)
    else:
        before = Chosen()
        others = every.latest(settings.max_images, before=earlier, without=now)
    few = reference.kind is WindowKind.CREATIVES and not reference.creatives and before.ideas < settings.min_images
    if few:
        before = Chosen()
    return DriftWindows(
        reference=reference,
        current=current,
        as_of=as_of,
        judged_until=until,
        segment="",
        version=version,
        start=start,
        reference_start=reference_start,
        reference_end=reference_end,
        current_campaign=current_campaign,
        reference_campaign=reference_campaign,
        current_creatives=now.creatives,
        reference_creatives=before.creatives,
        since=now.first,
        reference_since=before.first,
        model_sample=few or reference.kind is WindowKind.MODEL,
        earlier_creatives=others.creatives,
        current_ideas=now.ideas,
        launched_per_day=every.per_day(),
    )


def _current(
    session: Session, every: Launches, current: WindowSpec, campaign: int | None, start: date, settings: DriftSettings
) -> Chosen:
    if campaign is not None:
        return every.of(creatives.candidates(session, campaign))
    if current.kind is WindowKind.DAYS:
        return every.between(start, every.last)
    return every.latest(current.creatives or _enough(every, settings))


def _enough(every: Launches, settings: DriftSettings) -> int:
    """Return half of what there is, so that as much is left to compare with; but never less than a judgment needs."""
    return max(settings.min_images, min(settings.recent_creatives, every.scored_ideas // 2))


def _needed(reference: WindowSpec, current: WindowSpec, settings: DriftSettings) -> int:
    """Return of how many ideas, at most, both windows are made, with those that are newer than the last look."""
    window = max(current.creatives or settings.recent_creatives, settings.min_images)
    before = max(reference.creatives or settings.max_images, settings.min_images)
    return 2 * window + before


def _until(current: WindowSpec, first: date, strange: date | None) -> date | None:
    """Return the day before which a creative was launched that may be compared with; None for any day.

    Args:
        current: The current window.
        first: Its first day.
        strange: Creatives of a kind that the scorer was found not to know, from this day on, do not become normal by
            themselves either.
    """
    if current.kind is WindowKind.CAMPAIGN:
        return first
    # What is not among the last creatives was launched before them.
    before = first if current.kind is WindowKind.DAYS else None
    return min(filter(None, (before, strange)), default=None)


def _last_look(as_of: date, current: WindowSpec, settings: DriftSettings) -> date:
    """Return the day up to which delivery is judged: a new look is taken when a quarter of the window is new."""
    if current.kind is WindowKind.CAMPAIGN:
        return as_of
    return date.fromordinal(last_look(as_of.toordinal(), current.days or WEEK * settings.recent_weeks))


def _campaign(session: Session, window: WindowSpec) -> int | None:
    return creatives.find_campaign(session, window.campaign) if window.kind is WindowKind.CAMPAIGN else None


def _first_day(days: int, *, until: date) -> date:
    return until - timedelta(days=days - 1)
