"""Intervals of scores that are narrow where people agree, and whether they cover, stratum by stratum.

The half-width of an interval is q · (a + predicted dissent): errors are larger where raters are expected to disagree.
a comes from a line through the absolute residuals of held-out images, q is the conformal quantile of residuals divided
by (a + predicted dissent), so that coverage on new images of new subjects holds whatever the line is worth.
Source: Lei et al. (2018), Distribution-free predictive inference, section 5.2, doi 10.1080/01621459.2017.1307116.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abkit_model.checkpoint import Interval
from abkit_model.evaluation.metrics import (
    Estimate,
    Floats,
    Positions,
    clustered_bootstrap,
    conformal_half_width,
)
from abkit_model.records import Record

THIRDS = ("lowest third", "middle third", "highest third")
#: A stratum of fewer images says nothing.
_FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Stratum(Record):
    """How often intervals cover in a part of the images.

    Attributes:
        by: What the images are divided by: "dissent", the predicted one, or "novelty".
        part: Which part, such as "lowest third", or "beyond the limit", where scores have no interval.
        n: Images.
        coverage: Share of mean opinions inside, with its 95 % interval; whole subjects resampled.
        half_width: Mean half-width, in rating steps.
    """

    by: str
    part: str
    n: int
    coverage: Estimate
    half_width: float


@dataclass(frozen=True, kw_only=True)
class Coverage(Record):
    """How often intervals cover the observed mean opinion.

    Attributes:
        share: Of all images that have an interval.
        strata: By predicted dissent, and by novelty where it is known.
    """

    share: float
    strata: tuple[Stratum, ...]


def fit_interval(residuals: Floats, dissent: Floats, folds: Positions, level: float) -> Interval:
    """Return the interval that held-out images give, with the coverage that the other folds' interval has on each.

    Args:
        residuals: `(n,)`, absolute differences of score and observed mean.
        dissent: `(n,)`, predicted standard deviation of opinions.
        folds: `(n,)`, the fold in which each image was held out.
        level: Nominal coverage.
    """
    base, per_dissent = _line(residuals, dissent, level)
    half = held_out_half_widths(residuals, dissent, folds, level)
    return Interval(
        level=level,
        half_width=conformal_half_width(residuals, level),
        n=len(residuals),
        coverage=None if np.isnan(half).any() else float((residuals <= half).mean()),
        base=base,
        per_dissent=per_dissent,
    )


def held_out_half_widths(residuals: Floats, dissent: Floats, folds: Positions, level: float) -> Floats:
    """Return the half-width `(n,)` that the images of the other folds give each image; NaN where they are too few."""
    half = np.full(len(residuals), np.nan)
    for fold in np.unique(folds):
        base, per_dissent = _line(residuals[folds != fold], dissent[folds != fold], level)
        if base is not None and per_dissent is not None:
            half[folds == fold] = base + per_dissent * dissent[folds == fold]
    return half


def coverage_by_stratum(
    residuals: Floats,
    half: Floats,
    dissent: Floats,
    novelty: Floats,
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Coverage | None:
    """Return how often intervals cover, by thirds of predicted dissent and of novelty; None without an interval.

    Args:
        residuals: `(n,)`, absolute differences of score and observed mean.
        half: `(n,)`, half-widths.
        dissent: `(n,)`, predicted standard deviation of opinions.
        novelty: `(n,)`, above 1 beyond the limit; NaN where it is not known.
        groups: Subject of each image.
        seed: Seed of the bootstrap.
        resamples: Resamples of the bootstrap.
    """
    if np.isnan(half).any() or not len(half):
        return None
    near = ~(novelty > 1)
    inside = residuals <= half
    parts = [("dissent", part, where) for part, where in _thirds(dissent, near)]
    if np.isfinite(novelty).all():
        parts += [("novelty", part, where) for part, where in _thirds(novelty, near)]
        parts += [("novelty", "beyond the limit", ~near)]
    strata = []
    for by, part, where in parts:
        chosen = np.flatnonzero(where)
        if len(chosen) >= _FEWEST:
            named = [groups[i] for i in chosen.tolist()]
            share = _share(inside[chosen], named, seed, resamples)
            mean = float(half[chosen].mean())
            strata.append(Stratum(by=by, part=part, n=len(chosen), coverage=share, half_width=mean))
    return Coverage(share=float(inside[near].mean()) if near.any() else float("nan"), strata=tuple(strata))


def _line(residuals: Floats, dissent: Floats, level: float) -> tuple[float | None, float | None]:
    """Return (q · a, q), so that the half-width is their sum with the second times the predicted dissent.

    Residuals that do not grow with dissent give a fixed half-width, (q, 0). A line below 0 starts at 0.
    """
    center = dissent - dissent.mean() if len(dissent) else dissent
    spread = float(center @ center)
    slope = float(center @ residuals) / spread if spread > 1e-12 else 0.0
    if slope <= 0:
        fixed = conformal_half_width(residuals, level)
        return fixed, None if fixed is None else 0.0
    offset = max(float(residuals.mean()) / slope - float(dissent.mean()), 0.0)
    quantile = conformal_half_width(residuals / (offset + dissent).clip(1e-6), level)
    return (None, None) if quantile is None else (quantile * offset, quantile)


def _share(inside: NDArray[np.bool_], groups: Sequence[str], seed: int, resamples: int) -> Estimate:
    return clustered_bootstrap(lambda i: [inside[i].mean()], groups, seed, resamples)[0]


def _thirds(values: Floats, near: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    if not near.any():
        return []
    low, high = np.quantile(values[near], [1 / 3, 2 / 3])
    places = (values <= low, (values > low) & (values <= high), values > high)
    return [(part, where & near) for part, where in zip(THIRDS, places, strict=True)]
