"""The process that looks through Parquet files: what they hold, asked and answered as lines of JSON.

It imports nothing of abkit. A damaged file can make the library that reads it end the process, print a panic, or ask
for any amount of memory: all of that ends with this process. To the list of files it answers with their columns and
the number of rows; to a list of columns and a limit with the bytes of the values.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_MEMORY = 4 * 2**30
_CPU_SECONDS = 600
_NUMBER_BYTES = 8
_FIRST_ROWS = 50_000


def main() -> None:
    """Answer what is asked about some files, which are one table."""
    _limit()
    try:
        import polars as pl

        table = pl.scan_parquet(json.loads(sys.stdin.readline()), glob=False)
        schema = table.collect_schema()
        rows = int(table.select(pl.len()).collect().item())
        _say({"names": list(schema), "rows": rows})
        for asked in iter(sys.stdin.readline, ""):
            names, most = json.loads(asked)
            # Most files that hold too much do so in their first rows: the rest of those is never decoded.
            found = _decoded_bytes(pl, table, schema, names, min(rows, _FIRST_ROWS))
            if rows > _FIRST_ROWS and found <= most:
                found = _decoded_bytes(pl, table, schema, names, rows)
            _say({"bytes": found})
    except BaseException as error:  # a panic inside polars is no Exception
        _say({"refused": next(iter(str(error).splitlines()), "")[:200] or type(error).__name__})


def _decoded_bytes(pl: Any, table: Any, schema: Any, names: list[str], rows: int) -> int:
    """Decode the columns once, part after part, and return what their values take."""
    texts = []
    for name in names:
        kind, column = schema[name], pl.col(name)
        if kind == pl.String:
            texts.append(column.str.len_bytes())
        elif kind == pl.Categorical:
            texts.append(column.cat.len_bytes())
        elif kind == pl.Enum:
            texts.append(column.cast(pl.String).str.len_bytes())
        elif kind == pl.Binary:
            texts.append(column.bin.size())
        else:
            texts.append(column.is_null().cast(pl.UInt32) * 0)
    sums = [values.cast(pl.UInt64).sum().alias(str(number)) for number, values in enumerate(texts)]
    found = table.head(rows).select(sums).collect(engine="streaming")
    return sum(int(value or 0) for value in found.row(0)) + _NUMBER_BYTES * rows * len(names)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit of the caller holds there too
        return
    for kind, wanted in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
