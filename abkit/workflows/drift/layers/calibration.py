"""Is what the score predicts what creatives do? The calibration of predicted appeal, from the relation and the level.

The reference predicts the appeal of a creative: its slope times the score's distance from the mean of the campaign.
Appeal observed now is regressed on that prediction. Its slope is the slope now over that of the reference: 1 is
calibrated, below 1 the score promises differences that are not there, above 1 they are larger than promised. Inside
campaigns the intercept is 0 by construction; between the windows it is how far the level moved at equal age.
"""

from __future__ import annotations

import math

from abkit.config import DriftSettings
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult, show_p


def judge_calibration(relation: LayerResult, level: LayerResult, settings: DriftSettings) -> list[LayerResult]:
    """Return the calibration of the score, which explains; nothing where the relation could not be compared.

    Args:
        relation, level: The rows `slope_loss` and `…_level` of the same check.
        settings: `alpha`, and `relation_loss` as the floor of the slope's distance from 1.
    """
    lost, low, high, p = relation.statistic, relation.ci_low, relation.ci_high, relation.p_value
    if lost is None or low is None or high is None or p is None:
        return []
    slope, two_sided = 1 - lost, 2 * min(p, 1 - p)
    moved = abs(lost) >= settings.relation_loss and two_sided < settings.alpha
    words = "is not shown to be off"
    if moved:
        words = "promises more than creatives show" if lost > 0 else "promises less than creatives show"
    intercept, said = level.statistic, "the level could not be compared"
    if intercept is not None and level.ci_low is not None and level.ci_high is not None:
        said = f"intercept {_signed(intercept)} ({_signed(level.ci_low)} to {_signed(level.ci_high)})"
    return [
        LayerResult(
            layer=Layer.RELATION,
            test="calibration",
            verdict=DriftVerdict.WATCH if moved else DriftVerdict.OK,
            sentence=f"Calibration: the score {words}: appeal observed now, by what the reference predicts, has slope "
            f"{_signed(slope)} ({_signed(1 - high)} to {_signed(1 - low)}; 1 is calibrated, p {show_p(two_sided)}); "
            f"{said}.",
            statistic=slope,
            ci_low=1 - high,
            ci_high=1 - low,
            p_value=two_sided,
            n_reference=relation.n_reference,
            n_current=relation.n_current,
            threshold=settings.relation_loss,
            detail={
                "unit": "creatives",
                "explains": True,
                "method": "observed appeal regressed on predicted appeal inside campaigns; intercept: log ratio of the "
                "level at equal age",
                "intercept": intercept,
                "intercept_ci": [level.ci_low, level.ci_high],
                "metric": relation.detail.get("metric"),
            },
        )
    ]


def _signed(value: float) -> str:
    return f"{value if math.isfinite(value) else 0.0:.2f}".replace("-", "−")
