"""Fisher's exact test, with intervals from the exact limits of the two arms: for small samples."""

from __future__ import annotations

import math

from abkit.errors import InvalidInput
from abkit.stats.counts import Counts
from abkit.stats.estimate import Alternative, ArmRate, Comparison, Estimate, open_end, two_sided_alpha
from abkit.stats.lift import mover_r
from abkit.stats.proportions.compare import baseline_notes, relative_lift
from abkit.stats.proportions.newcombe import hybrid_interval

MOST_TRIALS = 10**9


def compare_exactly(
    control: Counts, treatment: Counts, *, level: float = 0.95, alternative: Alternative = "two-sided"
) -> Comparison:
    """Fisher's exact test; intervals by MOVER from the Clopper–Pearson limits of each arm.

    The p-value is exact (it conditions on both margins, and so is conservative). The limits of each arm are exact;
    joined by MOVER they cover at least the level wherever it was measured (docs/statistics.md), at the price of width.
    Source: Clopper & Pearson (1934); Zou & Donner (2008), doi 10.1002/sim.3095.

    Raises:
        InvalidInput: more than 1e9 trials.

    >>> result = compare_exactly(Counts(1, 40), Counts(9, 40))
    >>> round(result.p_value, 5), round(result.difference.ci_low, 4), round(result.difference.ci_high, 4)
    (0.01432, 0.042, 0.3614)
    """
    from scipy.stats import fisher_exact

    trials = control.trials + treatment.trials
    if trials > MOST_TRIALS:
        raise InvalidInput(
            f"`exact` is for small samples: here are {trials:,} trials, it takes up to {MOST_TRIALS:,}",
            hint="use newcombe, the default: at this size it is as good",
        )
    table = (
        (treatment.successes, treatment.trials - treatment.successes),
        (control.successes, control.trials - control.successes),
    )
    tested = fisher_exact(table, alternative=alternative)
    alpha = two_sided_alpha(level, alternative)
    limits0, limits1 = clopper_pearson(control, alpha), clopper_pearson(treatment, alpha)
    low, high = hybrid_interval(control.rate, limits0, treatment.rate, limits1)
    lift_low, lift_high = mover_r(control.rate, limits0, treatment.rate, limits1)
    return Comparison(
        ArmRate(control.trials, control.successes, control.rate),
        ArmRate(treatment.trials, treatment.successes, treatment.rate),
        Estimate(treatment.rate - control.rate, *open_end(low, high, alternative, lowest=-1.0, highest=1.0)),
        Estimate(
            relative_lift(control.rate, treatment.rate),
            *open_end(lift_low, lift_high, alternative, lowest=-1.0, highest=math.inf),
        ),
        float(tested.pvalue),
        float(tested.statistic),
        "exact",
        level,
        alternative,
        {
            "p_value": "Fisher's exact test (scipy); the statistic is the sample odds ratio",
            "difference": "MOVER from the Clopper–Pearson limits of the arms",
            "lift": "MOVER-R from the Clopper–Pearson limits of the arms",
        },
        baseline_notes(control),
    )


def clopper_pearson(counts: Counts, alpha: float) -> tuple[float, float]:
    """The exact interval of one proportion: statsmodels' `proportion_confint(method="beta")`.

    >>> low, high = clopper_pearson(Counts(0, 10), 0.05)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(counts.successes, counts.trials, alpha=alpha, method="beta")
    return (
        0.0 if counts.successes == 0 else float(low),
        1.0 if counts.successes == counts.trials else float(high),
    )
