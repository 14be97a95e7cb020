"""Experiments from data frames: every library gives the same figures, and nothing is left out silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from abkit.errors import InvalidInput
from abkit.stats.arms import Moments, PairMoments
from abkit.stats.means.compare import compare_means
from abkit.stats.means.covariates import UnitsBefore, compare_ratios_with_covariate
from abkit.stats.means.pairs import compare_ratios
from abkit.workflows.experiments.rows.compare import UnitAnalysis, experiment_from_rows
from abkit.workflows.experiments.rows.sums import LeftOut


def as_pandas(frame: pl.DataFrame) -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(frame.to_dict(as_series=False))


def as_pyarrow(frame: pl.DataFrame) -> Any:
    pyarrow = pytest.importorskip("pyarrow", reason="PyArrow is not installed")
    return pyarrow.table(frame.to_dict(as_series=False))


LIBRARIES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "polars lazy": lambda frame: frame.lazy(),
    "pandas": as_pandas,
    "pyarrow": as_pyarrow,
}


def visits(seed: int = 1, users: int = 300, shift: float = 0.0) -> pl.DataFrame:
    """Three rows per user, of whom every second saw the new variant."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 3)
    impressions = rng.poisson(20, len(user)) + 1
    rate = rng.beta(4, 36, users)[user] + shift * (user % 2)
    return pl.DataFrame(
        {
            "user": [f"u{number}" for number in user],
            "arm": np.where(user % 2, "new", "old"),
            "impressions": impressions,
            "clicks": rng.binomial(impressions, rate),
        }
    )


def compared(frame: Any, **options: Any) -> UnitAnalysis:
    return experiment_from_rows(frame, **({"unit": "user", "variant": "arm", "metric": "clicks"} | options))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_mean_per_unit_is_that_of_the_sums_per_unit(library: str) -> None:
    frame = visits()
    found = compared(LIBRARIES[library](frame))
    sums = frame.group_by("user", "arm").agg(pl.sum("clicks"))
    old, new = (sums.filter(pl.col("arm") == arm)["clicks"].to_numpy() for arm in ("old", "new"))
    expected = compare_means(*(Moments(len(y), y.mean(), y.var(ddof=1)) for y in (old, new)))
    assert (found.control, [arm.variant for arm in found.arms]) == ("old", ["old", "new"])
    assert [(arm.units, arm.rows, arm.metric) for arm in found.arms] == [(150, 450, old.sum()), (150, 450, new.sum())]
    comparison = found.comparisons[0].comparison
    assert comparison.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert comparison.difference.ci_low == pytest.approx(expected.difference.ci_low, rel=1e-9)
    assert found.comparisons[0].adjusted_p == comparison.p_value
    assert found.left_out == LeftOut()
    assert not found.sample_ratio.mismatch


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_ratio_is_compared_with_the_variance_between_units(library: str) -> None:
    frame = visits()
    found = compared(LIBRARIES[library](frame), denominator="impressions", control="new")
    sums = frame.group_by("user", "arm").agg(pl.sum("clicks", "impressions"))
    arms = []
    for arm in ("new", "old"):
        y, x = (sums.filter(pl.col("arm") == arm)[name].to_numpy().astype(float) for name in ("clicks", "impressions"))
        arms.append(
            PairMoments.from_sums(n=len(y), y=y.sum(), x=x.sum(), yy=(y * y).sum(), xx=(x * x).sum(), xy=(x * y).sum())
        )
    expected = compare_ratios(*arms)
    assert found.control == "new"
    assert found.comparisons[0].treatment == "old"
    assert found.comparisons[0].comparison.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert found.arms[0].value == pytest.approx(found.arms[0].metric / found.arms[0].denominator)


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_missing_or_in_two_variants_is_left_out_and_counted(library: str) -> None:
    frame = pl.concat(
        [
            visits(),
            pl.DataFrame(
                {
                    "user": [None, "u0", "u2", "u5", "lost", "lost", "gone"],
                    "arm": ["old", None, "new", "new", "old", "old", "new"],
                    "impressions": [5, 5, 5, 5, 5, None, None],
                    "clicks": [1, 1, 1, None, None, 2, 1],
                }
            ),
        ]
    )
    found = compared(LIBRARIES[library](frame), denominator="impressions")
    assert found.left_out == LeftOut(
        rows_without_unit=1,
        rows_without_variant=1,
        units_in_several_variants=1,
        rows_of_such_units=4,
        rows_without_metric=2,
        rows_without_denominator=2,
        units_without_values=2,
    )
    assert [(arm.units, arm.rows) for arm in found.arms] == [(149, 447), (150, 450)]
    # Units without a value were assigned all the same.
    assert found.sample_ratio.observed == (150, 151)
    assert sum(arm.rows for arm in found.arms) + 1 + 1 + 4 + 2 + 2 == len(frame)


def test_several_treatments_are_corrected_for_their_number_and_a_wrong_split_is_seen() -> None:
    frame = visits(users=900).with_columns(
        arm=pl.when(pl.col("user").str.slice(1).cast(pl.Int64) % 9 < 6)
        .then(pl.lit("old"))
        .when(pl.col("user").str.slice(1).cast(pl.Int64) % 9 < 8)
        .then(pl.lit("b"))
        .otherwise(pl.lit("c"))
    )
    found = compared(frame)
    assert [one.treatment for one in found.comparisons] == ["b", "c"]
    raw = sorted(one.comparison.p_value for one in found.comparisons)
    assert min(one.adjusted_p for one in found.comparisons) == pytest.approx(min(1, 2 * raw[0]))
    assert found.sample_ratio.mismatch
    assert not compared(frame, split=[6, 2, 1]).sample_ratio.mismatch


def test_numbers_and_truth_values_serve_as_unit_variant_and_metric() -> None:
    frame = visits().with_columns(pl.col("clicks") > 2, user=pl.col("user").str.slice(1).cast(pl.Int64))
    found = compared(frame.with_columns(arm=pl.col("arm").eq("new").cast(pl.Int8)), control="0")
    text = compared(frame.with_columns(pl.col("clicks").cast(pl.Int64)))
    assert [arm.variant for arm in found.arms] == ["0", "1"]
    assert found.comparisons[0].comparison.p_value == text.comparisons[0].comparison.p_value


def test_the_order_of_the_rows_changes_no_figure() -> None:
    frame = visits()
    shuffled = compared(frame.sample(fraction=1, shuffle=True, seed=3), denominator="impressions", control="old")
    assert shuffled == compared(frame, denominator="impressions", control="old")


def test_units_with_many_rows_do_not_count_as_many_units() -> None:
    """The false-alarm rate is kept where impressions of one user go together; impressions as trials would lose it."""
    alarms = sum(
        compared(visits(seed, users=120), denominator="impressions").comparisons[0].comparison.p_value < 0.05
        for seed in range(200)
    )
    assert alarms <= 20  # of 200 at 5 %: the upper 0.1 % point of the binomial


def test_a_sequence_is_wider_than_the_one_look_and_a_real_difference_is_found() -> None:
    frame = visits(shift=0.05)
    fixed, sequence = (compared(frame, method=name).comparisons[0].comparison for name in ("welch", "sequential"))
    assert fixed.significant
    assert sequence.difference.ci_low < fixed.difference.ci_low
    assert fixed.p_value < sequence.p_value


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"unit": "person"}, "no column 'person'; the frame has 'user', 'arm'"),
        ({"metric": "arm"}, "'arm' holds String; expected numbers"),
        ({"variant": "user"}, "has 300 different values; expected 2 to 100 variants"),
        ({"control": "older"}, "no row has the control 'older'; the variants are 'old', 'new'"),
        ({"method": "bayes"}, "'bayes'; expected welch or sequential"),
        ({"level": 95}, "level is 95"),
        ({"alternative": "up"}, "alternative is 'up'"),
        ({"split": [1, 1, 1]}, "3 expected shares for 2 arms"),
    ],
)
def test_invalid_requests_are_refused_with_the_value(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        compared(visits(), **options)


def test_frames_with_nothing_to_compare_are_refused() -> None:
    with pytest.raises(InvalidInput, match="the rows are a list"):
        compared([1, 2])
    with pytest.raises(InvalidInput, match="has 1 different values"):
        compared(visits().filter(pl.col("arm") == "old"))
    frame = visits()
    with pytest.raises(InvalidInput, match="'new' has 0 units with a value"):
        compared(frame.with_columns(clicks=pl.when(pl.col("arm") == "old").then("clicks")))
    with pytest.raises(InvalidInput, match="infinite for a unit of 'new'"):
        compared(frame.with_columns(clicks=pl.when(pl.col("user") == "u1").then(float("inf")).otherwise("clicks")))
    with pytest.raises(InvalidInput, match="neither arm varies"):
        compared(frame.with_columns(clicks=pl.lit(1)))


def test_the_result_shows_itself_with_what_was_left_out() -> None:
    frame = visits().with_columns(clicks=pl.when(pl.col("user") != "u3").then("clicks"))
    shown = str(compared(frame, denominator="impressions"))
    assert "clicks per impressions" in shown
    assert "left out, rows without metric: 3" in shown
    assert "left out, units without values: 1" in shown
    assert "not split as planned" not in shown
    assert "not split as planned" in str(compared(visits(users=900), split=[2, 1]))
    html = compared(frame)._repr_html_()
    assert html is not None
    assert "<svg" in html


def test_a_cap_brings_the_largest_units_down_and_is_said() -> None:
    frame = visits().with_columns(clicks=pl.when(pl.col("user") == "u1").then(10_000).otherwise("clicks"))
    plain, capped = compared(frame), compared(frame, cap=0.99)
    assert capped.arms[1].metric < plain.arms[1].metric / 10
    assert capped.arms[0] == compared(frame, cap=0.99).arms[0]
    assert "the capped mean is compared, not the mean" in capped.notes[0]
    with pytest.raises(InvalidInput, match="a cap is for means per unit"):
        compared(frame, cap=0.99, denominator="impressions")


def test_variants_that_differ_in_case_or_blanks_only_are_not_compared() -> None:
    frame = pl.DataFrame({"user": range(40), "variant": ["a", "b", "A", "b "] * 10, "revenue": range(40)})
    with pytest.raises(InvalidInput, match="'a' and 'A' in column 'variant' differ in case or blanks only"):
        experiment_from_rows(frame, unit="user", variant="variant", metric="revenue")


def regulars(users: int = 600, lift: float = 0.04) -> pl.DataFrame:
    """Two rows per user with what it spent and saw, and what it did before the test in each of them."""
    rng = np.random.default_rng(21)
    taste, shown, before = rng.beta(4, 60, users), rng.poisson(40, users) + 1, rng.poisson(60, users) + 1
    treated = rng.permutation(users) % 2
    clicks = rng.binomial(shown, taste * (1 + lift * treated))
    former = rng.binomial(before, taste)
    once = pl.DataFrame(
        {
            "user": np.arange(users),
            "arm": np.where(treated, "new", "old"),
            "impressions": shown,
            "clicks": clicks,
            "clicks_before": former,
            "impressions_before": before,
        }
    )
    rest = once.with_columns(impressions=pl.lit(3), clicks=pl.lit(0))
    return pl.concat([once, rest], how="vertical_relaxed")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("ratio", [False, True])
def test_what_units_did_before_is_taken_out_once_per_unit_and_the_raw_figures_stand_beside(
    library: str, ratio: bool
) -> None:
    frame = regulars()
    options: dict[str, Any] = {"control": "old", "covariate": "clicks_before"}
    if ratio:
        options |= {"denominator": "impressions", "covariate_denominator": "impressions_before"}
    found = compared(LIBRARIES[library](frame), **options)
    sums = frame.group_by("user", "arm").agg(
        pl.sum("clicks", "impressions"), pl.first("clicks_before", "impressions_before")
    )
    arms = []
    for name in ("old", "new"):
        own = sums.filter(arm=name).sort("user")
        x, d = (own["impressions"], own["impressions_before"]) if ratio else (np.ones(len(own)), np.ones(len(own)))
        arms.append(UnitsBefore.of(own["clicks"], x, own["clicks_before"], d))
    expected = compare_ratios_with_covariate(*arms, skewness=True)
    one = found.comparisons[0]
    assert one.comparison.difference.estimate == pytest.approx(expected.adjusted.difference.estimate)
    assert one.comparison.p_value == pytest.approx(expected.adjusted.p_value)
    assert one.adjustment is not None
    assert one.adjustment.variance_kept == pytest.approx(expected.variance_kept)
    assert one.adjustment.variance_kept < 0.9
    raw = compared(frame, **{name: value for name, value in options.items() if "covariate" not in name})
    assert one.adjustment.raw.p_value == pytest.approx(raw.comparisons[0].comparison.p_value)
    assert raw.comparisons[0].adjustment is None


def test_units_without_a_former_value_stay_as_they_are_and_are_counted() -> None:
    frame = regulars().with_columns(
        clicks_before=pl.when(pl.col("user") < 50).then(None).otherwise(pl.col("clicks_before"))
    )
    one = compared(frame, covariate="clicks_before", control="old").comparisons[0]
    assert one.adjustment is not None
    assert one.adjustment.without == 50
    # A row without the value is no second one: the unit has it in another row.
    partly = regulars().with_columns(
        clicks_before=pl.when(pl.col("clicks") == 0).then(None).otherwise(pl.col("clicks_before"))
    )
    assert compared(partly, covariate="clicks_before").comparisons[0].adjustment.without < 100  # type: ignore[union-attr]
    said = str(compared(frame, covariate="clicks_before"))
    assert "50 units have no clicks_before: nothing is taken out of them" in said
    assert "of the variance is left; without that the lift is" in said


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"clicks_before": pl.col("clicks")}, {}, "units have several values of before the test, such as"),
        ({"clicks_before": pl.lit(3)}, {}, "CUPED needs a covariate that varies"),
        ({"clicks_before": pl.lit("x")}, {}, "'clicks_before' holds String; expected numbers"),
        ({}, {"quantile": 0.5}, "a covariate is taken out of means and ratios"),
        ({}, {"covariate": None, "covariate_denominator": "impressions"}, "a covariate is to be divided"),
        ({}, {"covariate": "gone"}, "there is no column 'gone'"),
    ],
)
def test_covariates_that_are_none_are_refused(change: dict[str, Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        compared(regulars().with_columns(**change), **({"covariate": "clicks_before"} | options))


def test_a_warning_and_a_wider_interval_are_shown_of_rows() -> None:
    rng = np.random.default_rng(4)
    spent = np.concatenate([rng.lognormal(0, 2, 400), rng.lognormal(0, 2, 40)])
    frame = pl.DataFrame({"user": np.arange(440), "arm": ["old"] * 400 + ["new"] * 40, "spent": spent})
    assert "new: no verdict: 400 and 40 units with skewness" in str(compared(frame, metric="spent"))


@pytest.mark.parametrize(
    ("first", "other", "said"), [("new", "Control", True), ("baseline", "control", False), ("new", "old", False)]
)
def test_a_first_variant_that_stands_before_one_called_control_is_said(first: str, other: str, said: bool) -> None:
    frame = pl.DataFrame({"user": range(40), "arm": [first, other] * 20, "clicks": np.arange(40.0) % 7})
    found = compared(frame)
    assert found.control == first
    assert any(f"--control {other!r}" in note for note in found.notes) == said
    assert not any("--control" in note for note in compared(frame, control=first).notes)
