"""Drift of what comes in and of what the scorer makes of it: embeddings and scores of two windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.config import DriftSettings
from abkit.stats.monitoring.distribution_shift import Shift, drift, input_shift
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult, show_p

_SCORE_TESTS = {
    "ks": "Kolmogorov-Smirnov distance",
    "psi": "population stability index",
    "wasserstein": "moved on average, in score units, by",
}
_WORDS = {
    DriftVerdict.OK: "no shift beyond the floor",
    DriftVerdict.WATCH: "a shift between the floors",
    DriftVerdict.MAJOR: "a major shift",
}


def judge_input(reference: CreativeSample, current: CreativeSample, settings: DriftSettings) -> list[LayerResult]:
    """Test whether the new images look different: the energy distance of pooled embeddings."""
    x, y = reference.embeddings, current.embeddings
    floors = settings.input_watch, settings.input_major
    detail: dict[str, Any] = {"unit": "images", "floors": list(floors)}
    short = _too_few("Input", "images with an embedding", len(x), len(y), settings.min_images)
    if not short and x.shape[1] != y.shape[1]:
        short = f"Input: the windows have embeddings of {x.shape[1]} and {y.shape[1]} numbers, of different encoders."
    if short:
        return [_cannot_judge(Layer.INPUT, "energy", short, len(x), len(y), settings.input_major, detail)]

    def shift(part: NDArray[np.float32]) -> Shift:
        return input_shift(x, part, most=settings.max_images)

    found = shift(y)
    verdict = _verdict(found, *floors, settings.alpha)
    persistent = verdict is DriftVerdict.MAJOR and all(
        _verdict(shift(half), *floors, settings.alpha) is not DriftVerdict.OK for half in _halves(y)
    )
    effect = found.effect or 0.0
    sentence = (
        f"Input: {_WORDS[verdict]} (energy coefficient {effect:.3f}, as if every feature had moved by "
        f"{2 * math.sqrt(max(effect, 0)):.2f} standard deviations; p {show_p(found.p_value)}, "
        f"{len(x):,} against {len(y):,} images)."
    )
    return [_judged(Layer.INPUT, found, verdict, sentence, settings.input_major, detail, persistent)]


def judge_scores(reference: CreativeSample, current: CreativeSample, settings: DriftSettings) -> list[LayerResult]:
    """Test whether the new scores are distributed differently: KS, PSI and Wasserstein, each at a third of alpha."""
    x, y = reference.scores, current.scores
    floors = {
        "ks": (settings.ks_watch, settings.ks_major),
        "psi": (settings.psi_watch, settings.psi_major),
        "wasserstein": (settings.wasserstein_watch, settings.wasserstein_major),
    }
    # Wasserstein is shown in score units, and its floor is in standard deviations of the reference, if there is one.
    spread = float(x.std()) if len(x) else None
    thresholds = {test: major for test, (_, major) in floors.items()} | {
        "wasserstein": None if spread is None else settings.wasserstein_major * spread
    }
    short = _too_few("Scores", "scored images", len(x), len(y), settings.min_images)
    if short:
        return [
            _cannot_judge(Layer.SCORE, test, short, len(x), len(y), thresholds[test], {"unit": "images"})
            for test in floors
        ]
    whole = drift(x, y, bins=settings.psi_bins)
    halves = [drift(x, half, bins=settings.psi_bins) for half in _halves(y)]
    rows = []
    for test, (watch, major) in floors.items():
        found: Shift = getattr(whole, test)
        verdict = _verdict(found, watch, major, settings.alpha / 3)
        persistent = verdict is DriftVerdict.MAJOR and all(
            _verdict(getattr(half, test), watch, major, settings.alpha) is not DriftVerdict.OK for half in halves
        )
        sentence = (
            f"Scores: {_WORDS[verdict]} ({_SCORE_TESTS[test]} {found.statistic:.3f}, p {show_p(found.p_value)}, "
            f"{len(x):,} against {len(y):,} images)."
        )
        detail = {"unit": "images", "floors": [watch, major], "effect": found.effect, "alpha": settings.alpha / 3}
        rows.append(_judged(Layer.SCORE, found, verdict, sentence, thresholds[test], detail, persistent))
    return rows


def _cannot_judge(
    layer: Layer, test: str, why: str, n_reference: int, n_current: int, threshold: float | None, detail: dict[str, Any]
) -> LayerResult:
    return LayerResult(
        layer=layer,
        test=test,
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence=why,
        n_reference=n_reference,
        n_current=n_current,
        threshold=threshold,
        detail=detail,
    )


def _judged(
    layer: Layer,
    found: Shift,
    verdict: DriftVerdict,
    sentence: str,
    threshold: float | None,
    detail: dict[str, Any],
    persistent: bool,
) -> LayerResult:
    return LayerResult(
        layer=layer,
        test=found.test,
        verdict=verdict,
        sentence=sentence,
        statistic=found.statistic,
        p_value=found.p_value,
        n_reference=found.n_reference,
        n_current=found.n_current,
        threshold=threshold,
        detail={**detail, "method": found.method, "persistent": persistent},
        persistent=persistent,
    )


def _verdict(found: Shift, watch: float, major: float, alpha: float) -> DriftVerdict:
    if found.effect is None or found.p_value is None:
        return DriftVerdict.INSUFFICIENT_DATA
    if found.p_value >= alpha or found.effect < watch:
        return DriftVerdict.OK
    return DriftVerdict.MAJOR if found.effect >= major else DriftVerdict.WATCH


def _halves(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    middle = len(values) // 2
    return values[:middle], values[middle:]


def _too_few(layer: str, what: str, n_reference: int, n_current: int, needed: int) -> str:
    short = [
        f"{n:,} in the {window}"
        for n, window in ((n_reference, "reference"), (n_current, "current window"))
        if n < needed
    ]
    return f"{layer}: too few {what}: {' and '.join(short)}; needed: {needed}." if short else ""
