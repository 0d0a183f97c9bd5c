# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every kind of database can do. Who needs a database asks this class, never which kind it is.

A new kind is a file with such a class, and a line in C(kinds.py). A driver is imported by the method that needs it,
because most operations, such as a ping, need none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from ..connection import DatabaseUri

# Runs one statement that only reads, and returns its rows.
Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Contents:
    """What a database holds.

    :param revisions: in its version table; empty where there is none.
    :param max_connections: that it offers to this user; None where nothing limits them.
    """

    tables: list[str]
    revisions: list[str]
    max_connections: int | None = None


@dataclass(frozen=True)
class Space:
    """Bytes that a database takes, and that are free for more of it; None where that cannot be seen from here."""

    size: int
    free: int | None


class Database(ABC):
    """One database of a deployment, under the role of its URI.

    :cvar kind: the dialect of its URI; snapshots are named by it, so it never changes.
    :cvar limits_connections: whether the database offers only so many connections to all who use it.
    """

    kind: ClassVar[str]
    limits_connections: ClassVar[bool]

    def __init__(self, uri: DatabaseUri, password: str | None = None) -> None:
        self.uri = uri
        self._password = password

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri.uri!r})"

    @abstractmethod
    def contents(self, version_table: str) -> Contents:
        """
        :raises SchemaError: it cannot be reached or read; host and port are named, never the password.
        """

    @abstractmethod
    def ask(self) -> AbstractContextManager[Ask]:
        """A session that reads: within it, statements see one database.

        :raises EngineError: it cannot be reached or read.
        """

    @abstractmethod
    def rows(self) -> dict[str, int]:
        """Rows per table, now."""

    @abstractmethod
    def space(self) -> Space:
        """What it takes, and what is free."""

    @abstractmethod
    def changing(self) -> AbstractContextManager[None]:
        """Hold the one lock of all schema changes of this database, and make what its tables need around them."""

    @abstractmethod
    def being_changed(self) -> bool:
        """Whether somebody holds that lock right now."""

    @abstractmethod
    def require_unused(self) -> None:
        """
        :raises SchemaError: servers use it, so that its schema must not change under them.
        """

    @abstractmethod
    def require_settled(self) -> None:
        """
        :raises SchemaError: a restore was interrupted that had moved it away: an empty one would hide that.
        """

    @abstractmethod
    def require_role(self, role: str) -> None:
        """
        :raises DatabaseMissing: there is no such role.
        """

    @abstractmethod
    def grant(self, role: str) -> None:
        """Let a role read and write rows, but not change the schema. Nothing where there are no roles."""
