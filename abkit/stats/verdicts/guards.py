"""What has to hold before the figures of a test may be trusted. A guard that fails blocks the verdict and says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

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
        exposures: Trials by day.
        successes: Successes by day.
        creatives: The creatives that were shown, as far as known.
    """

    key: str
    share: float
    exposures: Mapping[date, int]
    successes: Mapping[date, int]
    creatives: frozenset[str] = frozenset()

    @property
    def trials(self) -> int:
        """All exposures."""
        return sum(self.exposures.values())

    @property
    def total(self) -> int:
        """All successes."""
        return sum(self.successes.values())


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
    return (
        _arms(shown),
        _data(arms, by_day),
        _split(shown, allocation, not by_day if trials_drawn is None else trials_drawn, alpha),
        _days(shown, alternating),
        _feed(shown, as_of, running, ends_on),
        _metric(arms),
        _creative(arms),
    )


def _passed(name: str, message: str) -> Guard:
    return Guard(name, GuardStatus.PASS, message)


def _skipped(name: str, message: str) -> Guard:
    return Guard(name, GuardStatus.SKIPPED, message)


def _blocked(name: str, message: str, action: str) -> Guard:
    return Guard(name, GuardStatus.BLOCK, message, action)


def _arms(arms: Sequence[ArmDays]) -> Guard:
    missing = [arm.key for arm in arms if arm.trials == 0]
    if not missing:
        return _passed("arms", f"all {len(arms)} arms have data")
    return _blocked(
        "arms",
        f"no data for {', '.join(missing)}",
        "check that the ad is live and linked to the variant, and import its KPIs",
    )


def _data(arms: Sequence[ArmDays], by_day: bool) -> Guard:
    successes = sum(arm.total for arm in arms)
    if successes < FEWEST_SUCCESSES:
        return _blocked(
            "data",
            f"{successes} successes in total; at least {FEWEST_SUCCESSES} are needed to say anything",
            "let it run longer",
        )
    fewest = min((len(arm.exposures) for arm in arms), default=0)
    if by_day and fewest < FEWEST_DAYS:
        return _blocked(
            "data",
            f"{fewest} days in the shortest arm; days are the units here, and at least {FEWEST_DAYS} are needed",
            "let it run longer",
        )
    return _passed("data", f"{successes:,} successes in total")


def _split(arms: Sequence[ArmDays], allocation: Allocation | str, trials_drawn: bool, alpha: float) -> Guard:
    if allocation != Allocation.RANDOM:
        return _skipped("sample_ratio", "the platform chooses who sees what: the split is not random")
    if not trials_drawn:
        return _skipped(
            "sample_ratio",
            "impressions are not what was randomized, so their split says nothing about the randomization",
        )
    if len(arms) < 2 or sum(arm.trials for arm in arms) == 0:
        return _skipped("sample_ratio", "no traffic to split yet")
    tested = sample_ratio([arm.trials for arm in arms], [arm.share for arm in arms], alpha=alpha, sequential=True)
    seen = " : ".join(f"{arm.trials:,}" for arm in arms)
    planned = " : ".join(f"{arm.share:.3g}" for arm in arms)
    if tested.mismatch:
        return _blocked(
            "sample_ratio",
            f"the arms got {seen}, but {planned} was planned (p = {tested.p_value:.2g}, valid at any look)",
            "find what loses or misroutes units (redirects, filters, a late start), fix it and start the test again",
        )
    return _passed("sample_ratio", f"the split {seen} fits {planned} (p = {tested.p_value:.2g})")


def _days(arms: Sequence[ArmDays], alternating: bool) -> Guard:
    dates = sorted({day for arm in arms for day, n in arm.exposures.items() if n})
    if not dates:
        return _skipped("days", "no days yet")
    expected = [dates[0] + timedelta(days=step) for step in range((dates[-1] - dates[0]).days + 1)]
    if alternating:
        gaps = [("no arm", day) for day in expected if day not in dates]
    else:
        gaps = [(arm.key, day) for arm in arms if arm.trials for day in expected if not arm.exposures.get(day)]
    if not gaps:
        return _passed("days", f"data on every day from {dates[0]} to {dates[-1]}")
    shown = ", ".join(f"{key} on {day}" for key, day in gaps[:3]) + (", …" if len(gaps) > 3 else "")
    return _blocked(
        "days", f"{len(gaps)} days without data: {shown}", "import the missing days, or end the test before the gap"
    )


def _feed(arms: Sequence[ArmDays], as_of: date, running: bool, ends_on: date | None) -> Guard:
    days = [day for arm in arms for day, n in arm.exposures.items() if n]
    if not days or (not running and ends_on is None):
        return _skipped("feed", "nothing is expected to arrive")
    if not running and ends_on is not None:
        missing = (ends_on - max(days)).days
        if missing > SILENT_DAYS:
            found = f"the last data are from {max(days)}, {missing} days before the end on {ends_on}"
            return _blocked("feed", found, "import what is missing; if the ads stopped earlier, the test did too")
        return _passed("feed", f"last data on {max(days)}, the end was {ends_on}")
    silent = (as_of - max(days)).days
    if silent > SILENT_DAYS:
        return _blocked(
            "feed", f"nothing has arrived since {max(days)}, {silent} days ago", "check the export and the ads"
        )
    return _passed("feed", f"last data on {max(days)}")


def _metric(arms: Sequence[ArmDays]) -> Guard:
    trials, successes = sum(arm.trials for arm in arms), sum(arm.total for arm in arms)
    for arm in arms:
        # An arm that never had a success is held against all of them.
        rate = arm.total / arm.trials if arm.total else successes / max(trials, 1)
        silence = _longest_silence(arm)
        if silence is None or silence[2] * rate <= MOST_EXPECTED_IN_SILENCE:
            continue
        first, last, exposures = silence
        return _blocked(
            "metric",
            f"{arm.key} has had no success from {first} to {last}, in {exposures:,} exposures "
            f"({exposures * rate:.0f} were expected)",
            "check the tracking of the metric",
        )
    return _passed("metric", "the metric keeps arriving with the exposures")


def _longest_silence(arm: ArmDays) -> tuple[date, date, int] | None:
    """Return first day, last day and exposures of the run of days without a success that has most exposures."""
    longest: tuple[date, date, int] | None = None
    first, exposures = None, 0
    for day in sorted(day for day, n in arm.exposures.items() if n):
        if arm.successes.get(day):
            first, exposures = None, 0
            continue
        first, exposures = first or day, exposures + arm.exposures[day]
        if longest is None or exposures > longest[2]:
            longest = (first, day, exposures)
    return longest


def _creative(arms: Sequence[ArmDays]) -> Guard:
    changed = [arm.key for arm in arms if len(arm.creatives) > 1]
    if changed:
        return _blocked(
            "creative",
            f"{', '.join(changed)} showed more than one creative during the test",
            "an arm is one creative: start a new test with the new one",
        )
    return _passed("creative", "no arm changed its creative")
