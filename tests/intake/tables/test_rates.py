"""Tables of rates are read strictly: a wrong rate would make every amount wrong."""

from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter

from abkit.config import MoneySettings, Settings
from abkit.errors import AbkitError
from abkit.intake.tables.rates import rates_of
from abkit.money import Amounts, exchange


def table(folder: Path, content: str) -> Path:
    path = folder / "rates.csv"
    path.write_bytes(content.encode())
    return path


def test_a_table_is_read_with_its_dates(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffCurrency,Rate,Date\r\nusd,0.9,2026-03-01\r\n\r\nGBP,1.15,\r\n")
    rates = rates_of(Settings(workspace=tmp_path), path, "eur")
    assert rates is not None
    assert rates.rate("USD", date(2026, 4, 1)) == 0.9
    assert rates.rate("GBP", date(2020, 1, 1)) == 1.15


def test_the_currency_of_a_table_is_the_one_worth_one(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    path = table(tmp_path, "currency,rate\nEUR,1\nUSD,0.9\n")
    assert rates_of(settings, path).currency == "EUR"  # type: ignore[union-attr]
    with pytest.raises(AbkitError, match="does not say what its rates are in"):
        rates_of(settings, table(tmp_path, "currency,rate\nUSD,0.9\n"))


def test_the_configuration_names_both_and_the_command_wins(tmp_path: Path) -> None:
    table(tmp_path, "currency,rate\nUSD,0.9\n")
    settings = Settings(workspace=tmp_path, money=MoneySettings(currency="EUR", rates=Path("rates.csv")))
    assert rates_of(settings).currency == "EUR"  # type: ignore[union-attr]
    assert rates_of(settings, currency="CHF").currency == "CHF"  # type: ignore[union-attr]
    assert rates_of(Settings(workspace=tmp_path)) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has the columns none"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("currency,rate\nUSD,0.9,1\n", "line 2 has 3 cells"),
        ("currency,rate\nUS$,0.9\n", "the currency is 'US\\$'"),
        ('currency,rate\nUSD,"0,9"\n', "the rate is '0,9'"),
        ("currency,rate\nUSD,inf\n", "the rate is 'inf'"),
        ("currency,rate\nUSD,-1\n", "the rate is '-1'"),
        ("currency,rate\nUSD,0\n", "the rate is '0'"),
        ("currency,rate,date\nUSD,0.9,1.3.2026\n", "the date is '1.3.2026'"),
        ("currency,rate\nEUR,0.9\n", "a rate of EUR other than 1"),
        ('currency,rate\n"USD,0.9\n', "not a CSV file"),
    ],
)
def test_what_is_no_table_of_rates_is_refused_with_the_place(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(AbkitError, match=said):
        rates_of(Settings(workspace=tmp_path), table(tmp_path, content), "EUR")


def test_a_table_is_read_as_other_tables_are(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    rates = rates_of(settings, table(tmp_path, "currency;rate;date;\nUSD;0.9;2026-03-01;\n"), "EUR")
    assert rates is not None
    assert rates.rate("USD", date(2026, 4, 1)) == 0.9
    sheet = tmp_path / "rates.xlsx"
    with xlsxwriter.Workbook(sheet) as book:
        page = book.add_worksheet("March")
        page.write_row(0, 0, ["Currency", "Rate", "Date"])
        page.write_row(1, 0, ["USD", 1 / 1.08])
        page.write_datetime(1, 2, datetime(2026, 3, 1), book.add_format({"num_format": "d.m.yyyy"}))  # noqa: DTZ001
    rates = rates_of(settings, sheet, "EUR")
    assert rates is not None
    assert rates.rate("USD", date(2026, 4, 1)) == pytest.approx(1 / 1.08)


def test_a_column_named_twice_waits_until_amounts_are_converted(tmp_path: Path) -> None:
    table(tmp_path, "currency,rate,rate\nUSD,0.9,0.8\n")
    rates = rates_of(Settings(workspace=tmp_path, money=MoneySettings(currency="EUR", rates=Path("rates.csv"))))
    assert rates is not None
    assert "2 columns 'rate'" in str(rates.problem)


def test_a_file_that_cannot_be_read_or_is_far_too_large_is_refused(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(AbkitError, match="cannot be read"):
            rates_of(settings, path, "EUR")
    with pytest.raises(AbkitError, match="no table of rates"):
        rates_of(settings, table(tmp_path, "currency,rate\n" + "USD,0.9\n" * 700_000), "EUR")


def test_a_configured_table_that_is_missing_is_an_error_only_where_amounts_are_converted(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, money=MoneySettings(currency="EUR", rates=Path("gone.csv")))
    rates = rates_of(settings)
    days = {"first": date(2026, 3, 1), "last": date(2026, 3, 2)}
    assert exchange({}, rates, **days).notes == ()
    assert exchange({"EUR": Amounts(1.0, 2.0, 3)}, rates, **days).currency == "EUR"
    with pytest.raises(AbkitError, match=r"gone\.csv cannot be read"):
        exchange({"USD": Amounts(1.0, 2.0, 3)}, rates, **days)


@pytest.mark.parametrize(
    ("row", "currency", "said"),
    [
        ("JPY,160", "EUR", "a JPY would be worth 160 EUR"),
        ("SEK,11.2", "EUR", "a SEK would be worth 11.2 EUR"),
        ("USD,0.0067", "JPY", "a USD would be worth 0.0067 JPY"),
    ],
)
def test_rates_that_are_the_other_way_round_are_refused(tmp_path: Path, row: str, currency: str, said: str) -> None:
    """As central banks write them: what one unit of the wanted currency buys."""
    with pytest.raises(AbkitError, match=said) as refused:
        rates_of(Settings(workspace=tmp_path), table(tmp_path, f"currency,rate\n{row}\n"), currency)
    assert "the other way round" in (refused.value.hint or "")


def test_rates_of_currencies_alike_stay_as_they_are(tmp_path: Path) -> None:
    path = table(tmp_path, "currency,rate\nUSD,1.087\nGBP,0.85\nJPY,0.0062\nKWD,3.0\n")
    rates = rates_of(Settings(workspace=tmp_path), path, "EUR")
    assert rates is not None
    assert rates.rate("USD", date(2026, 4, 1)) == 1.087
