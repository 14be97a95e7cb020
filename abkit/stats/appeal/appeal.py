"""Appeal: the log of what a creative got over what was expected in its cells. One definition for all that use it.

1. A cell is what should not matter: a campaign in a period and a segment. Only differences inside cells count, so
   season, budget, tracking and the mix of placements drop out; a creative alone in its cells cannot be judged.
2. Creatives of one cell differ in age. A common age curve on the log of the rate, linear in log(1 + age), in age and in
   exp(-age / 10), is fitted and taken out.
3. Levels of cells and rates of creatives are found in turns: what is expected of a creative is what an average one of
   its group would have got in its place. A group is all creatives that cells connect.
4. appeal = log((events + ½) / expected): the half takes out the bias of a log of counts, and a second, much smaller
   term the part that a creative's own events have in the levels that it is compared with.
5. Its sampling variance is (1 + day over-dispersion) / expected, for comparisons with others: what the creative's own
   events say is not in it, so that it makes fair weights. It is larger where few cells connect it with others.
6. The true spread τ² between creatives is kept apart. It serves as a weight, and for `shrunk`, the posterior of a
   Poisson count with a log-normal rate, which is what there is to go by below 20 expected events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from abkit.records import Record
from abkit.stats.appeal.aging import age_variance, aging
from abkit.stats.appeal.levels import day_dispersion, expected_events, looseness
from abkit.stats.appeal.rows import Arranged, Bools, DeliveryRows, Floats, Ints
from abkit.stats.appeal.shrinkage import center_of, shrink, spread_of
from abkit.stats.appeal.steering import COUNTS_LESS, steered
from abkit.stats.tails import quantile
from abkit.stats.within_groups import group_index, group_sums

DEFINITION = 1
"""Version of the definition: figures of different ones are not comparable."""

ENOUGH_EXPECTED = 20
"""From so many expected events on, an interval is one of sampling; below, it is that of the posterior."""


@dataclass(frozen=True, kw_only=True)
class Appeals(Record):
    """How creatives do beside others of their campaign; one entry per creative and campaign, shape (m,).

    Attributes:
        creative, campaign, idea: Labels, as given.
        group: Creatives with one number were shown beside each other, directly or through others: only differences
            inside a group mean anything. −1 for a creative that was never shown beside another.
        appeal: Log of events over those expected; NaN where not identified. In each group, events and expected events
            have the same sum.
        variance: Sampling variance of `appeal` in comparisons: (1 + day over-dispersion) / expected, more where few
            cells connect the creative with others. Differences inside a group have the sum of two.
        expected, events, exposure: Sums over the cells that the creative shares with others.
        own: Share of its own events in the level that it is compared with, 0 … 1.
        identified: False: never shown beside another, no events there, or fewer expected than asked for.
        ci_low, ci_high: 95 % interval: from 20 expected events on by the score method, below that of the posterior.
        steered: Whether impressions are shown to have followed events in its campaign: its variance is doubled, and the
            figures may be biased all the same.
        shrunk, shrunk_sd: Posterior mean and standard deviation given the spread; NaN where nothing is known.
        spread: τ², true variance between the creatives of a group.
        spread_error: Its standard error; infinite where no group has two creatives.
        dispersion: Day over-dispersion of an event on average; 0 is that of a Poisson count.
    """

    creative: Ints
    campaign: Ints
    idea: Ints
    group: Ints
    appeal: Floats
    variance: Floats
    expected: Floats
    events: Floats
    exposure: Floats
    own: Floats
    identified: Bools
    steered: Bools
    ci_low: Floats
    ci_high: Floats
    shrunk: Floats
    shrunk_sd: Floats
    spread: float
    spread_error: float
    dispersion: float

    @property
    def counting(self) -> Floats:
        """Variance that counting alone makes: that impressions followed events is a doubt, and no noise to take out."""
        return self.variance / np.where(self.steered, COUNTS_LESS, 1.0)


def appeals(rows: DeliveryRows, *, min_expected: float = 0.0, beside: ArrayLike | None = None) -> Appeals:
    """Return the appeal of each creative in each campaign, sorted by campaign and creative.

    Args:
        rows: The delivery.
        min_expected: Creatives with fewer expected events are not identified.
        beside: Shape (n, p): what else may go with the rate and with age, such as a score. Its effect is fitted beside
            that of age, and stays in the appeal.

    Raises:
        InvalidInput: Columns have different lengths; or events or exposure are negative or not finite.

    >>> rows = DeliveryRows(
    ...     events=np.array([60.0, 30.0, 9.0]),
    ...     exposure=np.array([1000.0, 1000.0, 1000.0]),
    ...     creative=np.array([1, 2, 3]),
    ...     campaign=np.array([1, 1, 2]),
    ...     cell=np.array([1, 1, 2]),
    ...     age=np.zeros(3),
    ... )
    >>> found = appeals(rows)
    >>> found.expected.tolist(), found.identified.tolist()
    ([45.0, 45.0, 0.0], [True, True, False])
    >>> float(np.round(found.appeal[0] - found.appeal[1], 3)), float(np.round(np.log(60 / 30), 3))
    (0.685, 0.693)
    """
    arranged = Arranged(rows)
    extra = None if beside is None else np.asarray(beside, np.float64).reshape(len(arranged.kept), -1)[arranged.kept]
    curve = aging(arranged, extra)
    found = expected_events(arranged, curve.effect)
    over = day_dispersion(arranged, found)
    of_age = age_variance(arranged, curve, found.fitted)
    followed = steered(arranged, curve.effect)
    return _described(
        Counted(
            creative=arranged.creative,
            campaign=arranged.campaign,
            idea=arranged.idea,
            group=arranged.group,
            events=found.events,
            expected=found.expected,
            exposure=found.exposure,
            fit=found.fit,
            own=found.own,
            of_group=found.of_group,
            noise=(1 + over) * looseness(arranged, found),
            steered=followed,
            of_age=of_age,
        ),
        min_expected=min_expected,
        dispersion=float(over @ found.events / found.events.sum()) if found.events.sum() else 0.0,
    )


def randomized_appeals(
    *, events: Floats, exposure: Floats, variance: Floats, creative: Ints, campaign: Ints, idea: Ints, trial: Ints
) -> Appeals:
    """Return the appeal of the arms of experiments: each has a variance of its own, by what was randomized in it.

    Args:
        events, exposure: Shape (m,), in all, one entry per arm.
        variance: Shape (m,): sampling variance of the log of the arm's rate.
        creative, campaign, idea: Labels.
        trial: Shape (m,): label of the experiment; only its own arms are compared.

    >>> one, two = np.array([60.0, 30.0]), np.array([1000.0, 1000.0])
    >>> arms = {name: np.array([1, 1]) for name in ("campaign", "trial")} | {"creative": np.array([1, 2])}
    >>> found = randomized_appeals(events=one, exposure=two, variance=1 / one, idea=arms["creative"], **arms)
    >>> found.expected.tolist(), np.round(found.variance, 4).tolist()
    ([45.0, 45.0], [0.0167, 0.0333])
    """
    group, size = group_index(trial)
    of_trial = group_sums(group, events, len(size))[group]
    expected = exposure * of_trial / group_sums(group, exposure, len(size))[group].clip(1e-300)
    told = (size[group] > 1) & (of_trial > 0) & np.isfinite(variance)
    share = np.where(told, events / of_trial.clip(1e-300), 1.0)
    noise = np.where(told, variance * expected, 1.0)
    found = Counted(
        creative=creative,
        campaign=campaign,
        idea=idea,
        group=np.where(told, group, -1),
        events=events,
        expected=expected,
        exposure=exposure,
        fit=events.clip(0.5),
        own=share,
        of_group=share,
        noise=noise,
        steered=np.zeros(len(noise), bool),
        of_age=np.zeros(len(noise)),
    )
    return _described(found, min_expected=0.0, dispersion=0.0)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is known of each creative before its appeal is described; shape (m,).

    Attributes:
        creative, campaign, idea, group, events, expected, exposure, own: As in `Appeals`.
        fit: Events by the fit.
        of_group: Share of its events in those of its group.
        noise: Sampling variance of its events ÷ that of counting.
        steered: Whether impressions are shown to have followed events in its campaign.
        of_age: Variance of the log of its rate because the age curve is estimated.
    """

    creative: Ints
    campaign: Ints
    idea: Ints
    group: Ints
    events: Floats
    expected: Floats
    exposure: Floats
    fit: Floats
    own: Floats
    of_group: Floats
    noise: Floats
    steered: Bools
    of_age: Floats


def _described(found: Counted, *, min_expected: float, dispersion: float) -> Appeals:
    known = (found.group >= 0) & (found.expected > 0)
    expected = np.where(known, found.expected, 0.0)
    with np.errstate(divide="ignore"):
        counted = np.where(known, found.noise / expected + found.of_age, np.inf)
    weaker = np.where(found.steered, COUNTS_LESS, 1.0)
    identified = known & (expected >= min_expected)

    y, e, group = found.events[known], expected[known], found.group[known]
    spread = spread_of(y, e, counted[known], group)
    # Relative to its group, which the creative is a part of.
    part = found.of_group[known]
    noise = found.noise[known] * (1 - part).clip(1e-9) + found.of_age[known] * found.fit[known]
    unlike = (1 - 2 * part + np.bincount(group, part**2)[group]).clip(0) if len(y) else y
    mean, sd = np.zeros(len(y)), np.zeros(len(y))
    for some in (found.steered[known], ~found.steered[known]):
        if some.any():
            # Where winners are shown more, the mean of creatives is below that of events.
            center = center_of(y[some], e[some], counted[known][some], spread)
            shrunk = shrink(y[some], e[some] * center, 1 / noise[some], unlike[some], spread)
            mean[some], sd[some] = shrunk[0] + np.log(center), shrunk[1]
    appeal = np.log((y + 0.5) / e) - found.own[known] / (2 * found.fit[known])
    low, high = _score_interval(y, e, noise * weaker[known])
    few = e < ENOUGH_EXPECTED
    low, high = np.where(few, mean - _Z * sd, low), np.where(few, mean + _Z * sd, high)

    def spread_out(values: Floats, where: Bools) -> Floats:
        out = np.full(len(known), np.nan)
        out[known] = values
        out[~where] = np.nan
        return out

    return Appeals(
        creative=found.creative,
        campaign=found.campaign,
        idea=found.idea,
        group=found.group,
        appeal=spread_out(appeal, identified),
        variance=counted * weaker,
        expected=expected,
        events=found.events,
        exposure=found.exposure,
        own=found.own,
        identified=identified,
        steered=found.steered,
        ci_low=spread_out(low, identified),
        ci_high=spread_out(high, identified),
        shrunk=spread_out(mean, known),
        shrunk_sd=spread_out(sd, known),
        spread=spread.variance,
        spread_error=spread.standard_error,
        dispersion=dispersion,
    )


_Z = quantile(0.975)


def _score_interval(events: Floats, expected: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return the log rates at which the events are as far from those expected as chance goes."""
    wide = _Z**2 * noise
    root = np.sqrt(wide * (wide + 4 * events))
    middle = 2 * events + wide
    with np.errstate(divide="ignore"):
        low: Floats = np.log((middle - root).clip(0) / (2 * expected))
    high: Floats = np.log((middle + root) / (2 * expected))
    return low, high
