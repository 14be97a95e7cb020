"""What the report is made of: rows of the store, and creatives with what they delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from abkit.reporting.charts.score_kpi import ScorePoint
from abkit.reporting.charts.scores import RankedCreative
from abkit.reporting.page.experiments import ExperimentSection
from abkit.store.kpis.once.counting import SetAside
from abkit.store.kpis.once.provisional import Provisional
from abkit.store.schema import Alert, CorrelationResult, Decision, DriftResult, ModelVersion
from abkit.workflows.creatives.fatigue import CreativeFatigue
from abkit.workflows.experiments.review.programme import Programme
from abkit.workflows.learning.worth.actions import Actions
from abkit.workflows.learning.worth.worth import WorthReport


@dataclass(frozen=True)
class CampaignRanking:
    """The creatives of one campaign, by rank.

    Attributes:
        campaign: Key of the campaign.
        n: Scored creatives in it.
        creatives: Those that are on the page: all of them, up to the page's limit.
    """

    campaign: str
    n: int
    creatives: tuple[RankedCreative, ...]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of the delivery can be compared with a score; dates are those of the KPI rows."""

    impressions: int = 0
    unlinked_impressions: int = 0
    unlinked_ads: int = 0
    ads: int = 0
    first_day: date | None = None
    last_day: date | None = None
    files: int = 0
    rejected_rows: int = 0
    set_aside_rows: int = 0
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None
    modeled: bool = False

    @property
    def unlinked_share(self) -> float | None:
        """Share of impressions of ads without a creative, in [0, 1]; None where nothing was delivered."""
        return self.unlinked_impressions / self.impressions if self.impressions else None


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything on the page. Whatever is missing is None or empty, and the page says so.

    Attributes:
        as_of: Last day of delivery that counts.
        made_at: When the page was made, UTC.
        database: Kind of the store, such as "SQLite".
        campaigns: The only campaigns that are shown; empty for all.
        others: How many campaigns a large store has besides, which nobody asked for and the page has no room for.
        model: The version whose scores are shown.
        decision: The last decision of a drift check.
        rankings: One per campaign that is shown.
        left_out: Creatives that the page has no room for.
        thumbnails_left_out: Creatives on the page whose thumbnail it has no room for.
        points: The creatives of the last correlation of score and KPI.
        correlations: The last estimate of each kind.
        findings: Results of the last drift check; the histories have those of all checks.
        scores: Campaign and score of every scored creative.
        runs: The last run of each kind of work.
        simulated: Whether the figures come from `abkit demo`.
        experiments: One section for each of the latest experiments.
        programme: All experiments together; None without any.
        actions: What to launch and what to drop; None where nothing says so.
        worth: What listening to the score is worth; None where it was not asked.
        tired: Creatives whose CTR fell with their age.
    """

    as_of: date
    made_at: datetime
    abkit_version: str
    database: str
    campaigns: tuple[str, ...] = ()
    others: int = 0
    model: ModelVersion | None
    decision: Decision | None
    rankings: tuple[CampaignRanking, ...]
    left_out: int = 0
    thumbnails_left_out: int = 0
    points: tuple[ScorePoint, ...]
    correlations: tuple[CorrelationResult, ...]
    correlation_history: tuple[CorrelationResult, ...]
    findings: tuple[DriftResult, ...]
    drift_history: tuple[DriftResult, ...]
    decision_history: tuple[Decision, ...]
    alerts: tuple[Alert, ...]
    scores: tuple[tuple[str, float], ...]
    coverage: Coverage
    runs: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
    alerts_open: int = 0
    experiments: tuple[ExperimentSection, ...] = ()
    programme: Programme | None = None
    actions: Actions | None = None
    worth: WorthReport | None = None
    tired: tuple[CreativeFatigue, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Ends of the model's scale; (0, 1) without a model."""
        return (self.model.scale_low, self.model.scale_high) if self.model else (0.0, 1.0)

    @property
    def from_comparisons(self) -> bool:
        """Whether the scorer learned from comparisons alone, so that a score is a chance."""
        return bool(self.model and self.model.card.get("data", {}).get("chances"))

    @property
    def creatives(self) -> tuple[RankedCreative, ...]:
        """All creatives on the page, campaign by campaign."""
        return tuple(one for ranking in self.rankings for one in ranking.creatives)
