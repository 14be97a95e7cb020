"""The appeal of creatives from the store: found by the one counting rule, anew for all that learn, and kept by run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.intake.tables.rates import rates_of
from abkit.metrics import METRICS, MetricDefinition
from abkit.money import Exchange, Rates
from abkit.records import RecordList, to_plain
from abkit.stats.account_clusters import account_labels
from abkit.stats.appeal.appeal import DEFINITION, ENOUGH_EXPECTED, Appeals, appeals
from abkit.stats.appeal.relation import Relation, relation
from abkit.stats.appeal.rows import DeliveryRows
from abkit.store import results as table
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis import delivery
from abkit.store.kpis.accounts import accounts_of
from abkit.store.kpis.delivery import parse_segment
from abkit.store.runs import RunRecord, recorded_run
from abkit.vocabulary import AppealSource, Metric, parse_choice
from abkit.workflows.learning.appeals.delivered import DeliveredRows, ages, events_of, ideas_of_rows
from abkit.workflows.learning.appeals.randomized import Trials, trials_of

STEERED = "impressions followed early {events} in its campaign: it counts half, and may be biased"
ALONE = "never shown beside another creative of its campaign"


@dataclass(frozen=True, kw_only=True)
class StoredAppeals(RecordList):
    """The appeal of creatives on one KPI, as of a day; entries have shape (m,).

    Attributes:
        metric: The KPI.
        as_of: The last day of delivery that counts.
        first: The first one; None for all.
        segment: Delivery that counts; "" for all.
        version: Version of the definition: figures of different ones are not comparable.
        appeals: The figures; `creative` and `campaign` are ids of the store, `idea` is below 0 for one of its own.
        causal: Whether chance decided who saw the creative: it comes from a decided experiment.
        experiments: Key of that experiment; "" for delivery that the platform and the advertiser chose.
        reasons: Why an entry is not identified, or counts less; "" for nothing.
        campaigns: Key of each campaign by id.
        accounts: Account of a campaign by id, where its exports name one.
        names: Name of each creative by id.
        currency: Currency of amounts; "" where none counts.
        notes: What was left out, and why.
        run_id: The run that keeps them; None where they were only looked at.
    """

    metric: Metric
    as_of: date
    first: date | None
    segment: str
    version: int
    appeals: Appeals
    causal: NDArray[np.bool_]
    experiments: tuple[str, ...]
    reasons: tuple[str, ...]
    campaigns: Mapping[int, str]
    names: Mapping[int, str]
    accounts: Mapping[int, str] = field(default_factory=dict)
    currency: str = ""
    notes: tuple[str, ...] = ()
    run_id: int | None = None

    @property
    def events(self) -> str:
        """What is counted: clicks, conversions."""
        return events_of(METRICS[self.metric])

    def relation(self, scores: Mapping[int, float], *, min_creatives: int = 4) -> Relation:
        """Return how a score goes with appeal inside campaigns.

        Args:
            scores: Score by id of the creative; a creative without one does not count.
            min_creatives: Fewest ideas for an estimate.
        """
        score = [scores.get(int(creative), math.nan) for creative in self.appeals.creative]
        return relation(
            self.appeals,
            np.array(score, np.float64),
            account=account_labels(self.appeals.campaign, self.accounts),
            min_creatives=min_creatives,
            events=self.events,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per creative and campaign, the best first in each campaign; unknown figures are None."""
        found, columns = self.appeals, ("events", "expected", "exposure", "appeal", "ci_low", "ci_high", "variance")
        entries = [
            {
                "campaign": self.campaigns.get(int(found.campaign[i]), ""),
                "creative": self.names.get(int(found.creative[i]), ""),
                "creative_id": int(found.creative[i]),
                "metric": self.metric.value,
            }
            | {name: _finite(getattr(found, name)[i]) for name in (*columns, "shrunk", "shrunk_sd")}
            | {
                "identified": bool(found.identified[i]),
                "why_not": "" if found.identified[i] else self.reasons[i],
                "source": source_of(bool(self.causal[i])).value,
                "experiment": self.experiments[i],
                "note": self.reasons[i] if found.identified[i] else "",
                "as_of": self.as_of,
                "run_id": self.run_id,
            }
            for i in range(len(found.creative))
        ]

        def best_first(row: dict[str, Any]) -> tuple[Any, ...]:
            shrunk = row["shrunk"]
            return row["campaign"], row["source"], row["experiment"], shrunk is None, -(shrunk or 0.0), row["creative"]

        return sorted(entries, key=best_first)


def source_of(causal: bool) -> AppealSource:
    """Return the word for who decided who saw a creative."""
    return AppealSource.RANDOMIZED if causal else AppealSource.OBSERVATIONAL


def find_appeals(
    session: Session,
    settings: Settings,
    *,
    metric: Metric | str,
    as_of: date,
    first: date | None = None,
    campaigns: Sequence[str] | None = None,
    segment: str = "",
    rates: Rates | None = None,
    ads: Collection[int] | None = None,
) -> StoredAppeals:
    """Find the appeal of every creative in every campaign, from rows that count by the one counting rule.

    1. Decided experiments with random allocation speak for their creatives; that delivery counts nowhere else.
    2. All other delivery that can be attributed to one creative in a campaign is compared inside cells of campaign,
       period and segment.

    Args:
        session: A reading session.
        settings: `[money]` has the currency of amounts.
        metric: The KPI; the margin may be negative and has no logarithm.
        as_of: The last day of delivery that counts.
        first: The first one; all by default.
        campaigns: Keys of the only campaigns to look at; all by default.
        segment: Delivery to look at, such as "placement=feed".
        rates: The currency of amounts, and what others are worth in it; that of `[money]` by default.
        ads: Ids of the only ads whose delivery is compared; all by default.

    Raises:
        UsageError: No such KPI, campaign or segment; or the margin.
        AbkitError: Amounts are in several currencies, and nothing says how to convert them.
    """
    definition = METRICS[parse_choice(Metric, metric, name="metric")]
    if definition.metric is Metric.MARGIN:
        raise UsageError(
            "the margin may be zero or less, and has no logarithm",
            hint="use roas, or revenue_per_impression and cpm",
        )
    wanted = parse_segment(segment)
    only = None if campaigns is None else [creatives.find_campaign(session, key) for key in campaigns]
    labels = ideas.ideas_of(session)
    money = None
    if definition.needs:
        money = delivery.currency_between(session, first, as_of, rates or rates_of(settings), ads=ads)
    trials = trials_of(session, definition, first=first, as_of=as_of, ideas=labels)
    if wanted:
        # An experiment was analyzed over all of its delivery.
        trials = trials.only(lambda _: False, ("experiments count over all delivery, not in a segment",))
    elif only is not None:
        trials = trials.only(lambda campaign: campaign in only, trials.notes)
    delivered = _delivered(session, definition, trials, first, as_of, money, wanted, only, labels, ads)
    observed = appeals(
        DeliveryRows(
            events=delivered.count,
            exposure=delivered.exposure,
            creative=delivered.column("creative_id"),
            campaign=delivered.column("campaign_id"),
            cell=delivered.cells(),
            age=delivered.age,
            idea=delivered.idea,
            day=delivered.start,
        )
    )
    found = _together(observed, trials.appeals)
    return StoredAppeals(
        metric=definition.metric,
        as_of=as_of,
        first=first,
        segment=",".join(f"{name}={value}" for name, value in sorted(wanted.items())),
        version=DEFINITION,
        appeals=found,
        causal=np.arange(len(found.creative)) >= len(observed.creative),
        experiments=("",) * len(observed.creative) + trials.experiments,
        reasons=tuple(_reason(found, i, events_of(definition)) for i in range(len(found.creative))),
        campaigns=creatives.campaign_keys(session),
        names=_names(session, {int(one) for one in found.creative}),
        accounts=accounts_of(session, {int(one) for one in found.campaign}),
        currency=money.currency if money else "",
        notes=(*_notes(delivered, definition, money), *trials.notes),
    )


def record_appeals(
    store: Store,
    settings: Settings,
    *,
    metric: Metric | str,
    as_of: date,
    first: date | None = None,
    campaigns: Sequence[str] | None = None,
    segment: str = "",
    rates: Rates | None = None,
    run: RunRecord | None = None,
) -> StoredAppeals:
    """Find the appeal of creatives, and keep it; see `find_appeals` for the arguments.

    Args:
        run: The run that keeps it; one is recorded when None.
    """
    arguments = to_plain(
        {"metric": str(metric), "as_of": as_of, "first": first, "campaigns": campaigns, "segment": segment}
    )
    with recorded_run(store, "kpi appeal", arguments, run=run) as run:
        with store.read() as session:
            found = find_appeals(
                session,
                settings,
                metric=metric,
                as_of=as_of,
                first=first,
                campaigns=campaigns,
                segment=segment,
                rates=rates,
            )
        with store.write() as session:
            table.write_appeals(session, _columns(found, run.id))
        run.outcome |= {"appeals": len(found.reasons), "identified": int(found.appeals.identified.sum())}
    return StoredAppeals(**{**{one.name: getattr(found, one.name) for one in fields(found)}, "run_id": run.id})


def read_appeals(session: Session, run_id: int) -> StoredAppeals | None:
    """Return what a run kept; None where it kept nothing."""
    rows = table.appeals_of(session, run_id)
    if not rows:
        return None
    head = rows[0]
    unknown = {"appeal", "ci_low", "ci_high", "shrunk", "shrunk_sd"}
    figures = ("events", "expected", "exposure", "own", "variance", *unknown)
    columns: dict[str, Any] = {
        name: np.array([math.nan if (value := getattr(row, name)) is None else value for row in rows], np.float64)
        for name in figures
    }
    columns["variance"] = np.where(np.isnan(columns["variance"]), np.inf, columns["variance"])
    columns |= {
        name: np.array([getattr(row, column) for row in rows], np.int64)
        for name, column in (
            ("creative", "creative_id"),
            ("campaign", "campaign_id"),
            ("idea", "idea"),
            ("group", "comparable"),
        )
    }
    return StoredAppeals(
        metric=Metric(head.metric),
        as_of=head.as_of,
        first=head.window_start,
        segment=head.segment,
        version=head.definition,
        appeals=Appeals(
            **columns,
            identified=np.array([row.identified for row in rows], bool),
            steered=np.array([row.steered for row in rows], bool),
            spread=head.spread,
            spread_error=math.inf if head.spread_error is None else head.spread_error,
            dispersion=head.dispersion,
        ),
        causal=np.array([row.source == AppealSource.RANDOMIZED for row in rows], bool),
        experiments=tuple(row.experiment for row in rows),
        reasons=tuple(row.note for row in rows),
        campaigns=creatives.campaign_keys(session),
        names=_names(session, {row.creative_id for row in rows}),
        accounts=accounts_of(session, {row.campaign_id for row in rows}),
        run_id=run_id,
    )


def _delivered(
    session: Session,
    definition: MetricDefinition,
    trials: Trials,
    first: date | None,
    as_of: date,
    money: Exchange | None,
    segment: Mapping[str, str],
    campaigns: Sequence[int] | None,
    labels: Mapping[int, int],
    ads: Collection[int] | None,
) -> DeliveredRows:
    rows = delivery.delivery_rows(session, first, as_of, money, segment=segment, campaigns=campaigns, ads=ads)
    rows = [row for row in rows if not trials.covers(row)] if trials.covered else rows
    known = definition.known(rows)
    launches = delivery.first_deliveries(session, {row.creative_id for row in known}, ads)
    return DeliveredRows(
        rows=known,
        age=ages(known, launches),
        idea=ideas_of_rows(known, labels),
        definition=definition,
        left_out=len(rows) - len(known),
    )


def _names(session: Session, ids: set[int]) -> dict[int, str]:
    return {one: names[0][1] for one, names in creatives.creative_names(session, ids).items()}


def _together(one: Appeals, other: Appeals) -> Appeals:
    """Put entries of delivery and of experiments into one; spread and dispersion are those of delivery, if any."""
    columns = {
        column.name: np.concatenate([getattr(one, column.name), getattr(other, column.name)])
        for column in fields(Appeals)
        if isinstance(getattr(one, column.name), np.ndarray) and column.name != "group"
    }
    moved = np.where(other.group >= 0, other.group + int(one.group.max(initial=-1)) + 1, -1)
    main = one if math.isfinite(one.spread_error) or not math.isfinite(other.spread_error) else other
    return Appeals(
        **columns,
        group=np.concatenate([one.group, moved]),
        spread=main.spread,
        spread_error=main.spread_error,
        dispersion=main.dispersion,
    )


def _reason(found: Appeals, i: int, events: str) -> str:
    """Return why an entry is not identified, or what there is to know of it."""
    if found.group[i] < 0:
        return ALONE
    if not found.identified[i]:
        return f"no {events} where it was shown"
    few = found.expected[i] < ENOUGH_EXPECTED
    said = [f"fewer than {ENOUGH_EXPECTED} expected {events}: interval of the posterior"] if few else []
    return "; ".join([*said, *([STEERED.format(events=events)] if found.steered[i] else [])])


def _notes(delivered: DeliveredRows, definition: MetricDefinition, money: Exchange | None) -> tuple[str, ...]:
    notes = list(money.notes) if money else []
    if delivered.left_out:
        needs = " or ".join(definition.needs)
        notes.append(f"{delivered.left_out:,} rows are left out of {definition.name}, as their {needs} is not known")
    elif not delivered.rows:
        notes.append("nothing was delivered by an ad that shows one creative in a campaign: `abkit kpi link`")
    return tuple(notes)


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _columns(found: StoredAppeals, run_id: int) -> list[dict[str, Any]]:
    of, names = found.appeals, ("events", "expected", "exposure", "own")
    unknown = ("appeal", "variance", "ci_low", "ci_high", "shrunk", "shrunk_sd")
    return [
        {
            "run_id": run_id,
            "creative_id": int(of.creative[i]),
            "campaign_id": int(of.campaign[i]),
            "idea": int(of.idea[i]),
            "metric": found.metric.value,
            "segment": found.segment,
            "source": source_of(bool(found.causal[i])).value,
            "experiment": found.experiments[i],
            "window_start": found.first,
            "as_of": found.as_of,
            "definition": found.version,
            "comparable": int(of.group[i]),
            "identified": bool(of.identified[i]),
            "steered": bool(of.steered[i]),
            "spread": of.spread,
            "spread_error": _finite(of.spread_error),
            "dispersion": of.dispersion,
            "note": found.reasons[i],
        }
        | {name: float(getattr(of, name)[i]) for name in names}
        | {name: _finite(getattr(of, name)[i]) for name in unknown}
        for i in range(len(found.reasons))
    ]
