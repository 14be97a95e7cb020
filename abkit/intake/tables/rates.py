"""Tables of exchange rates: the columns currency, rate and, where rates change, date."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from abkit.addresses import is_nearly_an_address
from abkit.config import Settings
from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.intake.cells.columns import BROKEN, LINE, read_columns
from abkit.money import Rates

_MOST_BYTES = 5_000_000
# For decades, no unit of the one kind has been worth a unit of the other.
_LARGE = frozenset({"EUR", "USD", "GBP", "CHF", "AUD", "CAD"})
_SMALL = frozenset({
    "BRL", "CLP", "CNY", "COP", "CZK", "DKK", "HKD", "HUF", "IDR", "INR", "ISK", "JPY", "KRW", "MXN", "NOK", "PHP",
    "PLN", "RUB", "SEK", "THB", "TRY", "TWD", "VND", "ZAR",
})  # fmt: skip
_EXPECTED = "expected the columns currency,rate and, where rates change, date: USD,0.92,2026-03-01"


def rates_of(settings: Settings, path: Path | None = None, currency: str | None = None) -> Rates | None:
    """Return the currency that amounts are wanted in with its table of rates; None where nothing says one.

    A table that only the configuration names may be missing where no money is compared: what is wrong with it is said
    when it is needed (`Rates.problem`).

    Args:
        settings: `[money]` has both where they are not given.
        path: The table.
        currency: The currency that is converted to; else the one whose rate is 1.

    Raises:
        AbkitError: The file that was given is not such a table, or nothing says the currency.
    """
    wanted = (currency or settings.money.currency).strip().upper()
    if wanted and not re.fullmatch("[A-Z]{3}", wanted):
        raise UsageError(f"the currency is {currency!r}; expected three letters such as EUR")
    configured = settings.money.rates
    chosen = path or (settings.workspace / configured if configured else None)
    if chosen is None:
        return Rates(wanted) if wanted else None
    try:
        return _table(chosen, wanted)
    except AbkitError as problem:
        if path is not None:
            raise
        return Rates(wanted, source=chosen.name, problem=problem)


def _table(chosen: Path, wanted: str) -> Rates:
    rows = list(_rows(chosen))
    ones = sorted({name for name, rate, _ in rows if rate == 1})
    if not wanted and len(ones) != 1:
        raise UsageError(
            f"{chosen.name} does not say what its rates are in",
            hint='give --currency EUR, currency = "EUR" under [money], or a line EUR,1',
        )
    target = wanted or ones[0]
    if any(name == target and rate != 1 for name, rate, _ in rows):
        raise UsageError(f"{chosen.name} has a rate of {target} other than 1, and {target} is what is converted to")
    for name, rate, _ in rows:
        if (name in _SMALL and target in _LARGE and rate > 1) or (name in _LARGE and target in _SMALL and rate < 1):
            raise InvalidInput(
                f"{chosen.name}: a {name} would be worth {rate:g} {target}",
                hint=f"a rate says what one {name} is worth in {target}; yours seems to be the other way round: "
                f"write {1 / rate:.6g}",
            )
    return Rates.of(target, rows, chosen.name)


def _rows(path: Path) -> Iterator[tuple[str, float, date | None]]:
    if is_nearly_an_address(str(path)) and not path.exists():
        raise UsageError("a table of rates is read from this machine", hint="download it, and name the file")
    size = path.stat().st_size if path.is_file() else None
    if size is not None and size > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_BYTES // 1_000_000} MB; that is no table of rates")
    # An empty file has no header to find.
    table = None if size == 0 else read_columns(path, ())
    columns = [] if table is None else [name for name in table.columns if name not in (LINE, BROKEN)]
    header = [name.strip().lower() for name in columns]
    if table is None or header not in (["currency", "rate"], ["currency", "rate", "date"]):
        raise UsageError(f"{path.name} has the columns {', '.join(header)[:200] or 'none'}", hint=_EXPECTED)
    for line, broken, *cells in table.select(LINE, BROKEN, *columns).iter_rows():
        if broken is not None:
            raise InvalidInput(
                f"{path.name} is not a CSV file or sheet that can be read in full: line {line} has {broken}",
                hint=_EXPECTED,
            )
        texts = ["" if cell is None else str(cell).strip() for cell in cells]
        if any(texts):
            yield _row(texts, f"{path.name}, line {line}")


def _row(cells: list[str], where: str) -> tuple[str, float, date | None]:
    name = cells[0].upper()
    if not re.fullmatch("[A-Z]{3}", name):
        raise InvalidInput(f"{where}: the currency is {cells[0][:20]!r}; expected three letters such as USD")
    # Written out with a point: float() also takes "1_0", "inf" and digits of other scripts.
    rate = float(cells[1]) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,20})?", cells[1]) else math.nan
    if not rate > 0:
        raise InvalidInput(f"{where}: the rate is {cells[1][:20]!r}; expected a number above 0 such as 0.92")
    if len(cells) == 2 or not cells[2]:
        return name, rate, None
    try:
        return name, rate, date.fromisoformat(cells[2])
    except ValueError:
        raise InvalidInput(f"{where}: the date is {cells[2][:20]!r}; expected one such as 2026-03-01") from None
