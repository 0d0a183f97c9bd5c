# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network plugin lets a new pod through a moment after it has started, and refuses its connections until then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_NEW_SECONDS = 20.0
_RETRY_SECONDS = 0.5
_BEGAN = time.monotonic()


def patiently(connect: Callable[[], T]) -> T:
    """Connect, and where that is refused to the first process of a container that has just started, try again."""
    while True:
        try:
            return connect()
        except Exception as error:
            new = os.getpid() == 1 and time.monotonic() - _BEGAN <= _NEW_SECONDS
            if not new or "Connection refused" not in str(error):
                raise
        time.sleep(_RETRY_SECONDS)
