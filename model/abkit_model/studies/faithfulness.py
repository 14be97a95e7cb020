"""Are the maps faithful? Deletion, insertion and direction against random maps and a model that learned nothing.

The cells that a map calls most important are blurred first (deletion) or put back first into the blurred image
(insertion; Petsiuk, Das & Saenko 2018, arXiv 1806.07421). A faithful map moves the score away soon and brings it back
soon. Some maps have no sign, so cells are ordered by absolute value and distances from the image's score count. For
maps with a sign the direction is tested too: the score must stay higher while cells that lower it are blurred first
than while cells that raise it are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from abkit_model.evaluation.metrics import UNDEFINED, Estimate, Floats, percentile_intervals, spearman
from abkit_model.explain import (
    METHODS,
    SIGNED,
    Occluded,
    attention_maps,
    blurred,
    occlude,
    query_occlusion,
    score_map,
    score_occlusion,
    with_cells_of,
    with_random_queries,
)
from abkit_model.images import Prepared
from abkit_model.records import Record
from abkit_model.scorer import Score, Scorer

Estimator: TypeAlias = Callable[[Floats], Estimate]


@dataclass(frozen=True)
class Areas:
    """What one map of one image does to a figure of the model, such as its score.

    Attributes:
        deletion: Mean distance from the image's figure while cells are blurred. Higher is more faithful.
        insertion: The same while cells are put back into the blurred image. Lower is more faithful.
        direction: Mean figure while the lowest cells are blurred first minus that while the highest are. Positive when
            the signs are right; NaN for maps without a sign.
    """

    deletion: float
    insertion: float
    direction: float


@dataclass(frozen=True, kw_only=True)
class QueryFaithfulness(Record):
    """How well a kind of map says what moves a figure: means over images, 95 % percentile bootstrap of images.

    The figure of maps of queries is the query's activation, in its standard deviations over the training images.
    Differences are paired within an image, and positive where this map is the more faithful one.

    Attributes:
        method: Kind of map, or `random`.
        deletion: Higher is more faithful.
        insertion: Lower is more faithful.
        direction: Above 0 the signs are right. NaN for maps without a sign.
        deletion_gain: Deletion minus that of a random map.
        insertion_gain: Insertion of a random map minus this one's.
        n: Images; for maps of queries each with one query.
    """

    method: str
    deletion: Estimate
    insertion: Estimate
    direction: Estimate
    deletion_gain: Estimate
    insertion_gain: Estimate
    n: int


@dataclass(frozen=True, kw_only=True)
class Faithfulness(QueryFaithfulness):
    """The same for maps of the score, in rating steps, with a model whose queries have random weights.

    Attributes:
        deletion_learned: Deletion minus that of the same kind of map made of the model with random weights; NaN for
            `random`. Above 0 the map knows more than the image alone says.
        insertion_learned: The same for insertion, positive when better.
        same_untrained: Rank correlation over the cells of an image of the absolute map with that of the model with
            random weights. A map that is near 1 shows the image, not the model. NaN for `random`.
    """

    deletion_learned: Estimate
    insertion_learned: Estimate
    same_untrained: Estimate


def faithfulness(
    scorer: Scorer,
    images: Sequence[Prepared],
    *,
    methods: Sequence[str] = METHODS,
    steps: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Faithfulness]:
    """Compare kinds of score maps with random maps and with the maps of models with random weights, one per image.

    Args:
        scorer: The scorer whose maps are judged.
        images: Images to judge them on; they are resampled as if they were independent.
        methods: Some of `METHODS`.
        steps: Into how many parts the course of blurring is divided, both ends left out.
        seed: Seed of random maps, random weights and resampling.
        progress: Called with (images done, images in all).
    """
    rng = np.random.default_rng(seed)
    own: dict[str, list[Areas]] = {method: [] for method in (*methods, "random")}
    untrained: dict[str, list[Areas]] = {method: [] for method in methods}
    same: dict[str, list[float]] = {method: [] for method in methods}
    for number, prepared in enumerate(images, start=1):
        stranger = with_random_queries(scorer, seed=int(rng.integers(2**31)))
        occluded = occlude(scorer, prepared) if "occlusion" in methods else None
        area = partial(_areas, scorer, prepared, _mean, steps=steps)
        shown = _shown(scorer, prepared)
        for method in methods:
            heat, other = (_score_map(one, prepared, method, occluded) for one in (scorer, stranger))
            own[method].append(area(heat, signed=method in SIGNED))
            untrained[method].append(area(other, signed=False))
            same[method].append(spearman(np.abs(heat)[shown], np.abs(other)[shown]))
        own["random"].append(area(rng.standard_normal(shown.shape), signed=True))
        if progress:
            progress(number, len(images))
    estimate = _estimator(len(images), seed)
    rows = []
    for figures in _against_chance(own, estimate):
        method, learned = figures["method"], (UNDEFINED,) * 3
        if method in untrained:
            (deletion, insertion, _), (deleted, inserted, _) = _columns(own[method]), _columns(untrained[method])
            learned = estimate(deletion - deleted), estimate(inserted - insertion), estimate(np.array(same[method]))
        gained, regained, alike = learned
        rows.append(Faithfulness(**figures, deletion_learned=gained, insertion_learned=regained, same_untrained=alike))
    return rows


def query_faithfulness(
    scorer: Scorer,
    images: Sequence[Prepared],
    *,
    steps: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[QueryFaithfulness]:
    """Compare kinds of maps of queries by the query's own activation; the queries take turns over the images."""
    rng = np.random.default_rng(seed)
    spread = np.maximum(np.asarray(scorer.card.activations["std"]), 1e-6)
    kept: dict[str, list[Areas]] = {name: [] for name in ("attention", "gradient", "occlusion", "random")}
    per_member = scorer.network.config.queries
    for number, prepared in enumerate(images, start=1):
        query = (number - 1) % len(spread)
        figure = partial(_activation, query=query, spread=float(spread[query]))
        encoded = scorer.encode([prepared])
        member, place = divmod(query, per_member)
        heats = {
            name: attention_maps(scorer, encoded, member, name)[place].reshape(encoded.grid[0])
            for name in ("attention", "gradient")
        }
        heats["occlusion"] = query_occlusion(scorer, occlude(scorer, prepared))[query]
        heats["random"] = rng.standard_normal(encoded.grid[0])
        for name, heat in heats.items():
            kept[name].append(_areas(scorer, prepared, figure, heat, steps=steps, signed=name in (*SIGNED, "random")))
        if progress:
            progress(number, len(images))
    return [QueryFaithfulness(**figures) for figures in _against_chance(kept, _estimator(len(images), seed))]


def _against_chance(kept: Mapping[str, Sequence[Areas]], estimate: Estimator) -> Iterator[dict[str, Any]]:
    """Yield the figures of each kind of map beside those of random maps."""
    chance = _columns(kept["random"])
    for method, areas in kept.items():
        deletion, insertion, direction = _columns(areas)
        yield {
            "method": method,
            "deletion": estimate(deletion),
            "insertion": estimate(insertion),
            "direction": estimate(direction),
            "deletion_gain": estimate(deletion - chance[0]),
            "insertion_gain": estimate(chance[1] - insertion),
            "n": len(areas),
        }


def _score_map(scorer: Scorer, prepared: Prepared, method: str, occluded: Occluded | None) -> Floats:
    # the encoder is the same for all, so that its costly look at the windows is shared
    return (
        score_occlusion(scorer, occluded) if method == "occlusion" and occluded else score_map(scorer, prepared, method)
    )


def _mean(score: Score) -> float:
    return score.mean


def _activation(score: Score, query: int, spread: float) -> float:
    return score.query_activations[query] / spread


def _shown(scorer: Scorer, prepared: Prepared) -> NDArray[np.bool_]:
    """`(h, w)`, true in cells that show some of the image; the others are padding, which the model does not see."""
    cell = scorer.encoder.canvas.cell
    shown = np.zeros([side // cell for side in prepared.shape], dtype=bool)
    shown[: -(-prepared.height // cell), : -(-prepared.width // cell)] = True
    return shown


def _areas(
    scorer: Scorer, prepared: Prepared, figure: Callable[[Score], float], heat: Floats, *, steps: int, signed: bool
) -> Areas:
    soft = blurred(prepared)
    shown = _shown(scorer, prepared).ravel()
    courses = [(np.abs(heat), prepared, soft), (np.abs(heat), soft, prepared)]
    if signed:
        courses += [(-heat, prepared, soft), (heat, prepared, soft)]
    batch = [prepared]
    for values, start, other in courses:
        order = np.argsort(-values, axis=None, kind="stable")
        order = order[shown[order]]
        for step in range(1, steps + 1):
            cells = np.zeros(heat.size)
            cells[order[: round(len(order) * step / (steps + 1))]] = 1
            batch.append(with_cells_of(start, other, cells.reshape(heat.shape)))
    found = np.array([figure(score) for score in scorer.score_prepared(batch)])
    course = found[1:].reshape(len(courses), steps)
    moved = np.abs(course[:2] - found[0]).mean(axis=1)
    direction = float((course[2] - course[3]).mean()) if signed else float("nan")
    return Areas(float(moved[0]), float(moved[1]), direction)


def _columns(areas: Sequence[Areas]) -> Floats:
    """`(3, n)`: deletion, insertion and direction of n images."""
    return np.array([[a.deletion, a.insertion, a.direction] for a in areas]).T


def _estimator(n: int, seed: int, resamples: int = 2000) -> Estimator:
    """Means with percentile-bootstrap intervals; the images drawn are the same for all figures."""
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))

    def estimate(values: Floats) -> Estimate:
        return percentile_intervals(values[None].mean(axis=1), values[drawn].mean(axis=1, keepdims=True))[0]

    return estimate
