"""What has to hold before the figures of a test may be trusted. A guard that fails blocks the verdict and says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from abkit.records import Record
from abkit.stats.verdicts.sample_ratio import ALPHA, sample_ratio
from abkit.vocabulary import Allocation, GuardStatus

FEWEST_SUCCESSES = 30
"""In all arms together: below that even a doubled rate cannot be told from chance."""

FEWEST_DAYS = 7
"""Where days are the units: a week, so that every weekday counts once."""

SILENT_DAYS = 2
"""A feed that has been silent for longer has stopped."""

MOST_EXPECTED_IN_SILENCE = 10
"""Ten successes expected and none seen: a chance of 1 in 20,000."""


@dataclass(frozen=True, slots=True)
class Guard(Record):
    """One check.

    Attributes:
        name: `arms`, `data`, `sample_ratio`, `days`, `feed`, `metric` or `creative`; an
            experiment adds `horizon` and `stability`.
        status: `pass`, `block`, or `skipped` where it does not apply.
        message: What was found, in a sentence.
        action: What to do about it; empty when nothing has to be done.
    """

    name: str
    status: GuardStatus
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class ArmDays:
    """What one arm delivered, day by day.

    Attributes:
        key: The arm's name.
        share: Its planned share of the traffic.
        exposures: Trials by day, or the denominator of a metric that is no share.
        successes: Successes by day, or its numerator; fractions where they are modeled.
        creatives: The creatives that were shown, as far as known.
    """

    key: str
    share: float
    exposures: Mapping[date, float]
    successes: Mapping[date, float]
    creatives: frozenset[str] = frozenset()

    @property
    def trials(self) -> float:
        """All exposures."""
        return _whole(sum(self.exposures.values()))

    @property
    def total(self) -> float:
        """All successes."""
        return _whole(sum(self.successes.values()))


def _whole(total: float) -> float:
    """Return a sum to a billionth: fractions do not add up to the last digit."""
    return round(total, 9) if isinstance(total, float) else total


def check_guards(
    arms: Sequence[ArmDays],
    *,
    allocation: Allocation | str,
    as_of: date,
    running: bool,
    by_day: bool,
    delivered: Sequence[ArmDays] | None = None,
    trials_drawn: bool | None = None,
    alternating: bool = False,
    ends_on: date | None = None,
    alpha: float = ALPHA,
) -> tuple[Guard, ...]:
    """Check all guards of an experiment, in the order in which they are reported.

    Args:
        arms: Every planned arm, also those without data.
        allocation: Whether chance or the platform decides who sees what.
        as_of: The day of the analysis.
        running: Whether the test is meant to be running on that day.
        by_day: Whether days are the units of the analysis.
        delivered: The same arms with what was allocated (impressions) as exposures, where those of the metric are
            something that the treatment itself changes (clicks, for a conversion rate).
        trials_drawn: Whether impressions are what was randomized; by default where days are not the units.
        alternating: Whether days were randomized, so that each day belongs to one arm.
        ends_on: The planned last day: data have to reach it.
        alpha: False-alarm rate of the split's test.

    >>> day = date(2026, 3, 1)
    >>> arms = [ArmDays(key, 0.5, {day: n}, {day: 50}) for key, n in (("a", 1000), ("b", 1500))]
    >>> [guard.name for guard in check_guards(arms, allocation="random", as_of=day, running=True, by_day=False)
    ...  if guard.status is GuardStatus.BLOCK]
    ['sample_ratio']
    """
    shown = arms if delivered is None else delivered
    found = {
        "arms": _arms(shown),
        "data": _data(arms, by_day),
        "sample_ratio": _split(shown, allocation, not by_day if trials_drawn is None else trials_drawn, alpha),
        "days": _days(shown, alternating),
        "feed": _feed(shown, as_of, running, ends_on),
        "metric": _metric(arms),
        "creative": _creative(arms),
    }
    return tuple(Guard(name, *parts) for name, parts in found.items())


# Status, message and action of a guard.
Found = tuple[GuardStatus, str, str]
PASS, SKIPPED, BLOCK = GuardStatus.PASS, GuardStatus.SKIPPED, GuardStatus.BLOCK


def _arms(arms: Sequence[ArmDays]) -> Found:
    missing = ", ".join(arm.key for arm in arms if arm.trials == 0)
    if missing:
        action = "check that the ad is live and linked to the variant, and import its KPIs"
        return BLOCK, f"no data for {missing}", action
    return PASS, f"all {len(arms)} arms have data", ""


def _data(arms: Sequence[ArmDays], by_day: bool) -> Found:
    successes = sum(arm.total for arm in arms)
    fewest = min((len(arm.exposures) for arm in arms), default=0)
    if successes < FEWEST_SUCCESSES:
        message = f"{successes:,} successes in total; at least {FEWEST_SUCCESSES} are needed to say anything"
    elif by_day and fewest < FEWEST_DAYS:
        message = f"{fewest} days in the shortest arm; days are the units here, and at least {FEWEST_DAYS} are needed"
    else:
        return PASS, f"{successes:,} successes in total", ""
    return BLOCK, message, "let it run longer"


def _split(arms: Sequence[ArmDays], allocation: Allocation | str, trials_drawn: bool, alpha: float) -> Found:
    if allocation != Allocation.RANDOM:
        return SKIPPED, "the platform chooses who sees what: the split is not random", ""
    if not trials_drawn:
        message = "impressions are not what was randomized, so their split says nothing about the randomization"
        return SKIPPED, message, ""
    if len(arms) < 2 or sum(arm.trials for arm in arms) == 0:
        return SKIPPED, "no traffic to split yet", ""
    tested = sample_ratio([arm.trials for arm in arms], [arm.share for arm in arms], alpha=alpha, sequential=True)
    seen = " : ".join(f"{arm.trials:,}" for arm in arms)
    planned = " : ".join(f"{arm.share:.3g}" for arm in arms)
    if tested.mismatch:
        message = f"the arms got {seen}, but {planned} was planned (p = {tested.p_value:.2g}, valid at any look)"
        action = (
            "find what loses or misroutes units (redirects, filters, a late start), fix it and start the test again"
        )
        return BLOCK, message, action
    return PASS, f"the split {seen} fits {planned} (p = {tested.p_value:.2g})", ""


def _days(arms: Sequence[ArmDays], alternating: bool) -> Found:
    dates = sorted({day for arm in arms for day, n in arm.exposures.items() if n})
    if not dates:
        return SKIPPED, "no days yet", ""
    expected = [dates[0] + timedelta(days=step) for step in range((dates[-1] - dates[0]).days + 1)]
    if alternating:
        gaps = [("no arm", day) for day in expected if day not in dates]
    else:
        gaps = [(arm.key, day) for arm in arms if arm.trials for day in expected if not arm.exposures.get(day)]
    if not gaps:
        return PASS, f"data on every day from {dates[0]} to {dates[-1]}", ""
    shown = ", ".join(f"{key} on {day}" for key, day in gaps[:3]) + (", …" if len(gaps) > 3 else "")
    message = f"{len(gaps)} days without data: {shown}"
    return BLOCK, message, "import the missing days, or end the test before the gap"


def _feed(arms: Sequence[ArmDays], as_of: date, running: bool, ends_on: date | None) -> Found:
    last = max((day for arm in arms for day, n in arm.exposures.items() if n), default=None)
    if last is None or (not running and ends_on is None):
        return SKIPPED, "nothing is expected to arrive", ""
    if running or ends_on is None:
        silent = (as_of - last).days
        if silent > SILENT_DAYS:
            return BLOCK, f"nothing has arrived since {last}, {silent} days ago", "check the export and the ads"
        return PASS, f"last data on {last}", ""
    missing = (ends_on - last).days
    if missing > SILENT_DAYS:
        message = f"the last data are from {last}, {missing} days before the end on {ends_on}"
        return BLOCK, message, "import what is missing; if the ads stopped earlier, the test did too"
    return PASS, f"last data on {last}, the end was {ends_on}", ""


def _metric(arms: Sequence[ArmDays]) -> Found:
    trials, successes = sum(arm.trials for arm in arms), sum(arm.total for arm in arms)
    for arm in arms:
        # An arm that never had a success is held against all of them.
        rate = arm.total / arm.trials if arm.total else successes / max(trials, 1)
        first, last, exposures = _longest_silence(arm)
        if exposures * rate > MOST_EXPECTED_IN_SILENCE:
            message = (
                f"{arm.key} has had no success from {first} to {last}, in {exposures:,.0f} exposures "
                f"({exposures * rate:.0f} were expected)"
            )
            return BLOCK, message, "check the tracking of the metric"
    return PASS, "the metric keeps arriving with the exposures", ""


def _longest_silence(arm: ArmDays) -> tuple[date, date, float]:
    """Return first day, last day and exposures of the run of days without a success that has most exposures."""
    longest = (date.min, date.min, 0.0)
    days = sorted(day for day, n in arm.exposures.items() if n)
    for succeeded, run in groupby(days, key=lambda day: bool(arm.successes.get(day))):
        silent = [] if succeeded else list(run)
        exposures = sum(arm.exposures[day] for day in silent)
        if exposures > longest[2]:
            longest = (silent[0], silent[-1], exposures)
    return longest


def _creative(arms: Sequence[ArmDays]) -> Found:
    changed = ", ".join(arm.key for arm in arms if len(arm.creatives) > 1)
    if changed:
        message = f"{changed} showed more than one creative during the test"
        return BLOCK, message, "an arm is one creative: start a new test with the new one"
    return PASS, "no arm changed its creative", ""
