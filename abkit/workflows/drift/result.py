"""What one test of a drift check says: the record that every layer gives, that is logged, and that is decided by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from abkit.stats.monitoring.triage import Finding
from abkit.vocabulary import DriftVerdict, Layer


@dataclass(frozen=True)
class LayerResult:
    """One test of one layer, as it is logged.

    Attributes:
        layer, test: what was tested.
        verdict: see `drift_triage.Finding`.
        sentence: what was found, or what is missing.
        statistic, ci_low, ci_high, p_value: of the test; None where there is none.
        n_reference, n_current: what it rests on: pictures, creatives, days, rows or files, as `detail["unit"]` says.
        threshold: the floor that the statistic had to pass for the verdict above "ok".
        detail: everything else worth keeping: method, floors, further figures.
        persistent, holds: see `drift_triage.Finding`.
    """

    layer: Layer
    test: str
    verdict: DriftVerdict
    sentence: str
    statistic: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    n_reference: int = 0
    n_current: int = 0
    threshold: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    persistent: bool = False
    holds: bool = False

    @property
    def finding(self) -> Finding:
        """What the triage needs of it."""
        return Finding(self.layer, self.verdict, self.sentence, self.persistent, self.holds)

    def but(self, **changes: Any) -> LayerResult:
        """The same test with some fields changed."""
        return replace(self, **changes)


def shown_p(p: float | None) -> str:
    """A p-value for people.

    >>> shown_p(0.00004), shown_p(0.25)
    ('< 0.001', '0.250')
    """
    return "–" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
