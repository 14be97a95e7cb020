"""Adjusted p-values: against statsmodels."""

import math
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from abkit.stats.verdicts.multiplicity import adjust


@pytest.mark.parametrize(
    ("correction", "theirs"), [("holm", "holm"), ("hochberg", "simes-hochberg"), ("bh", "fdr_bh"), ("by", "fdr_by")]
)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None)
def test_adjusted_p_values_agree_with_statsmodels_and_name_their_family(
    correction: str, theirs: str, raw: list[float]
) -> None:
    result = adjust([*raw, math.nan], correction=correction, family="the arms of x")  # type: ignore[arg-type]
    with patch("gc.collect"):  # statsmodels collects garbage at each call
        expected = multipletests(raw, method=theirs)[1]
    assert result.p_values[:-1] == pytest.approx(expected, rel=1e-9)
    assert (result.family, result.family_size) == ("the arms of x", len(raw))
    assert not result.rejected[-1]
