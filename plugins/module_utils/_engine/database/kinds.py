# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of databases that are offered: the one place that knows which class a URI means."""

from __future__ import annotations

from ..connection import DatabaseUri
from ..errors import BadInput
from .base import Database
from .cratedb import CrateDB
from .postgresql import PostgreSQL
from .sqlite import SQLite

# By the dialect of a URI, or dialect+driver. Imported here by name, because Ansible packs only what is.
KINDS: dict[str, type[Database]] = {kind.kind: kind for kind in (SQLite, PostgreSQL, CrateDB)}


def kind_of(uri: DatabaseUri, name: str = "the database uri") -> type[Database]:
    """
    :raises BadInput: no such kind is offered.
    """
    scheme = uri.uri.partition("://")[0]
    if kind := KINDS.get(scheme) or KINDS.get(uri.dialect):
        return kind
    offered = ", ".join(scheme for kind in KINDS.values() for scheme in kind.schemes)
    raise BadInput(f"{name} starts with '{scheme}', which is not offered. Offered: {offered}.")


def database(uri: str, password: str | None = None, name: str = "the database uri") -> Database:
    """The database of a URI. Nothing is connected to.

    :param name: the variable or option it came from, for the error.
    :raises BadInput: the URI is none that MLflow runs on.
    """
    found = DatabaseUri.read(uri, name)
    kind = kind_of(found, name)
    return kind(kind.checked(found, name), password)


def parse(uri: str, name: str = "the database uri") -> DatabaseUri:
    """A URI, with its parts as its kind means them.

    :raises BadInput: it is none that MLflow runs on without a surprise.
    """
    return database(uri, None, name).uri
