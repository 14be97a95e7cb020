"""An analysis has one currency; others are converted only by the user's table, and the note says by which rate."""

from datetime import date

import pytest

from abkit.errors import AbkitError, InvalidInput
from abkit.money import Amounts, Rates, exchange

WEEK = {"first": date(2026, 3, 2), "last": date(2026, 3, 8)}
BOTH = {"EUR": Amounts(100.0, 400.0, 7), "USD": Amounts(50.0, 0.0, 7)}


def test_two_currencies_are_refused_with_their_amounts_and_what_to_do() -> None:
    with pytest.raises(AbkitError, match=r"EUR \(spend 100.00, revenue 400.00\), USD \(spend 50.00") as error:
        exchange(BOTH, None, **WEEK)
    assert "--rates" in str(error.value.hint)


def test_amounts_are_converted_by_the_table_and_the_note_has_the_rate() -> None:
    found = exchange(BOTH, Rates.of("EUR", [("USD", 0.9, None)], "rates.csv"), **WEEK)
    assert found.currency == "EUR"
    assert found.converted(50.0, "USD") == 45.0
    assert found.notes == ("USD (spend 50.00, revenue 0.00) was converted to EUR at 0.9 (rates.csv)",)


def test_a_rate_holds_from_its_day_on() -> None:
    rates = Rates.of("EUR", [("USD", 0.9, date(2026, 3, 1)), ("USD", 0.8, date(2026, 3, 5))])
    found = exchange(BOTH, rates, **WEEK)
    assert found.dated
    assert [found.converted(10.0, "USD", date(2026, 3, day)) for day in (4, 5)] == [9.0, 8.0]
    assert "at 0.8 to 0.9, by day" in found.notes[0]
    with pytest.raises(AbkitError, match="no rate from USD to EUR on 2026-02-28"):
        rates.rate("USD", date(2026, 2, 28))


def test_a_missing_rate_is_named_even_where_only_that_currency_came() -> None:
    with pytest.raises(AbkitError, match="no rate from USD to EUR"):
        exchange({"USD": Amounts(1.0)}, Rates("EUR"), **WEEK)


def test_rows_without_a_currency_beside_others_are_said_and_are_not_known() -> None:
    found = exchange({"EUR": Amounts(5.0, 0.0, 1), "": Amounts(7.0, 0.0, 3)}, None, **WEEK)
    assert found.converted(7.0, "") is None
    assert found.converted(0.0, "") == 0.0
    assert "3 rows name no currency (spend 7.00" in found.notes[0]


def test_rows_that_all_lack_a_currency_are_taken_to_be_in_one_and_that_is_said() -> None:
    found = exchange({"": Amounts(7.0, 0.0, 3)}, Rates("EUR"), **WEEK)
    assert (found.currency, found.converted(7.0, "")) == ("", 7.0)
    assert found.notes == ("no row names its currency: amounts are taken to be in one",)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_is_a_number_above_zero(rate: float) -> None:
    with pytest.raises(InvalidInput, match="the rate of USD"):
        Rates.of("EUR", [("USD", rate, None)])


def test_two_rates_of_one_day_are_refused() -> None:
    with pytest.raises(InvalidInput, match="two rates of USD"):
        Rates.of("EUR", [("USD", 0.9, None), ("USD", 0.8, None)])
