# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was measured last: each part in a thread of its own, at its interval, so that none holds up others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import BadInput, CannotRead, EngineError, LockHeld, MissingLibrary, NotAllowed, one_line
from ..kubernetes.client import ClusterError, Forbidden
from ..progress import Say, silent
from .metrics import BROKEN, HEALTHY, NOT_ALLOWED, UNSEEN, VERDICTS, Reading, Sample

# A part of which nothing was heard for so many intervals, and some seconds, is as good as not measured.
_INTERVALS, _SECONDS = 3, 60.0
_LONGEST = 500
# What databases and files say to whom they do not let in; and of a statement that took longer than it may.
_REFUSED = ("permission denied", "authentication failed")
_TOO_LONG = ("statement timeout", "lock timeout", ": interrupted")


@dataclass(frozen=True)
class Part:
    """Something that is measured.

    :param seconds: from the beginning of one round to that of the next.
    :param read: one round.
    """

    name: str
    seconds: float
    read: Callable[[], Reading]


@dataclass(frozen=True)
class _Round:
    reading: Reading
    ended: float
    seconds: float


class Cache:
    """The last round of each part.

    :param say: is told when a verdict becomes another one.
    """

    def __init__(self, parts: Iterable[Part], say: Say = silent) -> None:
        self.parts = list(parts)
        self._say = say
        self._rounds: dict[str, _Round] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def refresh(self, part: Part) -> None:
        """Measure one part now."""
        began = time.monotonic()
        reading = _read(part)
        found = _Round(reading, time.time(), time.monotonic() - began)
        with self._lock:
            before = self._rounds.get(part.name)
            self._rounds[part.name] = found
        if reading.verdict != (before.reading.verdict if before else HEALTHY):
            self._say(f"{part.name}: {reading.verdict.replace('_', ' ')}: {reading.message or 'nothing is wrong'}")

    def start(self) -> None:
        """Measure all parts again and again, until C(stop)."""
        for part in self.parts:
            threading.Thread(target=self._repeat, args=(part,), name=part.name, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def _repeat(self, part: Part) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            self.refresh(part)
            self._ended.wait(max(1.0, part.seconds - (time.monotonic() - began)))

    def samples(self) -> list[Sample]:
        """What is known now. Of a part whose rounds do not end any more, only that."""
        with self._lock:
            rounds = dict(self._rounds)
        found = []
        for part in self.parts:
            if part.name not in rounds:
                continue
            one = rounds[part.name]
            if time.time() - one.ended > _INTERVALS * part.seconds + _SECONDS:
                one = _Round(Reading([], UNSEEN, "", measured=False), one.ended, one.seconds)
            found += [*one.reading.samples, *_of_collection(part.name, one)]
        return found


def _of_collection(name: str, one: _Round) -> list[Sample]:
    return [
        Sample("collection_success", float(one.reading.measured), (name,)),
        *(Sample("collection_verdict", float(one.reading.verdict == word), (name, word)) for word in VERDICTS),
        Sample("collection_seconds", one.seconds, (name,)),
        Sample("collection_timestamp_seconds", one.ended, (name,)),
    ]


def _read(part: Part) -> Reading:
    try:
        return part.read()
    except EngineError as error:
        return Reading([], verdict_of(error), one_line(error, _LONGEST), measured=False)
    except Exception as error:  # a fault of ours in one part must not end the others
        return Reading([], UNSEEN, one_line(f"{type(error).__name__}: {error}", _LONGEST), measured=False)


def verdict_of(error: EngineError) -> str:
    """What an error says of what was looked at: that it is broken, or only that nobody could, or may, look."""
    said = str(error).lower()
    refused = getattr(error, "status", None) in (401, 403) or any(words in said for words in _REFUSED)
    if isinstance(error, (NotAllowed, Forbidden)) or refused:
        return NOT_ALLOWED
    unseen = isinstance(error, (BadInput, CannotRead, MissingLibrary, LockHeld, ClusterError)) or any(
        words in said for words in _TOO_LONG
    )
    return UNSEEN if unseen else BROKEN
