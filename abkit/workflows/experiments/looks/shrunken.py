"""The lift of a winner, drawn towards what past experiments were like: it was chosen because it looked good."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.verdicts.shrinkage import (
    FEWEST_PAST_TESTS,
    Exaggeration,
    exaggeration,
    fit_effect_prior,
    log_lift,
    shrink,
)
from abkit.vocabulary import Metric, Verdict
from abkit.workflows.experiments.looks.results import Analysis


def shrunken(
    fixed: Comparison | None, past: Sequence[Analysis], metric: Metric
) -> tuple[Estimate | None, Exaggeration | None]:
    """Return the lift drawn towards past experiments, and how far a significant lift exaggerates if that is true."""
    mine = log_lift(fixed)
    # What a guard blocked says nothing about effects, and lifts of another metric are of another kind.
    usable = [look for look in past if look.verdict is not Verdict.BLOCKED and look.metric is metric]
    lifts = [log_lift(treatment.fixed) for look in usable for treatment in look.treatments]
    known = [lift for lift in lifts if lift is not None]
    if fixed is None or mine is None or len(known) < FEWEST_PAST_TESTS:
        return None, None
    prior = fit_effect_prior([effect for effect, _ in known], [error for _, error in known])
    shrunk = shrink(*mine, prior, level=fixed.level)
    curse = exaggeration(shrunk.estimate, mine[1], alpha=1 - fixed.level) if shrunk.estimate else None
    return Estimate(*(math.expm1(value) for value in (shrunk.estimate, shrunk.ci_low, shrunk.ci_high))), curse
