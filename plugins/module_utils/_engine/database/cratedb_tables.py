# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of one database in CrateDB, and of those alongside it: in one schema, told apart by how they begin.

CrateDB renames a table within its schema only. So what a restore loads is C(restoring_STAMP_runs) beside C(runs).
"""

from __future__ import annotations

import re
import time

from ..errors import DatabaseUnavailable
from .cratedb_session import Session, Unknown, quoted
from .cratedb_uri import CrateDBUri

_ALONGSIDE = re.compile(r"([a-z]+_\d{17})_.+")
_PATIENCE_SECONDS = 120.0


class Tables:
    """Those of one database.

    :param name: of a database alongside; that of the schema for the live one.
    """

    def __init__(self, session: Session, uri: CrateDBUri, name: str) -> None:
        self.session = session
        self.schema = uri.schema
        self.prefix = "" if name == uri.schema else f"{name}_"

    def names(self) -> list[str]:
        """As MLflow calls them."""
        own = self.prefix.removesuffix("_")
        return [
            table.removeprefix(self.prefix) for table in all_tables(self.session, self.schema) if name_of(table) == own
        ]

    def quoted(self, table: str) -> str:
        return quoted(self.schema, self.prefix + table)

    def rows(self) -> dict[str, int]:
        """Rows per table, with all that was written before."""
        found = {}
        for table in self.names():
            self.session.run(f"REFRESH TABLE {self.quoted(table)}")
            found[table] = int(self.session.run(f"SELECT count(*) FROM {self.quoted(table)}")[0][0])  # noqa: S608
        return found

    def writes(self) -> dict[str, int]:
        """A number per table that grows with each write."""
        return {
            table.removeprefix(self.prefix): int(number)
            for table, number in self.session.run(
                "SELECT table_name, sum(seq_no_stats['max_seq_no']) FROM sys.shards "
                "WHERE schema_name = ? AND primary GROUP BY table_name",
                self.schema,
            )
            if name_of(table) == self.prefix.removesuffix("_")
        }

    def drop(self) -> None:
        for table in self.names():
            self.session.run(f"DROP TABLE IF EXISTS {self.quoted(table)}")

    def require_shards(self) -> None:
        """
        :raises DatabaseUnavailable: a table cannot be read or written whole, as after a restart; or nobody has let this
            user ask, which is the last thing that is done when tables are made.
        """
        try:
            red = self.session.run(
                "SELECT table_name FROM sys.health WHERE table_schema = ? AND health = 'RED' ORDER BY 1", self.schema
            )
        except Unknown as error:
            raise DatabaseUnavailable(
                f"{error} It may not see sys.health yet: GRANT DQL ON SCHEMA sys TO it."
            ) from error
        if own := [table for (table,) in red if name_of(table) == self.prefix.removesuffix("_")]:
            raise DatabaseUnavailable(
                f"{len(own)} tables of the schema {self.schema} of CrateDB have shards without a copy ({own[0]}, …): "
                f"it is starting, or a node with the only copy is away."
            )

    def wait_for_shards(self) -> None:
        """
        :raises DatabaseUnavailable: they are not there in time.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self.require_shards()
            except DatabaseUnavailable:
                if time.monotonic() > end:
                    raise
            time.sleep(0.5)


def all_tables(session: Session, schema: str) -> list[str]:
    """Of the schema, whichever database they belong to."""
    rows = session.run(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE' "
        "ORDER BY table_name",
        schema,
    )
    return [table for (table,) in rows]


def name_of(table: str) -> str:
    """The name of the database alongside that a table belongs to; empty for the live one."""
    found = _ALONGSIDE.fullmatch(table)
    return found[1] if found else ""
