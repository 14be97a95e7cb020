"""What moved in new images: which can be told apart, which taste of the scorer, which property, which formats.

These tests explain. Each is held against `[drift] alpha`, by its q-value where several figures are tested at once; none
of them decides, so that asking in detail does not cost false alarms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.intake.media.properties import ImageProperties, restored_properties
from abkit.stats.monitoring.shifts.category_shift import category_shift
from abkit.stats.monitoring.shifts.classifier_shift import classifier_shift
from abkit.stats.monitoring.shifts.figure_shift import FigureShift, figure_shifts, shifts_from_moments
from abkit.store import scores
from abkit.store.catalog.creatives import CreativeFile, creative_files
from abkit.store.schema import ModelVersion
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.layers.images import groups_of
from abkit.workflows.drift.results import LayerResult, show_p

# What the new creatives are, where the figure is lower and where it is higher; and how the figure is written.
_PROPERTIES = {
    "brightness": ("darker", "brighter", ".2f"),
    "contrast": ("of lower contrast", "of higher contrast", ".2f"),
    "sharpness": ("blurrier", "sharper", ".3f"),
    "colorfulness": ("less colorful", "more colorful", ".0f"),
    "text_share": ("of less text", "of more text", ".2f"),
    "aspect_ratio": ("narrower", "wider", ".2f"),
    "file_kb": ("lighter files", "heavier files", ",.0f"),
}


def judge_classifier(
    reference: CreativeSample,
    current: CreativeSample,
    settings: DriftSettings,
    campaigns: Mapping[int, int] | None = None,
) -> list[LayerResult]:
    """Test whether new creatives can be told from those of the reference, and name those that are most typical."""
    x, y = reference.embeddings, current.embeddings
    if min(len(x), len(y)) < settings.min_images or x.shape[1] != y.shape[1]:
        return []  # the energy test of the same embeddings says what is missing
    found = classifier_shift(x, y, groups=groups_of(reference, current, campaigns))
    area, p = found.effect or 0.5, found.p_value if found.p_value is not None else 1.0
    moved = area >= settings.classifier_floor and p < settings.alpha
    words = "can be told from those of the reference" if moved else "can hardly be told from those of the reference"
    return [
        LayerResult(
            layer=Layer.INPUT,
            test="classifier",
            verdict=_watch_if(moved),
            sentence=f"Input: new creatives {words} (area under the curve {area:.2f}, p {show_p(p)}, "
            f"{len(x):,} against {len(y):,} images).",
            statistic=found.statistic,
            p_value=p,
            n_reference=found.n_reference,
            n_current=found.n_current,
            threshold=settings.classifier_floor,
            detail=_explains(
                "images",
                method=found.method,
                creatives=_ids(current.embedded, found.most_typical),
            ),
        )
    ]


def judge_queries(
    session: Session,
    version: ModelVersion,
    reference: CreativeSample,
    current: CreativeSample,
    settings: DriftSettings,
) -> list[LayerResult]:
    """Test which queries of the scorer see more, or less, of what they look for than in the reference."""
    new_ids, new = _activations(session, version, current.ids)
    known = version.card.get("activations") or {}
    queries = new.shape[1]
    if reference.ids:
        _, old = _activations(session, version, reference.ids)
        n = len(old)
    else:
        n = len(reference.scores) if len(known.get("mean", ())) == queries else 0
    row = _summary(Layer.SCORE, "queries", n, len(new), settings)
    if min(n, len(new)) < settings.min_images or not queries or (reference.ids and old.shape[1] != queries):
        row["sentence"] = (
            f"Taste: {n:,} reference and {len(new):,} new images with what each query said; "
            f"needed: {settings.min_images} each."
        )
        return [LayerResult(**row)]
    names = [_query_name(place, queries, version) for place in range(queries)]
    if reference.ids:
        shifts = figure_shifts(names, old, new)
    else:
        shifts = shifts_from_moments(names, known["mean"], known["std"], n, new)
    found = [(shift, shift.name) for shift in _moved(shifts, settings)]
    row |= {"verdict": _watch_if(bool(found)), "sentence": _how_many("Taste", found, len(names), "queries", settings)}
    return [LayerResult(**row)] + [
        _figure_row(
            Layer.SCORE,
            f"query:{name}",
            f"Taste: query {name} adds {'more' if (shift.effect or 0) > 0 else 'less'} to the scores of new creatives",
            shift,
            new_ids,
            settings,
        )
        for shift, name in found
    ]


def judge_properties(
    session: Session, reference: CreativeSample, current: CreativeSample, settings: DriftSettings
) -> list[LayerResult]:
    """Test which properties of the images moved, and whether formats or colors did; against the model's own sample none
    is known.
    """
    files = creative_files(session, {*reference.ids, *current.ids})
    old, new = ([files[one] for one in sample.ids if one in files] for sample in (reference, current))
    pixels = [[restored_properties(file.properties) for file in window] for window in (old, new)]
    n, m = (sum(one is not None for one in window) for window in pixels)
    row = _summary(Layer.INPUT, "properties", n, m, settings)
    if min(n, m) < settings.min_images:
        older = "creatives scored by an earlier release have none"
        if not reference.ids:
            older = "the model's own sample holds none"
        row["sentence"] = (
            f"Images: brightness, sharpness and the like are known of {n:,} creatives of the reference and of {m:,} "
            f"new ones; needed: {settings.min_images} each ({older})."
        )
        return [LayerResult(**row), *_mixes(old, new, pixels, settings)]
    figures = [_figures(*window) for window in zip((old, new), pixels, strict=True)]
    shifts = figure_shifts(list(_PROPERTIES), *figures)
    found = []
    for shift in _moved(shifts, settings):
        lower, higher, form = _PROPERTIES[shift.name]
        what = shift.name.replace("_", " ")
        medians = f"median {what} {format(shift.current, form)} against {format(shift.reference, form)}"
        said = higher if (shift.effect or 0) > 0 else lower
        found.append((shift, f"Images: the new creatives are {said}: {medians}"))
    missing = ""
    if n < len(old) or m < len(new):
        missing = f" Those of {len(old) - n:,} and {len(new) - m:,} others are not known."
    row |= {
        "verdict": _watch_if(bool(found)),
        "sentence": _how_many("Images", found, len(_PROPERTIES), "properties", settings) + missing,
    }
    ids = [file.id for file in new]
    rows = [_figure_row(Layer.INPUT, shift.name, sentence, shift, ids, settings) for shift, sentence in found]
    return [LayerResult(**row), *rows, *_mixes(old, new, pixels, settings)]


def _mixes(
    old: Sequence[CreativeFile],
    new: Sequence[CreativeFile],
    pixels: Sequence[Sequence[ImageProperties | None]],
    settings: DriftSettings,
) -> list[LayerResult]:
    kinds = [[file.media_type for file in window] for window in (old, new)]
    colors = [[one.color_name for one in window if one is not None] for window in pixels]
    rows = []
    for test, what, (before, now) in (("media_type", "kinds of files", kinds), ("color", "dominant colors", colors)):
        if min(len(before), len(now)) >= settings.min_images:
            rows.append(mix_row(Layer.INPUT, test, what, Counter(before), Counter(now), settings))
    return rows


def mix_row(
    layer: Layer, test: str, what: str, before: Counter[str], now: Counter[str], settings: DriftSettings
) -> LayerResult:
    """Return the row of a test whether categories have other shares than in the reference."""
    found = category_shift(before, now)
    moved = found.p_value is not None and found.p_value < settings.alpha and (found.effect or 0) >= settings.mix_floor
    name = "Images" if layer is Layer.INPUT else "Delivery"
    if found.statistic is None:
        sentence = f"{name}: {what}: {found.note}."
    else:
        first = ", ".join(
            f"{category} {100 * share:.0f} % against {100 * was:.0f} %"
            for category, (was, share) in list(found.shares.items())[:3]
        )
        says = "moved" if moved else "did not move beyond the floor"
        sentence = (
            f"{name}: {what} {says}: {first} ({100 * (found.effect or 0):.0f} % of the creatives in all, "
            f"p {show_p(found.p_value)})."
        )
    return LayerResult(
        layer=layer,
        test=test,
        verdict=DriftVerdict.OK if found.statistic is None else _watch_if(moved),
        sentence=sentence,
        statistic=found.effect,
        p_value=found.p_value,
        n_reference=found.n_reference,
        n_current=found.n_current,
        threshold=settings.mix_floor,
        detail=_explains("creatives", method=found.method, shares={k: list(v) for k, v in found.shares.items()}),
    )


def _activations(session: Session, version: ModelVersion, ids: Sequence[int]) -> tuple[list[int], NDArray[np.float64]]:
    """Return the creatives with what each query said, and that: (n, queries)."""
    known = scores.activations(session, version, ids)
    usual = Counter(map(len, known.values())).most_common(1)
    size = usual[0][0] if usual else 0
    kept = [one for one in ids if one in known and len(known[one]) == size > 0]
    return kept, np.array([known[one] for one in kept], np.float64).reshape(len(kept), size)


def _query_name(place: int, queries: int, version: ModelVersion) -> str:
    """Return the name of a query as `abkit model explain --most-active` has it: its set and its number in it."""
    members = int(version.card.get("network", {}).get("members", 1) or 1)
    each = max(1, queries // members)
    return f"{place // each + 1}-{place % each + 1}"


def _figures(files: Sequence[CreativeFile], pixels: Sequence[ImageProperties | None]) -> NDArray[np.float64]:
    """Return the properties of the images: (n, properties), NaN where one is not known."""
    return np.array(
        [
            [
                *(getattr(one, name, np.nan) for name in list(_PROPERTIES)[:5]),
                file.width / max(1, file.height),
                file.bytes / 1024,
            ]
            for file, one in zip(files, pixels, strict=True)
        ],
        np.float64,
    ).reshape(len(files), len(_PROPERTIES))


def _moved(shifts: Iterable[FigureShift], settings: DriftSettings) -> list[FigureShift]:
    """Return the figures that moved beyond the floor, the furthest first."""
    found = [
        shift
        for shift in shifts
        if shift.effect is not None
        and shift.q_value is not None
        and shift.q_value < settings.alpha
        and abs(shift.effect) >= settings.figure_floor
    ]
    return sorted(found, key=lambda shift: -abs(shift.effect or 0))


def _how_many(name: str, found: Sequence[Any], total: int, what: str, settings: DriftSettings) -> str:
    moved = f"{len(found)} of {total} {what} moved" if found else f"none of {total} {what} moved"
    return f"{name}: {moved} by {settings.figure_floor:g} standard deviations or more."


def _summary(layer: Layer, test: str, n: int, m: int, settings: DriftSettings) -> dict[str, Any]:
    return {
        "layer": layer,
        "test": test,
        "verdict": DriftVerdict.INSUFFICIENT_DATA,
        "sentence": "",
        "n_reference": n,
        "n_current": m,
        "threshold": settings.figure_floor,
        "detail": _explains("images"),
    }


def _figure_row(
    layer: Layer, test: str, sentence: str, shift: FigureShift, ids: Sequence[int], settings: DriftSettings
) -> LayerResult:
    figures = f"{shift.effect or 0:+.1f} standard deviations".replace("-", "−")
    return LayerResult(
        layer=layer,
        test=test,
        verdict=DriftVerdict.WATCH,
        sentence=f"{sentence} ({figures}, q {show_p(shift.q_value)}, "
        f"{shift.n_reference:,} against {shift.n_current:,} images).",
        statistic=shift.effect,
        p_value=shift.p_value,
        n_reference=shift.n_reference,
        n_current=shift.n_current,
        threshold=settings.figure_floor,
        detail=_explains(
            "images",
            q=shift.q_value,
            reference=shift.reference,
            current=shift.current,
            creatives=_ids(ids, shift.movers),
        ),
    )


def _explains(unit: str, **more: Any) -> dict[str, Any]:
    return {"unit": unit, "explains": True, **more}


def _ids(ids: Sequence[int], places: Sequence[int]) -> list[int]:
    return [ids[place] for place in places if place < len(ids)]


def _watch_if(moved: bool) -> DriftVerdict:
    return DriftVerdict.WATCH if moved else DriftVerdict.OK
