# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a PostgreSQL tells of itself that makes MLflow slow: sizes, dead rows, waste, indexes, the slowest statements.

Only looks, and briefly: each statement has seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import BadInput, one_line
from . import indexes, postgresql_usage
from .postgresql_session import identifiers, namespace, session
from .postgresql_uri import PostgreSQLUri

_PAGE = 8192
_LONGEST_STATEMENT, _STATEMENTS, _SECONDS = 200, 5, 30
# What a row takes beside its values, and an entry of a B-tree: headers, pointers, and what is left free on purpose.
_ROW, _ENTRY, _FULL = 28, 16, 0.9

_TABLES = f"""
SELECT c.relname, greatest(c.reltuples, s.n_live_tup, 0)::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid),
  coalesce(s.n_dead_tup, 0), coalesce(s.n_mod_since_analyze, 0),
  s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL OR c.reltuples > 0,
  pg_has_role(current_user, c.relowner, 'USAGE'), coalesce(c.reloptions, '{{}}'),
  greatest(0, c.relpages::bigint * {_PAGE} - (greatest(c.reltuples, 0) * ({_ROW} + coalesce((
    SELECT sum(p.avg_width * (1 - p.null_frac)) FROM pg_stats p
    WHERE p.schemaname = n.nspname AND p.tablename = c.relname), 0)) / {_FULL})::bigint)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY pg_total_relation_size(c.oid) DESC, c.relname
"""  # noqa: S608
_INDEXES = f"""
SELECT i.relname, t.relname, x.indisvalid, pg_relation_size(i.oid), coalesce(s.idx_scan, 0),
  CASE WHEN a.amname <> 'btree' THEN 0 ELSE greatest(0, pg_relation_size(i.oid) - {_PAGE} - (
    greatest(i.reltuples, 0) * ({_ENTRY} + coalesce((
      SELECT sum(p.avg_width) FROM pg_attribute k JOIN pg_stats p ON p.schemaname = n.nspname
        AND p.tablename = t.relname AND p.attname = k.attname
      WHERE k.attrelid = t.oid AND k.attnum = ANY (x.indkey)), 0) + 8) / {_FULL})::bigint) END
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_am a ON a.oid = i.relam JOIN pg_namespace n ON n.oid = i.relnamespace
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.oid
WHERE n.nspname = %s ORDER BY pg_relation_size(i.oid) DESC, i.relname
"""  # noqa: S608
_DATABASE = """
SELECT pg_database_size(current_database()), d.blks_hit, d.blks_read, current_setting('autovacuum')::bool,
  (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()),
  (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::bigint FROM pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')
FROM pg_stat_database d WHERE d.datname = current_database()
"""
# Statements only that read and write rows: others may hold what is secret. Values are $1, $2 in them.
_OF_ROWS = (
    "FROM {view} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    r"AND query ~* '^\s*(select|insert|update|delete|with)\M' "
)


@dataclass(frozen=True)
class Table:
    """C(size) and C(indexes) in bytes; C(dead) rows; C(modified) since it was analyzed; C(waste): bytes, estimated."""

    name: str
    rows: int
    size: int
    indexes: int
    dead: int
    modified: int
    analyzed: bool
    ours: bool
    options: Sequence[str]
    waste: int


@dataclass(frozen=True)
class Index:
    """C(used): how many times it was, since the statistics began; C(waste): bytes, estimated."""

    name: str
    table: str
    valid: bool
    size: int
    used: int
    waste: int


@dataclass(frozen=True)
class Statement:
    text: str
    calls: int
    mean_milliseconds: float
    total_seconds: float


@dataclass(frozen=True)
class Inspection:
    """What was found. C(hit) and C(read): blocks that were in memory, and that were not.

    :param frozen: transactions since the oldest row that was not frozen; C(oldest): seconds of the oldest transaction.
    :param statements: None where the database does not count them.
    :param counted: how many statements each index that is offered would have sped up, and made dearer.
    """

    schema: str
    size: int
    hit: int
    read: int
    autovacuum: bool
    frozen: int
    oldest: int
    tables: Sequence[Table]
    indexes: Sequence[Index]
    statements: Sequence[Statement] | None
    counted: dict[str, tuple[int, int]]

    def rows(self, table: str) -> int:
        return next((one.rows for one in self.tables if one.name == table), 0)


def inspect(uri: PostgreSQLUri, password: str | None) -> Inspection:
    """
    :raises BadInput: there are no tables of MLflow's, or they belong to another role, so that nothing could be done.
    """
    with session(uri, password) as connection:
        cursor = connection.cursor()
        postgresql_usage.limit(partial(_ask, cursor), _SECONDS)
        schema = namespace(connection)
        cursor.execute(_TABLES, (schema,))
        tables = [Table(*row) for row in cursor.fetchall()]
        if not any(one.name == "latest_metrics" for one in tables):
            raise BadInput(f"The database {uri.database} has no tables of MLflow's: deploy first.")
        if foreign := [one.name for one in tables if not one.ours]:
            raise BadInput(
                f"The user {uri.user} does not own {len(foreign)} tables of the database {uri.database}, such as "
                f"{foreign[0]}, and could neither clean them nor give them indexes. Take their owner."
            )
        cursor.execute(_INDEXES, (schema,))
        found = [Index(*row) for row in cursor.fetchall()]
        cursor.execute(_DATABASE)
        size, hit, read, autovacuum, frozen, oldest = cursor.fetchone()
        statements, counted = _statements(uri, connection)
        return Inspection(
            schema, int(size), int(hit), int(read), autovacuum, int(frozen), int(oldest), tables, found, statements,
            counted,
        )  # fmt: skip


def _ask(cursor: Any, statement: str) -> list[tuple[Any, ...]]:
    cursor.execute(statement)
    return list(cursor.fetchall())


def _statements(uri: PostgreSQLUri, connection: Any) -> tuple[list[Statement] | None, dict[str, tuple[int, int]]]:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'pg_stat_statements'"
    )
    if not (found := cursor.fetchone()):
        return None, {}
    names = identifiers(uri)
    of_rows = names.SQL(_OF_ROWS).format(view=names.Identifier(str(found[0]), "pg_stat_statements"))
    with _may_fail(connection, uri) as problems:
        cursor.execute(
            names.SQL("SELECT query, calls, mean_exec_time, total_exec_time ")
            + of_rows
            + names.SQL(f"ORDER BY total_exec_time DESC LIMIT {_STATEMENTS}")
        )
        slowest = [
            Statement(
                one_line(str(text))[:_LONGEST_STATEMENT],
                int(calls),
                round(float(mean), 3),
                round(float(total) / 1e3, 1),
            )
            for text, calls, mean, total in cursor.fetchall()
        ]
        counted = {}
        for name, index in indexes.OFFERED.items():
            if index.writes:
                cursor.execute(
                    names.SQL(
                        "SELECT coalesce(sum(calls) FILTER (WHERE query ~* %s), 0)::bigint, "
                        "coalesce(sum(calls) FILTER (WHERE query ~* %s), 0)::bigint "
                    )
                    + of_rows,
                    (index.searches, index.writes),
                )
                searches, writes = cursor.fetchone()
                counted[name] = (int(searches), int(writes))
    return (None, {}) if problems else (slowest, counted)


@contextmanager
def _may_fail(connection: Any, uri: PostgreSQLUri) -> Iterator[list[str]]:
    """An extension may be there and not be loaded, or its view not be for us: then nothing is known of statements."""
    problems: list[str] = []
    cursor = connection.cursor()
    cursor.execute("SAVEPOINT statements")
    try:
        yield problems
    except Exception as error:
        # Whichever driver it is: what PostgreSQL refused has a code.
        if not getattr(error, "sqlstate", getattr(error, "pgcode", None)):
            raise
        problems.append(one_line(error))
        cursor.execute("ROLLBACK TO SAVEPOINT statements")
