"""Segments held apart: against statsmodels, and Simpson's paradox."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from abkit.errors import InvalidInput
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.proportions.stratified import compare_stratified


def test_strata_agree_with_statsmodels_and_find_an_interaction() -> None:
    strata = [
        (Counts(50, 1000), Counts(60, 1000)),
        (Counts(20, 800), Counts(40, 800)),
        (Counts(90, 700), Counts(60, 700)),
    ]
    result = compare_stratified([*strata, (Counts(1, 10), None), (Counts(0, 10), Counts(0, 10))])
    tables = [[[t.successes, t.trials - t.successes], [c.successes, c.trials - c.successes]] for c, t in strata]
    theirs = StratifiedTable([np.array(table, dtype=float) for table in tables])
    assert result.odds_ratio.estimate == pytest.approx(theirs.oddsratio_pooled, rel=1e-9)
    assert result.p_value == pytest.approx(theirs.test_null_odds().pvalue, rel=1e-9)
    assert result.interaction_p_value < 0.01
    assert (result.strata, result.left_out) == (3, 2)
    with pytest.raises(InvalidInput, match="none of 1 segments"):
        compare_stratified([(Counts(1, 10), None)])


def test_stratifying_undoes_simpsons_paradox() -> None:
    # In both segments the treatment is better, in the sum it is worse.
    strata = [(Counts(10, 1000), Counts(140, 10_000)), (Counts(2000, 10_000), Counts(240, 1000))]
    pooled = compare(Counts(2010, 11_000), Counts(380, 11_000))
    assert pooled.difference.ci_high < 0
    result = compare_stratified(strata)
    assert result.odds_ratio.ci_low > 1
    assert result.difference.ci_low > 0
