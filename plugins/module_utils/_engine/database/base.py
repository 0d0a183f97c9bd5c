# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every kind of database can do. Who needs a database asks this class, never which kind it is.

A new kind is a file with such a class, and a line in C(kinds.py). A driver is imported by the method that needs it,
because most operations, such as a ping, need none.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ..connection import DatabaseUri
from ..errors import BadInput
from ..progress import Say
from .tenants import Administrator

# Runs one statement that only reads, and returns its rows.
Ask = Callable[[str], list[tuple[Any, ...]]]
# What a store makes of a file.
File = TypeVar("File")


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


@dataclass(frozen=True)
class Usage:
    """How much of a database is in use; None for what its kind does not have, or does not tell.

    :param dead_rows: the share of rows that are of no use any more and still take their place.
    :param connections: that are open, and the C(budget) that they are a part of.
    """

    dead_rows: float | None = None
    connections: int | None = None
    budget: int | None = None


@dataclass(frozen=True)
class Tools:
    """What an operator says of the programs of a database: C(pg_bindir) has pg_dump and pg_restore, C(jobs) at once."""

    pg_bindir: str | None = None
    jobs: int = 2


@dataclass(frozen=True)
class Dumping(Generic[File]):
    """Where a dump goes.

    :param folder: an empty one, for what is not stored yet.
    :param version_table: of the schema revision that goes with the dump.
    :param store: takes a file below a folder; it may begin while that grows, until the third argument says it does not.
    :param require_room: called with "copy" or "dump" and the bytes that it needs in C(folder).
    :param throttled: holds a program that others come before; None where nothing shall.
    """

    folder: Path
    version_table: str
    store: Callable[[Path, Path, Callable[[], bool]], File]
    require_room: Callable[[str, int], None]
    throttled: Callable[[Popen[bytes]], AbstractContextManager[None]] | None = None


@dataclass(frozen=True)
class Dump(Generic[File]):
    """One moment of a database. C(rows) per table, of the same moment as C(files)."""

    server_version: str
    revision: str | None
    rows: dict[str, int]
    files: list[File]


@dataclass(frozen=True)
class Live:
    """What a restore would replace. C(rows) is None where there is nothing; C(notes) are for people."""

    rows: dict[str, int] | None
    notes: list[str]


@dataclass(frozen=True)
class Loading:
    """Where a dump comes from.

    :param files: their names, with the bytes of each.
    :param write: writes one to a path; C(durable) brings it to the disk.
    :param scratch: a folder for the time of a load.
    :param require_room: called with a folder and the bytes that are needed there.
    :param same_owner: gives the first path owner and mode of the second.
    :param used: whether the loaded database will take the live one's place.
    """

    files: Mapping[str, int]
    write: Callable[..., None]
    scratch: Callable[[], AbstractContextManager[Path]]
    require_room: Callable[[Path, int], None]
    same_owner: Callable[[Path, Path], None]
    used: bool


@dataclass(frozen=True)
class Loaded:
    """C(rows) per table of what was loaded; C(seconds) of the steps worth telling, by name."""

    rows: dict[str, int]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Adapter:
    """What lets MLflow work on a kind of database that it does not know itself. It has one server, of one process and
    without users: names of experiments are unique only because one process looks before it writes.

    :param name: of the database, for people.
    :param package: that changes MLflow.
    :param application: module whose C(app) serves MLflow, in its place.
    :param release: of MLflow, the only one that the package is for.
    """

    name: str
    package: str
    application: str
    release: tuple[int, int]


class Server(Protocol):
    """Who exchanges whole databases in one transaction, and keeps a comment with each."""

    def exists(self, name: str) -> bool: ...

    def drop(self, name: str) -> None:
        """Remove a database, if it is there."""

    def comments(self) -> dict[str, str]:
        """The comments of all databases, by name."""

    def comment(self, name: str, text: str | None) -> None:
        """Comment a database. The comment stays with it when it is renamed, and goes with it when it is removed."""

    def rename(self, pairs: list[tuple[str, str]]) -> None:
        """Rename databases, all or none of them."""


class Database(ABC):
    """One database of a deployment, under the role of its URI.

    :cvar kind: the dialect of its URI, with the driver where one dialect has several kinds. Snapshots name it, so it
        never changes.
    :cvar schemes: that its URI may begin with, for who gave another one.
    :cvar limits_connections: whether it offers only so many connections to all who use it.
    :cvar fast_store: whether C(standalone/fast_store) can serve it.
    :cvar adapter: where MLflow needs one.
    :cvar endings: of the names of all that belongs to one database; the first is empty.
    """

    kind: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    limits_connections: ClassVar[bool]
    fast_store: ClassVar[bool] = False
    adapter: ClassVar[Adapter | None] = None
    endings: ClassVar[tuple[str, ...]] = ("",)

    def __init__(self, uri: DatabaseUri, password: str | None = None) -> None:
        self.uri = uri
        self._password = password

    @classmethod
    @abstractmethod
    def checked(cls, uri: DatabaseUri, name: str) -> DatabaseUri:
        """The parts of a URI as this kind means them, such as C(path) of a file.

        :param name: the variable or option it came from, for the error.
        :raises BadInput: it lacks something, or a reader would be surprised by it.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri.uri!r})"

    @abstractmethod
    def folders(self) -> list[str]:
        """Folders on the server's host that its processes write; empty where others can reach the database, too."""

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

    def bounded(self, seconds: float) -> AbstractContextManager[Ask]:
        """A session as of C(ask), in which nothing can be changed and each statement ends within these seconds, where
        the kind can promise that.

        :raises EngineError: it cannot be reached or read, or a statement took longer.
        """
        return self.ask()

    def estimates(self, ask: Ask) -> dict[str, int]:
        """Rows of big tables as the database itself estimates them; empty where counting them costs next to nothing."""
        return {}

    def sample(self, table: str, percent: float) -> str:
        """A part of a table, as statements have it; the whole where the kind knows no parts."""
        return table

    def usage(self, ask: Ask) -> Usage:
        return Usage()

    @abstractmethod
    def rows(self) -> dict[str, int]:
        """Rows per table, now."""

    @abstractmethod
    def space(self) -> Space:
        """What it takes, and what is free."""

    @abstractmethod
    def locked(self, words: str, *, shared: bool) -> AbstractContextManager[None]:
        """Hold the lock of the deployment; see C(lock.py).

        :param words: of who holds it, for who is refused meanwhile.
        :raises LockHeld: another has it.
        """

    @abstractmethod
    def lock_holders(self) -> list[str]:
        """Who holds that lock now, in the words of each; empty for nobody. Takes no lock itself."""

    @abstractmethod
    def reserved(self) -> str | None:
        """What C(reserve) noted; see C(reservation.py)."""

    @abstractmethod
    def reserve(self, text: str | None) -> None:
        """Note something with the database that stays with it when a restore exchanges it; None takes it away.

        :raises EngineError: this user may not.
        """

    @abstractmethod
    def changing(self) -> AbstractContextManager[None]:
        """Hold the one lock of all schema changes of this database, and make what its tables need around them."""

    def for_mlflow(self) -> str:
        """Its URI for MLflow in this process, which finds the password in C(PGPASSWORD)."""
        return self.uri.uri

    def create_tables(self, engine: Any) -> None:
        """Create MLflow's tables with this SQLAlchemy engine, in a database that is empty."""
        from mlflow.store.db import utils

        utils._initialize_tables(engine)

    @abstractmethod
    def prepare_migrations(self, engine: Any) -> None:
        """Let all changes of a transaction of this SQLAlchemy engine be made, or none: also those of tables."""

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

    @abstractmethod
    def require_dumpable(self, version_table: str, what: str, tools: Tools) -> str | None:
        """
        :param what: it is, for the error.
        :returns: the revision of its schema; None where it has no tables of MLflow.
        :raises EngineError: a dump could not begin.
        """

    @abstractmethod
    def dump(self, to: Dumping[File], what: str, tools: Tools) -> Dump[File]:
        """Dump it as it is at one moment, while servers write. Without tables there may be no files.

        :raises EngineError: it could not be dumped.
        """

    @abstractmethod
    def require_loadable(self, what: str, server_version: str, tools: Tools, *, used: bool) -> Live:
        """Look at what a dump of this kind would replace.

        :param server_version: of the server that was dumped.
        :param used: whether it will be replaced, so that nobody may use it.
        :raises EngineError: the dump could not be loaded here, or not replace what is there.
        """

    @abstractmethod
    def load(self, name: str, source: Loading, what: str, tools: Tools) -> Loaded:
        """Load a dump alongside this database, under a name of C(alongside).

        :raises EngineError: it could not be loaded. What was made of it is still there.
        """

    def more_indexes(self) -> list[str]:
        """Names of those that C(tune) has built."""
        return []

    def tune(self, wanted: Sequence[str] | None, *, dry_run: bool, say: Say) -> dict[str, Any]:
        """Look at what makes it slow, and do what is safe about it: what C(mlflow_tune) returns.

        :param wanted: names of indexes that there shall be; None leaves them alone.
        :raises BadInput: there is nothing to tune in databases of this kind.
        """
        raise BadInput(f"There is nothing to tune in a database of the kind {self.kind}: only PostgreSQL is looked at.")

    @property
    @abstractmethod
    def live(self) -> str:
        """The name of this database, as a restore moves it: of the file, or for the server."""

    @abstractmethod
    def alongside(self, act: str, stamp: str) -> str:
        """The name of another database alongside this one. Stamps are 17 digits."""

    @abstractmethod
    def named(self, name: str) -> Database:
        """Another database alongside this one."""

    @abstractmethod
    def names(self, *, reading: bool = False) -> list[str]:
        """The names of all that lies alongside, and of others.

        :param reading: as a role that may open no other database than this.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether something of this name lies alongside."""

    @abstractmethod
    def discard(self, name: str) -> None:
        """Remove what lies alongside under this name, if it is there."""

    @abstractmethod
    def present(self) -> list[str]:
        """The endings that this database has now; empty where there is none."""

    @abstractmethod
    def server(self) -> Server | None:
        """Who renames databases of this kind; None where they are files."""

    def administrator(self) -> Administrator:
        """Who makes databases and roles in its server, with the rights of its user.

        :raises BadInput: this collection makes none of this kind.
        """
        raise BadInput(f"Databases for the instances of a fleet are not offered for {self.kind}: make them by hand.")

    def stamps(self, act: str, *, reading: bool = False) -> set[str]:
        """The stamps of what lies alongside for this act. Clients of MLflow give no names there."""
        return {stamp for name in self.names(reading=reading) if (stamp := self.stamp_of(name, act))}

    def stamp_of(self, name: str, act: str) -> str | None:
        """The stamp in a name of C(alongside); None where it is none."""
        prefix = self.alongside(act, "0" * 17)[:-17]
        stamp = name.removeprefix(prefix)
        return stamp if name.startswith(prefix) and re.fullmatch(r"\d{17}", stamp, re.ASCII) else None


class ServedDatabase(Database):
    """One that has others alongside in the same server."""

    @abstractmethod
    def server(self) -> Server: ...

    def has(self, name: str) -> bool:
        return self.server().exists(name)

    def discard(self, name: str) -> None:
        self.server().drop(name)

    def present(self) -> list[str]:
        return list(self.endings) if self.has(self.live) else []
