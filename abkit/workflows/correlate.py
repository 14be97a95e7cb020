"""Correlate: the scores of each model version against what the platforms delivered, over all and within campaigns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import CorrelateSettings, Settings
from abkit.errors import InvalidInput
from abkit.intake.tables.rates import rates_of
from abkit.metrics import METRICS
from abkit.money import Rates
from abkit.records import Record, RecordList, to_plain
from abkit.stats.account_clusters import account_labels
from abkit.stats.appeal.relation import Relation
from abkit.stats.monitoring import correlation
from abkit.stats.monitoring.correlation import Correlation, noise_ceiling
from abkit.store import models
from abkit.store import results as found
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.kpis.accounts import accounts_of
from abkit.store.kpis.delivery import (
    Delivered,
    Deliveries,
    Filters,
    LeftOut,
    deliveries,
    parse_segment,
    without_their_campaign,
)
from abkit.store.kpis.once.counting import SetAside
from abkit.store.kpis.once.provisional import Provisional
from abkit.store.kpis.portion import portion
from abkit.store.kpis.retention import in_files
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion
from abkit.vocabulary import CorrelationScope, CorrelationStatistic, Metric, parse_choice
from abkit.workflows.creatives.per_creative import PerCreative, by_creative, need_money, spread_of
from abkit.workflows.creatives.unseen_scores import LEARNED_FROM, unseen_scores
from abkit.workflows.learning.appeals.appeals import StoredAppeals, find_appeals

_NO_SCORES = "nothing has been scored yet: `abkit score IMAGES --campaign KEY`"
_NO_KPIS = "no scored creative has enough delivery in this window: `abkit kpi import FILE`, then `abkit kpi link`"
_MODELED = "conversions are fractions: the platform models them, and they are no counts"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A creative with its score and what it delivered.

    Attributes:
        campaign: Key of the campaign; "" for delivery outside of any.
        events, trials: Numerator and denominator: `events` per `trials` is the metric. Events are fractions where
            conversions are modeled, and amounts where the metric is one of money.
        standard_error: Sampling error of the metric: that of a share of its trials, else that between its days by the
            delta method; None with fewer than two days.
    """

    creative_id: int
    campaign: str
    score: float
    events: float
    trials: float
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class VersionReport(Record):
    """One model version against the KPI.

    Attributes:
        model_version: Its digest.
        active: Whether it is the active model.
        results: SRCC and PLCC, over all creatives and within campaign.
        measured: The creatives they rest on, one row per creative and campaign.
        left_out: What is not in them, by reason.
        noise_ceiling: The correlation that the true KPI has with the measured one, over all creatives: the highest that
            any score can reach (PLCC); None where the noise of too few creatives is known.
        appeal: How the score goes with appeal within campaign: events over those expected where, when and at what age
            each creative was shown; None for the margin, which has none.
    """

    model_version: str
    model_name: str
    version_id: int
    active: bool
    results: tuple[Correlation, ...]
    measured: tuple[Measured, ...]
    left_out: dict[str, LeftOut]
    noise_ceiling: float | None = None
    appeal: Relation | None = None


@dataclass(frozen=True, kw_only=True)
class CorrelationReport(RecordList):
    """All versions against one KPI, with the window and the filters.

    Attributes:
        first, last: First and last day of delivery that counted; None without any.
        segment, campaign: The filters; "" and None for all.
        impressions: How many counted.
        note: What is missing, or that conversions are modeled; "" otherwise.
        set_aside: Rows that do not count because others hold the same delivery.
        provisional: Rows of days that the platform may still change; None without any.
        currency: Currency of amounts; "" where none is named or none is correlated.
        money: What was converted and by which rate, and what has no currency.
    """

    metric: Metric
    versions: tuple[VersionReport, ...]
    as_of: date
    first: date | None
    last: date | None
    segment: str
    campaign: str | None
    impressions: int
    note: str
    run_id: int
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None
    currency: str = ""
    money: tuple[str, ...] = ()

    @property
    def shown_version(self) -> VersionReport | None:
        """The version that a chart shows: the active model, else the last one that scored."""
        chosen = [version for version in self.versions if version.active] or self.versions
        return chosen[-1] if chosen else None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per version, scope and statistic; rows without figures where nothing was scored."""
        shared = {"segment": self.segment, "as_of": self.as_of, "run_id": self.run_id}
        if self.versions:
            return [
                {"metric": self.metric.value, **_figures(result), "ideas": result.ideas, "campaigns": result.groups}
                | {"model_version": version.model_version, "model_name": version.model_name}
                | {"method": result.method, "note": result.note}
                | shared
                | _appeal_columns(version.appeal if result.scope is CorrelationScope.WITHIN_CAMPAIGN else None)
                for version in self.versions
                for result in version.results
            ]
        unknown = dict.fromkeys(("estimate", "ci_low", "ci_high", "ci_level"))
        nothing: dict[str, Any] = dict.fromkeys(("n", "ideas", "campaigns"), 0)
        nothing |= {"model_version": None, "model_name": None, "method": "", "note": self.note}
        return [
            {"metric": self.metric.value, "scope": scope.value, "statistic": statistic.value}
            | unknown
            | nothing
            | shared
            | _appeal_columns(None)
            for scope in CorrelationScope
            for statistic in CorrelationStatistic
        ]


def _appeal_columns(found: Relation | None) -> dict[str, Any]:
    """Return the correlation with appeal as columns of a row: as measured, and without the noise of its events."""
    names = ("raw", "raw_low", "raw_high", "disattenuated", "disattenuated_low", "disattenuated_high")
    columns = {f"appeal_{name}": getattr(found, name, None) for name in names}
    columns |= {"appeal_noise_ceiling": found.ceiling if found else None}
    columns |= {"appeal_creatives": found.n if found else None, "appeal_ideas": found.clusters if found else None}
    return columns | {"appeal_note": found.note if found else ""}


def _figures(result: Correlation) -> dict[str, Any]:
    """Return what table and store call by the same name."""
    same = ("scope", "statistic", "estimate", "ci_low", "ci_high")
    return {name: getattr(result, name) for name in same} | {"ci_level": result.level, "n": result.n}


def correlate(
    store: Store,
    settings: Settings,
    *,
    metric: Metric | str,
    as_of: date,
    campaign: str | None = None,
    segment: str | None = None,
    start: date | None = None,
    end: date | None = None,
    model: str | None = None,
    min_impressions: int | None = None,
    rates: Rates | None = None,
    margin_rate: float | None = None,
    run: RunRecord | None = None,
) -> CorrelationReport:
    """Correlate scores with a KPI and log every figure.

    Args:
        store: Where scores and KPIs are, and where the results go.
        settings: `[correlate]` has the minimum samples.
        metric: One of `abkit.vocabulary.Metric`: "ctr", "cvr", "cpa", "roas", …
        as_of: The last day of delivery that counts.
        campaign: Key of the only campaign to look at.
        segment: Delivery to look at, such as "placement=feed,country=DE".
        start, end: First and last day between which the period of a KPI row has to lie.
        model: Name or digest of the only version to look at.
        min_impressions: Instead of the configured minimum.
        rates: The currency of amounts, and what others are worth in it; that of `[money]` by default.
        margin_rate: For the margin: the share of the revenue that is left; that of `[money]` by default.
        run: The run of a scheduled tick; a run is recorded when None.

    Raises:
        UsageError: No such campaign, version or segment.
        AbkitError: Amounts are in several currencies and nothing says how to convert them, or no row has any.
    """
    margin_rate = settings.money.margin_rate if margin_rate is None else margin_rate
    kpi = parse_choice(Metric, metric, name="metric")
    definition = METRICS[kpi]
    if not 0 < margin_rate <= 1:
        raise InvalidInput(f"the margin rate is {margin_rate}; expected the share of the revenue that is left: 0.4")
    wanted = parse_segment(segment)
    limits = settings.correlate
    if min_impressions is not None:
        limits = limits.model_copy(update={"min_impressions": min_impressions})
    filters = Filters(start, min(end, as_of) if end else as_of, campaign, wanted)
    shown = ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))
    arguments = {"metric": kpi, "campaign": campaign, "segment": shown, "from": start, "to": end}
    arguments = to_plain(arguments | {"as_of": as_of, "model": model})
    if definition.needs:
        rates = rates or rates_of(settings)
    with recorded_run(store, "correlate", arguments, run=run) as run:
        with store.read() as session:
            if campaign is not None:
                creatives.find_campaign(session, campaign)
            versions = [models.find_by_prefix(session, model)] if model else models.versions_with_scores(session)
            # Of one campaign everything is read.
            part = None if campaign else portion(session, start, filters.end, settings.kpi.analysis_rows)
            filters = replace(filters, ads=part.ads if part else None)
            delivered = deliveries(session, filters, with_money=bool(definition.needs), rates=rates)
            need_money(definition, delivered)
            elsewhere = without_their_campaign(session, filters)
            archived = in_files(session, filters.start, filters.end)
            active, keys = models.active_model(session), creatives.campaign_keys(session)
            spread = spread_of(session, filters, delivered, definition, margin_rate)
            kept = PerCreative(definition, limits, margin_rate, spread)
            found_appeals = None
            if kpi is not Metric.MARGIN:
                found_appeals = find_appeals(
                    session,
                    settings,
                    metric=kpi,
                    as_of=filters.end or as_of,
                    first=start,
                    campaigns=None if campaign is None else [campaign],
                    segment=shown,
                    rates=rates,
                    ads=filters.ads,
                )
            reports = [
                _version_report(session, version, delivered, kept, keys, active, found_appeals, whole=part is None)
                for version in versions
            ]
        measured = [row for one in reports for row in one.measured]
        note = _NO_SCORES if not versions else "" if measured else _NO_KPIS
        if measured and "conversions" in (*definition.numerator, definition.denominator) and delivered.modeled:
            note = _MODELED
        note = "; ".join(filter(None, (note, elsewhere, archived, str(part) if part else "")))
        report = CorrelationReport(
            metric=kpi,
            versions=tuple(reports),
            as_of=as_of,
            first=delivered.first,
            last=delivered.last,
            segment=shown,
            campaign=campaign,
            impressions=delivered.impressions,
            note=note,
            run_id=run.id,
            set_aside=delivered.set_aside,
            provisional=delivered.provisional,
            currency=delivered.money.currency if delivered.money else "",
            money=delivered.money.notes if delivered.money else (),
        )
        with store.write() as session:
            found.write_results(session, CorrelationResult, _rows(report, filters, limits, margin_rate))
        run.outcome.update(versions=len(reports), creatives=max((len(one.measured) for one in reports), default=0))
        if note:
            run.outcome["note"] = note
    return report


def _version_report(
    session: Session,
    version: ModelVersion,
    delivered: Deliveries,
    kept: PerCreative,
    campaigns: Mapping[int, str],
    active: ModelVersion | None,
    appeals: StoredAppeals | None,
    *,
    whole: bool,
) -> VersionReport:
    # Of a part of the delivery, what else was scored is not looked for.
    shown = None if whole else {row.creative_id for row in delivered.rows}
    unseen = unseen_scores(session, version, shown)
    scores = unseen.scores
    labels = ideas.ideas_of(session)
    left_out = {reason: LeftOut(one.count, one.impressions) for reason, one in delivered.left_out.items()}
    # In one order on every engine: intervals come from draws by place.
    found = sorted(delivered.rows, key=lambda row: (row.creative_id, row.campaign_id or 0))
    scored = [row for row in found if row.creative_id in scores]
    unscored = [row for row in delivered.rows if row.creative_id not in scores]
    _say(left_out, LEARNED_FROM, [row for row in unscored if row.creative_id in unseen.seen])
    without_score = [row for row in unscored if row.creative_id not in unseen.seen]
    _say(left_out, "creatives without a score by this version", without_score)
    silent = set(scores) - {row.creative_id for row in delivered.rows}
    if silent:
        left_out["scored creatives without delivery"] = LeftOut(len(silent))

    merged = by_creative(scored)
    everywhere, few, without = kept.sort(merged)
    _say(left_out, f"creatives with fewer than {kept.minimum}", few)
    if without:
        _say(left_out, f"creatives without {kept.definition.name}: {kept.why_without}", without)
    placed = [row for row in scored if row.campaign_id is not None]
    accounts = accounts_of(session, {row.campaign_id or 0 for row in placed})
    of_creatives = _accounts_of_creatives(placed, accounts)
    inside = kept.sort(placed)[0]
    outside = [row for row in scored if row.campaign_id is None]
    _say(left_out, "creatives of ads without a campaign (left out within campaign)", outside)

    results = [
        correlation.correlate(
            [scores[row.creative_id] for row in rows],
            [kept.value(row) for row in rows],
            statistic=statistic,
            campaign=(
                None if scope is CorrelationScope.ALL else np.array([row.campaign_id for row in rows], dtype=np.int64)
            ),
            creative=np.array([row.creative_id for row in rows], dtype=np.int64),
            idea=np.array([labels.get(row.creative_id, -row.creative_id) for row in rows], dtype=np.int64),
            account=account,
            min_creatives=kept.limits.min_creatives,
        )
        for scope, rows, account in (
            (CorrelationScope.ALL, everywhere, account_labels([row.creative_id for row in everywhere], of_creatives)),
            (
                CorrelationScope.WITHIN_CAMPAIGN,
                inside,
                account_labels([row.campaign_id or 0 for row in inside], accounts),
            ),
        )
        for statistic in CorrelationStatistic
    ]
    measured = [
        Measured(
            creative_id=row.creative_id,
            campaign=campaigns.get(row.campaign_id or 0, ""),
            score=scores[row.creative_id],
            events=kept.terms(row)[1],
            trials=kept.terms(row)[0],
            standard_error=kept.error(row),
        )
        for row in kept.sort(scored)[0]
    ]
    return VersionReport(
        model_version=version.digest,
        model_name=version.name,
        version_id=version.id,
        active=active is not None and version.id == active.id,
        results=tuple(results),
        measured=tuple(measured),
        left_out=left_out,
        appeal=appeals.relation(scores, min_creatives=kept.limits.min_creatives) if appeals else None,
        noise_ceiling=noise_ceiling([kept.value(row) for row in everywhere], [kept.error(row) for row in everywhere]),
    )


def _accounts_of_creatives(rows: Sequence[Delivered], accounts: Mapping[int, str]) -> dict[int, str]:
    """Return the account of each creative whose campaigns name one; several that run it count as one."""
    named: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if account := accounts.get(row.campaign_id or 0):
            named[row.creative_id].add(account)
    return {creative: ", ".join(sorted(names)) for creative, names in named.items()}


def _say(left_out: dict[str, LeftOut], reason: str, rows: Sequence[Delivered]) -> None:
    if rows:
        left_out[reason] = LeftOut(len({row.creative_id for row in rows}), sum(row.impressions for row in rows))


def _rows(
    report: CorrelationReport, filters: Filters, limits: CorrelateSettings, margin_rate: float
) -> list[dict[str, object]]:
    return [
        {
            "run_id": report.run_id,
            "model_version_id": version.version_id,
            "metric": report.metric.value,
            "segment": report.segment,
            **_figures(result),
            "method": result.method,
            "note": result.note,
            "window_start": filters.start or report.first,
            "window_end": filters.end,
            "as_of": report.as_of,
            "filters": {
                **limits.model_dump(),
                "currency": report.currency,
                "margin_rate": margin_rate,
                "noise_ceiling": version.noise_ceiling,
                "appeal": to_plain(version.appeal),
                "campaign": report.campaign,
                "segment": report.segment,
                "ideas": result.ideas,
                "campaigns": result.groups,
                "accounts": result.accounts,
                "set_aside": to_plain(report.set_aside),
                "left_out": {reason: asdict(one) for reason, one in version.left_out.items()},
            },
        }
        for version in report.versions
        for result in version.results
    ]
