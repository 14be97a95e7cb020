"""What the charts and the report are made of: plain records, filled from the store by `abkit.reporting.page.gather`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from abkit.store.schema import Alert, CorrelationResult, Decision, DriftResult, ModelVersion


def readable(text: object) -> str:
    """Return a text from outside with control characters and direction marks replaced by �.

    >>> readable("spring" + chr(0x202E) + "gpj.exe")
    'spring�gpj.exe'
    """
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in str(text))


@dataclass(frozen=True)
class ScorePoint:
    """One creative in the scatter: its score, and a rate with the counts behind it.

    Attributes:
        campaign: Key of the campaign.
        score: Predicted mean opinion, on the model's scale.
        events: Clicks for CTR, conversions for CVR.
        trials: Impressions for CTR, clicks for CVR; at least 1.
    """

    campaign: str
    score: float
    events: int
    trials: int

    @property
    def rate(self) -> float:
        """Events per trial."""
        return self.events / self.trials


@dataclass(frozen=True, kw_only=True)
class RankedCreative:
    """A scored creative with what it delivered.

    Attributes:
        rank: Rank in its campaign; 1 is the best.
        ci_low, ci_high: Predictive interval of the mean opinion; None for a scorer that is not calibrated.
        percentile: Place in its campaign, 0 to 100; 100 is the best.
        thumbnail: Data URI, or "" where the file is gone or has changed since it was scored.
        impressions, clicks: Delivery up to the report's date.
        ctr_low, ctr_high: 95 % Wilson interval of CTR; None without impressions.
        elsewhere: Whether the delivery is that of other campaigns, because it ran only there.
    """

    rank: int
    name: str
    sha256: str
    campaign: str
    score: float
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    percentile: float
    thumbnail: str = ""
    impressions: int = 0
    clicks: int = 0
    ctr_low: float | None = None
    ctr_high: float | None = None
    elsewhere: bool = False

    @property
    def ctr(self) -> float | None:
        """Clicks per impression."""
        return self.clicks / self.impressions if self.impressions else None


@dataclass(frozen=True)
class CampaignRanking:
    """The creatives of one campaign: the best, and the last few where not all are shown.

    Attributes:
        campaign: Key of the campaign.
        n: Scored creatives in it.
        best: The best, by rank.
        last: The worst, by rank; empty when `best` has everything.
    """

    campaign: str
    n: int
    best: tuple[RankedCreative, ...]
    last: tuple[RankedCreative, ...] = ()


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
        campaign: The only campaign that is shown; None for all.
        model: The version whose scores are shown.
        decision: The last decision of a drift check.
        rankings: One per campaign that is shown, of `campaigns_in_all`.
        points: The creatives of the last correlation of score and KPI.
        correlations: The last estimate of each kind.
        findings: Results of the last drift check; the histories have those of all checks.
        scores: Campaign and score of every scored creative.
        runs: The last run of each kind of work.
        simulated: Whether the figures come from `abkit demo`.
    """

    as_of: date
    made_at: datetime
    abkit_version: str
    database: str
    campaign: str | None
    model: ModelVersion | None
    decision: Decision | None
    rankings: tuple[CampaignRanking, ...]
    campaigns_in_all: int
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

    @property
    def scale(self) -> tuple[float, float]:
        """Ends of the model's scale; (0, 1) without a model."""
        return (self.model.scale_low, self.model.scale_high) if self.model else (0.0, 1.0)

    @property
    def from_comparisons(self) -> bool:
        """Whether the scorer learned from comparisons alone, so that a score is a chance."""
        return bool(self.model and self.model.card.get("data", {}).get("chances"))
