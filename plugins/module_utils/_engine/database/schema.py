# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schema of MLflow's tables in a database, beside what the installed MLflow needs."""

from __future__ import annotations

from dataclasses import dataclass

from .. import advice
from ..errors import SchemaError
from . import kinds, revisions
from .revisions import AUTH, TRACKING


@dataclass(frozen=True)
class Schema:
    """One database's schema beside what the installed MLflow needs.

    C(state) is C(empty), C(current), C(older), C(newer) or C(foreign) (tables, but no MLflow revision).
    """

    state: str
    revision: str | None
    expected: str
    max_connections: int | None = None


def read(uri: str, password: str | None = None, kind: tuple[str, str] = TRACKING) -> Schema:
    """Inspect a database, changing nothing. Needs its driver, but imports no MLflow.

    :raises SchemaError: it cannot be reached or read; host and port are named, never the password.
    """
    database = kinds.database(uri, password)
    known = revisions.known(kind)
    expected = revisions.head(known)
    found = database.contents(kind[1])
    limit = found.max_connections
    if not found.revisions:
        others = [name for name in found.tables if not name.startswith("alembic_")]
        if kind is AUTH and "users" in others:
            # MLflow before 3.6 made them without writing down a revision.
            first = next(revision for revision, before in known.items() if before is None)
            return Schema("older" if {"experiment_permissions"} & set(others) else "foreign", first, expected, limit)
        # The authentication tables may share a database with the tracking tables.
        return Schema("foreign" if others and kind is not AUTH else "empty", None, expected, limit)
    revision = found.revisions[0]
    state = "current" if revision == expected else "older" if revision in known else "newer"
    return Schema(state, revision, expected, limit)


def require(schema: Schema, what: str, version: str) -> None:
    """Refuse any schema that a server of this version must not meet, with what to do.

    :raises SchemaError: the schema is older, newer or not MLflow's.
    """
    if schema.state == "older":
        raise SchemaError(
            f"The schema of {what} is older (revision {schema.revision}) than MLflow {version} needs "
            f"({schema.expected}). Nothing was changed. Upgrade it: {advice.command('upgrade')}"
        )
    if schema.state == "newer":
        raise SchemaError(
            f"The schema of {what} (revision {schema.revision}) is newer than MLflow {version}, which needs "
            f"{schema.expected}. Nothing was changed. Set mlflow_version to the version that wrote it, or restore a "
            f"backup taken before that upgrade: MLflow cannot take a schema back."
        )
    if schema.state == "foreign":
        raise SchemaError(
            f"{what} has tables, but no MLflow schema revision: it belongs to something else, or was made by a very "
            f"old MLflow. Nothing was changed. Give an empty database of its own."
        )
