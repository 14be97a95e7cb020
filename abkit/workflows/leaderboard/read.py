"""Read the leaderboard of a campaign: sorted, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.store import leaderboards
from abkit.store.catalog.creatives import find_campaign
from abkit.store.catalog.tags import tags_of
from abkit.store.database.engine import Store
from abkit.store.leaderboards import CampaignSummary, EntryFilter
from abkit.store.schema import Campaign, LeaderboardEntry
from abkit.vocabulary import CreativeAction, CreativeFormat, Fatigue, LeaderboardOrder
from abkit.workflows.leaderboard.summary import FORMAT, HEADING, Heading, Summary, read_heading, read_summary

PAGE = 50
#: A leaderboard is made anew at most so often while data keep coming.
AT_MOST_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow(Record):
    """A creative in a campaign; what is not known is None, and all intervals but that of the score are 95 %.

    Attributes:
        creative_id: Its id in the store.
        sha256: Digest of its content.
        name: As much of its path as tells it from the others.
        idea: Id of its idea; below 0 for a creative that is one of its own.
        format: Its shape.
        tags: Words that people gave it.
        rank: Its place by score; equal scores share one.
        score: Predicted mean opinion, with the interval of the model.
        unlike: Whether it is unlike what the model was trained on: then its score has no interval.
        p_best: Probability that raters would find it the best of the campaign.
        impressions, clicks, conversions, spend, revenue: What it delivered in the campaign.
        ctr, cvr, cpa, roas: Rates of that.
        lift: Its CTR over the average of the campaign at equal age and place, less 1, shrunk.
        per_week: What it brings in a week beyond an average creative, in money.
        action: What to do with it.
        fatigue: What age did to it; None where it does not run.
        first_day, last_day: First and last day with impressions.
        similar: Id and cosine of those that look most alike, one after the other.
    """

    creative_id: int
    sha256: str
    name: str
    idea: int
    format: CreativeFormat
    tags: tuple[str, ...]
    rank: int | None
    score: float | None
    score_low: float | None
    score_high: float | None
    unlike: bool
    p_best: float | None
    impressions: int
    clicks: int
    conversions: float
    spend: float | None
    revenue: float | None
    ctr: float | None
    ctr_low: float | None
    ctr_high: float | None
    cvr: float | None
    cvr_low: float | None
    cvr_high: float | None
    cpa: float | None
    cpa_low: float | None
    cpa_high: float | None
    roas: float | None
    roas_low: float | None
    roas_high: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    per_week: float | None
    action: CreativeAction | None
    fatigue: Fatigue | None
    first_day: date | None
    last_day: date | None
    similar: tuple[float, ...]

    def age(self, day: date) -> int | None:
        """Return how many days it has been shown, the first one counted; None before."""
        return None if self.first_day is None else (day - self.first_day).days + 1


@dataclass(frozen=True, kw_only=True)
class Leaderboard(RecordList):
    """A page of the creatives of a campaign.

    Attributes:
        campaign_id, campaign: Id and key.
        creatives: The wanted ones on this page.
        total: How many are wanted.
        page, pages: Number of this page from 1, and of the last one.
        as_of: The last day of delivery that counts; None where nothing was made yet.
        made_at: When the figures were made.
        run_id: The run that made them.
        current: Whether nothing has changed since.
        due: Whether they may be made anew now.
        summary: What stands above; None where nothing was made yet.
    """

    campaign_id: int
    campaign: str
    creatives: tuple[LeaderboardRow, ...]
    total: int
    page: int
    pages: int
    as_of: date | None
    made_at: datetime | None
    run_id: int | None
    current: bool
    due: bool
    summary: Summary | None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per creative."""
        return [one.to_dict() for one in self.creatives]


def read_leaderboard(
    store: Store,
    campaign: int | str,
    *,
    wanted: EntryFilter | None = None,
    order: LeaderboardOrder = LeaderboardOrder.SCORE,
    reverse: bool = False,
    page: int | None = 1,
) -> Leaderboard:
    """Return the creatives of a campaign as they were last made; nothing is computed.

    Args:
        store: The store.
        campaign: Id or key of the campaign.
        wanted: Which creatives; all by default.
        order: What they are sorted by: best, largest or most urgent first.
        reverse: Whether the order is turned around; what is not known stays last.
        page: Which page; None for all creatives at once.

    Raises:
        UsageError: There is no such campaign, or no such page.
    """
    wanted = wanted or EntryFilter()
    with store.read() as session:
        number, key = _campaign(session, campaign)
        kept = leaderboards.leaderboard_of(session, number)
        readable = kept is not None and kept.summary.get("version") == FORMAT
        total = leaderboards.count_entries(session, number, wanted)
        pages = max(1, -(-total // PAGE))
        if page is not None and not 1 <= page <= pages:
            raise UsageError(f"there is no page {page}", hint=f"there are {pages}")
        start = 0 if page is None else (page - 1) * PAGE
        limit = None if page is None else PAGE
        found = leaderboards.entries(session, number, wanted, order, reverse=reverse, limit=limit, offset=start)
        tags = tags_of(session, [entry.creative_id for entry, _ in found])
        today = datetime.now(UTC).date()
        same = kept is not None and readable and kept.stamp == leaderboards.stamp_of(session, number)
        current = kept is not None and same and kept.as_of >= today
    return Leaderboard(
        campaign_id=number,
        campaign=key,
        creatives=tuple(rows_of(found, tags)),
        total=total,
        page=page or 1,
        pages=1 if page is None else pages,
        as_of=kept.as_of if kept else None,
        made_at=kept.made_at if kept else None,
        run_id=kept.run_id if kept else None,
        current=current,
        due=not current and (kept is None or not readable or abs(datetime.now(UTC) - kept.made_at) > AT_MOST_EVERY),
        summary=read_summary(kept.summary) if kept is not None and readable else None,
    )


_OTHERS = ("sha256", "similar", "format", "tags", "action", "fatigue")
_COLUMNS = [one.name for one in fields(LeaderboardRow) if one.name not in _OTHERS]


def rows_of(
    found: Iterable[tuple[LeaderboardEntry, str]], tags: Mapping[int, tuple[str, ...]] | None = None
) -> list[LeaderboardRow]:
    """Return the records of stored creatives with their sha256; their tags by id, where they were read."""
    return [
        LeaderboardRow(
            sha256=sha256,
            format=CreativeFormat(entry.format),
            tags=(tags or {}).get(entry.creative_id, ()),
            action=CreativeAction(entry.action) if entry.action else None,
            fatigue=Fatigue(entry.fatigue) if entry.fatigue else None,
            similar=tuple(entry.similar),
            **{name: getattr(entry, name) for name in _COLUMNS},
        )
        for entry, sha256 in found
    ]


def _campaign(session: Session, campaign: int | str) -> tuple[int, str]:
    if isinstance(campaign, str):
        return find_campaign(session, campaign), campaign
    row = session.get(Campaign, campaign)
    if row is None:
        raise UsageError(f"there is no campaign number {campaign}", hint="`abkit campaign list` shows them all")
    return row.id, row.key


@dataclass(frozen=True, kw_only=True)
class CampaignPage(Record):
    """A page of the list of campaigns, the latest first.

    Attributes:
        campaigns: Each with how many creatives it has, and what its leaderboard says where one was made.
        total: How many there are.
        page, pages: Number of this page from 1, and of the last one.
    """

    campaigns: tuple[tuple[CampaignSummary, Heading | None], ...]
    total: int
    page: int
    pages: int


def read_campaigns(store: Store, *, text: str = "", page: int = 1) -> CampaignPage:
    """Return the campaigns whose key holds a text, a page of them.

    Raises:
        UsageError: There is no such page.
    """
    with store.read() as session:
        offset = (max(page, 1) - 1) * PAGE
        found, total = leaderboards.campaign_summaries(session, text, HEADING, limit=PAGE, offset=offset)
    pages = max(1, -(-total // PAGE))
    if not 1 <= page <= pages:
        raise UsageError(f"there is no page {page}", hint=f"there are {pages}")
    return CampaignPage(
        campaigns=tuple((one, read_heading(one.summary) if one.summary else None) for one in found),
        total=total,
        page=page,
        pages=pages,
    )


def some_rows(session: Session, campaign: int, creatives: Sequence[int]) -> dict[int, LeaderboardRow]:
    """Return some creatives of a campaign by id; those that are not on its leaderboard are left out."""
    return {row.creative_id: row for row in rows_of(leaderboards.entries_of(session, campaign, creatives))}
