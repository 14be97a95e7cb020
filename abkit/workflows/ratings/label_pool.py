"""What may be labeled next, and what was: creatives of a store with what people said about them, as arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.intake.media.images import ALIKE_BITS
from abkit.stats.labeling.taste import Floats, Labels
from abkit.store import results, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.ratings import read
from abkit.store.schema import Decision, ModelVersion
from abkit.vocabulary import WindowKind
from abkit.workflows.scoring.same_idea import ALIKE_COSINE

#: The cost grows with the square of the creatives; a list of twenty hardly changes with more of them.
MOST_CANDIDATES = 1000
MOST_LABELED = 1000
#: Where single ratings of a source say nothing about how far people lie apart: this share of its scale.
_USUAL_SPREAD = 0.2


@dataclass(frozen=True, kw_only=True)
class LabelPool:
    """Creatives that may be asked about, those that were labeled, and the labels; the candidates come first.

    Attributes:
        ids: `(n,)`, creative ids.
        candidates: How many of them may be asked about: the first ones.
        group: `(candidates,)`, which candidates compete: those of one campaign.
        embeddings: `(n, E)`.
        scores: `(n,)`, by the active version.
        labels: What people said, by position.
        pairs: Pairs of candidates that were compared, as positions, the smaller first.
        rated: `(candidates,)`, which were rated.
        alike: `(candidates, candidates)`, which are one idea, or nearly one image.
        unfamiliar: `(candidates,)`, which the latest drift check points at; None where it points at none.
        too_many: Candidates that were left out because there are too many.
    """

    ids: NDArray[np.int64]
    candidates: int
    group: NDArray[np.intp]
    embeddings: Floats
    scores: Floats
    labels: Labels
    pairs: frozenset[tuple[int, int]]
    rated: NDArray[np.bool_]
    alike: NDArray[np.bool_]
    unfamiliar: NDArray[np.bool_] | None
    too_many: int


def read_pool(
    session: Session,
    version: ModelVersion,
    campaign: int | None,
    *,
    usable: Collection[int] | None,
    seed: int,
    most: int | None = None,
    most_labeled: int | None = None,
) -> LabelPool:
    """Read the pool of a version.

    Args:
        session: A reading session.
        version: Whose scores and encoder count.
        campaign: Ask about creatives of this campaign only; None: of all.
        usable: Creatives that may be asked about; None: all.
        seed: Seed of the choice among too many candidates: whole campaigns, because only inside them is compared.
        most: Candidates at most; `MOST_CANDIDATES` by default.
        most_labeled: Labeled creatives beside the candidates at most, the latest ones; `MOST_LABELED` by default.
    """
    most, most_labeled = most or MOST_CANDIDATES, most_labeled or MOST_LABELED
    inside = scores.seen_places(session, version, campaign)
    places = [one for one in inside if usable is None or one.id in usable]
    looked_for = _pointed_at(session, version)
    if too_many := max(len(places) - most, 0):
        rng = np.random.default_rng(seed)
        turn = {one: rng.random() for one in sorted({place.campaign or 0 for place in places})}
        luck = rng.random(len(places))
        order = sorted(
            range(len(places)),
            key=lambda k: (not _is_unfamiliar(places[k], looked_for), turn[places[k].campaign or 0], luck[k]),
        )
        places = [places[k] for k in sorted(order[:most])]
    own = {one.id for one in places}
    compared, means = read.all_comparisons(session), read.mean_ratings(session)
    labeled = {id_ for one in compared for id_ in one[:2]} | {int(id_) for one in means for id_ in one.creative}
    beside = sorted(labeled - own, reverse=True)[: 2 * most_labeled]  # some were not scored by this version
    known = {one.id: one for one in scores.seen_creatives(session, version, only=own | set(beside))}
    of_campaign = {one.id: one.campaign for one in places}
    some = [replace(known[one], campaign=of_campaign[one]) for one in sorted(own & set(known))]
    others = [known[id_] for id_ in beside if id_ in known][:most_labeled]
    pool = [*some, *others]
    place = {one.id: position for position, one in enumerate(pool)}
    labels = _labels(place, compared, means)
    embeddings = _matrix([one.vector for one in pool])
    strange = np.array([_is_unfamiliar(one, looked_for) for one in some], dtype=bool)
    return LabelPool(
        ids=np.array([one.id for one in pool], dtype=np.int64),
        candidates=len(some),
        group=np.unique([one.campaign or 0 for one in some], return_inverse=True)[1],
        embeddings=embeddings,
        scores=np.array([one.mean for one in pool]),
        labels=labels,
        pairs=frozenset(
            (min(i, j), max(i, j))
            for i, j in zip(labels.first.tolist(), labels.second.tolist(), strict=True)
            if max(i, j) < len(some)
        ),
        rated=np.isin(np.arange(len(some)), labels.image),
        alike=_alike(session, some, embeddings[: len(some)]),
        unfamiliar=strange if strange.any() else None,
        too_many=too_many,
    )


def _pointed_at(session: Session, version: ModelVersion) -> frozenset[int] | None:
    """Return the creatives of the current window of the latest check, where it found that new images look different.

    None where it found nothing of the kind.
    """
    last: list[Decision] = results.last_decisions(session, 1)
    if not last or last[0].cause != "input_shift" or last[0].model_version_id != version.id:
        return None
    kind, _, value = last[0].scope.split(" against ")[0].partition(":")
    if kind == WindowKind.CAMPAIGN:
        return frozenset(creatives.candidates(session, creatives.find_campaign(session, value)))
    if kind == WindowKind.DAYS and value.isdigit():
        start = last[0].as_of - timedelta(days=int(value) - 1)
        return frozenset(creatives.creatives_launched(session, start, last[0].as_of))
    return frozenset()


def _is_unfamiliar(one: scores.SeenCreative | scores.SeenPlace, looked_for: frozenset[int] | None) -> bool:
    return looked_for is not None and (one.id in looked_for or (one.novelty or 0.0) > 1)


def _labels(
    place: dict[int, int], compared: Sequence[tuple[int, int, float, float]], means: Sequence[read.MeanRatings]
) -> Labels:
    """Return what people said about the creatives of a pool, in units of how far single ratings lie apart."""
    pairs = [one for one in compared if one[0] in place and one[1] in place]
    image: list[int] = []
    rating: list[float] = []
    ratings: list[float] = []
    for source in means:
        low, high = source.scale
        spread = source.spread if source.spread > 0 else _USUAL_SPREAD * (high - low)
        if not spread > 0:
            continue
        level = float(source.mean.mean())
        for id_, mean, n in zip(source.creative.tolist(), source.mean, source.n, strict=True):
            if id_ in place:
                image.append(place[id_])
                rating.append((float(mean) - level) / spread)
                ratings.append(float(n))
    return Labels(
        first=np.array([place[one[0]] for one in pairs], dtype=np.intp),
        second=np.array([place[one[1]] for one in pairs], dtype=np.intp),
        share=np.array([one[2] for one in pairs], dtype=np.float64),
        votes=np.array([one[3] for one in pairs], dtype=np.float64),
        image=np.array(image, dtype=np.intp),
        rating=np.array(rating, dtype=np.float64),
        ratings=np.array(ratings, dtype=np.float64),
    )


def _matrix(vectors: Sequence[bytes]) -> Floats:
    """Return embeddings `(n, E)`."""
    return np.array([np.frombuffer(one, "<f2") for one in vectors], dtype=np.float64).reshape(
        len(vectors), -1 if vectors else 0
    )


def _alike(session: Session, some: Sequence[scores.SeenCreative], embeddings: Floats) -> NDArray[np.bool_]:
    """Return which creatives are one idea, or nearly one image by both hash and embedding, `(n, n)`."""
    labels = ideas.ideas_of(session, [one.id for one in some])
    idea = np.array([labels[one.id] for one in some])
    alike = np.asarray(idea[:, None] == idea[None, :])
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-6)
    for i, j in np.argwhere(np.triu(unit @ unit.T >= ALIKE_COSINE, k=1)).tolist():
        bits = int(some[i].perceptual_hash, 16) ^ int(some[j].perceptual_hash, 16)
        if bits.bit_count() <= ALIKE_BITS:
            alike[i, j] = alike[j, i] = True
    return alike
