"""How often a standing check looks anew, and the level that follows for each of its tests."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import TESTS, Budget, looks_per_year, one_comparison, parse_budget
from abkit.store.catalog import creatives
from abkit.vocabulary import Layer, WindowKind
from abkit.workflows.drift.windows import DriftWindows

_BY_CREATIVES = (Layer.INPUT, Layer.SCORE)
_LONG, _SHORT = 365, 28  # days over which the rate of launches is counted


def budget_of(session: Session, windows: DriftWindows, settings: DriftSettings, *, standing: bool = True) -> Budget:
    """Return the budget of a check.

    A window of days moves by days, one of creatives by launches: their rate is that of the last year or of the last
    four weeks, whichever is higher, so that a busy month does not spend more.

    Args:
        session: A reading session.
        windows: The windows of the check.
        settings: `[drift]` has the budget, and the error rate of a comparison that is made once.
        standing: Whether the check is repeated and may open an alert; a campaign as a window is compared once.
    """
    if not standing or windows.current.kind is WindowKind.CAMPAIGN:
        return one_comparison(settings.alpha)
    looks = dict.fromkeys(TESTS, looks_per_year(windows.current.days, 1.0))
    rate = max(_per_day(session, windows, _LONG), _per_day(session, windows, _SHORT))
    # There is nothing new to look at unless something was launched.
    looks |= {layer: min(looks[layer], max(1.0, 365.25 * rate)) for layer in _BY_CREATIVES}
    return Budget(per_year=parse_budget(settings.false_alarms), looks_per_year=looks)


def _per_day(session: Session, windows: DriftWindows, days: int) -> float:
    launched = creatives.creatives_launched(session, windows.as_of - timedelta(days=days - 1), windows.as_of)
    return len(launched) / days
