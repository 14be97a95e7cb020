"""What is fixed of an experiment before its first look, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from abkit.errors import InvalidInput
from abkit.stats.verdicts.sample_ratio import check_weights

UNITS = ("user", "session", "impression", "geography", "day")
ALLOCATIONS = ("random", "optimised")
METRICS = ("ctr", "cvr")


@dataclass(frozen=True)
class ExperimentPlan:
    """What is fixed before the first look.

    Attributes:
        key: name of the experiment.
        variants: name → the ad's platform id or the picture's name; the first one is the control.
        unit: what was randomised.
        allocation: `random`, or `optimised` by the platform.
        metric: `ctr` or `cvr`.
        split: planned shares, in the order of the variants; equal by default.
        campaign: its key, if any.
        starts_on: first day that counts.
        ends_on: last day that counts.
        level: of the intervals.
        power: that the test was planned with.
        lift: that it was planned to find, or None.
        planned_total: units in all arms (impressions, or days where days are the units), or None.
        monitoring: `anytime`, `group` or `fixed`.
        looks: planned looks, for `group`.
        guardrails: metric → the largest acceptable relative loss.
    """

    key: str
    variants: Mapping[str, str]
    unit: str
    allocation: str
    metric: str = "ctr"
    split: Sequence[float] | None = None
    campaign: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    level: float = 0.95
    power: float = 0.8
    lift: float | None = None
    planned_total: float | None = None
    monitoring: str = "anytime"
    looks: int | None = None
    guardrails: Mapping[str, float] = field(default_factory=dict)


def stored(plan: ExperimentPlan) -> dict[str, Any]:
    """The part of the plan that has no column of its own."""
    keep = ("level", "power", "lift", "planned_total", "monitoring", "looks")
    return {
        **{name: value for name, value in asdict(plan).items() if name in keep},
        "guardrails": dict(plan.guardrails),
        "shown": dict(plan.variants),
    }


def checked(plan: ExperimentPlan) -> tuple[float, ...]:
    """The planned shares, once everything is in order.

    Raises:
        InvalidInput: what cannot be, with the value and what was expected.
    """
    if not plan.key or not plan.key.isprintable() or len(plan.key) > 200:
        raise InvalidInput(f"the key is {plan.key[:50]!r}; expected 1 to 200 printable characters")
    if len(plan.variants) < 2:
        raise InvalidInput(f"{len(plan.variants)} variant is given; an experiment takes a control and a treatment")
    choices = (("unit", UNITS), ("allocation", ALLOCATIONS), ("metric", METRICS))
    for name, allowed in choices:
        if getattr(plan, name) not in allowed:
            raise InvalidInput(f"the {name} is {getattr(plan, name)!r}; expected one of {', '.join(allowed)}")
    if plan.monitoring not in ("anytime", "group", "fixed"):
        raise InvalidInput(f"the monitoring is {plan.monitoring!r}; expected anytime, group or fixed")
    if len(set(plan.variants.values())) < len(plan.variants):
        twice = next(shown for shown in plan.variants.values() if list(plan.variants.values()).count(shown) > 1)
        raise InvalidInput(f"two variants are {twice!r}; expected another ad or picture for each")
    if plan.looks is not None and plan.monitoring != "group":
        raise InvalidInput(f"{plan.looks} looks are planned and the monitoring is {plan.monitoring}; expected group")
    if plan.monitoring == "group" and (not plan.planned_total or not plan.looks):
        raise InvalidInput("planned looks need a planned total and their number")
    if plan.monitoring == "group" and (plan.allocation == "optimised" or plan.unit != "impression"):
        raise InvalidInput(
            f"planned looks are for impressions drawn at random; here {plan.unit} is the unit and allocation "
            f"{plan.allocation}",
            hint="use anytime",
        )
    if not 0 < plan.level < 1:
        raise InvalidInput(f"the level is {plan.level}; it has to lie between 0 and 1")
    if plan.starts_on and plan.ends_on and plan.ends_on < plan.starts_on:
        raise InvalidInput(f"the experiment ends on {plan.ends_on}, before it starts on {plan.starts_on}")
    if plan.planned_total is not None and not 1 <= plan.planned_total < math.inf:
        raise InvalidInput(f"the planned total is {plan.planned_total}; expected 1 or more")
    if not 0 < plan.power < 1:
        raise InvalidInput(f"the power is {plan.power}; it has to lie between 0 and 1")
    if plan.lift is not None and not (math.isfinite(plan.lift) and plan.lift > -1 and plan.lift != 0):
        raise InvalidInput(f"the planned lift is {plan.lift}; expected a number above -1 other than 0, such as 0.1")
    for metric, margin in plan.guardrails.items():
        if metric not in METRICS or not 0 < margin < 1:
            raise InvalidInput(f"the guardrail {metric}={margin}; expected ctr or cvr and a loss between 0 and 1")
    shares = check_weights(plan.split or [1.0] * len(plan.variants), arms=len(plan.variants))
    if min(shares) == 0:
        name = list(plan.variants)[shares.index(0)]
        raise InvalidInput(f"the planned share of {name} is 0; expected a share above 0 for each variant")
    return shares
