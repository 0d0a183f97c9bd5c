# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loading a dump of a PostgreSQL: pg_restore makes tables and indexes, and big tables get their rows over several
connections, because pg_restore has one for each table and one table of MLflow holds nearly everything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .postgresql_session import identifiers, session
from .postgresql_tools import Programs
from .postgresql_uri import PostgreSQLUri

# Rows of a table are worth several connections from here on.
_BIG = 16 << 20
_BLOCK = 256 << 10
# Entries of a dump that need a superuser and are no data of MLflow's.
_NOT_OURS = re.compile(rb"^\d+; \d+ \d+ (EXTENSION|COMMENT - EXTENSION|SCHEMA - public|COMMENT - SCHEMA public)\b")
# Names that hold a space are ambiguous here, and left to pg_restore.
_ROWS = re.compile(rb"^(\d+); \d+ \d+ TABLE DATA (\S+) (\S+) \S+$")
_ENCODING = re.compile(rb"^SET client_encoding = '(\w+)';$", re.MULTILINE)
# What pg_dump writes behind the last row.
_END = b"\\.\n"


@dataclass(frozen=True)
class _Part:
    """Some rows of a table: a part of a file in the text format of COPY."""

    schema: str
    table: str
    path: Path
    start: int
    end: int

    def blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.end - self.start
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                yield block


def load(programs: Programs, folder: Path, database: PostgreSQLUri, password: str | None, jobs: int) -> None:
    """Load a dump in directory format into an empty database.

    :raises EngineError: PostgreSQL or its tools refused something.
    """
    entries = [
        line for line in programs.run("pg_restore", "--list", str(folder)).splitlines() if not _NOT_OURS.match(line)
    ]
    parts: list[_Part] = []
    wanted: list[bytes] = []
    for entry in entries:
        found = _parts(folder, entry, jobs)
        parts += found
        wanted += [] if found else [entry]
    listed = folder / "wanted.list"
    listed.write_bytes(b"\n".join(wanted) + b"\n")

    def restore(section: str) -> None:
        arguments = ["--no-owner", "--no-acl", "--exit-on-error", f"--jobs={jobs}", f"--section={section}"]
        arguments += [f"--use-list={listed}", f"--dbname={database.libpq}", str(folder)]
        programs.run("pg_restore", *arguments, password=password)

    restore("pre-data")
    if parts:
        _copy(parts, _encoding(programs, folder), database, password, jobs, lambda: restore("data"))
    else:
        restore("data")
    restore("post-data")


def _parts(folder: Path, entry: bytes, jobs: int) -> list[_Part]:
    """The rows of a big table, in as many parts as there are jobs; none where pg_restore had better load them."""
    match = _ROWS.match(entry)
    path = folder / f"{match[1].decode()}.dat" if match else folder
    if not match or jobs < 2 or not path.is_file() or path.stat().st_size < _BIG:
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        tail = file.seek(max(0, size - 64))
        end = file.read().rfind(b"\n" + _END)
        if end < 0:
            return []
        end += tail + 1
        # A line break within a value is written as \n, so every real one ends a row.
        cuts = [0]
        for number in range(1, jobs):
            file.seek(end * number // jobs)
            file.readline()
            cuts.append(min(file.tell(), end))
    schema_name, table = match[2].decode(), match[3].decode()
    return [
        _Part(schema_name, table, path, start, stop)
        for start, stop in zip(cuts, [*cuts[1:], end], strict=True)
        if start < stop
    ]


def _encoding(programs: Programs, folder: Path) -> str:
    """What the dump's text is written in."""
    match = _ENCODING.search(programs.run("pg_restore", "--section=pre-data", "--file=-", str(folder)))
    return match[1].decode() if match else "UTF8"


def _copy(
    parts: list[_Part],
    encoding: str,
    database: PostgreSQLUri,
    password: str | None,
    jobs: int,
    rest: Callable[[], None],
) -> None:
    """Load the parts side by side, and C(rest) as if it were one of them.

    :raises EngineError: the first failure. It ends the others: the database will be removed anyway.
    """
    failures: list[BaseException] = []
    names = identifiers(database)

    def rows(part: _Part) -> Iterator[bytes]:
        for block in part.blocks():
            if failures:
                raise RuntimeError("another part could not be loaded")
            yield block

    def one(part: _Part) -> None:
        statement = names.SQL("COPY {} FROM STDIN").format(names.Identifier(part.schema, part.table))
        with session(database, password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT set_config('client_encoding', %s, false)", (encoding,))
            _stream(cursor, statement, rows(part))
            connection.commit()

    def noting(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            failures.append(error)

    with ThreadPoolExecutor(jobs, thread_name_prefix="load") as threads:
        for part in parts:
            threads.submit(noting, partial(one, part))
        threads.submit(noting, rest)
    if failures:
        raise failures[0]


def _stream(cursor: Any, statement: Any, blocks: Iterator[bytes]) -> None:
    """COPY with the words of either driver."""
    if hasattr(cursor, "copy_expert"):
        cursor.copy_expert(statement, _Readable(blocks), _BLOCK)
        return
    with cursor.copy(statement) as copy:
        for block in blocks:
            copy.write(block)


class _Readable:
    """Blocks as a file, for psycopg2: none of them is longer than what it reads at once."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, _size: int) -> bytes:
        return next(self._blocks, b"")
