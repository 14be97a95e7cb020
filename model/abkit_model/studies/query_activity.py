"""What each query does over many images: where it is most and least active, and its part of the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from abkit_model.evaluation.metrics import UNDEFINED, Estimate, Floats, Positions, correlation, percentile_intervals
from abkit_model.records import Record

#: With fewer images most and least active ones say nothing.
MIN_IMAGES = 8


@dataclass(frozen=True, kw_only=True)
class QueryActivity(Record):
    """One query over n images. Intervals are 95 % percentile bootstrap of images.

    Attributes:
        member: Query set, from 1.
        number: Query in it, from 1.
        mean: Mean of its activation: by how much it raises the log-odds of an opinion one standard deviation of the
            scale's values higher.
        std: Standard deviation of its activation over the images.
        effect: Standard deviation of what it adds to the ensemble's mean opinion, to first order, in rating steps.
        share: The same over the standard deviation of the score.
        twin: (member, number) of the query that ranks these images most alike.
        alike: Spearman's rank correlation of the two activations; the twin is the most alike of all, so that the
            interval is too low rather than too wide. NaN without another query or when an activation is constant.
        most: Rows of the images on which it is most active, most first.
        least: Rows of those on which it is least active, least first.
    """

    member: int
    number: int
    mean: float
    std: float
    effect: Estimate
    share: Estimate
    twin: tuple[int, int]
    alike: Estimate
    most: tuple[int, ...]
    least: tuple[int, ...]


@dataclass(frozen=True)
class QueryReport(Record):
    """All queries of an ensemble over n images.

    Attributes:
        queries: One row per query.
        share: Standard deviation of what all queries together add over that of the score; the rest comes from the
            hidden layer on the embedding.
        score_std: Standard deviation of the score over the images, in rating steps.
        n: Images.
    """

    queries: tuple[QueryActivity, ...]
    share: Estimate
    score_std: float
    n: int


def query_report(
    activations: Floats,
    distributions: Floats,
    values: Floats,
    *,
    members: int,
    top: int = 12,
    resamples: int = 1000,
    seed: int = 0,
) -> QueryReport:
    """Rank images for each query, and measure what the queries add to the score.

    A query with activation a tilts a distribution p by exp(a · t), where t are the scale's values in their standard
    deviations; the mean opinion moves by a · Cov_p(values, t) to first order, and one member counts 1/M.

    Args:
        activations: `(n, M·K)`, as `Score.query_activations`.
        distributions: `(n, S)`, as `Score.distribution`.
        values: `(S,)`, the rating that each bin stands for.
        members: M.
        top: Images at each end; at most half of all.
        resamples: Resamples of the bootstrap.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: There are fewer than `MIN_IMAGES` images.

    >>> rng = np.random.default_rng(0)
    >>> found = query_report(rng.normal(size=(9, 2)), rng.dirichlet([1, 1, 1], 9), np.arange(3.0), members=1, top=2)
    >>> [(query.member, query.number, len(query.most)) for query in found.queries]
    [(1, 1, 2), (1, 2, 2)]
    """
    n, queries = activations.shape
    if n < MIN_IMAGES:
        raise ValueError(f"{n} images are too few to say what a query looks for: at least {MIN_IMAGES}")
    means = distributions @ values  # (n,)
    tilt = (np.arange(len(values)) - (len(values) - 1) / 2) / np.arange(len(values)).std(ddof=1)
    slope = distributions @ (values * tilt) - means * (distributions @ tilt)  # (n,), Cov_p(values, tilt)
    effects = (activations - activations.mean(axis=0)) * slope[:, None] / members  # (n, M·K), rating steps
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    score = _std(means, drawn)
    ranks = stats.rankdata(activations, axis=0)
    order = np.argsort(activations, axis=0, kind="stable")
    top = min(top, n // 2)
    named = [divmod(query, queries // members) for query in range(queries)]
    rows = []
    for query, (member, number) in enumerate(named):
        own = _std(effects[:, query], drawn)
        twin, alike = _twin(ranks, query, drawn)
        rows.append(
            QueryActivity(
                member=member + 1,
                number=number + 1,
                mean=float(activations[:, query].mean()),
                std=float(activations[:, query].std()),
                effect=_estimate(own),
                share=_estimate(_ratio(own, score)),
                twin=(named[twin][0] + 1, named[twin][1] + 1),
                alike=alike,
                most=tuple(order[::-1, query][:top].tolist()),
                least=tuple(order[:top, query].tolist()),
            )
        )
    together = _estimate(_ratio(_std(effects.sum(axis=1), drawn), score))
    return QueryReport(tuple(rows), together, float(score[0]), n)


def _std(values: Floats, drawn: Positions) -> Floats:
    """Return `(1 + resamples,)`: the standard deviation on the images as they are, then on each resample."""
    return np.concatenate([[values.std()], values[drawn].std(axis=1)])


def _ratio(some: Floats, of: Floats) -> Floats:
    return np.divide(some, of, out=np.full_like(some, np.nan), where=of > 0)


def _estimate(figures: Floats) -> Estimate:
    return percentile_intervals(figures[:1], figures[1:, None])[0] if np.isfinite(figures).all() else UNDEFINED


def _twin(ranks: Floats, query: int, drawn: Positions) -> tuple[int, Estimate]:
    alike = np.nan_to_num(correlation(ranks.T, ranks[:, query]), nan=-2.0)
    alike[query] = -3.0
    twin = int(alike.argmax())
    if alike[twin] < -1.5:  # the only one, or constant
        return twin, UNDEFINED
    x, y = ranks[:, query][drawn], ranks[:, twin][drawn]
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    over = _ratio((x * y).mean(axis=1), np.sqrt((x * x).mean(axis=1) * (y * y).mean(axis=1)))
    return twin, percentile_intervals(alike[[twin]], over[:, None])[0]
