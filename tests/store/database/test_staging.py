"""Staged rows are in their table as the frame had them, whether a column varies or not."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from sqlalchemy import BigInteger, Column, Date, Float, Integer, MetaData, Table, Text, select

from abkit.store.database.engine import Store
from abkit.store.database.staging import create_stage, drop_stage, fill

TABLES = MetaData()
STAGED = Table(
    "stage_test",
    TABLES,
    Column("number", BigInteger),
    Column("day", Date),
    Column("text", Text),
    Column("amount", Float(53)),
    prefixes=["TEMPORARY"],
)
NUMBERED = Table(
    "stage_numbered",
    TABLES,
    Column("place", Integer, primary_key=True),
    Column("text", Text),
    prefixes=["TEMPORARY"],
)
DAY = date(2026, 11, 27)
TEXTS = ["", "EUR", "it's", "100% of :x and ?", '"quoted", a\\b', "two\nlines", "größer"]


def _staged(store: Store, frame: pl.DataFrame) -> list[tuple[object, ...]]:
    with store.connect() as connection, connection.begin():
        create_stage(connection, TABLES)
        fill(connection, STAGED, frame)
        rows = [tuple(row) for row in connection.execute(select(*(STAGED.c[name] for name in frame.columns)))]
        drop_stage(connection, TABLES)
    return rows


@pytest.mark.parametrize("text", [*TEXTS, None])
def test_a_value_that_all_rows_have_is_staged_as_it_is(store: Store, text: str | None) -> None:
    values = {"number": [1, 2], "day": [DAY, DAY], "text": [text, text], "amount": [0.1, 0.1]}
    frame = pl.DataFrame(values, schema_overrides={"text": pl.String})
    assert _staged(store, frame) == frame.rows()


def test_rows_that_differ_in_nothing_are_all_staged(store: Store) -> None:
    frame = pl.DataFrame(
        {"number": [7] * 3, "text": [""] * 3, "amount": [None] * 3}, schema_overrides={"amount": pl.Float64}
    )
    assert _staged(store, frame) == frame.rows()


def test_values_that_differ_and_those_that_are_missing_are_staged_in_their_order(store: Store) -> None:
    values = {
        "text": [*TEXTS, None],
        "number": [-1, None, 3, 2**40, 0, 1, 1, 1],
        "amount": [0.5, None, 0.1 + 0.2, 1e300, 0.0, 1.0, 2.0, 3.0],
        "day": [DAY, None, date(1999, 12, 31), DAY, DAY, DAY, DAY, DAY],
    }
    frame = pl.DataFrame(values)
    assert _staged(store, frame) == frame.rows()


def test_more_rows_than_are_bound_at_once_are_all_staged(store: Store) -> None:
    frame = pl.DataFrame({"number": range(25_001), "text": ["same"] * 25_001})
    assert sorted(_staged(store, frame)) == frame.rows()


def test_rows_are_numbered_in_the_order_in_which_they_are_staged(store: Store) -> None:
    texts = [f"row {number}" for number in range(120_000, 0, -1)]
    with store.connect() as connection, connection.begin():
        create_stage(connection, TABLES)
        fill(connection, NUMBERED, pl.DataFrame({"text": texts}))
        rows = connection.execute(select(NUMBERED.c.place, NUMBERED.c.text).order_by(NUMBERED.c.place)).all()
        drop_stage(connection, TABLES)
    assert [tuple(row) for row in rows] == list(enumerate(texts, start=1))
