"""What a drift check returns: every test of every layer as it is logged, and the decision that follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from abkit.records import Record, RecordList
from abkit.stats.monitoring.decisions import headline, meaning
from abkit.stats.monitoring.triage import Finding
from abkit.store.kpis.once.counting import SetAside
from abkit.store.kpis.once.provisional import Provisional
from abkit.vocabulary import DriftDecision, DriftVerdict, Layer, Metric


@dataclass(frozen=True, kw_only=True)
class LayerResult(Record):
    """One test of one layer, as it is logged.

    Attributes:
        layer, test: What was tested.
        verdict: See `abkit.stats.monitoring.triage.Finding`.
        sentence: What was found, or what is missing.
        segment: Which delivery counts; "" for all.
        statistic, ci_low, ci_high, p_value: Of the test; None where there is none.
        n_reference, n_current: Sample sizes: images, creatives, days, rows or files, as `detail["unit"]` says.
        threshold: The floor that the statistic has to pass for a verdict above "ok".
        detail: Everything else worth keeping: method, floors, further figures; `creatives` are the ids of those that
            moved it most. A test that `explains` says what moved, and decides nothing.
        persistent, holds, against_model, coarse: See `abkit.stats.monitoring.triage.Finding`. `holds` is None where
            nothing was shifted that would ask for it.
    """

    layer: Layer
    test: str
    verdict: DriftVerdict
    sentence: str
    segment: str = ""
    statistic: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    n_reference: int = 0
    n_current: int = 0
    threshold: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    persistent: bool = False
    holds: bool | None = False
    against_model: bool = False
    coarse: bool = False

    @property
    def lingers(self) -> bool:
        """Whether a shift is not clearly gone: nothing to open an alert for, and no reason to close one."""
        return bool(self.detail.get("lingers")) and not self.explains

    @property
    def explains(self) -> bool:
        """Whether it only says what moved: the decision, and so the budget of false alarms, rests on the others."""
        return bool(self.detail.get("explains", False))

    @property
    def finding(self) -> Finding:
        """What the triage needs of it."""
        return Finding(
            layer=self.layer,
            verdict=self.verdict,
            sentence=self.sentence,
            persistent=self.persistent,
            holds=bool(self.holds),
            against_model=self.against_model,
            coarse=self.coarse,
        )


@dataclass(frozen=True, kw_only=True)
class DriftReport(RecordList):
    """What a check found and what follows.

    Attributes:
        decision, cause, reasons: Of the triage; "" where there is no cause.
        layers_judged: How many of the five layers could be judged: what "stable" rests on.
        coarse: Those of them that could be judged for major shifts only.
        standing: Whether it is the standing check, which owns headline and alert; else an ad-hoc comparison.
        results: Every test of every layer.
        reference, current: The windows, as written.
        windows: The windows in words: how far back they reach.
        as_of: The last day that counts.
        model_version: Digest of the version whose scores were looked at; None where nothing was scored.
        set_aside: Rows of the windows that do not count because others hold the same delivery.
        provisional: Rows of the windows that the platform may still change; None without any.
        metric: The KPI of the relation and the level.
        currency: Currency of its amounts, if it is made of any.
        money: What was converted and by which rate, and what was left out.
        notes: What else was left out, and why.
    """

    decision: DriftDecision
    cause: str
    reasons: tuple[str, ...]
    layers_judged: int = 0
    coarse: tuple[Layer, ...] = ()
    standing: bool = True
    results: tuple[LayerResult, ...]
    reference: str
    current: str
    windows: str = ""
    as_of: date
    model_version: str | None
    run_id: int
    set_aside: tuple[SetAside, ...] = ()
    provisional: Provisional | None = None
    metric: Metric = Metric.CTR
    currency: str = ""
    money: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The decision with what it rests on, such as "stable (2 of 5 layers judged)"."""
        return headline(self.decision, self.layers_judged, len(self.coarse))

    @property
    def meaning(self) -> str:
        """What the decision means, in one sentence."""
        return meaning(self.decision)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data; the cause is None where there is none."""
        words = {"cause": self.cause or None, "headline": self.headline, "meaning": self.meaning}
        return super().to_dict() | words

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per test."""
        return [test.to_dict() for test in self.results]


def show_p(p: float | None) -> str:
    """Return a p-value for people.

    >>> show_p(0.00004), show_p(0.25)
    ('< 0.001', '0.250')
    """
    return "–" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
