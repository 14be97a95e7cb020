"""Simulated experiments for `experiment_error_rates.py`: by unit and allocation, with and without a lift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from abkit.stats.arms import PairMoments
from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.units.sums import SumsPerUnit

DAYS, RATE = 28, 0.01
START = date(2026, 3, 2)


def analyzed(
    arms: list[Arm],
    *,
    sums: SumsPerUnit | None = None,
    as_of: date = START + timedelta(DAYS),
    earlier: tuple[Analysis, ...] = (),
    **plan: object,
) -> Analysis:
    """Return the analysis on the day after the last one, or on another."""
    options = {
        "key": "t", "variants": {"a": "a", "b": "b"}, "unit": "impression", "allocation": "random",
        "starts_on": START, "ends_on": START + timedelta(DAYS - 1),
    } | plan  # fmt: skip
    return analyze(ExperimentPlan(**options), arms, as_of=as_of, sums=sums, earlier=earlier)  # type: ignore[arg-type]


def daily(
    key: str, figures: Mapping[int, tuple[int, int]], segments: dict[tuple[str, ...], Figures] | None = None
) -> Arm:
    """Return an arm with impressions and clicks by day."""
    by_day = {START + timedelta(day): Figures(shown, clicked) for day, (shown, clicked) in figures.items()}
    return Arm(key=key, share=0.5, delivery=Delivery(by_day=by_day, by_segment=segments or {}))


def moods(rng: np.random.Generator, sd: float, kept: float = 0.0) -> np.ndarray:
    """Return factors of days, log-normal with this sd; each keeps a share of the day before."""
    noise = rng.normal(0, 1, DAYS)
    for day in range(1, DAYS):
        noise[day] = kept * noise[day - 1] + np.sqrt(1 - kept**2) * noise[day]
    return np.exp(sd * noise - sd * sd / 2)


def shared_days(
    rng: np.random.Generator, *, lift: float = 0.0, impressions: int = 20_000, sd: float = 0.15
) -> list[Arm]:
    """Both arms run on all days, and a good day is good for both."""
    mood = moods(rng, sd)
    clicks = [rng.poisson(impressions * RATE * factor * mood) for factor in (1, 1 + lift)]
    return [
        daily(key, {day: (impressions, int(n)) for day, n in enumerate(own)})
        for key, own in zip("ab", clicks, strict=True)
    ]


def drawn_days(rng: np.random.Generator, block: int = 1, *, kept: float = 0.0) -> list[Arm]:
    """Each block of days is drawn for one arm, as many for each."""
    owner = np.repeat(rng.permutation([0, 1] * (DAYS // block // 2)), block)
    clicks = rng.poisson(20_000 * RATE * moods(rng, 0.3, kept))
    return [
        daily(key, {day: (20_000, int(clicks[day])) for day in range(len(owner)) if owner[day] == number})
        for number, key in enumerate("ab")
    ]


def geographies(rng: np.random.Generator, spread: float, *, matched: bool = False) -> tuple[list[Arm], dict[str, str]]:
    """20 geographies whose CTR differs with sd 20 % and whose size with this sd of the log; pairs are alike in CTR."""
    rates = RATE * np.exp(rng.normal(0, 0.2, 20))
    order, strata = rng.permutation(20), {}
    if matched:
        order = np.argsort(rates).reshape(10, 2)
        order = np.array([rng.permutation(pair) for pair in order]).ravel()
        strata = {f"G{place:02}": str(number // 2) for number, place in enumerate(order)}
    treated = np.zeros(20, dtype=bool)
    treated[order[::2]] = True
    shown = rng.poisson(2_000 * np.exp(rng.normal(0, spread, (20, 1))) * np.ones((1, DAYS)))
    clicks = rng.binomial(shown, np.minimum(rates[:, None] * moods(rng, 0.15), 1))
    arms = []
    for key, own in (("a", ~treated), ("b", treated)):
        segments = {
            tuple(f"G{place:02}" if one == "country" else "" for one in Dimension): Figures(
                int(shown[place].sum()), int(clicks[place].sum())
            )
            for place in np.flatnonzero(own)
        }
        by_day = {day: (int(shown[own, day].sum()), int(clicks[own, day].sum())) for day in range(DAYS)}
        arms.append(daily(key, by_day, segments))
    return arms, strata


def users(rng: np.random.Generator) -> tuple[list[Arm], list[np.ndarray]]:
    """2,000 users who see 50 impressions over four weeks, with click rates of CV 1; and their clicks, by arm."""
    rates = np.minimum(0.02 * rng.gamma(1.0, 1.0, 2000), 1)
    treated = rng.permutation(2000) < 1000
    seen = rng.multinomial(50, np.full(DAYS, 1 / DAYS), size=2000)
    clicks = rng.binomial(seen, rates[:, None])
    arms = [
        daily(key, {day: (int(seen[own, day].sum()), int(clicks[own, day].sum())) for day in range(DAYS)})
        for key, own in (("a", ~treated), ("b", treated))
    ]
    return arms, [clicks[own].sum(axis=1) for own in (~treated, treated)]


def sums_of(clicks: list[np.ndarray], first: int | None = None) -> dict[str, dict[Metric, PairMoments]]:
    """Return the sums of the users of each arm that came first."""
    return {
        key: {Metric.CTR: PairMoments.from_values(own[:first], np.full(len(own[:first]), 50))}
        for key, own in zip("ab", clicks, strict=True)
    }
