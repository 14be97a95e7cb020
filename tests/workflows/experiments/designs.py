"""Deliveries of simulated experiments: days that both arms share, geographies, and users."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from abkit.store.experiments import Delivery
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.looks.analyze import analyze
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan

START = date(2026, 3, 2)


def look(arms: Sequence[Arm], *, days: int = 28, after: int | None = None, **changes: object) -> Analysis:
    """One look on the day after the last one."""
    options = {
        "key": "t", "variants": {arm.key: arm.key for arm in arms}, "unit": "impression", "allocation": "random",
        "starts_on": START, "ends_on": START + timedelta(days - 1),
    } | changes  # fmt: skip
    plan = ExperimentPlan(**options)  # type: ignore[arg-type]
    return analyze(plan, arms, as_of=START + timedelta(days if after is None else after))


def shared_days(
    rng: np.random.Generator, *, lift: float, impressions: int, sd: float, days: int = 28, rate: float = 0.01
) -> list[Arm]:
    """Two arms on the same days, whose mood (sd of the log) moves both."""
    mood = np.exp(rng.normal(0, sd, days) - sd * sd / 2)
    clicks = [rng.poisson(impressions * rate * factor * mood) for factor in (1, 1 + lift)]
    return [
        Arm(
            key=key,
            share=0.5,
            delivery=Delivery(
                by_day={START + timedelta(day): Figures(impressions, int(n)) for day, n in enumerate(own)}
            ),
        )
        for key, own in zip("ab", clicks, strict=True)
    ]


def geographies(
    rng: np.random.Generator, count: int = 20, *, lift: float = 0.0, sd: float = 0.2, spread: float = 0.0
) -> list[Arm]:
    """Two arms in halves of the geographies, whose rates differ with this sd of the log, and sizes with this spread."""
    treated = rng.permutation(count) % 2
    shown = (30_000 * np.exp(rng.normal(0, spread, count))).astype(int) * 28
    rates = 0.01 * np.exp(rng.normal(0, sd, count)) * (1 + lift * treated)
    clicks = rng.binomial(shown, np.minimum(rates, 1.0))
    arms = []
    for number, key in enumerate("ab"):
        own = [place for place in range(count) if treated[place] == number]
        arms.append(placed(key, {f"G{place:02}": Figures(int(shown[place]), int(clicks[place])) for place in own}))
    return arms


def placed(key: str, figures: dict[str, Figures], days: int = 28) -> Arm:
    """An arm with these sums by country, spread evenly over days."""
    by_segment = {tuple(name if part == "country" else "" for part in Dimension): one for name, one in figures.items()}
    impressions, clicks = (sum(one[place] for one in figures.values()) for place in (0, 1))
    by_day = {}
    for day in range(days):
        parts = [total // days + (day < total % days) for total in (impressions, clicks)]
        by_day[START + timedelta(day)] = Figures(*parts)
    return Arm(key=key, share=0.5, delivery=Delivery(by_day=by_day, by_segment=by_segment))  # type: ignore[arg-type]
