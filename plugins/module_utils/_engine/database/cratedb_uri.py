# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URIs of CrateDB, as its dialect of SQLAlchemy reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..connection import DatabaseUri
from ..errors import BadInput
from ..names import Host

_PORT = 4200
_OPTIONS = {"schema", "ssl"}
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,39}")
# CrateDB's own, and that of tables that name none.
_TAKEN = {"blob", "doc", "information_schema", "pg_catalog", "sys"}


@dataclass(frozen=True)
class CrateDBUri(DatabaseUri):
    """One whose user, host, port and schema are known. C(database) is the schema: CrateDB has no databases."""

    @property
    def package(self) -> str | None:
        return "mlflow-cratedb"

    @property
    def schema(self) -> str:
        return str(self.database)

    @property
    def origin(self) -> str:
        """Where its HTTP interface is."""
        secure = dict(self.query).get("ssl") == "true"
        return f"{'https' if secure else 'http'}://{Host(str(self.host)).in_url()}:{self.port}"

    @classmethod
    def complete(cls, uri: DatabaseUri, name: str) -> CrateDBUri:
        """
        :param uri: as it was read.
        :raises BadInput: something is missing, or its dialect would read it otherwise.
        """
        shape = "crate://USER@HOST:4200/?schema=mlflow"
        options = dict(uri.query)
        if unknown := sorted(set(options) - _OPTIONS):
            raise BadInput(f"{name} has the option {unknown[0]}; known are {', '.join(sorted(_OPTIONS))}: {shape}.")
        if len(options) < len(uri.query) or options.get("ssl", "true") not in ("true", "false"):
            raise BadInput(f"{name} says something twice, or ssl is neither true nor false: {shape}.")
        schema = options.get("schema", "")
        if uri.driver or uri.database or not (uri.host and uri.user and schema):
            raise BadInput(f"{name} must name user, host and schema, and nothing else: {shape}.")
        if not _SCHEMA.fullmatch(schema) or schema in _TAKEN:
            raise BadInput(
                f"{name} names the schema {schema}; it must be a word of its own, of small letters, digits and _, "
                f"that CrateDB does not use itself."
            )
        return cls(uri.uri, uri.dialect, None, uri.user, uri.host, uri.port or _PORT, schema, None, uri.query)
