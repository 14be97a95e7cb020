"""The new scores against all that came before: a reference that moves along would hide a slow drift."""

from __future__ import annotations

from abkit.config import DriftSettings
from abkit.stats.monitoring.score_sketch import ScoreSketch, sketch_shift
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult, show_p


def judge_long_run(
    before: ScoreSketch, reference: CreativeSample, current: CreativeSample, settings: DriftSettings
) -> list[LayerResult]:
    """Compare the new scores with all of earlier months, for which a sketch stands; it decides nothing.

    Args:
        before: Scores of the months before the window.
        reference: What the deciding tests compare with. Where it holds as many there is nothing to add.
        current: The window.
        settings: Floors and minimum samples.
    """
    if before.n <= len(reference.scores) or min(before.n, len(current.scores)) < settings.min_images:
        return []
    found = sketch_shift(before, current.scores)
    at_least = found.ks - found.ks_error
    moved = found.p_value is not None and found.p_value < settings.alpha and at_least >= settings.ks_watch
    says = "have moved in the long run" if moved else "have not moved beyond the floor in the long run"
    return [
        LayerResult(
            layer=Layer.SCORE,
            test="long_run",
            verdict=DriftVerdict.WATCH if moved else DriftVerdict.OK,
            sentence=f"Scores: {says}: against all {before.n:,} of earlier months KS {found.ks:.3f} ± "
            f"{found.ks_error:.3f}, moved on average by {found.wasserstein:.3f} ± {found.wasserstein_error:.3f} "
            f"(p {show_p(found.p_value)}, {found.n_current:,} images).",
            statistic=found.ks,
            ci_low=max(0.0, at_least),
            ci_high=min(1.0, found.ks + found.ks_error),
            p_value=found.p_value,
            n_reference=found.n_reference,
            n_current=found.n_current,
            threshold=settings.ks_watch,
            detail={
                "unit": "images",
                "explains": True,
                "method": f"Kolmogorov-Smirnov against {len(before.values):,} values that stand for {before.n:,}: the "
                "interval is how far these can be off, and p is that of its lower end",
                "wasserstein": found.wasserstein,
                "wasserstein_error": found.wasserstein_error,
            },
        )
    ]
