"""Open a KPI export of either format, or say why not."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abkit.errors import InvalidInput
from abkit.intake.kpis.options import KpiOptions
from abkit.intake.kpis.table import RawTable

# A change in how files are read makes the same file another import.
READER_VERSION = 1
_CHUNK = 1 << 20
_OTHER_KINDS = {
    b"PK\x03\x04": "a spreadsheet or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "compressed by gzip",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}


def require_readable(path: Path, options: KpiOptions) -> None:
    """Refuse what is no file of KPIs before reading it.

    Raises:
        InvalidInput: not there, a folder, empty, too large, or another kind of file.
    """
    try:
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder", hint="name the files in it")
        if not path.is_file():
            raise InvalidInput(f"there is no file {path}" if not path.exists() else f"{path} is not a regular file")
        size = path.stat().st_size
        if size == 0:
            raise InvalidInput("the file is empty", hint="export it again")
        if size > options.max_file_mb * 1e6:
            raise InvalidInput(
                f"{size / 1e6:,.1f} MB are more than the {options.max_file_mb:,g} MB that a file may have",
                hint="split the file, or raise max_file_mb under [kpi] in abkit.toml",
            )
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise _unreadable(path, error) from error
    for magic, kind in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise InvalidInput(f"the file is {kind}, not CSV and not Parquet", hint="save the table as CSV (UTF-8)")


def digest_of(path: Path, options: KpiOptions) -> str:
    """The identity of an import: the content, and how it is read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    digest.update(json.dumps([READER_VERSION, options.reading()], sort_keys=True).encode())
    return digest.hexdigest()


def read_table(path: Path, options: KpiOptions) -> RawTable:
    """Read a file as it came.

    Raises:
        InvalidInput: it cannot be divided into rows and known columns.
    """
    # Polars takes a while to import, and a file that was imported before needs none of it.
    from abkit.intake.kpis.csv_file import read_csv
    from abkit.intake.kpis.parquet_file import is_parquet, read_parquet

    given = options.period is not None
    with refusing_damage(path):
        if is_parquet(path):
            table = read_parquet(path, options.mapping, period_given=given, max_rows=options.max_rows)
        else:
            table = read_csv(path, options.mapping, encoding=options.encoding, period_given=given)
    if table.rows == 0:
        raise InvalidInput("the file has a header and no rows", hint="export it again")
    return table


def countable_rows(path: Path, options: KpiOptions) -> int:
    """How many rows a file has that was refused as a whole: all of them count as rejected; 0 where nobody can tell."""
    from abkit.intake.kpis.csv_file import count_csv
    from abkit.intake.kpis.parquet_file import count_parquet, is_parquet

    try:
        with refusing_damage(path):
            return (
                count_parquet(path) if is_parquet(path) else count_csv(path, options.mapping, encoding=options.encoding)
            )
    except (InvalidInput, UnicodeError):
        return 0


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Whatever the reading library says about damaged content becomes a refusal of that file."""
    from polars.exceptions import PolarsError

    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from error
    except BaseException as error:
        # A panic inside polars is no Exception, and its class cannot be imported.
        if isinstance(error, PolarsError) or type(error).__name__ == "PanicException":
            first = next(iter(str(error).splitlines()), "")[:200]
            raise InvalidInput(f"the content is damaged: {first}", hint="export it again") from error
        raise


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}", hint="check its permissions")
