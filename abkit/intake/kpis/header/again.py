"""Headers in the middle of a file, where somebody put several exports into one: what follows may mean another thing."""

from collections.abc import Mapping

import polars as pl

from abkit.intake.kpis.header.fields import plain_name

AGAIN = "the header once more"
_FIGURES = ("impressions", "clicks")


def headers_again(frame: pl.DataFrame, names: Mapping[str, str]) -> tuple[pl.Series, pl.Series]:
    """Return which rows are the header once more, and what is wrong with rows below a header of other columns.

    Args:
        frame: The cells as they came, by field.
        names: By field, what the file calls it.
    """
    again = pl.Series("again", [False]).new_from_index(0, frame.height)
    problems = pl.Series("problem", [None], dtype=pl.String).new_from_index(0, frame.height)
    figures = [name for name in _FIGURES if name in frame.columns]
    if not figures or any(frame[name].dtype != pl.String for name in figures):
        return again, problems
    worded = pl.all_horizontal(pl.col(name).str.contains(r"\pL").fill_null(False) for name in figures)
    candidates = frame.with_row_index("row").filter(worded)
    header = {name: plain_name(said) for name, said in names.items()}
    seen: list[tuple[int, int, bool]] = []
    for row in candidates.iter_rows(named=True):
        cells = {name: plain_name(str(row[name] or "")) for name in header}
        known = sum(bool(cell) and cell in header.values() for cell in cells.values())
        if known >= 2 and 2 * known >= len(header):
            seen.append((row["row"], row["line"], cells == header))
    if not seen:
        return again, problems
    places = pl.DataFrame(seen, schema={"row": pl.UInt32, "header": pl.Int64, "same": pl.Boolean}, orient="row")
    below = frame.with_row_index("row").select("row").join_asof(places, on="row", strategy="backward")
    reason = pl.format("below another header, in line {}, whose columns are not those of the first", "header")
    problems = below.select(pl.when(~pl.col("same")).then(reason)).to_series()
    return below.select("row", again=pl.col("row").is_in(places["row"].implode()))["again"], problems
