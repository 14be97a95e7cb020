"""Queries: one statement, read only, and their rows with the types that the engine has."""

import re
import sqlite3
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
import psycopg
import pytest

from abkit.addresses import holds_password
from abkit.errors import AbkitError, UsageError
from abkit.intake.databases.warehouse import shown_url, write_query
from tests.conftest import MakeDatabase

MAKE = "CREATE TABLE ads (day DATE, ad TEXT, impressions BIGINT, spend NUMERIC(10, 2))"
FILL = "INSERT INTO ads VALUES ('2026-01-01', '007', 100, 1.25), ('2026-01-02', '007', NULL, 2.50)"
LIMITS = {"seconds": 20, "max_rows": 100_000, "max_bytes": 1e8}


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, new_database: MakeDatabase) -> str:
    if request.param == "postgresql":
        made = new_database("postgresql").replace("+psycopg", "")
        with psycopg.connect(made) as connection:
            connection.execute(MAKE), connection.execute(FILL)
        return made
    connect = sqlite3.connect if request.param == "sqlite" else duckdb.connect
    with closing(connect(str(tmp_path / "ads.db"))) as connection:
        connection.execute(MAKE), connection.execute(FILL)
        connection.commit()
    return f"{request.param}:///{tmp_path / 'ads.db'}"


def rows(url: str, query: str, folder: Path, **limits: float) -> list[tuple[object, ...]]:
    write_query(url, query, folder / "out.parquet", **{**LIMITS, **limits})
    return pl.read_parquet(folder / "out.parquet").rows()


def test_the_rows_of_a_query_have_their_types(url: str, tmp_path: Path) -> None:
    day = "2026-01-01" if url.startswith("sqlite") else date(2026, 1, 1)
    first = rows(url, "SELECT day, ad, impressions, spend FROM ads WHERE ad LIKE '%7' ORDER BY spend", tmp_path)[0]
    assert first == (day, "007", 100, 1.25)


def test_ids_keep_all_their_digits_whatever_type_they_have(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite has neither type")
    wide = "CAST('120210000000123457' AS NUMERIC(20, 0))"
    uuid = "CAST('0b6f1f4e-7d0c-4b86-9d3e-0123456789ab' AS UUID)"
    query = f"SELECT {wide} AS ad, {uuid} AS creative, CAST(2.50 AS NUMERIC(10, 2)) AS spend FROM ads"
    assert rows(url, query, tmp_path) == [(120210000000123457, "0b6f1f4e-7d0c-4b86-9d3e-0123456789ab", 2.5)] * 2
    beyond = "CAST('12021000000012345678' AS NUMERIC(20, 0))"
    assert [str(ad) for (ad,) in rows(url, f"SELECT {beyond} AS ad FROM ads", tmp_path)] == ["12021000000012345678"] * 2


def test_an_instant_is_on_the_day_that_the_database_shows(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        pytest.skip("SQLite has no instants")
    shown = rows(url, "SELECT CAST('2026-01-01 23:30:00' AS TIMESTAMPTZ) AS day FROM ads LIMIT 1", tmp_path)
    assert shown == [(datetime(2026, 1, 1, 23, 30),)]  # noqa: DTZ001  # in the zone of the session, whatever it is


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM ads", "SELECT 1; DELETE FROM ads", "SELECT 1; COMMIT; DELETE FROM ads", "DROP TABLE ads", "none", ""],
)
def test_nothing_but_one_statement_that_reads_is_run(url: str, tmp_path: Path, query: str) -> None:
    with pytest.raises(AbkitError):
        rows(url, query, tmp_path)
    assert len(rows(url, "SELECT * FROM ads", tmp_path)) == 2


def test_a_query_without_an_end_is_ended(url: str, tmp_path: Path) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    with pytest.raises(AbkitError, match="took longer than"):
        rows(url, endless, tmp_path, seconds=1)
    many = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 300) SELECT a.n FROM t a, t b"
    with pytest.raises(AbkitError, match="too large"):
        rows(url, many, tmp_path, max_rows=60_000)


def test_values_count_as_large_as_they_are_not_as_well_as_they_pack(url: str, tmp_path: Path) -> None:
    text = "replace(hex(zeroblob(50000)), '00', 'aa')" if url.startswith("sqlite") else "repeat('a', 100000)"
    many = f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 200) SELECT {text} AS x FROM t"
    with pytest.raises(AbkitError, match="too large"):
        rows(url, many, tmp_path, max_bytes=1e7)
    assert len(rows(url, many, tmp_path, max_bytes=3e7)) == 200


def test_a_query_without_rows_is_said(url: str, tmp_path: Path) -> None:
    with pytest.raises(AbkitError, match="no rows"):
        rows(url, "SELECT * FROM ads WHERE ad = 'x'", tmp_path)


def test_a_password_is_never_shown() -> None:
    assert shown_url("postgresql://me:pw@h/ads?password=pw") == "postgresql://me@h/ads"
    assert holds_password("postgresql://me:pw@h/ads")
    assert holds_password("postgresql://h/ads?password=x")
    assert shown_url("mysql://me:pw@h/ads") == "mysql://me@h/ads"
    with pytest.raises(UsageError) as refused:
        shown_url("https://me:pw@h/ads")
    assert "pw" not in str(refused.value)


def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for url in ("postgresql://me:pw@127.0.0.1:9/ads", f"sqlite:///{tmp_path}/none.db", f"duckdb:///{tmp_path}/none.db"):
        with pytest.raises(AbkitError, match="cannot be reached") as refused:
            rows(url, "SELECT 1", tmp_path)
        assert "pw" not in str(refused.value)
    assert not list(tmp_path.glob("none*"))


def test_a_database_that_stops_in_the_middle_says_how_far_it_came_and_leaves_no_file(url: str, tmp_path: Path) -> None:
    count = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5000) SELECT "
    broken = {
        "sqlite": "abs(-9223372036854775807 - (n > 2500))",
        "duckdb": "CASE WHEN n > 2500 THEN error('gone') END",
        "postgresql": "1 / (2501 - n)",
    }[url.partition(":")[0]]
    with pytest.raises(AbkitError) as stopped:
        rows(url, f"{count} n, {broken} AS x FROM t", tmp_path)
    # Engines read ahead, and DuckDB may compute all of a small result first.
    said = re.search(r"stopped after ([\d,]+) rows", stopped.value.message)
    came = int(said[1].replace(",", "")) if said else 0
    assert came <= 2500
    assert came >= 1000 or url.startswith("duckdb")
    assert not (tmp_path / "out.parquet").exists()
    assert len(rows(url, f"{count} n FROM t", tmp_path)) == 5000
