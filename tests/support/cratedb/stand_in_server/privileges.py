"""Users, passwords and privileges, and whether a statement is within them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from .errors import Refused

_GRANT = re.compile(r"GRANT ([\w, ]+?)(?: ON (SCHEMA|TABLE) (\S+))? TO (\S+)", re.IGNORECASE)
_NEEDED = {
    sqlite3.SQLITE_READ: "DQL",
    sqlite3.SQLITE_INSERT: "DML",
    sqlite3.SQLITE_UPDATE: "DML",
    sqlite3.SQLITE_DELETE: "DML",
    sqlite3.SQLITE_CREATE_TABLE: "DDL",
    sqlite3.SQLITE_DROP_TABLE: "DDL",
    sqlite3.SQLITE_ALTER_TABLE: "DDL",
}
_EVERYBODYS = {"information_schema", "main", "temp"}
SUPERUSER = "crate"


class Users:
    """Kept in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}

    def names(self) -> list[str]:
        return [SUPERUSER, *self._known]

    def authenticated(self, name: str, password: str, *, local: bool) -> bool:
        if name == SUPERUSER:
            return local
        return name in self._known and self._known[name]["password"] == _hash(password)

    def create(self, name: str, password: str) -> None:
        if name in self.names():
            raise Refused(409, 4099, f"RoleAlreadyExistsException[Role '{name}' already exists]")
        self._known[name] = {"password": _hash(password), "privileges": []}
        self._write()

    def alter(self, name: str, password: str) -> None:
        self._require(name)["password"] = _hash(password)
        self._write()

    def drop(self, name: str) -> None:
        self._known.pop(name, None)
        self._write()

    def grant(self, statement: str) -> int:
        """How many privileges are new."""
        found = _GRANT.fullmatch(statement)
        if not found:
            raise Refused(400, 4000, f"SQLParseException[not known to this stand-in: {statement}]")
        words, kind, name, user = found.groups()
        given = self._require(user.strip('"'))["privileges"]
        wanted = [[word.strip().upper(), kind or "CLUSTER", (name or "").replace('"', "")] for word in words.split(",")]
        new = [one for one in wanted if one not in given]
        given += new
        self._write()
        return len(new)

    def may(self, user: str, privilege: str, schema: str, table: str) -> bool:
        if user == SUPERUSER or schema in _EVERYBODYS:
            return True
        given = self._require(user)["privileges"]
        places = [["CLUSTER", ""], ["SCHEMA", schema], ["TABLE", f"{schema}.{table}"]]
        return any([privilege, *place] in given for place in places)

    def _require(self, name: str) -> dict[str, Any]:
        if name not in self._known:
            raise Refused(404, 40410, f"RoleUnknownException[Role '{name}' does not exist]")
        return self._known[name]

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._known))
        os.replace(new, self._file)


class Statement:
    """SQLite asks it of each table that a statement uses. C(denied): the first privilege that its user lacks, and
    for which schema; C(written): the tables whose rows change."""

    def __init__(self, users: Users, user: str) -> None:
        self._users, self.user = users, user
        self.denied: tuple[str, str] | None = None
        self.written: set[tuple[str, str]] = set()

    def __call__(self, action: int, first: str | None, second: str | None, schema: str | None, _by: str | None) -> int:
        if action == sqlite3.SQLITE_ALTER_TABLE:
            schema, first = first, second
        needed, table = _NEEDED.get(action), first or ""
        if needed is None or table.startswith("sqlite_"):
            return sqlite3.SQLITE_OK
        if not self._users.may(self.user, needed, schema or "", table):
            self.denied = self.denied or (needed, schema or "")
            return sqlite3.SQLITE_DENY
        if needed == "DML":
            self.written.add((schema or "", table))
        return sqlite3.SQLITE_OK


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
