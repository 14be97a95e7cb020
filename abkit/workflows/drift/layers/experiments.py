"""The relation as experiments saw it: chance decided who saw what, so no placement and no budget stands between."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.metrics import MetricDefinition
from abkit.stats.monitoring.concordance import concordance_shift
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.creatives.unseen_scores import unseen_scores
from abkit.workflows.drift.results import LayerResult, show_p
from abkit.workflows.drift.windows.windows import DriftWindows
from abkit.workflows.learning.appeals.randomized import trials_of


def judge_experiments(
    session: Session, windows: DriftWindows, definition: MetricDefinition, settings: DriftSettings
) -> list[LayerResult]:
    """Say in how many decided experiments the creative with the higher score did better, before and now.

    An experiment belongs to the current window where its last look does. Of its arms the one with the highest and the
    one with the lowest score are compared. It decides nothing: experiments are few.

    Args:
        session: A reading session.
        windows: By days; a campaign is compared with another one in delivery only.
        definition: The KPI.
        settings: `min_creatives` is the minimum of experiments too.
    """
    version = windows.version
    if version is None or not windows.by_days:
        return []
    every = trials_of(session, definition, first=None, as_of=windows.judged_until, ideas={})
    if not every.experiments:
        return []
    new = set(trials_of(session, definition, first=windows.start, as_of=windows.judged_until, ideas={}).experiments)
    creatives = every.appeals.creative.tolist()
    scores = unseen_scores(session, version, creatives).scores
    arms: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for key, creative, appeal in zip(every.experiments, creatives, every.appeals.appeal.tolist(), strict=True):
        if creative in scores and math.isfinite(appeal):
            arms[key].append((scores[creative], appeal, creative))
    won = {key: verdict for key, some in arms.items() if (verdict := _higher_won(some)) is not None}
    if not won:
        return []
    found = concordance_shift(
        [yes for key, yes in won.items() if key not in new], [yes for key, yes in won.items() if key in new]
    )
    n, m = found.n_reference, found.n_current
    row = LayerResult(
        layer=Layer.RELATION,
        test="experiments",
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence=f"Relation: too few experiments with two scored creatives: {n:,} before and {m:,} in the window; "
        f"needed: {settings.min_creatives} each.",
        n_reference=n,
        n_current=m,
        detail={"unit": "experiments", "explains": True},
    )
    if min(n, m) < settings.min_creatives or found.current is None or found.reference is None:
        return [row]
    moved = found.p_value is not None and found.p_value < settings.alpha
    says = "less often than before" if moved else "about as often as before"
    lost = sorted(key for key in new if won.get(key) is False)
    return [
        LayerResult(
            layer=Layer.RELATION,
            test="experiments",
            verdict=DriftVerdict.WATCH if moved else DriftVerdict.OK,
            sentence=f"Relation: in experiments the higher score wins {says}: {100 * found.current:.0f} % of {m:,} "
            f"({100 * (found.ci_low or 0):.0f} to {100 * (found.ci_high or 0):.0f} %) against "
            f"{100 * found.reference:.0f} % of {n:,} (p {show_p(found.p_value)}).",
            statistic=found.current,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            p_value=found.p_value,
            n_reference=n,
            n_current=m,
            detail={
                "unit": "experiments",
                "explains": True,
                "method": "Fisher's exact test, one-sided; interval by Clopper and Pearson",
                "lost": lost,
                "creatives": [creative for key in lost for _, _, creative in _ends(arms[key])],
            },
        )
    ]


def _ends(arms: Iterable[tuple[float, float, int]]) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
    return max(arms), min(arms)


def _higher_won(arms: list[tuple[float, float, int]]) -> bool | None:
    """Return whether the arm with the highest score did better than the one with the lowest; None for a tie."""
    if len(arms) < 2:
        return None
    (high, better, _), (low, worse, _) = _ends(arms)
    return None if high == low or better == worse else better > worse
