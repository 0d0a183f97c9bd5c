# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exchanging databases in CrateDB: table by table, as a note says that is there until the last is done.

CrateDB has no transactions. Once an exchange has begun, whoever asks next finishes it: nobody sees half of one.
"""

from __future__ import annotations

import json

from .cratedb_notes import COMMENT, REVISION, Notes
from .cratedb_session import Session, quoted, session
from .cratedb_tables import Tables, all_tables, name_of
from .cratedb_uri import CrateDBUri

_EXCHANGE = "exchange"
# Of notes that go with a database.
_KINDS = (COMMENT, REVISION)


class Server:
    """Who exchanges databases of a schema, and keeps a comment with each."""

    def __init__(self, uri: CrateDBUri, password: str | None) -> None:
        self._uri = uri
        self._password = password

    def names(self) -> list[str]:
        """Of all databases in the schema."""
        with session(self._uri, self._password) as statements:
            self._go_on(statements)
            tables = all_tables(statements, self._uri.schema)
        return sorted({name_of(table) or self._uri.schema for table in tables})

    def exists(self, name: str) -> bool:
        return name in self.names()

    def comments(self) -> dict[str, str]:
        """The comments of all databases, by name."""
        with session(self._uri, self._password) as statements:
            self._go_on(statements)
            return Notes(statements, self._uri).all(COMMENT)

    def comment(self, name: str, text: str | None) -> None:
        """Comment a database. The comment stays with it when it is renamed, and goes with it when it is removed."""
        with session(self._uri, self._password) as statements:
            Notes(statements, self._uri).write(COMMENT + name, text)

    def rename(self, pairs: list[tuple[str, str]]) -> None:
        """Rename databases, all or none of them."""
        with session(self._uri, self._password) as statements:
            self.exchange(statements, pairs)

    def exchange(self, statements: Session, pairs: list[tuple[str, str]]) -> None:
        notes = Notes(statements, self._uri)
        known = notes.all()
        moves = [(old, new, Tables(statements, self._uri, old).names()) for old, new in pairs]
        said: dict[str, str | None] = {kind + old: None for kind in _KINDS for old, _new in pairs}
        said |= {kind + new: known.get(kind + old) for kind in _KINDS for old, new in pairs}
        notes.write(_EXCHANGE, json.dumps({"moves": moves, "notes": said}))
        self._go_on(statements)

    def drop(self, name: str) -> None:
        with session(self._uri, self._password) as statements:
            Tables(statements, self._uri, name).drop()
            notes = Notes(statements, self._uri)
            for kind in _KINDS:
                notes.write(kind + name, None)

    def _go_on(self, statements: Session) -> None:
        """Each step of the exchange that is noted, if any is, where it was not made yet."""
        notes = Notes(statements, self._uri)
        if (text := notes.read(_EXCHANGE)) is None:
            return
        meant = json.loads(text)
        there = set(all_tables(statements, self._uri.schema))
        for old, new, tables in meant["moves"]:
            before, after = Tables(statements, self._uri, old), Tables(statements, self._uri, new)
            for table in tables:
                source, goal = before.prefix + table, after.prefix + table
                if source in there and goal not in there:
                    statements.run(f"ALTER TABLE {before.quoted(table)} RENAME TO {quoted(goal)}")
                    there = there - {source} | {goal}
        for name, text in meant["notes"].items():
            notes.write(name, text)
        notes.write(_EXCHANGE, None)
        Tables(statements, self._uri, self._uri.schema).wait_for_shards()
