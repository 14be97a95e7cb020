"""Make the leaderboard of a campaign: each creative with score, delivery, age and advice, as the commands have them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.intake.tables.rates import rates_of
from abkit.metrics import METRICS
from abkit.records import to_plain
from abkit.store import imports, leaderboards, models, results, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, ads_of_members, deliveries
from abkit.store.runs import RunRecord, recorded_run
from abkit.vocabulary import CreativeAction, Metric
from abkit.workflows.creatives.fatigue import find_fatigue
from abkit.workflows.creatives.per_creative import Spread, spread_of
from abkit.workflows.leaderboard.figures import RATES, Interval, format_of, rate_columns
from abkit.workflows.leaderboard.summary import LISTED, POINTS, Summary
from abkit.workflows.learning.appeals.appeals import StoredAppeals, find_appeals
from abkit.workflows.learning.worth.action_words import ACTION_LISTS, action_headline, action_sentences
from abkit.workflows.learning.worth.actions import Actions, find_actions
from abkit.workflows.learning.worth.event_value import RECENT
from abkit.workflows.learning.worth.worth import find_worth
from abkit.workflows.scoring.results import distinct_names, is_far, known_interval
from abkit.workflows.scoring.shortlist import relation_sentences
from abkit_model.selection import best_probabilities, error_spread

if TYPE_CHECKING:
    from abkit.store.database.engine import Store
    from abkit.store.schema import ModelVersion
    from abkit.store.scores import RankedScore

#: KPI rows beyond which a campaign is judged by its own delivery alone: that of all others takes long to read.
MOST_ROWS = 50_000
#: Creatives of a campaign beyond which nobody looks for the most similar ones.
MOST_COMPARED = 5_000
SIMILAR = 6


def refresh_leaderboard(
    store: Store, settings: Settings, campaign: int, *, as_of: date | None = None, run: RunRecord | None = None
) -> None:
    """Make the leaderboard of a campaign, and keep it in place of the former one.

    1. Members with their scores by the active model, and P(best) where its errors were measured.
    2. What each delivered in the campaign, as rates with intervals; its age, and what that did to it.
    3. What to launch and to drop, as the report has it. In a store with more than `MOST_ROWS` KPI rows that is judged
       by the campaign's own delivery, and a note says so.

    Args:
        store: The store.
        settings: `[money]` has the currency of amounts.
        campaign: Id of the campaign.
        as_of: The last day of delivery that counts; today (UTC) by default.
        run: A run that has its row already; one is recorded when None.
    """
    day = as_of or datetime.now(UTC).date()
    with recorded_run(store, "leaderboard", {"campaign": campaign, "as_of": day.isoformat()}, run=run) as run:
        with store.read() as session:
            stamp = leaderboards.stamp_of(session, campaign)
            made = _Making(session, settings, campaign, day)
            entries, summary = list(made.entries()), made.summary()
        with store.write() as session:
            leaderboards.write_leaderboard(
                session,
                run.id,
                campaign,
                version_id=made.version.id if made.version else None,
                as_of=day,
                stamp=stamp,
                summary=to_plain(summary),
                entries=entries,
            )
        run.outcome |= {"creatives": len(entries)}


class _Making:
    """Everything that one leaderboard is made from."""

    def __init__(self, session: Session, settings: Settings, campaign: int, day: date) -> None:
        self.session, self.settings, self.campaign, self.day = session, settings, campaign, day
        self.key = creatives.campaign_keys(session)[campaign]
        self.members = creatives.candidates(session, campaign)
        self.version: ModelVersion | None = models.active_model(session)
        self.ranked = scores.ranking(session, campaign, self.version.id) if self.version else []
        self.notes: list[str] = []
        self.ads = ads_of_members(session, [campaign])
        self.delivered, self.spreads = self._delivery()
        self.rows = {row.creative_id: row for row in self.delivered.rows if row.campaign_id == campaign}
        self.days = leaderboards.delivery_days(session, self.members, campaign)
        self.lifts: dict[int, Interval] = {}
        self.actions = self._advice()
        self.p_best, self.why_no_p_best = self._p_best()
        self._entries: list[dict[str, Any]] = []

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the columns of each creative."""
        session, rates = self.session, rates_of(self.settings)
        names = creatives.creative_names(session, self.members, campaign=self.campaign)
        contents = creatives.contents_of(session, self.members)
        called = [names[one][0][0] if one in names else contents[one][:12] for one in self.members]
        titles = distinct_names(called)
        files = creatives.creative_files(session, self.members)
        labels = ideas.ideas_of(session, self.members)
        scored = {row.creative_id: row for row in self.ranked}
        tired = find_fatigue(session, self.day, campaigns=[self.campaign], rates=rates).creatives
        states = {one.creative_id: one.state for one in tired}
        items = {item.creative_id: item for item in self.actions.items if item.campaign == self.key}
        similar = self._similar()
        for one, name in zip(self.members, titles, strict=True):
            first, last = self.days.get(one, (None, None))
            item, lift = items.get(one), self.lifts.get(one, Interval())
            row = self.rows.get(one) or Delivered(
                creative_id=one, campaign_id=self.campaign, impressions=0, clicks=0, conversions=0
            )
            entry = {
                "creative_id": one,
                "name": name,
                "idea": labels[one],
                "format": format_of(files[one].width, files[one].height).value,
                **_score_columns(scored.get(one)),
                "p_best": self.p_best.get(one),
                **{name: getattr(row, name) for name in ("impressions", "clicks", "conversions", "spend", "revenue")},
                **rate_columns(row, self.spreads),
                "lift": lift.value,
                "lift_low": lift.low,
                "lift_high": lift.high,
                "per_week": item.per_week.estimate if item and item.per_week else None,
                "action": item.action.value if item else CreativeAction.ENDED.value if first else None,
                "fatigue": states[one].value if one in states else None,
                "first_day": first,
                "last_day": last,
                "similar": similar.get(one, []),
            }
            self._entries.append(entry)
            yield entry

    def summary(self) -> Summary:
        """Return what stands above the creatives; call it after `entries`."""
        version, money = self.version, self.delivered.money
        measured = results.last_correlations(self.session, version.id) if version else []
        points = sorted(
            (one for one in self._entries if one["score"] is not None and one["impressions"]),
            key=lambda one: -one["impressions"],
        )
        mine = [item for item in self.actions.items if item.campaign == self.key]
        contents = creatives.contents_of(self.session, [one["creative_id"] for one in points[:POINTS]])
        return Summary(
            model=version.name if version else "",
            digest=version.digest if version else "",
            scale=(version.scale_low, version.scale_high) if version else (0.0, 1.0),
            demonstration=bool(version and version.demonstration),
            notice=str(version.card.get("notice", "")) if version else "",
            creatives=len(self.members),
            scored=len(self.ranked),
            delivered=sum(one["impressions"] > 0 for one in self._entries),
            why_no_p_best=self.why_no_p_best,
            currency=money.currency if money else "",
            impressions=sum(row.impressions for row in self.rows.values()),
            clicks=sum(row.clicks for row in self.rows.values()),
            conversions=float(sum(row.conversions for row in self.rows.values())),
            spend=_sum(row.spend for row in self.rows.values()) if money else None,
            revenue=_sum(row.revenue for row in self.rows.values()) if money else None,
            first_day=min((first for first, _ in self.days.values()), default=None),
            last_day=max((last for _, last in self.days.values()), default=None),
            headline=action_headline(self.actions),
            sentences=tuple(action_sentences(self.actions)),
            lists=tuple(
                (action.value, tuple(item.creative_id for item in chosen[:LISTED]), len(chosen))
                for action, _, _ in ACTION_LISTS
                if (chosen := [item for item in self.actions.of(action) if item in mine])
            ),
            relation=tuple(relation_sentences(measured, simulated=imports.is_simulated(self.session))),
            points=tuple(
                (contents[one["creative_id"]], one["name"], one["score"], one["ctr"], one["cvr"], one["impressions"])
                for one in points[:POINTS]
            ),
            points_of=len(points),
            simulated=imports.is_simulated(self.session),
            notes=tuple(self.notes),
        )

    def _delivery(self) -> tuple[Deliveries, dict[Metric, Spread]]:
        session, rates = self.session, rates_of(self.settings)
        window = Filters(end=self.day, campaign=self.key, ads=self.ads)
        try:
            found = deliveries(session, window, with_money=True, rates=rates)
        except AbkitError as error:
            self.notes.append(f"no amounts: {error.message}")
            found = deliveries(session, window)
        wanted = [metric for metric in RATES if found.money is not None or not METRICS[metric].needs]
        return found, {metric: spread_of(session, window, found, METRICS[metric], 1.0) for metric in wanted}

    def _advice(self) -> Actions:
        session, settings, day = self.session, self.settings, self.day
        alone = leaderboards.kpi_rows(session) > MOST_ROWS
        if alone:
            self.notes.append(
                "what to launch and to drop is judged by this campaign alone, as the store has more than "
                f"{MOST_ROWS:,} KPI rows"
            )
        only = [self.key] if alone else None
        found = find_appeals(session, settings, metric=Metric.CTR, as_of=day, campaigns=only)
        self.lifts = lifts_of(found, self.campaign)
        ads = self.ads if alone else None
        worth = find_worth(session, settings, as_of=day, campaigns=only, found=found, ads=ads)
        last = leaderboards.last_day(session, day) or day
        first = last - RECENT + timedelta(days=1)
        recent = find_appeals(session, settings, metric=Metric.CTR, as_of=day, first=first, campaigns=only)
        decided = results.last_decision(session, day)
        ran = {*self.days, *map(int, found.appeals.creative)}
        return find_actions(
            session,
            recent,
            worth,
            version_id=self.version.id if self.version else None,
            decision=decided.decision if decided else None,
            ran=ran,
            campaigns=[self.key],
            ads=ads,
            last=last,
        )

    def _p_best(self) -> tuple[dict[int, float], str]:
        if self.version is None or not self.ranked:
            return {}, "nothing has been scored"
        card = self.version.card
        spread = error_spread(card.get("metrics") or {}, card.get("interval") or {})
        if spread is None:
            return {}, f"the errors of {self.version.name} were never measured, so there are no probabilities"
        found = best_probabilities([row.score.mean for row in self.ranked], spread.std)
        return {row.creative_id: float(p) for row, p in zip(self.ranked, found, strict=True)}, ""

    def _similar(self) -> dict[int, list[float]]:
        if self.version is None:
            return {}
        if len(self.members) > MOST_COMPARED:
            self.notes.append(f"similar creatives are not looked for among more than {MOST_COMPARED:,}")
            return {}
        return most_similar(scores.campaign_embeddings(self.session, self.campaign, self.version.encoder_fingerprint))


def lifts_of(found: StoredAppeals, campaign: int) -> dict[int, Interval]:
    """Return by how much the CTR of each creative differs from the average of a campaign, less 1.

    It is shrunk as the report has it; what chance decided comes before what the platform chose.
    """
    of, lifts = found.appeals, dict[int, Interval]()
    for i in sorted(np.flatnonzero(of.campaign == campaign).tolist(), key=lambda place: not found.causal[place]):
        if of.group[i] >= 0 and math.isfinite(of.shrunk[i]):
            mean, sd = float(of.shrunk[i]), float(of.shrunk_sd[i])
            lifts.setdefault(int(of.creative[i]), Interval(*(math.expm1(mean + z * sd) for z in (0.0, -1.96, 1.96))))
    return lifts


def most_similar(vectors: Mapping[int, bytes], number: int = SIMILAR) -> dict[int, list[float]]:
    """Return for each creative the ids and cosines of those that look most alike, one after the other.

    >>> vectors = {n: np.array(v, "<f2").tobytes() for n, v in enumerate([(1, 0), (1, 0.1), (0, 1)])}
    >>> [round(x, 2) for x in most_similar(vectors, 1)[0]]
    [1, 1.0]
    """
    sizes = [len(vector) for vector in vectors.values()]
    usual = max(set(sizes), key=sizes.count, default=0)
    ids = [one for one, vector in vectors.items() if len(vector) == usual and usual % 2 == 0]
    if len(ids) < 2:
        return {}
    every = np.frombuffer(b"".join(vectors[one] for one in ids), "<f2").reshape(len(ids), -1).astype(np.float32)
    every /= np.maximum(np.linalg.norm(every, axis=1, keepdims=True), 1e-12)
    found: dict[int, list[float]] = {}
    for start in range(0, len(ids), 512):
        cosines = every[start : start + 512] @ every.T
        for row, own in enumerate(cosines):
            own[start + row] = -2.0
            best = np.argsort(-own)[: min(number, len(ids) - 1)]
            found[ids[start + row]] = [part for place in best for part in (ids[place], float(own[place]))]
    return found


def _score_columns(row: RankedScore | None) -> dict[str, Any]:
    if row is None:
        return {"rank": None, "score": None, "score_low": None, "score_high": None, "unlike": False}
    ends = known_interval(row.score.ci_low, row.score.ci_high, row.score.novelty)
    return {
        "rank": row.rank,
        "score": row.score.mean,
        "score_low": ends["ci_low"],
        "score_high": ends["ci_high"],
        "unlike": is_far(row.score.novelty),
    }


def _sum(amounts: Iterator[float | None]) -> float | None:
    found = list(amounts)
    return None if any(one is None for one in found) else float(sum(one for one in found if one is not None))
