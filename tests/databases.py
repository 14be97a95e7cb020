"""PostgreSQL databases for tests: one that a test leaves is emptied for the next, for making one takes far longer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

# Rows of these are written anew by whatever changes the schema, TRUNCATE and GRANT included, and by nothing else.
_CATALOGS = (
    "pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_proc", "pg_trigger", "pg_rewrite", "pg_namespace",
    "pg_database", "pg_db_role_setting",
)  # fmt: skip


@dataclass
class Databases:
    """Databases of one server that are copies of one template.

    Attributes:
        server: URL of its database `postgres`.
        template: Name of the database that is copied.
    """

    server: str
    template: str
    _idle: list[str] = field(default_factory=list)
    _as_made: dict[str, str] = field(default_factory=dict)

    def take(self) -> str:
        """Return the name of a database that is like the template."""
        if self._idle:
            return self._idle.pop()
        name = f"t{uuid.uuid4().hex}"
        execute(self.server, "CREATE DATABASE {} TEMPLATE {}", name, self.template)
        with self._connect(name) as connection:
            self._as_made[name] = _fingerprint(connection)
        return name

    def give_back(self, name: str) -> None:
        """Empty a database, or drop it where more was changed than rows of tables that were empty."""
        try:
            with self._connect(name) as connection:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                connection.execute(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {others}")
                _empty(connection)
                unchanged = _fingerprint(connection) == self._as_made[name]
        except psycopg.OperationalError:  # the test had it refuse connections, or writing
            unchanged = False
        if unchanged:
            self._idle.append(name)
        else:
            execute(self.server, "DROP DATABASE {} WITH (FORCE)", name)

    def url(self, name: str) -> str:
        """Return the URL of one of them."""
        return self.server.replace("/postgres?", f"/{name}?")

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self.url(name), autocommit=True)


def execute(server: str, statement: str, *names: str) -> None:
    """Execute one statement on a server, with names in place of its braces."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _fingerprint(connection: psycopg.Connection) -> str:
    """Return what is different when anything was changed that `_empty` does not take back."""
    parts = [f"SELECT '{name}', count(*)::text, max(xmin::text::bigint)::text FROM {name}" for name in _CATALOGS]
    parts.append("SELECT 'migration', version_num, '' FROM alembic_version")
    found = connection.execute(" UNION ALL ".join(parts)).fetchall()
    return f"{sorted(found)}, rows in {_filled(connection)}"


def _filled(connection: psycopg.Connection) -> list[str]:
    """Return the tables that have rows; most were never written to, and their files are empty."""
    written = connection.execute(
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND pg_relation_size(oid) > 0"
    ).fetchall()
    parts = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for (table,) in written]
    return sorted(table for (table,) in connection.execute(" UNION ALL ".join(parts))) if parts else []


def _empty(connection: psycopg.Connection) -> None:
    """Delete all rows but that of the migration, and let new ones lie and count from the start again."""
    filled = [table for table in _filled(connection) if table != "alembic_version"]
    if filled:
        connection.execute("SET session_replication_role = replica")  # whatever refers to whatever
        for table in filled:
            connection.execute(f"DELETE FROM {table}")
        connection.execute(f"VACUUM (INDEX_CLEANUP ON) {', '.join(filled)}")
    used = "pg_sequence_last_value(seqrelid) IS NOT NULL"
    connection.execute(f"SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence WHERE {used}")
