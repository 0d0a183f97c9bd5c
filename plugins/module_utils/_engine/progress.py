# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling how far long work is: a line now and then, or one line that is written over on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

Say = Callable[[str], None]
_EVERY_SECONDS = 10.0


def silent(_text: str) -> None:
    """For modules, whose output is their result."""


class Lines:
    """Writes to a stream that people or logs read."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._terminal = self._stream.isatty()
        self._over = False

    def __call__(self, text: str) -> None:
        passing = text.startswith("\r")
        text = text.lstrip("\r")
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}" + ("" if passing else "\n"))
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()


class Now:
    """Passes a text on when the last one is old enough; on a terminal it takes the place of the one before."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = time.monotonic()
        self._every = 0.5 if sys.stderr.isatty() else _EVERY_SECONDS

    def __call__(self, text: Callable[[], str]) -> None:
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._say("\r" + text())


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for a sentence, of which there may be many."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def line(what: str, text: str) -> str:
    """One line of a report: what it is about, and what is said of it."""
    return f"{what:<12} {printable(text)}"


def printable(text: str) -> str:
    """A text in which nobody can hide further lines or commands to a terminal: clients choose names of artifacts."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
