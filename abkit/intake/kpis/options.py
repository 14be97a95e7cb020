"""How a KPI file is to be read: what the user said."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from abkit.errors import UsageError
from abkit.intake.kpis.text import ENCODINGS


@dataclass(frozen=True)
class KpiOptions:
    """What the user said about the files of one import.

    Attributes:
        mapping: by column name, the field; '' leaves the column out.
        dayfirst: the day stands before the month; None finds it out.
        decimal: "." or ","; None finds it out.
        platform: of rows that do not name one.
        account: of rows that do not name one.
        period: first and last day of files that have no dates.
        encoding: of the text; None finds it out.
        max_file_mb: larger files are refused unread.
        max_rows: files with more rows are refused.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    dayfirst: bool | None = None
    decimal: str | None = None
    platform: str = ""
    account: str = ""
    period: tuple[date, date] | None = None
    encoding: str | None = None
    max_file_mb: float = 2048
    max_rows: int = 20_000_000

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"the decimal sign cannot be {self.decimal!r}", hint="use --decimal . or --decimal ,")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise UsageError(f"there is no encoding {self.encoding!r}", hint=f"known encodings: {', '.join(ENCODINGS)}")
        if self.period and self.period[1] < self.period[0]:
            raise UsageError(f"the period ends before it begins: {self.period[0]}..{self.period[1]}")

    def reading(self) -> dict[str, Any]:
        """What decides how a file is understood, as JSON holds it: part of the digest of an import."""
        said = asdict(self)
        said.pop("max_file_mb"), said.pop("max_rows")
        said["mapping"] = dict(sorted(self.mapping.items()))
        said["period"] = [day.isoformat() for day in self.period] if self.period else None
        return said


def parse_period(text: str) -> tuple[date, date]:
    """Read `2017-08-01..2017-08-31`; one day may stand alone.

    Raises:
        UsageError: not two days.

    >>> parse_period("2017-08-01..2017-08-31")[1]
    datetime.date(2017, 8, 31)
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?", text.strip())
    try:
        if found:
            first = date.fromisoformat(found.group(1))
            return first, date.fromisoformat(found.group(2)) if found.group(2) else first
    except ValueError:
        pass
    raise UsageError(f"--period {text!r} is no period", hint="for example --period 2017-08-01..2017-08-31")
