"""How often a standing check may raise a false alarm, and which level each test is held against so that it keeps to it.

The budget is in words a manager can agree to: "1 per year". Five layers are tested (data, input, score, relation, KPI
level) and each may spend a fifth of it. Inside a layer it is shared by all looks of a year, all tests and all segments:

    level of one test at one look = budget ÷ (5 × looks per year × tests of the layer × segments)

This is a union bound. With valid p-values the expected number of false alarms in a year is at most the budget, however
the looks depend on each other: windows overlap, tests look at the same creatives, one reference serves all of them.
A look is a new judgment. The windows of the standing check move in steps of a quarter; a check that runs before a
quarter is new sees the windows of the last look and finds what that found, so checking daily does not spend more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.vocabulary import Layer

# The tests that may raise an alarm. Whatever else is tested explains what moved, and raises nothing by itself.
TESTS: Mapping[Layer, tuple[str, ...]] = {
    Layer.DATA: ("gaps",),
    Layer.INPUT: ("energy",),
    Layer.SCORE: ("ks", "psi", "wasserstein"),
    Layer.RELATION: ("slope_loss",),
    Layer.KPI: ("level",),
}
MOST = 0.05  # no test is held against a larger level, however large the budget
SETTLED = 10  # an alert closes when p is above so many times the level
STEPS = 4  # a window moves in steps of one part in so many
DAYS_PER_YEAR = 365.25
_FEWEST_PERMUTATIONS = 499
_YEAR, _SPAN, _FEWEST_CHECKS = 365, 28, 4
_UNITS = {"year": 1.0, "quarter": 4.0, "month": 12.0, "week": DAYS_PER_YEAR / 7}


@dataclass(frozen=True, kw_only=True)
class Budget(Record):
    """A budget of false alarms, and what it is shared by.

    Attributes:
        per_year: False alarms a year that the check may raise, all layers, tests and segments together.
        looks_per_year: How often in a year each layer is judged anew; at least 1, and daily where none is named.
        tests: Names of the tests by layer.
        segments: Number of segments of delivery that are judged, the whole included.

    >>> budget = Budget(per_year=1, looks_per_year={Layer.INPUT: 50, Layer.SCORE: 50})
    >>> budget.level(Layer.INPUT, "energy"), round(budget.level(Layer.SCORE, "ks"), 5)
    (0.004, 0.00133)
    """

    per_year: float
    looks_per_year: Mapping[Layer, float]
    tests: Mapping[Layer, tuple[str, ...]] = field(default_factory=lambda: dict(TESTS))
    segments: int = 1

    def level(self, layer: Layer, test: str) -> float:
        """Return the level of one test at one look: an alarm needs a p-value below it.

        It is 0 for a test that the budget does not name: that one explains what moved, and raises nothing.
        """
        tests = self.tests.get(layer, ())
        if test not in tests:
            return 0.0
        looks = max(1.0, self.looks_per_year.get(layer, DAYS_PER_YEAR))
        return min(MOST, self.per_year / len(self.tests) / looks / len(tests) / max(1, self.segments))

    def lingers(self, layer: Layer, test: str, *, p: float | None, effect: float | None, floor: float) -> bool:
        """Return whether a shift that had been reported is not clearly gone, so that its alert stays open.

        It is gone where its effect is below half its floor, or p above ten times the level. One threshold to open and
        another to close: a shift near the floor is one alert, not one a week.
        """
        if p is None or effect is None:
            return False
        return p < SETTLED * self.level(layer, test) and effect >= floor / 2


def one_comparison(alpha: float) -> Budget:
    """Return the budget of a single comparison that nobody repeats: each layer may be wrong with probability alpha.

    >>> one_comparison(0.01).level(Layer.INPUT, "energy"), one_comparison(0.03).level(Layer.SCORE, "ks")
    (0.01, 0.01)
    """
    return Budget(per_year=alpha * len(TESTS), looks_per_year=dict.fromkeys(TESTS, 1.0))


def parse_budget(text: str) -> float:
    """Read a budget in words as false alarms per year.

    Raises:
        InvalidInput: It is not "N per year" (or quarter, month, week) or "N in M years", or not between 1 in 100 years
            and 52 per year.

    >>> parse_budget("1 per year"), parse_budget("1 in 5 years"), parse_budget("2 per quarter")
    (1.0, 0.2, 8.0)
    """
    said = str(text).strip().lower()
    number = r"([0-9]{1,4}(?:\.[0-9]{1,3})?)"
    per = re.fullmatch(rf"{number} (?:per|a|an|every) (year|quarter|month|week)", said)
    spread = re.fullmatch(rf"{number} (?:in|per|every) {number} (year|quarter|month|week)s?", said)
    if per:
        found = float(per[1]) * _UNITS[per[2]]
    elif spread and float(spread[2]) > 0:
        found = float(spread[1]) / float(spread[2]) * _UNITS[spread[3]]
    else:
        raise InvalidInput(
            f"{text!r} is not a number of false alarms", hint='write "1 per year", "10 per year" or "1 in 5 years"'
        )
    if not 0.01 - 1e-9 <= found <= 52.5:
        raise InvalidInput(
            f"{text!r} is {found:g} false alarms per year; the monitor can keep to 0.01 to 52",
            hint='write "1 per year", "10 per year" or "1 in 5 years"',
        )
    return found


def in_words(per_year: float) -> str:
    """Return a budget in words.

    >>> in_words(1.0), in_words(0.2), in_words(10.0)
    ('1 per year', '1 in 5 years', '10 per year')
    """
    if per_year >= 1 or per_year <= 0:
        return f"{per_year:.3g} per year"
    return f"1 in {1 / per_year:.3g} years"


def step_of(window: int) -> int:
    """Return how much of a window (creatives or days) has to be new for a new look: a quarter, and at least 1."""
    return max(1, window // STEPS)


def last_look(count: int, window: int) -> int:
    """Return how many of the creatives (or days) so far the last look saw: whole quarters of a window.

    >>> last_look(60, 60), last_look(74, 60), last_look(75, 60)
    (60, 60, 75)
    """
    return count - count % step_of(window)


def looks_per_year(window: int, per_day: float, checks_per_year: float = DAYS_PER_YEAR) -> float:
    """Return how often in a year a quarter of a window is new.

    Args:
        window: Creatives, or days.
        per_day: How many of them come each day: the launch rate; 1 for days.
        checks_per_year: How often the check runs: there are no more looks than that.

    >>> round(looks_per_year(60, 10 / 7), 1), looks_per_year(7, 1, 52)
    (34.8, 52)
    """
    return max(1.0, min(checks_per_year, per_day * DAYS_PER_YEAR / step_of(window)))


def checks_per_year(days: Iterable[date], as_of: date) -> float:
    """Return how often in a year a check is made: over the last year, or four weeks where that is more.

    It counts what was made, by a schedule of abkit, another scheduler or by hand. Less than four weeks of checks, or
    fewer than four of them, say nothing yet: then checks are taken to be daily.

    Args:
        days: The days of the checks so far.
        as_of: The day of this one.

    >>> from datetime import timedelta
    >>> weekly = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(20)]
    >>> round(checks_per_year(weekly, weekly[-1]), 1), round(checks_per_year(weekly[:3], weekly[2]), 1)
    (52.2, 365.2)
    """
    made = sorted({*days, as_of})
    past = [(as_of - day).days for day in made if 0 <= (as_of - day).days < _YEAR]
    if len(past) < _FEWEST_CHECKS or max(past) + 1 < _SPAN:
        return DAYS_PER_YEAR
    # A check on the first day of a span belongs to the days after it.
    spans = (_SPAN, max(_SPAN, max(past)))
    return min(DAYS_PER_YEAR, DAYS_PER_YEAR * max(sum(day < span for day in past) / span for span in spans))


def permutations_for(level: float) -> int:
    """Return how many permutations let a p-value fall below a level by a clear margin: p is at least 1 ÷ (1 + B).

    >>> permutations_for(0.01), permutations_for(0.0005)
    (499, 8000)
    """
    return max(_FEWEST_PERMUTATIONS, math.ceil(4 / max(level, 1e-5)))
