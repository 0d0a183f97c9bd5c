"""One file of SQLite for each schema, and what becomes of a statement."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import catalog, snapshots, statements
from .errors import Refused, unknown_relation, unknown_schema
from .privileges import Statement, Users
from .snapshots import Repositories

# A statement that makes nothing and returns nothing, as CrateDB answers it.
_DONE: dict[str, Any] = {"cols": [], "rows": [[]], "rowcount": 1}
_NAME = r'"?(\w+)"?'
_USER = re.compile(rf"(CREATE|ALTER) USER {_NAME} (?:WITH|SET) \(password = (?:\?|'(.*)')\)", re.IGNORECASE)
_DROP_USER = re.compile(rf"DROP USER IF EXISTS {_NAME}", re.IGNORECASE)
_DROP_SCHEMA = re.compile(rf"DROP SCHEMA IF EXISTS {_NAME} CASCADE", re.IGNORECASE)
_CREATE_TABLE = re.compile(rf"(CREATE TABLE (?:IF NOT EXISTS )?)(?:{_NAME}\.)?{_NAME}", re.IGNORECASE)
_REFRESH = re.compile(rf"REFRESH TABLE (?:{_NAME}\.)?{_NAME}", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_OF_SYSTEM = re.compile(r"\b(?:sys|information_schema)\.", re.IGNORECASE)
_NOTHING = re.compile(r"ANALYZE|SET \w+ ?=.*", re.IGNORECASE)


class Database:
    """One statement at a time."""

    def __init__(self, data: Path, repository: Path) -> None:
        self._data, self._lock = data, threading.Lock()
        self._connection = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES,
            cached_statements=0,
        )
        statements.teach(self._connection)
        for file in sorted(data.glob("*.db")):
            self._attach(file.stem)
        catalog.create(self._connection)
        self.users = Users(data / "users.json")
        self._repositories = Repositories(self._connection, data / "repositories.json", repository)
        self._writes: Counter[tuple[str, str]] = Counter()
        # Who is connected, and how often.
        self.sessions: Counter[str] = Counter()
        self._others: list[tuple[re.Pattern[str], Callable[..., None]]] = [
            (snapshots.CREATE, lambda name, place, *_: self._repositories.create(name, place)),
            (snapshots.DROP, self._repositories.drop),
            (snapshots.TAKE, self._repositories.take),
            (snapshots.FORGET, self._repositories.forget),
            (snapshots.RESTORE, self._repositories.restore),
            (_DROP_SCHEMA, self._drop_schema),
            (_DROP_USER, self.users.drop),
            (_NOTHING, lambda: None),
        ]

    def run(self, user: str, schema: str, statement: str, values: list[Any]) -> dict[str, Any]:
        """The answer; C(schema) is that of names without one."""
        statement = _COMMENT.sub("", statement).strip().rstrip(";")
        with self._lock:
            if found := _USER.fullmatch(statement):
                known = self.users.create if found[1].upper() == "CREATE" else self.users.alter
                known(found[2], values[0] if values else found[3])
                return _DONE
            if statement.upper().startswith("GRANT "):
                return {**_DONE, "rowcount": self.users.grant(statement)}
            if found := _REFRESH.fullmatch(statement):
                self._refresh(user, found[1] or schema, found[2])
                return _DONE
            for form, function in self._others:
                if found := form.fullmatch(statement):
                    function(*found.groups(), *values)
                    return _DONE
            if found := _CREATE_TABLE.match(statement):
                return self._create(user, found[1], found[2] or schema, found[3], statement[found.end() :])
            return self._rows(user, statement, values)

    def _create(self, user: str, words: str, schema: str, table: str, rest: str) -> dict[str, Any]:
        """SQLite finds a table by its name alone; a new one must be told where it is."""
        if schema not in self._schemas():
            self._attach(schema)
        # Nobody is asked for a privilege to make what is there.
        if "EXISTS" in words.upper() and (schema, table) in self._tables():
            return {**_DONE, "rowcount": 0}
        return self._rows(user, f'{words}"{schema}"."{table}"{rest}', [])

    def _rows(self, user: str, statement: str, values: list[Any]) -> dict[str, Any]:
        if _OF_SYSTEM.search(statement):
            self._fill()
        uses = Statement(self.users, user)
        self._connection.set_authorizer(uses)
        try:
            cursor = self._connection.execute(statements.translated(statement), statements.bound(values))
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            raise _refusal(error, uses) from error
        finally:
            self._connection.set_authorizer(None)
        self._writes.update(uses.written)
        if cursor.description:
            return {"cols": [column[0] for column in cursor.description], "rows": rows, "rowcount": len(rows)}
        if "RENAME TO" in statement.upper():
            return {**_DONE, "rowcount": -1}
        return {**_DONE, "rowcount": max(cursor.rowcount, 0) if uses.written else 1}

    def _refresh(self, user: str, schema: str, table: str) -> None:
        if schema not in self._schemas() or not self.users.may(user, "DQL", schema, table):
            raise unknown_schema(schema)
        if (schema, table) not in self._tables():
            raise unknown_relation(f"{schema}.{table}")

    def _fill(self) -> None:
        more = {
            "sys.repositories": self._repositories.rows(),
            "sys.snapshots": self._repositories.snapshots(),
            "sys.sessions": [(user,) for user in (+self.sessions).elements()],
            "sys.users": [(name, name == "crate") for name in self.users.names()],
        }
        catalog.fill(self._connection, self._data, self._tables(), more)

    def _tables(self) -> dict[tuple[str, str], int]:
        """With a number that grows with each write."""
        found = {}
        for schema in self._schemas():
            for (table,) in self._connection.execute(
                f"SELECT name FROM \"{schema}\".sqlite_master WHERE type = 'table'"
            ):
                [(rows,)] = self._connection.execute(f'SELECT count(*) FROM "{schema}"."{table}"')
                found[schema, table] = rows - 1 + self._writes[schema, table]
        return found

    def _schemas(self) -> list[str]:
        return [
            name
            for _number, name, file in self._connection.execute("PRAGMA database_list")
            if file and name not in catalog.SCHEMAS
        ]

    def _attach(self, schema: str) -> None:
        self._connection.execute(f'ATTACH ? AS "{schema}"', (str(self._data / f"{schema}.db"),))
        self._connection.execute(f'PRAGMA "{schema}".journal_mode = WAL')
        self._connection.execute(f'PRAGMA "{schema}".synchronous = FULL')

    def _drop_schema(self, schema: str) -> None:
        if schema in self._schemas():
            self._connection.execute(f'DETACH "{schema}"')
            (self._data / f"{schema}.db").unlink()


def _refusal(error: sqlite3.Error, uses: Statement) -> Refused:
    if uses.denied:
        privilege, schema = uses.denied
        if privilege == "DQL":
            return unknown_schema(schema)
        words = f"Missing '{privilege}' privilege for user '{uses.user}'"
        return Refused(401, 4011, f"MissingPrivilegeException[{words}]")
    text = str(error)
    if text.startswith(("UNIQUE constraint failed", "PRIMARY KEY")):
        return Refused(409, 4091, "DuplicateKeyException[A document with the same primary key exists already]")
    if text.startswith("no such table: "):
        return unknown_relation(text.removeprefix("no such table: "))
    if text.startswith("unknown database "):
        return unknown_schema(text.removeprefix("unknown database "))
    return Refused(400, 4000, f"SQLParseException[{text}]")
