"""Numbers: one format a column, refused when it could be two."""

import re
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.intake.kpis.rows.numbers import LARGEST, ReadColumn, read_numbers
from abkit_model.data.numbers import is_blank, written


def read(decimal: str | None = None, **columns: list[object]) -> dict[str, ReadColumn]:
    frame = pl.DataFrame(columns, strict=False)
    return read_numbers(frame, {name: name for name in columns}, decimal)


def values(column: ReadColumn) -> list[object]:
    return column.values.to_list()


def test_a_point_with_other_than_three_digits_after_it_is_decimal() -> None:
    assert values(read(spend=["12.5", "1.234", "7"])["spend"]) == [12.5, 1.234, 7.0]


def test_a_comma_with_other_than_three_digits_after_it_is_decimal() -> None:
    assert values(read(spend=["12,5", "1.234,50", "7"])["spend"]) == [12.5, 1234.5, 7.0]


def test_a_number_that_a_spreadsheet_rounded_is_said() -> None:
    assert "rounded" in read(impressions=["4.57E+03", "12"])["impressions"].notes[0]


@pytest.mark.parametrize("text", ["1e+05", "4.567000E+03", "4.57E+02", "4570"])
def test_a_number_that_has_all_its_digits_is_not(text: str) -> None:
    assert not read(impressions=[text, "12"])["impressions"].notes


@pytest.mark.parametrize("text", ["1.234", "1,234", "12.345", "-999,999"])
def test_three_digits_after_the_only_sign_are_refused_without_evidence(text: str) -> None:
    with pytest.raises(InvalidInput, match="two ways") as refused:
        read(spend=[text, "5"])
    assert "--decimal" in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["metrics.cost_micros", "cost_micros", "SPEND_IN_MICRO_DOLLAR", "costMicros"])
@pytest.mark.parametrize("cells", [["31500000", "1", "0"], [31_500_000, 1, 0], ["31,500,000", "1", "0"]])
def test_amounts_of_a_column_of_millionths_are_divided(name: str, cells: list[object]) -> None:
    column = read_numbers(pl.DataFrame({"spend": cells}), {"spend": name}, None)["spend"]
    assert values(column) == [31.5, 1e-6, 0]
    assert any("millionths" in note for note in column.notes)
    assert values(read(spend=["31500000"])["spend"]) == [31_500_000]


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


def test_currency_signs_are_left_out_and_kept_for_each_row_where_they_differ() -> None:
    column = read(spend=["$1.50", "$2.50", "€3.50", "0"])["spend"]
    assert values(column) == [1.5, 2.5, 3.5, 0.0]
    assert column.row_currencies is not None
    assert column.row_currencies.to_list() == ["", "", "EUR", None]
    assert read(spend=["€1.50", "€2.50", "3"])["spend"].row_currencies is None


def test_typed_columns_are_checked_too() -> None:
    column = read(impressions=[1.0, 2.5, float("nan"), None])["impressions"]
    assert values(column) == [1, None, None, None]
    assert [problem is None for problem in column.problems] == [True, False, False, True]


@pytest.mark.parametrize(
    ("texts", "figures"),
    [
        (["1,20,400", "1,31,000"], [120400.0, 131000.0]),
        (["1,11,520.50", "10,00,00,000"], [111520.5, 100000000.0]),
        (["R$ 1.204,50", "R$ 5"], [1204.5, 5.0]),
        (["5 EUR", "EUR\u00a01.204,50", "€5"], [5.0, 1204.5, 5.0]),
        (["1 204,50 kr", "kr 5"], [1204.5, 5.0]),
        (["12,50 zł", "PLN 3"], [12.5, 3.0]),
        (["$5.00 USD", "USD 5"], [5.0, 5.0]),
        (["￥１，２３４．５", "￥5"], [1234.5, 5.0]),
        (["١٬٢٣٤٫٥"], [1234.5]),
    ],
)
def test_amounts_are_read_in_what_they_wear(texts: list[str], figures: list[float]) -> None:
    assert values(read(spend=texts)["spend"]) == figures


@pytest.mark.parametrize("text", ["(1,204.50)", "-1,204.50", "1,204.50-", "($1,204.50)", "−1,204.50", "-$1,204.50"])
def test_brackets_and_a_minus_behind_are_negative(text: str) -> None:
    assert values(read(revenue=[text])["revenue"]) == [-1204.5]


@pytest.mark.parametrize("text", ["1,204.50)", "--5", "-(5)", "5 € 5", "5 apples", "1 2", "12,34,5", "5²", "1.2.3"])
def test_what_is_not_understood_is_refused_and_never_another_figure(text: str) -> None:
    column = read(revenue=["7.5", text])["revenue"]
    assert values(column) == [7.5, None]
    assert column.problems[1] == f"revenue is not a number with the decimal sign .: '{text}'"


def test_the_refusal_has_both_readings() -> None:
    with pytest.raises(InvalidInput, match=r"'1\.234' is 1\.234 or 1234 \(and 1 more like it\)"):
        read(spend=["1.234", "5.678", "5"])


def test_words_for_nothing_are_blank_and_counted_in_a_note() -> None:
    column = read(spend=["N/A", "null", "–", "", "3.5", "n/a"])["spend"]
    assert values(column) == [None, None, None, None, 3.5, None]
    assert (column.blank, column.problems.null_count()) == (5, 6)
    assert column.notes == ("4 cells of 'spend' say that there is no figure: left blank",)


def test_a_column_with_both_decimal_signs_rejects_the_fewer_and_what_could_be_two() -> None:
    column = read(spend=["12.50", "13.50", "12,50", "1.234", "1,234", "7"])["spend"]
    assert values(column) == [12.5, 13.5, None, None, None, 7.0]
    assert "decimal sign ." in column.problems[2]
    assert all("both decimal signs" in column.problems[row] for row in (3, 4))
    with pytest.raises(InvalidInput, match=r"'12\.50'.*'12,50'.*as many of each"):
        read(spend=["12.50", "12,50"])


def test_the_sign_of_another_column_is_said_unless_counts_need_it() -> None:
    money = read(spend=["1,234"], revenue=["12.50"])["spend"]
    assert (values(money), len(money.notes)) == ([1234.0], 1)
    assert "decimal sign '.' of column 'revenue'" in money.notes[0]
    assert read(impressions=["1,234"], spend=["12.50"])["impressions"].notes == ()


def test_the_sign_of_another_column_is_not_taken_where_counts_would_not_be_whole() -> None:
    with pytest.raises(InvalidInput, match=r"'1\.234' is 1\.234 or 1234.*no whole number"):
        read(impressions=["1.234"], spend=["12.50"])


def test_columns_that_differ_settle_nothing_for_a_third() -> None:
    with pytest.raises(InvalidInput, match="the other columns of the file differ"):
        read(clicks=["1.234"], spend=["12.50"], revenue=["12,50"])


def test_amounts_have_the_currency_of_their_row() -> None:
    column = read(spend=["€2.00", "$1.50", "US$ 1.50", "£3.00"], currency=["EUR", "USD", "USD", "EUR"])["spend"]
    assert values(column) == [2.0, 1.5, 1.5, None]
    assert column.problems[3] == "spend is in GBP where EUR is expected: '£3.00'"


def test_counts_have_neither_currency_nor_percent_sign() -> None:
    column = read(clicks=["$5", "5%", "5"])["clicks"]
    assert values(column) == [None, None, 5]
    assert ["currency" in column.problems[0], "percent" in column.problems[1]] == [True, True]


#: Sign between thousands, decimal sign, whether the groups are those of India.
LOCALES = [
    (",", ".", False),
    (".", ",", False),
    (" ", ",", False),
    ("\u00a0", ",", False),
    ("\u202f", ",", False),
    ("\u2009", ".", False),
    ("'", ".", False),
    ("’", ",", False),
    (",", ".", True),
    ("", ".", False),
    ("", ",", False),
    ("٬", "٫", False),
]
DRESSES = ["{}", "${}", "{} €", "EUR {}", "{}\u00a0kr", "R$ {}", "{} zł", "CHF {}", "{} "]


def write(number: Decimal, group: str, decimal: str, *, indian: bool, places: int) -> str:
    """Write a number digit by digit, without any of the code that reads it."""
    whole, _, part = f"{abs(number):.{places}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    width, groups = 2 if indian else 3, []
    while head:
        groups.insert(0, head[-width:])
        head = head[:-width]
    return group.join([*groups, tail]) + (decimal + part if places else "")


def unless_refused(texts: list[str]) -> object:
    try:
        return values(read(revenue=texts)["revenue"])
    except InvalidInput as refused:
        both = re.search(r"'.*' is \S+ or \S+", refused.message) and "--decimal" in (refused.hint or "")
        return "refused with both readings" if both else refused.message


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_numbers_of_any_locale_are_read_back_exactly_or_refused_with_both_readings(data: st.DataObject) -> None:
    group, decimal, indian = data.draw(st.sampled_from(LOCALES))
    dress, minus = data.draw(st.sampled_from(DRESSES)), data.draw(st.sampled_from(["-{}", "({})", "{}-", "−{}"]))
    places = data.draw(st.sampled_from([0, 1, 2, 3, 4]))
    units = data.draw(st.lists(st.integers(-(10**13), 10**13) | st.integers(-2000, 2000), min_size=1, max_size=8))
    numbers = [Decimal(unit).scaleb(-places) for unit in units]
    texts = []
    for number in numbers:
        text = dress.format(write(number, group, decimal, indian=indian, places=places))
        texts.append(minus.format(text.strip()) if number < 0 else text)
    expected = [float(number) for number in numbers]
    said = "," if decimal == "," else "."
    assert values(read(said, revenue=texts)["revenue"]) == expected
    assert unless_refused(texts) in (expected, "refused with both readings")
    # The rule for single texts is the same.
    assert [one.value(said) if (one := written(text)) else None for text in texts] == expected


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789.,' -+()€$%eEkr\u00a0٫１/x", max_size=12), st.sampled_from([".", ","]))
def test_single_texts_and_columns_are_read_alike(text: str, decimal: str) -> None:
    column = read(decimal, revenue=[text])["revenue"]
    one = written(text)
    alone = one.value(decimal) if one and not one.percent else None
    assert values(column) == [alone if alone is not None and abs(alone) <= LARGEST else None]
    assert (column.blank == 1) == is_blank(text)
