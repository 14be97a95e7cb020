"""How often a standing check looks anew, and the level that follows for each of its tests."""

from __future__ import annotations

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import DAYS_PER_YEAR, TESTS, Budget, looks_per_year, one_comparison, parse_budget
from abkit.vocabulary import Layer, WindowKind
from abkit.workflows.drift.windows.windows import WEEK, DriftWindows

_BY_CREATIVES = (Layer.INPUT, Layer.SCORE)


def budget_of(windows: DriftWindows, settings: DriftSettings, checks: float = DAYS_PER_YEAR) -> Budget:
    """Return the budget of a check: delivery is judged anew by days, images and scores by launches.

    A comparison of campaigns is made once: each layer may be wrong with probability `alpha`.

    Args:
        windows: The windows of the check.
        settings: The budget in words.
        checks: How many checks are made per year: there are no more looks than that.
    """
    current = windows.current
    if current.kind is WindowKind.CAMPAIGN:
        return one_comparison(settings.alpha)
    looks = dict.fromkeys(TESTS, looks_per_year(current.days or WEEK * settings.recent_weeks, 1.0, checks))
    per_day = windows.launched_per_day
    if current.kind is WindowKind.CREATIVES:
        by_launches = looks_per_year(windows.current_ideas, per_day, checks)
    else:
        # There is nothing new to look at unless something was launched.
        by_launches = min(looks[Layer.INPUT], looks_per_year(1, per_day, checks))
    looks |= dict.fromkeys(_BY_CREATIVES, by_launches)
    looks[Layer.DATA] = looks_per_year(1, 1.0, checks)  # feeds are looked at by every check
    return Budget(per_year=parse_budget(settings.false_alarms), looks_per_year=looks)
