# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What operators note with a CrateDB: a table that only they write, in a schema beside that of MLflow's tables.

CrateDB has neither comments of tables nor locks, and its tables bring no revision of MLflow's schema.
"""

from __future__ import annotations

from .cratedb_session import Session, Unknown, quoted
from .cratedb_uri import CrateDBUri

# Before names of databases: the revision of MLflow's schema, and what a restore noted. The reservation is of all.
REVISION, COMMENT, RESERVATION = "revision ", "comment ", "reservation"
_COLUMNS = "(name TEXT PRIMARY KEY, text TEXT, until TIMESTAMP) CLUSTERED INTO 1 SHARDS"


class Notes:
    """Texts by name. Who only reads finds none where nobody has noted any yet."""

    def __init__(self, session: Session, uri: CrateDBUri) -> None:
        self.session = session
        self.table = quoted(f"{uri.schema}_operator", "notes")

    def make(self) -> None:
        self.session.run(f"CREATE TABLE IF NOT EXISTS {self.table} {_COLUMNS}")

    def all(self, prefix: str = "") -> dict[str, str]:
        """Those whose names begin so, by the rest of their names."""
        try:
            self.session.run(f"REFRESH TABLE {self.table}")
            rows = self.session.run(f"SELECT name, text FROM {self.table}")  # noqa: S608
        except Unknown:
            return {}
        return {name.removeprefix(prefix): text for name, text in rows if name.startswith(prefix)}

    def read(self, name: str) -> str | None:
        return self.all().get(name)

    def write(self, name: str, text: str | None) -> None:
        """None takes it away."""
        self.make()
        if text is None:
            self.session.run(f"DELETE FROM {self.table} WHERE name = ?", name)  # noqa: S608
        else:
            self.session.run(
                f"INSERT INTO {self.table} (name, text) VALUES (?, ?) "  # noqa: S608
                "ON CONFLICT (name) DO UPDATE SET text = excluded.text",
                name,
                text,
            )
        self.session.run(f"REFRESH TABLE {self.table}")
