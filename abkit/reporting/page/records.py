"""What the charts and the report are made of: plain records, filled from the store by `abkit.reporting.page.gather`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime


def readable(text: object) -> str:
    """A name from outside without what could not be read: control characters and direction marks become �.

    >>> readable("spring" + chr(0x202E) + "gpj.exe")
    'spring�gpj.exe'
    """
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in str(text))


@dataclass(frozen=True)
class ScorePoint:
    """One creative in the scatter: its score, and a rate with the counts behind it.

    Attributes:
        campaign: its key.
        score: mean opinion predicted, on the model's scale.
        events: clicks for CTR, conversions for CVR.
        trials: impressions for CTR, clicks for CVR. At least 1.
    """

    campaign: str
    score: float
    events: int
    trials: int

    @property
    def rate(self) -> float:
        """Events for each trial."""
        return self.events / self.trials


@dataclass(frozen=True)
class Correlation:
    """One estimate of score against KPI. `estimate` is None where there is none; `note` then says why.

    `minimum_trials` is what a creative needed to be in it: impressions for CTR, clicks for CVR.
    """

    metric: str
    scope: str
    statistic: str
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    n: int
    as_of: date
    run_id: int
    note: str = ""
    window_start: date | None = None
    window_end: date | None = None
    minimum_trials: int = 0


@dataclass(frozen=True)
class DriftFinding:
    """One test of one layer in one drift check; `sentence` says in words what was found, or what is missing."""

    as_of: date
    layer: str
    test: str
    segment: str
    statistic: float | None
    threshold: float | None
    p_value: float | None
    n_reference: int
    n_current: int
    verdict: str
    run_id: int
    ci_low: float | None = None
    ci_high: float | None = None
    reference_window: str = ""
    current_window: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class DecisionMade:
    """What followed from one drift check; `scope` says of which windows, and only those of one scope compare."""

    as_of: date
    decision: str
    cause: str
    reasons: tuple[str, ...]
    run_id: int
    scope: str = ""


@dataclass(frozen=True)
class RankedPicture:
    """A scored creative as the report shows it.

    Attributes:
        rank: in its campaign, 1 is the best.
        ci_low, ci_high: predictive interval of the mean opinion; None for a scorer that is not calibrated.
        percentile: place in its campaign, 100 is the best.
        thumbnail: a data URI, or "" where the file is gone or has changed since it was scored.
        impressions, clicks: delivered up to the report's date, with the 95 % Wilson interval of CTR where any were.
        elsewhere: they are of the other campaigns in which the creative ran, as it ran in none under this name.
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
        """Clicks for each impression."""
        return self.clicks / self.impressions if self.impressions else None


@dataclass(frozen=True)
class CampaignRanking:
    """The pictures of one campaign: the best, and the last few where not all are shown.

    Attributes:
        campaign: its key.
        n: scored creatives in it.
        best: in the order of their rank.
        last: the worst, in the order of their rank; empty when `best` has everything.
    """

    campaign: str
    n: int
    best: tuple[RankedPicture, ...]
    last: tuple[RankedPicture, ...] = ()


@dataclass(frozen=True)
class OpenAlert:
    """An alert as the report shows it."""

    title: str
    message: str
    severity: str
    state: str
    opened_at: datetime
    times_seen: int


@dataclass(frozen=True)
class Coverage:
    """How much of what was delivered can be held against a score. Dates are those of the KPI rows."""

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
        """Share of impressions of ads without a picture, 0…1; None where nothing was delivered."""
        return self.unlinked_impressions / self.impressions if self.impressions else None


@dataclass(frozen=True)
class ModelShown:
    """The scorer whose scores the report shows; `chances`: it learned from choices alone."""

    name: str
    digest: str
    encoder: str
    scale_low: float
    scale_high: float
    demonstration: bool
    chances: bool = False


@dataclass(frozen=True)
class ReportData:
    """Everything on the page. Whatever is missing is None or empty, and the page says so.

    Attributes:
        as_of: the last day of delivery that counts.
        made_at: when the page was made, UTC.
        database: kind of the store, e.g. "SQLite".
        campaign: the one that was asked for; None for all.
        rankings: of the campaigns that are shown, of `campaigns_in_all`.
        points, correlations: the last correlation of score and KPI, and the creatives in it.
        findings: of the last drift check; the histories have all of them.
        scores: campaign and score of every scored creative.
        runs: what was done last → the id of its run.
        simulated: whether the figures are those of `abkit demo`.
    """

    as_of: date
    made_at: datetime
    abkit_version: str
    database: str
    campaign: str | None
    model: ModelShown | None
    decision: DecisionMade | None
    rankings: tuple[CampaignRanking, ...]
    campaigns_in_all: int
    points: tuple[ScorePoint, ...]
    correlations: tuple[Correlation, ...]
    correlation_history: tuple[Correlation, ...]
    findings: tuple[DriftFinding, ...]
    drift_history: tuple[DriftFinding, ...]
    decision_history: tuple[DecisionMade, ...]
    alerts: tuple[OpenAlert, ...]
    scores: tuple[tuple[str, float], ...]
    coverage: Coverage
    runs: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
