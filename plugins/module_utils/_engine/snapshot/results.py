# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How drills and failed backups ended, noted in the destination itself: whoever may read snapshots finds it there, on
every platform. A backup that succeeded needs no note: it is a snapshot.

The name of a note says everything; what is in it is for people.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ..errors import EngineError, SnapshotError
from ..progress import Say
from ..storage.base import Store
from ..storage.cloud import connect
from . import commands, layout

_KEY = re.compile(r"(backup|drill)-([0-9a-f]{16})-(\d{8}T\d{6}Z)-(succeeded|failed)", re.ASCII)
_FORMAT = "%Y%m%dT%H%M%SZ"
_KEPT = 10
# More than are ever kept, of many deployments.
_MOST = 100_000


@dataclass(frozen=True)
class Result:
    """C(ended) is in seconds since 1970."""

    ended: float
    succeeded: bool
    key: str


def note(settings: Mapping[str, Any], kind: str, succeeded: bool, say: Say) -> None:
    """Note how a C(backup) or C(drill) ended. What cannot be noted is said: it must not be the end of what was done."""
    try:
        store = connect(commands.destination(settings), create=False)
        name, now = _name(settings), datetime.now(UTC)
        word = "succeeded" if succeeded else "failed"
        text = json.dumps({"name": name, "kind": kind, "ended": now.isoformat(timespec="seconds"), "result": word})
        store.put(f"{layout.RESULTS}{kind}-{_digest(name)}-{now.strftime(_FORMAT)}-{word}", text.encode() + b"\n")
        store.settle()
        for old in _all(store, name, kind)[_KEPT:]:
            store.delete(old.key)
    except EngineError as error:
        say(f"How the {kind} ended was not noted: {error}")


def newest(settings: Mapping[str, Any], kind: str) -> Result | None:
    """The last one of its kind; None where none was noted.

    :raises EngineError: that could not be looked at.
    """
    try:
        store = connect(commands.destination(settings), create=False)
    except SnapshotError as error:
        if "nothing was ever backed up there" in str(error):
            return None
        raise
    return next(iter(_all(store, _name(settings), kind)), None)


def _all(store: Store, name: str, kind: str) -> list[Result]:
    """The newest first."""
    found = []
    for one in islice(store.list(layout.RESULTS), _MOST):
        match = _KEY.fullmatch(layout.name(one.key))
        if not match or match[1] != kind or match[2] != _digest(name):
            continue
        try:
            ended = datetime.strptime(match[3], _FORMAT).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue  # no moment: nobody of us wrote it
        found.append(Result(ended, match[4] == "succeeded", one.key))
    return sorted(found, key=lambda one: one.ended, reverse=True)


def _name(settings: Mapping[str, Any]) -> str:
    return str(settings.get("name") or "mlflow")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
