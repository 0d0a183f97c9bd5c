# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a restore is about to move, noted where neither clients nor the server write.

Where a server exchanges databases, the note is the comment of the database that was loaded: only its owner writes that,
and it stays with the database when that is renamed, in the same transaction. So its place says whether the exchange has
happened. Where databases are files, it is a file in a folder that belongs to who restores.

A note names no path and no database. It says which of the few moves of a restore were meant, and their names follow
from the target and the time stamp: whatever it says, nothing else can be moved.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..database import restore_note
from ..database.base import Database, Server
from ..errors import SnapshotError
from ..storage.base import is_inside
from ..storage.durable import fsync

FORMAT = "mlops.mlflow restore"
VERSION = 1
ARTIFACTS = "artifacts"
# What a restore puts into the root of a volume, which cannot be exchanged itself, begins with this.
HIDDEN = ".mlops-"
STAMP = re.compile(r"\d{17}")
_ASIDE, _IN = "aside", "in"
_LIMIT = 64 << 20

Step = tuple[str, str, str]


@dataclass(frozen=True)
class Note:
    """The moves of one restore.

    :param steps: in order, each C((what, move, name)): C(what) is a database or C(artifacts), C(move) is C(aside) for
        what was live and C(in) for what was loaded, C(name) an entry in the root of a volume, or how the name of a
        file of a database ends.
    :param replaced: artifacts of a bucket that are replaced, with the SHA-256 of what was there.
    """

    stamp: str
    steps: list[Step] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A note of an earlier restore. C(done): the databases had been exchanged."""

    note: Note
    done: bool
    place: tuple[Server, str] | None = None


def aside(what: str, name: str = "") -> Step:
    return what, _ASIDE, name


def put_in(what: str, name: str = "") -> Step:
    return what, _IN, name


@dataclass(frozen=True)
class Names:
    """The names that a restore with this stamp gives. The only place that makes paths and databases of a note."""

    databases: Mapping[str, Database]
    folder: str | None
    stamp: str

    def loaded(self, what: str, act: str = "restoring") -> str:
        """What is loaded, until it takes the live one's place."""
        return self._alongside(what, act)

    def before(self, what: str) -> str:
        """What was live, afterwards."""
        return self._alongside(what, "before")

    def hidden(self, act: str) -> Path:
        """A folder in the root of a volume."""
        return Path(str(self.folder)) / f"{HIDDEN}{act}-{self.stamp}"

    def move(self, step: Step) -> tuple[str, str]:
        """A step as (old name, new name).

        :raises ValueError: no restore makes such a step.
        """
        what, move, name = step
        if move not in (_ASIDE, _IN):
            raise ValueError(f"the move {move[:100]!r}")
        if what == ARTIFACTS and self.folder is not None:
            if not name:
                return (self.folder, self.before(what)) if move == _ASIDE else (self.loaded(what), self.folder)
            if "/" in name or not is_inside(name):
                raise ValueError(f"the name {name[:100]!r}")
            inside = str(Path(self.folder) / name)
            if move == _ASIDE:
                return inside, str(self.hidden("before") / name)
            return str(self.hidden("restoring") / name), inside
        database = self.databases.get(what)
        if database is None:
            raise ValueError(f"{what[:100]!r}, which this target does not have")
        if name and (move == _IN or name not in database.endings):
            raise ValueError(f"the name {name[:100]!r}")
        live = database.live
        return (live + name, self.before(what) + name) if move == _ASIDE else (self.loaded(what), live)

    def by_server(self, step: Step) -> bool:
        """Whether the server of a database makes the move, not the file system."""
        return step[0] != ARTIFACTS and self.databases[step[0]].server() is not None

    def _alongside(self, what: str, act: str) -> str:
        if what == ARTIFACTS:
            return f"{self.folder}.{act}-{self.stamp}"
        return self.databases[what].alongside(act, self.stamp)


class Journal:
    """Where the note of a restore of this target is."""

    def __init__(self, databases: Mapping[str, Database], folder: str | None, place: str | None) -> None:
        self._databases = databases
        self._folder = folder
        self._servers = [(one, server) for one in databases.values() if (server := one.server())]
        files = [one.live for one in databases.values()]
        self._file = None if self._servers else restore_note.file_of([*files, folder or ""][0], place)

    def names(self, stamp: str) -> Names:
        return Names(self._databases, self._folder, stamp)

    def require(self) -> None:
        """
        :raises SnapshotError: a note could not be kept safely.
        """
        if self._file:
            restore_note.require_own(self._file.parent, create=False)

    def read(self) -> list[Found]:
        """
        :raises SnapshotError: there is a note that no restore of this target writes.
        """
        if self._file:
            restore_note.require_own(self._file.parent)
            try:
                with self._file.open("rb") as file:
                    text = file.read(_LIMIT)
            except FileNotFoundError:
                return []
            except OSError as error:
                raise SnapshotError(f"The journal {self._file} cannot be read: {error.strerror}.") from error
            where = f"the file {self._file}"
            return [Found(self._parsed(text, where, where, done=False), done=False)]
        found = []
        for database, server in self._servers:
            for name, comment in server.comments().items():
                stamp = database.stamp_of(name, "restoring")
                if comment.startswith(_HEAD) and (stamp or name == database.live):
                    where = f"the comment of the database {name}"
                    remedy = f'it (COMMENT ON DATABASE "{name}" IS NULL)'
                    note = self._parsed(comment.encode(), where, remedy, done=stamp is None)
                    if stamp not in (None, note.stamp):
                        raise _foreign(where, remedy, "another time stamp than the database's name")
                    found.append(Found(note, stamp is None, (server, name)))
        return found

    def begin(self, note: Note) -> None:
        """Something will be put beside the live data. With a server the name of the loaded database says so."""
        if self._file:
            self.write(note)

    def settle(self, found: Found) -> None:
        """What was noted is undone; only its time stamp is still needed. Before anything is removed that it names."""
        self._write(Note(found.note.stamp), found.place)

    def write(self, note: Note) -> None:
        """Note what will be moved; on the disk when this returns."""
        place = None
        if self._servers:
            database, server = self._servers[0]
            place = server, database.alongside("restoring", note.stamp)
        self._write(note, place)

    def _write(self, note: Note, place: tuple[Server, str] | None) -> None:
        text = _HEAD + json.dumps(asdict(note))[1:]
        if place:
            place[0].comment(place[1], text)
        if not self._file:
            return
        restore_note.write(self._file, text)
        fsync(self._file.parent)

    def clear(self) -> None:
        """Nothing is under way any more. The note in a loaded database that is removed goes with it."""
        if self._file:
            restore_note.remove(self._file)
            with contextlib.suppress(OSError):
                fsync(self._file.parent)
            return
        for database, server in self._servers:
            if server.comments().get(database.live, "").startswith(_HEAD):
                server.comment(database.live, None)

    def _parsed(self, text: bytes, where: str, remedy: str, *, done: bool) -> Note:
        """A note, of which every step is one that a restore of this target makes."""
        try:
            body = json.loads(text)
            if (body["format"], body["version"]) != (FORMAT, VERSION):
                raise ValueError("another format")
            stamp = body["stamp"]
            if not isinstance(stamp, str) or not STAMP.fullmatch(stamp):
                raise ValueError("no time stamp")
            steps = [tuple(step) for step in body["steps"]]
            if not all(len(step) == 3 for step in steps):
                raise ValueError("a step without its three words")
            replaced = body["replaced"]
            if not all(isinstance(word, str) for step in steps for word in step):
                raise TypeError
            names = self.names(stamp)
            if done:
                steps = []  # nobody undoes them
            for step in steps:
                names.move(step)
            if not isinstance(replaced, dict) or not all(
                isinstance(value, str) and is_inside(path) for path, value in replaced.items()
            ):
                raise ValueError("artifacts that cannot be")
        except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
            raise _foreign(where, remedy, "something else than steps") from error
        except ValueError as error:
            raise _foreign(where, remedy, str(error)) from error
        return Note(stamp, steps, replaced)


_HEAD = json.dumps({"format": FORMAT, "version": VERSION})[:-1] + ", "


def stamps(databases: Iterable[Database], *, reading: bool = False) -> frozenset[str]:
    """The time stamps of restores, as the names alongside the databases tell them: clients write no names there."""
    acts = ("restoring", "before")
    return frozenset(stamp for one in databases for act in acts for stamp in one.stamps(act, reading=reading))


def _foreign(where: str, remedy: str, why: str) -> SnapshotError:
    return SnapshotError(
        f"The journal of an interrupted restore, {where}, is not one that a restore of this target writes: it names "
        f"{why}. Nothing was changed. Restore to the same target as then; or look at the data, and when it is as you "
        f"want it, remove {remedy}, and restore again."
    )
