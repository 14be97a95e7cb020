"""Rows for every table that a store has at its migration, made from the tables themselves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from abkit.store.database.engine import Store

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_VERSION = "alembic_version"
Contents = dict[str, list[dict[str, Any]]]


def contents(store: Store) -> Contents:
    """Return all rows of all tables, in the order in which they were added."""
    tables = sa.inspect(store.engine).get_table_names()
    with store.read() as session:
        return {
            name: [dict(row._mapping) for row in session.execute(sa.text(f"SELECT * FROM {name} ORDER BY id"))]
            for name in tables
            if name != _VERSION
        }


@dataclass
class EveryTable:
    """Adds rows to the tables of a store, at any migration.

    Attributes:
        store: The store.
        words: By table and column: what that code wrote before the store took no other words.
    """

    store: Store
    words: Mapping[str, Mapping[str, Sequence[str | None]]]
    _shapes: dict[str, Any] = field(default_factory=dict)

    def add_rows(self) -> None:
        """Add two rows to each table that is new or changed since the last call, and to those that it refers to.

        One row has a value in every column, the other lacks what may be missing. A row refers to rows that were added
        in the same call, and no text or number comes twice in a column.
        """
        inspector = sa.inspect(self.store.engine)
        columns = {name: found for (_, name), found in inspector.get_multi_columns().items() if name != _VERSION}
        keys = {name: found for (_, name), found in inspector.get_multi_foreign_keys().items()}
        checks = {name: found for (_, name), found in inspector.get_multi_check_constraints().items()}
        parents = {
            name: {key["constrained_columns"][0]: key["referred_table"] for key in keys[name]} for name in columns
        }
        shapes = {name: repr((columns[name], checks[name])) for name in columns}
        wanted = {name for name in columns if shapes[name] != self._shapes.get(name)}
        self._shapes = shapes
        added: dict[str, list[int]] = {}

        def add(session: Session, name: str) -> None:
            if name in added:
                return
            added[name] = []
            for parent in parents[name].values():
                add(session, parent)
            lists = {**self.words.get(name, {}), **_words(checks[name], name)}
            number = session.execute(sa.text(f"SELECT coalesce(max(id), 0) FROM {name}")).scalar_one()
            table = sa.table(name, *(sa.column(one["name"], one["type"]) for one in columns[name]))
            for place in (0, 1):
                number += 1
                row = {
                    one["name"]: _reference(one["name"], added[parents[name][one["name"]]], place)
                    if one["name"] in parents[name]
                    else _value(one, lists.get(one["name"]), number)
                    for one in columns[name]
                    if one["name"] != "id" and (place == 0 or not one["nullable"])
                }
                insert = sa.insert(table).values(**row).returning(table.c.id)
                added[name].append(session.execute(insert).scalar_one())

        with self.store.write() as session:
            for name in wanted:
                add(session, name)


def _words(checks: Sequence[Mapping[str, Any]], table: str) -> dict[str, list[str]]:
    """Return the words that a column is restricted to."""
    found = {check["name"].removeprefix(f"ck_{table}_"): re.findall(r"'(\w+)'", check["sqltext"]) for check in checks}
    return {column: words for column, words in found.items() if words}


def _reference(column: str, there: Sequence[int], place: int) -> int | None:
    if not there:
        return None  # a parent in the table itself
    # The two sides of a comparison differ; otherwise the first row refers to first rows, the second to second ones.
    return there[{"first_id": 0, "second_id": -1}.get(column, min(place, len(there) - 1))]


def _value(column: Mapping[str, Any], words: Sequence[str | None] | None, number: int) -> Any:
    if words:
        return words[number % len(words)]
    for kind, value in (
        (sa.Boolean, number % 2 == 0),
        (sa.DateTime, _NOW + timedelta(seconds=number)),
        (sa.Date, date(2026, 1, 1) + timedelta(days=number)),
        (sa.JSON, {"number": number, "text": "größer"}),
        (sa.LargeBinary, bytes([number % 256, 0, 255])),
        (sa.Integer, number),
        (sa.Numeric, 0.5 + number / 1000),
        (sa.Float, 0.5 + number / 1000),
    ):
        if isinstance(column["type"], kind):
            return value
    return f"{column['name']} ü{number}"
