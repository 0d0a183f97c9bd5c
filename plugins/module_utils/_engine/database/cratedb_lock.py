# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks of a deployment in CrateDB, which has none itself: notes that their holder renews, until it is gone.

A note is out of date a minute after it was renewed, by the clock of CrateDB. A holder that finds its note gone ends.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import uuid
from collections.abc import Iterator

from ..errors import DatabaseUnavailable, LockHeld, SchemaError
from .cratedb_notes import Notes
from .cratedb_session import Duplicate, Session, session
from .cratedb_uri import CrateDBUri

_KEPT_MILLISECONDS, _RENEWED_SECONDS = 60_000, 10.0
_ALONE = "alone"


@contextlib.contextmanager
def held(uri: CrateDBUri, password: str | None, kind: str, words: str, *, shared: bool = False) -> Iterator[None]:
    """
    :param kind: of lock: those of different kinds do not know of each other.
    :param words: of who holds it, for who is refused meanwhile.
    :raises LockHeld: another has it.
    """
    with session(uri, password) as statements:
        own = f"{_prefix(kind)}{uuid.uuid4().hex if shared else _ALONE}"
        holder = f"{words} ({uuid.uuid4().hex[:8]})"
        _take(statements, uri, kind, own, holder)
        ended = threading.Event()
        renewal = threading.Thread(target=_renew, args=(uri, password, own, holder, ended), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            with contextlib.suppress(SchemaError):  # it is out of date in a minute
                table = Notes(statements, uri).table
                statements.run(f"DELETE FROM {table} WHERE name = ? AND text = ?", own, holder)  # noqa: S608


def holders(statements: Session, uri: CrateDBUri, kind: str) -> dict[str, str]:
    """Who holds a lock of this kind now, by the names of their notes."""
    notes = Notes(statements, uri)
    if not (known := notes.all(_prefix(kind))):
        return {}
    table = notes.table
    rows = statements.run(f"SELECT name FROM {table} WHERE until >= CURRENT_TIMESTAMP")  # noqa: S608
    return {_prefix(kind) + name: text for name, text in known.items() if (_prefix(kind) + name,) in rows}


def _take(statements: Session, uri: CrateDBUri, kind: str, own: str, words: str) -> None:
    notes = Notes(statements, uri)
    notes.make()
    statements.run(f"REFRESH TABLE {notes.table}")
    outdated = f"DELETE FROM {notes.table} WHERE name = ? AND until < CURRENT_TIMESTAMP"  # noqa: S608
    for name in notes.all(_prefix(kind)):
        statements.run(outdated, _prefix(kind) + name)
    with contextlib.suppress(Duplicate):
        statements.run(
            f"INSERT INTO {notes.table} (name, text, until) "  # noqa: S608
            f"VALUES (?, ?, CURRENT_TIMESTAMP + {_KEPT_MILLISECONDS})",
            own,
            words,
        )
    # Both sides write before they look, so that of two at least one sees the other.
    found = holders(statements, uri, kind)
    alone = _prefix(kind) + _ALONE
    others = {name: text for name, text in found.items() if text != words and alone in (name, own)}
    if not others:
        return
    statements.run(f"DELETE FROM {notes.table} WHERE name = ? AND text = ?", own, words)  # noqa: S608
    raise LockHeld(
        f"Another operation works on the schema {uri.schema} of CrateDB: {'; '.join(sorted(others.values()))}. Nothing "
        f"was changed. Try again when it has ended. Where its process is gone, the lock is free after a minute."
    )


def _renew(uri: CrateDBUri, password: str | None, own: str, holder: str, ended: threading.Event) -> None:
    statement = f"SET until = CURRENT_TIMESTAMP + {_KEPT_MILLISECONDS} WHERE name = ? AND text = ?"
    with session(uri, password) as statements:
        table = Notes(statements, uri).table
        while not ended.wait(_RENEWED_SECONDS):
            with contextlib.suppress(DatabaseUnavailable):  # whoever comes meanwhile cannot take it either
                if not statements.changed(f"UPDATE {table} {statement}", own, holder):
                    _thread.interrupt_main(signal.SIGTERM)
                    return


def _prefix(kind: str) -> str:
    return f"lock {kind} "
