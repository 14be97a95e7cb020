"""One comparison over several segments: Mantel–Haenszel, and whether the effect differs between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.arms import Counts
from abkit.stats.estimate import Estimate
from abkit.stats.tails import check_level, quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratified(Record):
    """A comparison with the segments held apart.

    Attributes:
        odds_ratio: Mantel–Haenszel, with its Robins–Breslow–Greenland interval (statsmodels `StratifiedTable`).
        difference: Difference of rates, segments weighted by their size (post-stratified), normal interval.
        p_value: P-value of no effect in any segment: Mantel–Haenszel test.
        interaction_p_value: P-value of one odds ratio in all segments: Breslow–Day test with Tarone's correction.
        strata: Number of segments that counted.
        left_out: Number of segments without both arms, or without any or only successes: they say nothing.
        level: Confidence level of the intervals.
    """

    odds_ratio: Estimate
    difference: Estimate
    p_value: float
    interaction_p_value: float
    strata: int
    left_out: int
    level: float


def compare_stratified(strata: Sequence[tuple[Counts | None, Counts | None]], *, level: float = 0.95) -> Stratified:
    """Compare treatment with control within segments.

    Source: Mantel & Haenszel (1959); statsmodels' `StratifiedTable`. Post-stratification: Miratrix, Sekhon & Yu (2013),
    doi 10.1111/j.1467-9868.2012.01048.x.

    Args:
        strata: (control, treatment) of each segment; None for an arm that is missing there.
        level: Confidence level of the intervals.

    Raises:
        InvalidInput: No segment has both arms and some successes.

    >>> result = compare_stratified([(Counts(50, 1000), Counts(60, 1000)), (Counts(20, 800), Counts(30, 800))])
    >>> round(result.odds_ratio.estimate, 3), round(result.p_value, 3), round(result.interaction_p_value, 2)
    (1.302, 0.105, 0.52)
    """
    from statsmodels.stats.contingency_tables import StratifiedTable

    check_level(level)
    both = [(control, treatment) for control, treatment in strata if control is not None and treatment is not None]
    # One table per segment: treatment and control, successes and failures.
    cells = [[(arm.successes, arm.trials - arm.successes) for arm in (pair[1], pair[0])] for pair in both]
    tables = [table for table in np.array(cells, dtype=float) if table.sum(axis=0).all()]
    if not tables:
        raise InvalidInput(
            f"none of {len(strata)} segments has both arms and some successes; expected at least one that does"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        table = StratifiedTable(tables)
        low, high = table.oddsratio_pooled_confint(alpha=1 - level)
        interaction = _interaction_p(table, tables) if len(tables) > 1 else math.nan
        p_value = float(table.test_null_odds(correction=False).pvalue)
    return Stratified(
        odds_ratio=Estimate(float(table.oddsratio_pooled), float(low), float(high)),
        difference=_post_stratified(both, level),
        p_value=p_value,
        interaction_p_value=interaction,
        strata=len(tables),
        left_out=len(strata) - len(tables),
        level=level,
    )


def _interaction_p(table: Any, tables: Sequence[NDArray[np.float64]]) -> float:
    if abs(float(table.oddsratio_pooled) - 1) > 1e-9:
        return float(table.test_equal_odds(adjust=True).pvalue)
    # statsmodels divides by the pooled odds ratio less 1; at 1 the expected cells are those of independence.
    cells = np.array(tables)
    expected = (
        cells.sum(axis=2, keepdims=True) * cells.sum(axis=1, keepdims=True) / cells.sum(axis=(1, 2), keepdims=True)
    )
    gap, variance = (cells - expected)[:, 0, 0], 1 / (1 / expected).sum(axis=(1, 2))
    chi2 = (gap**2 / variance).sum() - gap.sum() ** 2 / variance.sum()
    return float(chdtrc(len(cells) - 1, chi2))


def _post_stratified(strata: Sequence[tuple[Counts, Counts]], level: float) -> Estimate:
    total = sum(control.trials + treatment.trials for control, treatment in strata)
    difference = variance = 0.0
    for control, treatment in strata:
        weight = (control.trials + treatment.trials) / total
        difference += weight * (treatment.rate - control.rate)
        for arm in (control, treatment):
            variance += weight**2 * arm.rate * (1 - arm.rate) / arm.trials
    reach = quantile((1 + level) / 2) * math.sqrt(variance)
    return Estimate(difference, difference - reach, difference + reach)
