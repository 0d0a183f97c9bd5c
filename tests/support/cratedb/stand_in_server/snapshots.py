"""Repositories of the type C(fs), and snapshots in them: each a file of SQLite with copies of tables."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .catalog import VERSION
from .errors import Refused, unknown_relation

_NAME = r'"?([\w-]+)"?'
CREATE = re.compile(rf"CREATE REPOSITORY {_NAME} TYPE fs WITH \(location = \?, .*\)", re.IGNORECASE)
DROP = re.compile(rf"DROP REPOSITORY {_NAME}", re.IGNORECASE)
TAKE = re.compile(rf"CREATE SNAPSHOT {_NAME}\.{_NAME} TABLE (.+) WITH \(.*\)", re.IGNORECASE)
FORGET = re.compile(rf"DROP SNAPSHOT {_NAME}\.{_NAME}", re.IGNORECASE)
RESTORE = re.compile(
    rf"RESTORE SNAPSHOT {_NAME}\.{_NAME} TABLES?(?: (.+?))? WITH \(.*schema_rename_replacement = \?, "
    r"table_rename_replacement = \?\)",
    re.IGNORECASE,
)
_TABLE = re.compile(rf"{_NAME}\.{_NAME}")


class Repositories:
    def __init__(self, connection: sqlite3.Connection, file: Path, allowed: Path) -> None:
        self._connection, self._file, self._allowed = connection, file, allowed
        self._places: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def rows(self) -> list[tuple[str, str]]:
        return [(name, "fs") for name in self._places]

    def snapshots(self) -> Iterator[tuple[str, ...]]:
        for name, place in self._places.items():
            for file in sorted(Path(place).glob("*.snapshot")):
                yield name, file.stem, VERSION, "SUCCESS", "[]"

    def create(self, name: str, place: str) -> None:
        if not Path(place).resolve().is_relative_to(self._allowed.resolve()):
            raise Refused(
                500, 5000, f"RepositoryException[[{name}] {place} doesn't match any of the locations of path.repo]"
            )
        self._places[name] = place
        self._file.write_text(json.dumps(self._places))

    def drop(self, name: str) -> None:
        self._require(name)
        del self._places[name]
        self._file.write_text(json.dumps(self._places))

    def take(self, name: str, snapshot: str, tables: str) -> None:
        with _Attached(self._connection, self._path(name, snapshot)):
            for schema, table in _TABLE.findall(tables):
                _copy(self._connection, schema, table, "snapshot", f"{schema}.{table}")

    def forget(self, name: str, snapshot: str) -> None:
        self._path(name, snapshot).unlink()

    def restore(self, name: str, snapshot: str, tables: str | None, schema: str, pattern: str) -> None:
        file = self._path(name, snapshot)
        if not file.exists():
            raise Refused(404, 4048, f"SnapshotMissingException[[{name}:{snapshot}] is missing]")
        with _Attached(self._connection, file):
            listed = self._connection.execute("SELECT name FROM snapshot.sqlite_master WHERE type = 'table'")
            held = [name for (name,) in listed]
            wanted = [".".join(found) for found in _TABLE.findall(tables)] if tables else held
            for one in wanted:
                new = pattern.replace("$1", one.partition(".")[2])
                _copy(self._connection, "snapshot", one, schema, new)

    def _path(self, name: str, snapshot: str) -> Path:
        return Path(self._require(name), f"{snapshot}.snapshot")

    def _require(self, name: str) -> str:
        if name not in self._places:
            raise Refused(404, 4047, f"RepositoryUnknownException[Repository '{name}' unknown]")
        return self._places[name]


class _Attached:
    """A file, under the name C(snapshot)."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection, self._file = connection, file

    def __enter__(self) -> None:
        self._connection.execute("ATTACH ? AS snapshot", (str(self._file),))

    def __exit__(self, *_: object) -> None:
        self._connection.execute("DETACH snapshot")


def _copy(connection: sqlite3.Connection, schema: str, table: str, to_schema: str, to_table: str) -> None:
    found = connection.execute(f'SELECT sql FROM "{schema}".sqlite_master WHERE name = ?', (table,)).fetchone()
    if not found:
        raise unknown_relation(f"{schema}.{table}")
    connection.execute(f'CREATE TABLE "{to_schema}"."{to_table}" {found[0][found[0].index("(") :]}')
    # Columns that are computed take no values.
    listed = connection.execute(f'PRAGMA "{to_schema}".table_xinfo("{to_table}")')
    columns = ", ".join(f'"{row[1]}"' for row in listed if row[6] == 0)
    connection.execute(f'INSERT INTO "{to_schema}"."{to_table}" ({columns}) SELECT {columns} FROM "{schema}"."{table}"')
