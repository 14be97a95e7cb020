"""Drift of what comes in and of what the scorer says: embeddings and scores of two windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.config import DriftSettings
from abkit.stats.monitoring.distribution_shift import Shift, drift, input_shift
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.result import LayerResult, shown_p


def judge_input(reference: CreativeSample, current: CreativeSample, settings: DriftSettings) -> list[LayerResult]:
    """Do the new pictures look different: the energy distance of pooled embeddings."""
    x, y = reference.embeddings, current.embeddings
    detail: dict[str, Any] = {"unit": "pictures", "floors": [settings.input_watch, settings.input_major]}
    short = _too_few("Input", "pictures with an embedding", len(x), len(y), settings.min_images)
    if not short and x.shape[1] != y.shape[1]:
        short = f"Input: the windows have embeddings of {x.shape[1]} and {y.shape[1]} numbers, of different encoders."
    if short:
        missing = LayerResult(
            Layer.INPUT, "energy", DriftVerdict.INSUFFICIENT_DATA, short, n_reference=len(x), n_current=len(y)
        )
        return [missing.but(threshold=settings.input_major, detail=detail)]

    def shift(part: NDArray[np.float32]) -> Shift:
        return input_shift(x, part, most=settings.max_images)

    found = shift(y)
    verdict = _verdict(found, settings.input_watch, settings.input_major, settings.alpha)
    persistent = verdict == "major" and all(
        _verdict(shift(half), settings.input_watch, settings.input_major, settings.alpha) != "ok" for half in _halves(y)
    )
    effect = found.effect or 0.0
    sentence = (
        f"Input: {_words(verdict)} (energy coefficient {effect:.3f}, as if every feature had moved by "
        f"{2 * math.sqrt(max(effect, 0)):.2f} standard deviations; p {shown_p(found.p_value)}, "
        f"{len(x):,} against {len(y):,} pictures)."
    )
    return [_shift_row(Layer.INPUT, found, verdict, sentence, settings.input_major, detail, persistent)]


def judge_scores(reference: CreativeSample, current: CreativeSample, settings: DriftSettings) -> list[LayerResult]:
    """Are the new scores distributed differently: KS, PSI and Wasserstein, each at a third of the error rate."""
    x, y = reference.scores, current.scores
    floors = {
        "ks": (settings.ks_watch, settings.ks_major),
        "psi": (settings.psi_watch, settings.psi_major),
        "wasserstein": (settings.wasserstein_watch, settings.wasserstein_major),
    }
    spread = float(x.std()) if len(x) else None
    short = _too_few("Scores", "scored pictures", len(x), len(y), settings.min_images)
    if short:
        return [
            LayerResult(
                Layer.SCORE, test, DriftVerdict.INSUFFICIENT_DATA, short, n_reference=len(x), n_current=len(y),
                threshold=_score_threshold(test, floors[test][1], spread), detail={"unit": "pictures"},
            )
            for test in floors
        ]  # fmt: skip
    whole = drift(x, y, bins=settings.psi_bins)
    halves = [drift(x, half, bins=settings.psi_bins) for half in _halves(y)]
    rows = []
    for test, (watch, major) in floors.items():
        found: Shift = getattr(whole, test)
        verdict = _verdict(found, watch, major, settings.alpha / 3)
        persistent = verdict == "major" and all(
            _verdict(getattr(half, test), watch, major, settings.alpha) != "ok" for half in halves
        )
        sentence = (
            f"Scores: {_words(verdict)} ({_SCORE_TESTS[test]} {found.statistic:.3f}, p {shown_p(found.p_value)}, "
            f"{len(x):,} against {len(y):,} pictures)."
        )
        detail = {"unit": "pictures", "floors": [watch, major], "effect": found.effect, "alpha": settings.alpha / 3}
        threshold = _score_threshold(test, major, spread)
        rows.append(_shift_row(Layer.SCORE, found, verdict, sentence, threshold, detail, persistent))
    return rows


_SCORE_TESTS = {
    "ks": "Kolmogorov-Smirnov distance",
    "psi": "population stability index",
    "wasserstein": "moved on average, in score units, by",
}


def _score_threshold(test: str, floor: float, spread: float | None) -> float | None:
    # Wasserstein is shown in score units, and its floor is in standard deviations of the reference, if there is one.
    if test != "wasserstein":
        return floor
    return None if spread is None else floor * spread


def _shift_row(
    layer: Layer,
    found: Shift,
    verdict: DriftVerdict,
    sentence: str,
    threshold: float | None,
    detail: dict[str, Any],
    persistent: bool,
) -> LayerResult:
    return LayerResult(
        layer,
        found.test,
        verdict,
        sentence,
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


def _words(verdict: DriftVerdict) -> str:
    return {"ok": "no shift beyond the floor", "watch": "a shift between the floors", "major": "a major shift"}[verdict]
