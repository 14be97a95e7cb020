"""Does the score still say which creative of a campaign does better? Two windows compared, fatigue and mix taken out.

Step by step:

1. Cells are what should not matter: a campaign on a day in a placement. Only differences inside cells count, so
   season, budget, tracking and the mix of campaigns and placements drop out.
2. Creatives of one cell differ in age. A common age curve on log CTR, linear in log(1 + age), in age and in
   exp(-age / 10), is fitted together with the effect of the score, and taken out. Creatives with a high score may wear
   out faster: an age curve of the score is fitted, too, and both windows are compared at the ages of the reference, or,
   without one, of now. So a score that says less of old creatives is not taken for a score that says less today.
3. What remains of each creative in each window is its appeal (`abkit.stats.appeal`): the log of its clicks over those
   expected in its cells.
4. Inside campaigns, appeal is regressed on the score, creatives weighted by 1 / (τ² + 1/expected clicks), τ² being
   what creatives differ beyond counting noise. The slope does not shrink when there are few clicks, as a correlation
   does: so a short window can be compared with a long one.
5. The loss is slope in the reference − slope now; its standard error leaves out one creative at a time, in both
   windows at once (jackknife), because the same creatives may run in both. What the age curve of the score is
   uncertain by is added: where the ages of the two windows do not overlap, nothing tells fatigue from a loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.records import Record
from abkit.stats.appeal.aging import Aging, age_curve, aging
from abkit.stats.appeal.appeal import appeals
from abkit.stats.appeal.rows import Arranged, DeliveryRows
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import t_tail_p
from abkit.stats.within_groups import centered, group_index
from abkit.vocabulary import Alternative

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Slope(Record):
    """How appeal goes with the score inside campaigns, in one window.

    Attributes:
        slope: Change of log CTR with one standard deviation of the score inside campaigns; 0.1 is about +10 % CTR.
        standard_error: Its standard error, by a jackknife over creatives.
        ci_low, ci_high: Its 95 % interval.
        correlation: Weighted correlation of appeal and score; the noise of few clicks makes it smaller.
        creatives: Number of creatives.
        clicks: Number of clicks.
    """

    slope: float
    standard_error: float
    ci_low: float
    ci_high: float
    correlation: float
    creatives: int
    clicks: int


@dataclass(frozen=True, kw_only=True)
class RelationShift(Record):
    """The relation of score and KPI in the reference and now.

    Attributes:
        reference, current: The two windows; None where there is too little, and `note` says what. The unit of the
            score is that of the reference, or of the current window where the reference has none.
        loss: Slope in the reference − slope now; None without both.
        ci_low, ci_high: 95 % interval of the loss.
        p_value: One-sided p-value of "nothing was lost".
        n_reference, n_current: Number of creatives that could be compared in each window.
        note: What is missing; "" when nothing is.
    """

    reference: Slope | None = None
    current: Slope | None = None
    loss: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    n_reference: int
    n_current: int
    note: str = ""

    @property
    def lost_share(self) -> float | None:
        """Loss as a share of the reference slope; None where the reference shows no positive slope."""
        if self.loss is None or self.reference is None or self.reference.slope <= 0:
            return None
        return self.loss / self.reference.slope


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What creatives delivered, one row per creative, day and placement (or whatever the finest period is).

    Attributes:
        clicks, impressions: Shape (n,); rows without impressions say nothing.
        creative, campaign: Shape (n,), labels.
        cell: Shape (n,): labels of campaign, period and segment together.
        score: Shape (n,): score of the creative.
        age: Shape (n,): days since the creative's first delivery in the campaign.
        current: Shape (n,), bool: in the current window rather than in the reference.
        idea: Shape (n,), labels: creatives of one idea are no independent observations and count once. Each creative
            is its own by default.
    """

    clicks: ArrayLike
    impressions: ArrayLike
    creative: ArrayLike
    campaign: ArrayLike
    cell: ArrayLike
    score: ArrayLike
    age: ArrayLike
    current: ArrayLike
    idea: ArrayLike | None = None


def relation_shift(
    delivery: Delivery, *, min_creatives: int = 10, min_clicks: int = 10, events: str = "clicks"
) -> RelationShift:
    """Compare the relation of score and CTR in two windows. Assumes that ideas are independent of each other.

    Args:
        delivery: The rows of both windows.
        min_creatives: Fewest creatives in each window.
        min_clicks: Creatives with fewer expected clicks in a window are left out of it.
        events: What `clicks` are, for the note: any events, by any exposure, may stand there.

    >>> rng = np.random.default_rng(0)
    >>> creative = np.tile(np.arange(20), 2)
    >>> now = np.repeat([False, True], 20)
    >>> score = rng.normal(size=20)[creative]
    >>> clicks = rng.poisson(400 * np.exp(np.where(now, 0, 0.3) * score))
    >>> same = np.zeros(40)
    >>> found = relation_shift(
    ...     Delivery(
    ...         clicks=clicks,
    ...         impressions=np.full(40, 20_000),
    ...         creative=creative,
    ...         campaign=same,
    ...         cell=now * 1,
    ...         score=score,
    ...         age=same,
    ...         current=now,
    ...     )
    ... )
    >>> bool(found.lost_share > 0.7), bool(found.p_value < 0.01)
    (True, True)
    """
    rows = _Rows(delivery)
    known = rows.appeals(min_clicks) if len(rows.clicks) else None
    n = (0, 0) if known is None else (known.count(False), known.count(True))
    note = _missing(n, min_creatives, events)
    shift = partial(RelationShift, n_reference=n[0], n_current=n[1])
    if known is None:
        return shift(note=note)
    unit = known.score_unit(False) or known.score_unit(True)
    fits = [
        _Regression(known, current, unit) if unit > 0 and n[current] >= min_creatives else None
        for current in (False, True)
    ]
    reference, current = (fit.result() if fit is not None and fit.sxx > 0 else None for fit in fits)
    if reference is None or current is None or fits[0] is None or fits[1] is None:
        note = note or "all creatives of a campaign have the same score"
        return shift(reference=reference, current=current, note=note)
    loss = reference.slope - current.slope
    apart = fits[0].curve_at - fits[1].curve_at
    of_fatigue = float(apart @ known.fatigue_covariance @ apart)
    error = math.sqrt(_jackknife_error(fits[0].without - fits[1].without, loss) ** 2 + of_fatigue)
    freedom = max(1, min(fits[0].freedom, fits[1].freedom))
    half = float(t_quantile(0.975, freedom)) * error
    return shift(
        reference=reference,
        current=current,
        loss=loss,
        ci_low=loss - half,
        ci_high=loss + half,
        p_value=t_tail_p(loss / error, freedom, Alternative.GREATER) if error > 0 else 1.0,
    )


def _missing(n: tuple[int, int], needed: int, events: str) -> str:
    windows = zip(n, ("reference", "current window"), strict=True)
    short = " and ".join(f"{count} in the {name}" for count, name in windows if count < needed)
    return short and f"scored creatives with enough {events} beside others of their campaign: {short}; needed: {needed}"


class _Rows:
    """The rows of a delivery that say something, with integer labels."""

    def __init__(self, delivery: Delivery) -> None:
        impressions, score = np.asarray(delivery.impressions, np.float64), np.asarray(delivery.score, np.float64)
        age = np.asarray(delivery.age, np.float64)
        keep = (impressions > 0) & np.isfinite(score)
        self.clicks = np.asarray(delivery.clicks, np.float64)[keep]
        self.impressions, self.score = impressions[keep], score[keep]
        self.age = np.where(np.isfinite(age), np.maximum(age, 0), 0.0)[keep]
        self.current = np.asarray(delivery.current, bool)[keep]
        self.creative, _ = group_index(np.asarray(delivery.creative)[keep])
        idea = delivery.creative if delivery.idea is None else delivery.idea
        self.idea, _ = group_index(np.asarray(idea)[keep])
        self.campaign, _ = group_index(np.asarray(delivery.campaign)[keep])
        self.cell, _ = group_index(np.asarray(delivery.cell)[keep])

    def appeals(self, min_clicks: int) -> _Appeals:
        """Take steps 2 and 3 in both windows, with one age curve."""
        # A window is a campaign of its own: what a creative got in one says nothing in the other.
        window = self.campaign * 2 + self.current
        rows = DeliveryRows(
            events=self.clicks,
            exposure=self.impressions,
            creative=self.creative,
            campaign=window,
            cell=self.cell,
            age=self.age,
            idea=self.idea,
        )
        beside = np.column_stack([self.score * ~self.current, self.score * self.current])
        curve, fatigue = self._fatigue_of_the_score(rows, beside)
        lasting = np.exp(np.clip((curve * self._apart[:, None]) @ fatigue.beside[2:], -30, 30))
        found = appeals(replace(rows, exposure=self.impressions * lasting), beside=beside)
        score = np.zeros(int(self.creative.max()) + 1)
        score[self.creative] = self.score
        known = _Appeals(
            appeal=found.appeal,
            expected=found.expected,
            clicks=found.events,
            score=score[found.creative],
            group=found.group,
            creative=found.creative,
            idea=found.idea,
            current=found.campaign % 2 == 1,
            curve=self._curve_of(curve, window, found.creative, found.campaign),
            fatigue_covariance=fatigue.beside_covariance[2:, 2:],
        )
        return known.comparable(found.identified & (found.expected >= min_clicks))

    def _fatigue_of_the_score(self, rows: DeliveryRows, beside: Floats) -> tuple[Floats, Aging]:
        """Fit how much faster high scores wear out; return the ages from those of the reference, shape (n, 2), too."""
        curve = np.delete(age_curve(self.age), 1, axis=1)  # without the linear part: two columns bend enough
        # Without a reference the ages are those of now: at age 0, where the curve is 0, there may be no delivery.
        before = self.impressions * (self.current if self.current.all() else ~self.current)
        curve -= before @ curve / before.sum()
        return curve, aging(Arranged(rows), np.column_stack([beside, curve * self._apart[:, None]]))

    @cached_property
    def _apart(self) -> Floats:
        """The score of each row from the mean of its campaign."""
        mean = np.bincount(self.campaign, self.score) / np.bincount(self.campaign)
        apart: Floats = self.score - mean[self.campaign]
        return apart

    def _curve_of(self, curve: Floats, window: Ints, creative: Ints, campaign: Ints) -> Floats:
        """Return the mean of a curve's columns times the score's distance, for each creative in a window: (m, 2)."""
        many = int(self.creative.max()) + 1
        keys, row = np.unique(window * many + self.creative, return_inverse=True)
        row = row.reshape(-1)
        shown = np.bincount(row, self.impressions)
        mean = np.column_stack([np.bincount(row, self.impressions * self._apart * c) / shown for c in curve.T])
        of_unit: Floats = mean[np.searchsorted(keys, campaign * many + creative)]
        return of_unit


@dataclass(frozen=True, kw_only=True)
class _Appeals:
    """One row per creative, campaign and window: log of clicks over expected clicks.

    `curve` is how far its ages are from those of the reference, times its score, and `fatigue_covariance` that of the
    two coefficients by which high scores wear out faster.
    """

    appeal: Floats
    expected: Floats
    clicks: Floats
    score: Floats
    group: Ints
    creative: Ints
    idea: Ints
    current: NDArray[np.bool_]
    curve: Floats
    fatigue_covariance: Floats

    def comparable(self, enough: NDArray[np.bool_]) -> _Appeals:
        """Keep only creatives with enough clicks that were shown beside others with enough of them."""
        kept = self._only(enough)
        index, size = group_index(kept.group)
        return kept._only(size[index] > 1)

    def _only(self, keep: NDArray[np.bool_]) -> _Appeals:
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__}
        whole = {"fatigue_covariance": columns.pop("fatigue_covariance")}
        return _Appeals(**{name: column[keep] for name, column in columns.items()}, **whole)

    def count(self, current: bool) -> int:
        return len(np.unique(self.idea[self.current == current]))

    def score_unit(self, current: bool) -> float:
        """Return the standard deviation of the score inside campaigns, in a window; 0 when it does not vary."""
        mine = self.current == current
        index, size = group_index(self.group[mine])
        inside = centered(self.score[mine], index, size)
        spread = math.sqrt(float(inside @ inside) / max(1, len(inside) - len(size)))
        return spread if np.abs(inside).max(initial=0) > 1e-9 else 0.0


class _Regression:
    """Step 4 in one window: weighted least squares inside campaigns, and the slope without each creative."""

    def __init__(self, appeals: _Appeals, current: bool, unit: float) -> None:
        mine = appeals.current == current
        self.clicks = int(appeals.clicks[mine].sum())
        self.ideas = int(appeals.idea.max()) + 1
        self.creatives, self.idea = len(np.unique(appeals.creative[mine])), appeals.idea[mine]
        self.index, size = group_index(appeals.group[mine])
        noise = 1 / appeals.expected[mine]
        # An idea in a campaign is one observation, in however many sizes.
        self.pairs, self.pair = np.unique(np.column_stack([self.index, self.idea]), axis=0, return_inverse=True)
        self.pair = self.pair.reshape(-1)
        self.freedom = len(self.pairs) - len(size) - 1
        self.rows_freedom = int(mine.sum()) - len(size) - 1
        x, y = appeals.score[mine] / unit, appeals.appeal[mine]
        weight = 1 / (self._spread(x, y, noise) + noise)
        self._sums(x, y, weight)
        self.curve_at: Floats = (self.weight * self.x) @ appeals.curve[mine] / self.sxx if self.sxx > 0 else np.zeros(2)
        self.of_fatigue = float(self.curve_at @ appeals.fatigue_covariance @ self.curve_at)

    def _spread(self, x: Floats, y: Floats, noise: Floats) -> float:
        # τ²: what is left of the squared residuals after the counting noise (method of moments).
        self._sums(x, y, 1 / noise.clip(1e-3))
        slope = self.sxy / self.sxx if self.sxx > 0 else 0.0
        left = self.y - slope * self.x
        return max(0.0, float(left @ left) / max(1, self.rows_freedom) - float(noise.mean()))

    def _sums(self, x: Floats, y: Floats, weight: Floats) -> None:
        total = np.bincount(self.index, weight)
        self.x = x - (np.bincount(self.index, weight * x) / total)[self.index]
        self.y = y - (np.bincount(self.index, weight * y) / total)[self.index]
        self.weight, self.total = weight, total
        self.sxx = float(weight @ self.x**2) if np.abs(self.x).max(initial=0) > 1e-9 else 0.0
        self.syy, self.sxy = float(weight @ self.y**2), float(weight @ (self.x * self.y))

    @property
    def without(self) -> Floats:
        """Slope without each idea, shape (ideas,); those of the other window change nothing."""
        lost_xy, lost_xx = self._lost(self.y), self._lost(self.x)
        slopes: Floats = (self.sxy - lost_xy) / np.maximum(self.sxx - lost_xx, 1e-9 * self.sxx)
        return slopes

    def _lost(self, y: Floats) -> Floats:
        """Return what Σ w·x·y inside campaigns loses without each idea, shape (ideas,).

        Without the rows S, a campaign of weight W has a new mean and loses Σ_S w·x·y + Σ_S w·x · Σ_S w·y / (W − Σ_S w).
        """
        w_xy, w_x, w_y, w = (
            np.bincount(self.pair, self.weight * values) for values in (self.x * y, self.x, y, np.ones_like(self.x))
        )
        rest = self.total[self.pairs[:, 0]] - w
        moved = np.where(rest > 1e-9 * w, w_x * w_y / np.maximum(rest, 1e-300), 0.0)
        lost: Floats = np.bincount(self.pairs[:, 1], w_xy + moved, self.ideas).astype(np.float64)
        return lost

    def result(self) -> Slope:
        slope = self.sxy / self.sxx
        error = math.sqrt(_jackknife_error(self.without, slope) ** 2 + self.of_fatigue)
        half = float(t_quantile(0.975, max(1, self.freedom))) * error
        scale = math.sqrt(self.sxx * self.syy)
        return Slope(
            slope=slope,
            standard_error=error,
            ci_low=slope - half,
            ci_high=slope + half,
            correlation=self.sxy / scale if scale > 0 else 0.0,
            creatives=self.creatives,
            clicks=self.clicks,
        )


def _jackknife_error(without: Floats, estimate: float) -> float:
    return math.sqrt(float(((without - estimate) ** 2).sum()))
