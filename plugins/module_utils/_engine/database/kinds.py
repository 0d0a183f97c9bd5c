# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of databases that are offered: the one place that knows which class a URI means."""

from __future__ import annotations

from ..connection import DatabaseUri
from ..errors import BadInput
from .base import Database
from .postgresql import PostgreSQL
from .sqlite import SQLite

# By the dialect of a URI. Imported here by name, because Ansible packs only what is.
KINDS: dict[str, type[Database]] = {kind.kind: kind for kind in (SQLite, PostgreSQL)}


def kind_of(uri: DatabaseUri, name: str = "the database uri") -> type[Database]:
    """
    :raises BadInput: no such kind is offered.
    """
    try:
        return KINDS[uri.dialect]
    except KeyError:
        raise BadInput(
            f"{name} begins with '{uri.dialect}', which is not offered. Offered: {', '.join(sorted(KINDS))}."
        ) from None


def database(uri: str, password: str | None = None, name: str = "the database uri") -> Database:
    """The database of a URI. Nothing is connected to.

    :param name: the variable or option it came from, for the error.
    :raises BadInput: the URI is none that MLflow runs on.
    """
    parsed = DatabaseUri.parse(uri, name)
    return kind_of(parsed, name)(parsed, password)
