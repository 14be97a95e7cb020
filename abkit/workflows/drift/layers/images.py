"""Drift of what comes in and of what the scorer makes of it: embeddings and scores of two windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import Budget, permutations_for
from abkit.stats.monitoring.shifts.distribution_shift import RULED_OUT, Shift, drift
from abkit.stats.monitoring.shifts.kernel_shift import embedding_shift
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult, show_p

_SCORE_TESTS = {
    "ks": "Kolmogorov-Smirnov distance",
    "psi": "population stability index",
    "wasserstein": "moved on average, in score units, by",
}
_ROOTS = ("ks", "wasserstein")  # chance makes of them the root of what it makes of the others
_HALVES = 0.01  # level of the test of half a window
_WORDS = {
    DriftVerdict.OK: "no shift beyond the floor",
    DriftVerdict.WATCH: "a shift between the floors",
    DriftVerdict.MAJOR: "a major shift",
    DriftVerdict.INSUFFICIENT_DATA: "not enough data to tell whether they shifted",
}
_NO_MAJOR = "no major shift, and not enough data to tell a smaller one"


def judge_input(
    reference: CreativeSample,
    current: CreativeSample,
    settings: DriftSettings,
    budget: Budget,
    campaigns: Mapping[int, int] | None = None,
) -> list[LayerResult]:
    """Test whether the new images look different: the energy distance of pooled embeddings, and beside it MMD.

    MMD is another measure of the same, on the same scale: it shows which creatives moved it most, and decides nothing.
    Creatives of one campaign may look alike: campaigns are dealt as a whole, where they are given.
    """
    x, y = reference.embeddings, current.embeddings
    floors = settings.input_watch, settings.input_major
    short = _too_few("Input", "images with an embedding", len(x), len(y), settings.min_images)
    if not short and x.shape[1] != y.shape[1]:
        short = f"Input: the windows have embeddings of {x.shape[1]} and {y.shape[1]} numbers, of different encoders."
    row = _row(Layer.INPUT, "energy", short, len(x), len(y), floors[1], floors=list(floors))
    if short:
        return [row]
    level = budget.level(Layer.INPUT, "energy")
    groups = groups_of(reference, current, campaigns)
    both = embedding_shift(x, y, most=settings.max_images, permutations=permutations_for(level), groups=groups)
    found = both.energy
    halves = [embedding_shift(x, half, most=settings.max_images).energy for half in _halves(y)]
    effect = found.effect or 0.0
    measure = (
        f"energy coefficient {effect:.3f}, as if every feature had moved by "
        f"{2 * math.sqrt(max(effect, 0)):.2f} standard deviations;"
    )
    energy = _judged(row, found, halves, measure, floors, budget)
    creatives = [current.embedded[place] for place in both.mmd.most_typical if place < len(current.embedded)]
    energy.detail["creatives"] = creatives
    beside = replace(row, test="mmd", detail={**row.detail, "explains": True, "creatives": creatives})
    measure = f"maximum mean discrepancy {both.mmd.effect or 0.0:.3f} on the scale of the energy coefficient;"
    mmd = _judged(beside, both.mmd, halves, measure, floors, _once(settings))
    return [energy, mmd]


def judge_scores(
    reference: CreativeSample, current: CreativeSample, settings: DriftSettings, budget: Budget
) -> list[LayerResult]:
    """Test whether the new scores are distributed differently: KS, PSI and Wasserstein."""
    x, y = reference.scores, current.scores
    floors = {
        "ks": (settings.ks_watch, settings.ks_major),
        "psi": (settings.psi_watch, settings.psi_major),
        "wasserstein": (settings.wasserstein_watch, settings.wasserstein_major),
    }
    # Wasserstein is shown in score units, and its floor is in standard deviations of the reference, if there is one.
    thresholds: dict[str, float | None] = {test: major for test, (_, major) in floors.items()}
    thresholds["wasserstein"] = settings.wasserstein_major * float(x.std()) if len(x) else None
    short = _too_few("Scores", "scored images", len(x), len(y), settings.min_images)
    rows = [_row(Layer.SCORE, test, short, len(x), len(y), thresholds[test]) for test in floors]
    if short:
        return rows
    permutations = permutations_for(budget.level(Layer.SCORE, "wasserstein"))
    whole = drift(x, y, bins=settings.psi_bins, permutations=permutations)
    halves = [drift(x, part, bins=settings.psi_bins) for part in _halves(y)]
    judged = []
    for row in rows:
        found: Shift = getattr(whole, row.test)
        row.detail.update(floors=list(floors[row.test]), effect=found.effect)
        if row.test == "psi":
            row.detail.update(jensen_shannon=whole.js.effect)
        measure = f"{_SCORE_TESTS[row.test]} {found.statistic:.3f},"
        in_halves = (getattr(half, row.test) for half in halves)
        judged.append(_judged(row, found, in_halves, measure, floors[row.test], budget))
    return judged


def groups_of(
    reference: CreativeSample, current: CreativeSample, campaigns: Mapping[int, int] | None
) -> tuple[list[int], list[int]] | None:
    """Return the campaign of each embedding; one without any is a group of its own. None where they are not known."""
    if campaigns is None or not len(reference.embedded) or not len(current.embedded):
        return None
    old, new = ([campaigns.get(one, -one) for one in window.embedded] for window in (reference, current))
    return old, new


def _once(settings: DriftSettings) -> Budget:
    """Return what MMD is held against, as all that explains: one comparison, outside the budget of alarms."""
    return Budget(per_year=settings.alpha, looks_per_year={Layer.INPUT: 1.0}, tests={Layer.INPUT: ("mmd",)})


def _row(
    layer: Layer, test: str, why: str, n_reference: int, n_current: int, threshold: float | None, **detail: Any
) -> LayerResult:
    return LayerResult(
        layer=layer,
        test=test,
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence=why,
        n_reference=n_reference,
        n_current=n_current,
        threshold=threshold,
        detail={"unit": "images", **detail},
    )


def _judged(
    row: LayerResult,
    found: Shift,
    halves: Iterable[Shift],
    measure: str,
    floors: tuple[float, float],
    budget: Budget,
) -> LayerResult:
    level = budget.level(row.layer, row.test)
    lingers = budget.lingers(row.layer, row.test, p=found.p_value, effect=found.effect, floor=floors[0])
    verdict = _verdict(found, *floors, level)
    # The whole window has spent the budget; its halves only have to agree with it.
    persistent = verdict is DriftVerdict.MAJOR and all(
        _verdict(half, *floors, _HALVES) in (DriftVerdict.WATCH, DriftVerdict.MAJOR) for half in halves
    )
    name = "Input" if row.layer is Layer.INPUT else "Scores"
    unclear = verdict is DriftVerdict.INSUFFICIENT_DATA
    coarse = unclear and found.upper is not None and found.upper < RULED_OUT * floors[1]
    words = _NO_MAJOR if coarse else _WORDS[verdict]
    more = f" {_how_many_more(found, RULED_OUT * floors[0])}" if unclear else ""
    return replace(
        row,
        verdict=verdict,
        coarse=coarse,
        sentence=f"{name}: {words} ({measure} p {show_p(found.p_value)}, "
        f"{row.n_reference:,} against {row.n_current:,} images).{more}",
        statistic=found.statistic,
        p_value=found.p_value,
        n_reference=found.n_reference,
        n_current=found.n_current,
        detail={
            **row.detail,
            "method": found.method,
            "persistent": persistent,
            "level": level,
            "lingers": lingers,
            "upper": found.upper,
        },
        persistent=persistent,
    )


def _verdict(found: Shift, watch: float, major: float, level: float) -> DriftVerdict:
    if found.effect is None or found.p_value is None:
        return DriftVerdict.INSUFFICIENT_DATA
    effect = found.effect if found.beyond is None else found.beyond
    if found.p_value >= level or effect < watch:
        # That nothing was shown is no news unless the data could have told.
        could_tell = found.upper is None or found.upper < RULED_OUT * watch
        return DriftVerdict.OK if could_tell else DriftVerdict.INSUFFICIENT_DATA
    return DriftVerdict.MAJOR if effect >= major else DriftVerdict.WATCH


def _how_many_more(found: Shift, limit: float) -> str:
    """Say how many creatives would usually be enough to rule out an effect, if nothing moved."""
    n, m = found.n_reference, found.n_current
    beyond = max(found.upper or 0.0, found.resolution or 0.0) / limit
    chance = (1 / n + 1 / m) / beyond ** (2 if found.test in _ROOTS else 1)
    if chance > 1.25 / n:
        return f"About {math.ceil(1 / (chance - 1 / n)) - m:,} more creatives in the window would tell."
    return f"About {math.ceil(2 / chance):,} creatives in each window would tell."


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
