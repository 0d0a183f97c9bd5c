# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network plugin lets a new pod through a moment after it has started, and refuses its connections until then. A new
database may move meanwhile, and the network know it late."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_NEW_SECONDS = 20.0
_RETRY_SECONDS = 0.5
_PROC = Path("/proc")
_REFUSALS = ("Connection refused", "No route to host")


def patiently(connect: Callable[[], T]) -> T:
    """Connect, and where that is refused in a container that has just started, whoever asks there, try again."""
    while True:
        try:
            return connect()
        except Exception as error:
            if not any(words in str(error) for words in _REFUSALS) or not 0 <= _age() <= _NEW_SECONDS:
                raise
        time.sleep(_RETRY_SECONDS)


def _age() -> float:
    """Seconds since the first process here began: that of the container, or of the machine. Negative: nobody says."""
    try:
        up = float((_PROC / "uptime").read_text().split()[0])
        # After the name in brackets, which may hold anything.
        fields = (_PROC / "1" / "stat").read_text().rpartition(") ")[2].split()
        return up - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return -1.0
