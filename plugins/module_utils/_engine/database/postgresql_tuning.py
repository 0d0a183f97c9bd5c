# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tuning a PostgreSQL: looked at, said, and done as far as it keeps nobody from working."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import EngineError
from ..progress import Say
from . import indexes
from .postgresql_advice import AUTOVACUUM, Work, findings, work
from .postgresql_inspect import Inspection, inspect
from .postgresql_session import identifiers, namespace, session
from .postgresql_uri import PostgreSQLUri

_SHOWN = 10
# From this version on PostgreSQL ends a statement whose client is gone.
_NOTICES_THE_DEAD = 140000
_PATIENCE_MILLISECONDS = 3000


def tune(
    uri: PostgreSQLUri, password: str | None, wanted: Sequence[str] | None, *, dry_run: bool, say: Say
) -> dict[str, Any]:
    """What C(mlflow_tune) returns.

    :raises BadInput: there are no tables of MLflow's, or they belong to another role.
    """
    before = inspect(uri, password)
    steps, refused = work(before, wanted)
    done: list[dict[str, Any]] = []
    problems = []
    for step in steps:
        seconds, problem = 0.0, ""
        if not dry_run:
            say(step.words)
            began = time.monotonic()
            try:
                _do(uri, password, before.schema, step)
            except EngineError as error:
                problem = str(error)
                problems.append(f"{step.words[0].upper()}{step.words[1:]} did not work: {problem}")
            seconds = round(time.monotonic() - began, 3)
        done.append({"act": step.act, "name": step.name, "words": step.words, "why": step.why, "seconds": seconds})
        done[-1] |= {"problem": problem}
    after = before if dry_run or not steps else inspect(uri, password)
    return {
        "changed": any(not one["problem"] for one in done),
        **_shown(after),
        "indexes": _offered(after, refused),
        "work": done,
        "findings": findings(after, refused),
        "problems": problems,
    }


def built(uri: PostgreSQLUri, password: str | None) -> list[str]:
    """Names of the indexes beyond MLflow's own that are there."""
    with session(uri, password) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT i.relname FROM pg_class i JOIN pg_namespace n ON n.oid = i.relnamespace "
            "WHERE i.relkind = 'i' AND n.nspname = %s AND starts_with(i.relname, %s) ORDER BY 1",
            (namespace(connection), indexes.PREFIX),
        )
        return [str(name).removeprefix(indexes.PREFIX) for (name,) in cursor.fetchall()]


def _do(uri: PostgreSQLUri, password: str | None, schema: str, step: Work) -> None:
    """
    :raises SchemaError: PostgreSQL refused it.
    """
    names = identifiers(uri)
    called = names.Identifier(schema, step.name)
    if step.act == "create":
        offered = indexes.OFFERED[step.name.removeprefix(indexes.PREFIX)]
        table = names.Identifier(schema, offered.table)
        statement = names.SQL("CREATE INDEX CONCURRENTLY {index} ON {table} ").format(
            index=names.Identifier(step.name), table=table
        ) + names.SQL(offered.definition)
    elif step.act == "autovacuum":
        options = names.SQL(", ").join(names.SQL(f"{name} = {value}") for name, value in AUTOVACUUM.items())
        statement = names.SQL("ALTER TABLE {} SET ({})").format(called, options)
    else:
        words = {
            "drop": "DROP INDEX CONCURRENTLY {}",
            "vacuum": "VACUUM (ANALYZE) {}",
            "analyze": "ANALYZE {}",
            "reindex": "REINDEX INDEX CONCURRENTLY {}",
        }
        statement = names.SQL(words[step.act]).format(called)
    with session(uri, password) as connection:
        # None of them runs in a transaction, and none keeps others waiting: it waits itself.
        connection.autocommit = True
        try:
            _execute(connection, statement)
        except BaseException:
            if step.act == "create":
                _forget(uri, password, schema, step.name)
            raise


def _execute(connection: Any, statement: Any) -> None:
    """Carry out a statement that may take hours, and end it where we are told to end, or are killed."""
    cursor = connection.cursor()
    if connection.info.server_version >= _NOTICES_THE_DEAD:
        cursor.execute("SET client_connection_check_interval = '5s'")
    # In a thread: not every driver lets signals through while it waits.
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cursor.execute, statement)
        try:
            running.result()
        finally:
            if not running.done():
                connection.cancel()


def _forget(uri: PostgreSQLUri, password: str | None, schema: str, name: str) -> None:
    """Remove what a building that was cut off has left, unless others keep it from that: then the next run does."""
    names = identifiers(uri)
    with contextlib.suppress(EngineError), session(uri, password) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET statement_timeout = {_PATIENCE_MILLISECONDS}")
        cursor.execute(names.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(names.Identifier(schema, name)))


def _shown(found: Inspection) -> dict[str, Any]:
    blocks = found.hit + found.read
    return {
        "size": found.size,
        "in_memory": round(found.hit / blocks, 4) if blocks else None,
        "tables": [
            {
                "name": one.name,
                "rows": one.rows,
                "size": one.size,
                "indexes": one.indexes,
                "dead": one.dead,
                "waste": one.waste,
            }
            for one in found.tables[:_SHOWN]
        ],
        "statements": None if found.statements is None else [dataclasses.asdict(one) for one in found.statements],
    }


def _offered(found: Inspection, refused: dict[str, str]) -> list[dict[str, Any]]:
    there = {one.name: one for one in found.indexes if one.valid}
    listed = []
    for name, offered in indexes.OFFERED.items():
        index = there.get(indexes.PREFIX + name)
        state = "present" if index else "refused" if name in refused else "absent"
        listed.append(
            {
                "name": name,
                "table": offered.table,
                "state": state,
                "size": index.size if index else 0,
                "used": index.used if index else 0,
                "why": refused.get(name, ""),
            }
        )
    return listed
