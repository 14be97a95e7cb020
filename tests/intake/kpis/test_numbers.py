"""Numbers: one format a column, refused when it could be two."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.intake.kpis.numbers import ReadColumn, read_numbers


def read(decimal: str | None = None, **columns: list[object]) -> dict[str, ReadColumn]:
    frame = pl.DataFrame(columns, strict=False)
    return read_numbers(frame, {name: name for name in columns}, decimal)


def values(column: ReadColumn) -> list[object]:
    return column.values.to_list()


def test_a_point_with_other_than_three_digits_after_it_is_decimal() -> None:
    assert values(read(spend=["12.5", "1.234", "7"])["spend"]) == [12.5, 1.234, 7.0]


def test_a_comma_with_other_than_three_digits_after_it_is_decimal() -> None:
    assert values(read(spend=["12,5", "1.234,50", "7"])["spend"]) == [12.5, 1234.5, 7.0]


@pytest.mark.parametrize("text", ["1.234", "1,234", "12.345", "-999,999"])
def test_three_digits_after_the_only_sign_are_refused_without_evidence(text: str) -> None:
    with pytest.raises(InvalidInput, match="two ways") as refused:
        read(spend=[text, "5"])
    assert "--decimal" in (refused.value.hint or "")


@pytest.mark.parametrize(("said", "value"), [(".", 1.234), (",", 1234.0)])
def test_what_was_said_decides(said: str, value: float) -> None:
    assert values(read(said, spend=["1.234"])["spend"]) == [value]


def test_another_column_of_the_file_decides_where_the_own_one_does_not() -> None:
    both = read(impressions=["1,234", "12,345"], spend=["12.50", "0.10"])
    assert values(both["impressions"]) == [1234, 12345]


def test_a_column_has_its_own_format_where_it_says_so() -> None:
    both = read(spend=["1.234,50"], revenue=["1,234.50"])
    assert values(both["spend"]) == values(both["revenue"]) == [1234.5]


@pytest.mark.parametrize("text", ["1 234 567,5", "1'234'567,5", "1\u00a0234\u00a0567,5", "1\u202f234\u202f567,5"])
def test_spaces_and_apostrophes_separate_thousands(text: str) -> None:
    assert values(read(spend=[text])["spend"]) == [1234567.5]


def test_two_groups_of_thousands_need_no_other_evidence() -> None:
    assert values(read(impressions=["1.234.567", "1.234"])["impressions"]) == [1234567, 1234]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-5", "negative"),
        ("2.5", "not a whole number"),
        ("12%", "percent sign"),
        ("abc", "not a number"),
        ("1,23,4", "not a number"),
        ("NaN", "not a number"),
        ("inf", "not a number"),
        ("1e400", "not a number"),
        ("99999999999999999999", "too large"),
    ],
)
def test_what_is_no_count_is_a_problem_with_its_reason(text: str, reason: str) -> None:
    column = read(impressions=["10", text])["impressions"]
    assert column.values.to_list() == [10, None]
    assert column.problems[0] is None
    assert reason in column.problems[1]


def test_blank_cells_and_dashes_are_blank_not_zero() -> None:
    column = read(clicks=["", "--", " ", "3"])["clicks"]
    assert values(column) == [None, None, None, 3]
    assert column.blank == 3
    assert column.problems.null_count() == 4


def test_one_currency_sign_a_column_is_left_out_and_another_one_is_a_problem() -> None:
    column = read(spend=["$1.50", "$2.50", "€3.50"])["spend"]
    assert values(column) == [1.5, 2.5, None]
    assert "€" in column.problems[2]


def test_typed_columns_are_checked_too() -> None:
    column = read(impressions=[1.0, 2.5, float("nan"), None])["impressions"]
    assert values(column) == [1, None, None, None]
    assert [problem is None for problem in column.problems] == [True, False, False, True]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]),
)
def test_what_was_written_in_a_known_format_is_read_back(numbers: list[int], signs: tuple[str, str]) -> None:
    group, decimal = signs
    written = [f"{number / 100:,.2f}".translate(str.maketrans({",": group, ".": decimal})) for number in numbers]
    assert values(read(spend=written)["spend"]) == pytest.approx([number / 100 for number in numbers])
