"""Databases of other kinds, by an installed dialect: here SQLite and PostgreSQL under names of their own."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import psycopg
import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from abkit.errors import AbkitError, UsageError
from abkit.intake.databases import dialects
from abkit.intake.databases.dialects import require_select
from abkit.intake.databases.warehouse import shown_url, write_query
from tests.conftest import MakeDatabase

LIMITS = {"seconds": 20, "max_rows": 100_000, "max_bytes": 1e8}
MAKE = "CREATE TABLE ads (day DATE, ad TEXT, impressions BIGINT, spend NUMERIC(10, 2))"
FILL = "INSERT INTO ads VALUES ('2026-01-01', '007', 100, 1.25), ('2026-01-02', '007', NULL, 2.50)"


class Lake(SQLiteDialect_pysqlite):
    """A dialect that a package brings."""

    supports_statement_cache = False


class House(PGDialect_psycopg):
    """One with cursors at the server."""

    supports_statement_cache = False


registry.register("lake", __name__, "Lake")
registry.register("house", __name__, "House")


@pytest.fixture(params=["lake", "house"])
def url(request: pytest.FixtureRequest, tmp_path: Path, new_database: MakeDatabase) -> Iterator[str]:
    if request.param == "house":
        made = new_database("postgresql").replace("+psycopg", "")
        with psycopg.connect(made) as server:
            server.execute(MAKE), server.execute(FILL)
        yield made.replace("postgresql://", "house://")
        return
    with closing(sqlite3.connect(tmp_path / "ads.db")) as connection:
        connection.execute(MAKE), connection.execute(FILL)
        connection.commit()
    yield f"lake:///{tmp_path / 'ads.db'}"


def rows(url: str, query: str, folder: Path, **limits: float) -> list[tuple[object, ...]]:
    write_query(url, query, folder / "out.parquet", **{**LIMITS, **limits})
    return pl.read_parquet(folder / "out.parquet").rows()


def test_the_rows_of_any_dialect_are_read_as_it_gives_them(url: str, tmp_path: Path) -> None:
    query = "SELECT ad, impressions, spend FROM ads WHERE ad LIKE '%7' AND ':x' <> '%s' ORDER BY spend; -- all"
    assert rows(url, query, tmp_path) == [("007", 100, 1.25), ("007", None, 2.5)]


def test_many_rows_are_read_within_the_limits(url: str, tmp_path: Path) -> None:
    count = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {}) SELECT n FROM t"
    assert sum(n for (n,) in rows(url, count.format(70_000), tmp_path)) == 70_000 * 70_001 // 2  # type: ignore[misc]
    with pytest.raises(AbkitError, match="too large"):
        rows(url, count.format(120_000), tmp_path)


def test_a_query_that_takes_too_long_is_left_behind(url: str, tmp_path: Path) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9000000) SELECT count(*) FROM t"
    start = time.monotonic()
    with pytest.raises(AbkitError, match="took longer than"):
        rows(url, endless, tmp_path, seconds=0.5)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM ads",
        "SELECT 1; DELETE FROM ads",
        "WITH gone AS (DELETE FROM ads RETURNING *) SELECT * FROM gone",
        "SELECT * INTO other FROM ads",
        "SELECT '\\' ; DELETE FROM ads --'",
        "SELECT 1 --1; DELETE FROM ads",
        "SELECT /*! 1; DELETE FROM ads */ 1",
        "/* SELECT */ DROP TABLE ads",
        "",
    ],
)
def test_what_is_not_one_select_is_refused_before_anybody_is_asked(url: str, tmp_path: Path, query: str) -> None:
    with pytest.raises(AbkitError, match=r"one SELECT|may change something"):
        rows(url, query, tmp_path)
    assert len(rows(url, "SELECT * FROM ads", tmp_path)) == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'drop; delete' AS x",
        'SELECT "update" FROM ads',
        "select `set` from ads -- insert here\n;",
        "/* create nothing */ SELECT ad_set, created, updates FROM ads",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT 'it''s; an update'",
    ],
)
def test_words_in_strings_names_and_comments_do_not_matter(query: str) -> None:
    require_select(query)


def test_nothing_is_ever_committed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "require_select", lambda query: None)
    with pytest.raises(AbkitError):
        rows(url, "DELETE FROM ads", tmp_path)
    assert len(rows(url, "SELECT * FROM ads", tmp_path)) == 2


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("snowflake://me:SECRET@account/db", "pip install snowflake-sqlalchemy"),
        ("bigquery://project?credentials_base64=SECRET", "pip install sqlalchemy-bigquery"),
        ("clickhouse+native://me:SECRET@host/db", "pip install clickhouse-sqlalchemy"),
        ("clickhousedb://me:SECRET@host/db", "pip install clickhouse-connect"),
        ("mysql://me:SECRET@host/db", "pip install pymysql"),
        ("unheard://me:SECRET@host/db", "install the package that brings the SQLAlchemy dialect unheard"),
    ],
)
def test_a_dialect_that_is_not_installed_is_named_with_what_to_install(url: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(AbkitError, match="needs a package that is not installed") as refused:
        rows(url, "SELECT 1", tmp_path)
    assert refused.value.hint == hint
    assert "SECRET" not in f"{refused.value} {shown_url(url)}"


@pytest.mark.parametrize(
    "url", ["https://h/x?SECRET", "s3://SECRET", "host=h password=SECRET", "SECRET", "a b://SECRET"]
)
def test_what_is_no_url_of_a_database_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        shown_url(url)
    assert "SECRET" not in f"{refused.value} {refused.value.hint}"


def test_drivers_named_in_the_url_change_nothing_about_how_these_three_are_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ads.db")) as connection:
        connection.execute(MAKE), connection.execute(FILL)
        connection.commit()
    with pytest.raises(AbkitError):
        rows(f"sqlite+pysqlite:///{tmp_path / 'ads.db'}", "PRAGMA user_version", tmp_path)
    assert len(rows(f"sqlite+pysqlite:///{tmp_path / 'ads.db'}", "SELECT * FROM ads", tmp_path)) == 2
