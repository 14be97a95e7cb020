"""The creatives of the report: their places, what they delivered, their thumbnails, within a limit of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import UsageError
from abkit.reporting.charts.scores import RankedCreative
from abkit.reporting.page.records import CampaignRanking
from abkit.reporting.page.thumbnails import thumbnail
from abkit.stats.proportions.intervals import wilson
from abkit.store.catalog import creatives
from abkit.store.kpis.delivery import Deliveries
from abkit.store.scores import RankedScore, ranking
from abkit.vocabulary import CreativeAction
from abkit.workflows.learning.worth.actions import ActionItem, Actions
from abkit.workflows.scoring.results import is_far, known_interval

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_CREATIVES = 2800
"""Rows of a page: a creative that is in two campaigns has two. With thumbnails and charts they stay under 3 MB."""

THUMBNAIL_BYTES = 1_250_000
"""Of all thumbnails of a page together: a report is sent by mail."""

_SIDES = ((40, 200), (120, 140), (400, 96), (1200, 76), (1800, 64))
_SMALLEST = 48
_QUALITY = 50


def chosen_campaigns(every: Sequence[tuple[int, str, int]], wanted: Sequence[str]) -> Sequence[tuple[int, str, int]]:
    """Return id, key and size of the campaigns that are asked for, all by default.

    Raises:
        UsageError: No creative of one of them has been scored.
    """
    for key in wanted:
        if key not in {known for _, known, _ in every}:
            known = ", ".join(key for _, key, _ in every[:10]) or "none yet"
            raise UsageError(f"no creative of a campaign {key!r} has been scored", hint=f"scored campaigns: {known}")
    return [row for row in every if not wanted or row[1] in wanted]


def rankings_of(
    session: Session,
    chosen: Sequence[tuple[int, str, int]],
    version_id: int,
    delivered: Deliveries,
    actions: Actions | None,
) -> tuple[tuple[CampaignRanking, ...], int, int]:
    """Return the creatives of each campaign, how many the page has no room for, and for how many thumbnails.

    Of campaigns that are too large the best and the worst are shown, of too many campaigns the first.
    """
    total = sum(n for *_, n in chosen)
    share = min(1.0, MOST_CREATIVES / total) if total else 1.0
    free = MOST_CREATIVES
    chosen_places = list[tuple[int, str, int, Sequence[RankedScore]]]()
    left_out = 0
    for id_, key, n in chosen:
        if not free:
            left_out += n
            continue
        places = ranking(session, id_, version_id)
        room = min(free, max(2, int(share * len(places))))
        shown = places if room >= len(places) else [*places[: room - room // 2], *places[len(places) - room // 2 :]]
        left_out += len(places) - len(shown)
        free -= len(shown)
        chosen_places.append((id_, key, len(places), shown))
    thumbnails = Thumbnails(len({place.sha256 for *_, shown in chosen_places for place in shown}))
    items = {(item.campaign, item.creative_id): item for item in actions.items} if actions else {}
    made = tuple(
        CampaignRanking(key, n, _creatives(session, id_, key, shown, n, delivered, items, thumbnails))
        for id_, key, n, shown in chosen_places
    )
    return made, left_out, thumbnails.left_out


class Thumbnails:
    """Small images whose bytes together stay within a limit; the more there are, the smaller each."""

    def __init__(self, count: int) -> None:
        self.side = next((side for most, side in _SIDES if count <= most), _SMALLEST)
        self.left = THUMBNAIL_BYTES
        self.left_out = 0
        self._made: dict[str, str] = {}

    def of(self, sha256: str, names: Sequence[str]) -> str:
        """Return the thumbnail of a content, "" where no file has it or no room is left."""
        if sha256 not in self._made:
            found = (thumbnail(Path(name), sha256, self.side, quality=_QUALITY) for name in names[:5])
            uri = next((one for one in found if one), "") if self.left > 0 else ""
            self.left_out += self.left <= 0
            self.left -= len(uri)
            self._made[sha256] = uri
        return self._made[sha256]


def _creatives(
    session: Session,
    campaign_id: int,
    key: str,
    places: Sequence[RankedScore],
    n: int,
    delivered: Deliveries,
    items: Mapping[tuple[str, int], ActionItem],
    thumbnails: Thumbnails,
) -> tuple[RankedCreative, ...]:
    names = creatives.creative_names(session, [place.creative_id for place in places], campaign=campaign_id)
    here, anywhere = _delivery(delivered, campaign_id), _delivery(delivered, None)
    made = []
    for place in places:
        aliases = names.get(place.creative_id, [])
        elsewhere = place.creative_id not in here and place.creative_id in anywhere
        impressions, clicks = (anywhere if elsewhere else here).get(place.creative_id, (0, 0))
        low, high = map(float, wilson(min(clicks, impressions), impressions, 0.05)) if impressions else (None, None)
        item = items.get((key, place.creative_id))
        made.append(
            RankedCreative(
                rank=place.rank,
                name=Path(aliases[0][0]).name if aliases else place.sha256[:12],
                sha256=place.sha256,
                campaign=key,
                of=n,
                score=place.score.mean,
                **known_interval(place.score.ci_low, place.score.ci_high, place.score.novelty),
                far=is_far(place.score.novelty),
                ci_level=place.score.ci_level,
                percentile=place.percentile,
                thumbnail=thumbnails.of(place.sha256, [name for name, _ in aliases]),
                impressions=impressions,
                clicks=clicks,
                ctr_low=low,
                ctr_high=high,
                elsewhere=elsewhere,
                action=item.action if item else CreativeAction.UNTESTED if not impressions else CreativeAction.WAIT,
                lift=item.lift if item else None,
                per_week=item.per_week if item else None,
                creative_id=place.creative_id,
            )
        )
    return tuple(made)


def _delivery(delivered: Deliveries, campaign_id: int | None) -> dict[int, tuple[int, int]]:
    """Impressions and clicks by creative: in this campaign or in none that is named, or in all of them (None)."""
    sums: dict[int, tuple[int, int]] = {}
    for row in delivered.rows:
        if campaign_id is None or row.campaign_id in (campaign_id, None):
            impressions, clicks = sums.get(row.creative_id, (0, 0))
            sums[row.creative_id] = impressions + row.impressions, clicks + row.clicks
    return sums
