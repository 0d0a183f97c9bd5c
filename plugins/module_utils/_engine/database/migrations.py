# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an upgrade would do to a database: the migrations between its schema and the installed MLflow's, classified.

The table was made by reading the migration scripts of MLflow 2.22 to 3.17. A migration that is not in it is unsafe
until somebody has read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import kinds, revisions, schema

ADDITIVE, REWRITING, DESTRUCTIVE, UNKNOWN = "additive", "rewriting", "destructive", "unknown"

# additive: new tables, columns, indexes; the old software would go on. rewriting: changes or locks what is there, for a
# time that grows with the rows. destructive: removes something that is not kept elsewhere in the same shape.
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "400f98739977": (ADDITIVE, ()),
    "6953534de441": (ADDITIVE, ("inputs",)),
    "bda7b8c39065": (REWRITING, ("model_version_tags",)),
    "cbc13b556ace": (ADDITIVE, ("trace_info",)),
    "770bee3ae1dd": (ADDITIVE, ()),
    "a1b2c3d4e5f6": (ADDITIVE, ()),
    "de4033877273": (ADDITIVE, ()),
    "1a0cddfcaa16": (ADDITIVE, ()),
    "534353b11cbc": (ADDITIVE, ()),
    "71994744cf8e": (ADDITIVE, ()),
    "3da73c924c2f": (ADDITIVE, ("evaluation_dataset_records",)),
    "bf29a5ff90ea": (ADDITIVE, ()),
    "1bd49d398cd23": (ADDITIVE, ()),
    "b7c8d9e0f1a2": (ADDITIVE, ()),
    "5d2d30f0abce": (REWRITING, ("jobs",)),
    "c9d4e5f6a7b8": (REWRITING, ("endpoints", "endpoint_model_mappings")),
    "2c33131f4dae": (ADDITIVE, ()),
    "d3e4f5a6b7c8": (ADDITIVE, ("endpoint_bindings",)),
    "d0e1f2a3b4c5": (ADDITIVE, ("endpoints",)),
    "c8d9e0f1a2b3": (ADDITIVE, ("spans",)),
    "1b5f0d9ad7c1": (
        REWRITING,
        (
            "experiments",
            "registered_models",
            "registered_model_tags",
            "registered_model_aliases",
            "model_versions",
            "model_version_tags",
            "jobs",
            "endpoints",
            "secrets",
            "model_definitions",
        ),
    ),
    "e1f2a3b4c5d6": (ADDITIVE, ()),
    "76601a5f987d": (ADDITIVE, ()),
    "c3d6457b6d8a": (ADDITIVE, ("jobs",)),
    "a5b4c3d2e1f0": (ADDITIVE, ("metrics",)),
    "ae8bbe7743c9": (ADDITIVE, ()),
    "7d34483879f0": (ADDITIVE, ("model_version_tags",)),
    "da6fb0208061": (ADDITIVE, ("trace_info", "workspaces")),
    "89d3d66ed43f": (ADDITIVE, ()),
    "b7e4c1a90f23": (ADDITIVE, ()),
    "a8b9c0d1e2f3": (ADDITIVE, ()),
    "c1d2e3f4a5b6": (REWRITING, ("spans",)),
    "c3d9e7f1a2b4": (ADDITIVE, ("budget_policies",)),
    "6f8d9c3b2a1e": (REWRITING, ("trace_info",)),
    "1971f2d9a75b": (ADDITIVE, ("trace_info",)),
    "17e22815139b": (REWRITING, ("experiment_tags",)),
    "b7e2c1a4d9f3": (ADDITIVE, ("jobs",)),
    "75868b020152": (DESTRUCTIVE, ("spans", "trace_info", "span_metrics", "trace_metrics", "assessments")),
    "dc11669786a5": (ADDITIVE, ("jobs",)),
}

# Of the user database.
_KNOWN_AUTH: dict[str, tuple[str, tuple[str, ...]]] = {
    "0965eb92f5f0": (ADDITIVE, ()),
    "a1b2c3d4e5f6": (ADDITIVE, ()),
    "2ed73881770d": (REWRITING, ("registered_model_permissions",)),
    "c3d4e5f6a7b8": (ADDITIVE, ()),
    # Copies every grant into roles; the tables it reads stay, but nothing reads them any more.
    "e5f6a7b8c9d0": (REWRITING, ("users", "experiment_permissions", "registered_model_permissions")),
    "f1a2b3c4d5e6": (REWRITING, ("role_permissions",)),
}


@dataclass(frozen=True)
class Pending:
    """One migration that an upgrade would run, and the rows that are there in the tables it touches."""

    revision: str
    kind: str
    rows: dict[str, int]


def inspect(uri: str, password: str | None = None, auth_uri: str | None = None) -> dict[str, Any]:
    """What C(mlflow_schema_info) returns: the schema, what the installed MLflow expects, and the way between.

    :raises SchemaError: the database cannot be read.
    """
    tracking = {
        **_inspect(uri, password, revisions.TRACKING, _KNOWN),
        "space": _space(uri, password),
        "indexes": kinds.database(uri, password).more_indexes(),
    }
    if not auth_uri:
        return tracking
    auth = _inspect(auth_uri, password, revisions.AUTH, _KNOWN_AUTH)
    return {**tracking, "auth": auth, "safe": tracking["safe"] and auth["safe"]}


def _inspect(
    uri: str, password: str | None, kind: tuple[str, str], known: dict[str, tuple[str, tuple[str, ...]]]
) -> dict[str, Any]:
    found = schema.read(uri, password, kind)
    waiting = revisions.between(found.revision, kind) if found.state == "older" else []
    rows = kinds.database(uri, password).rows() if waiting else {}
    pending = [_pending(revision, rows, known) for revision in waiting]
    return {
        "state": found.state,
        "revision": found.revision or "",
        "expected": found.expected,
        "pending": [vars(one) for one in pending],
        "safe": all(one.kind == ADDITIVE for one in pending) and found.state in ("current", "older", "empty"),
    }


def _pending(revision: str, rows: dict[str, int], known: dict[str, tuple[str, tuple[str, ...]]]) -> Pending:
    kind, tables = known.get(revision, (UNKNOWN, ()))
    return Pending(revision, kind, {table: rows[table] for table in tables if table in rows})


def _space(uri: str, password: str | None) -> dict[str, int | None]:
    """What migrating may need: tables are written anew, and going back loads the database beside itself."""
    found = kinds.database(uri, password).space()
    return {"size": found.size, "needed": 2 * found.size, "free": found.free}
