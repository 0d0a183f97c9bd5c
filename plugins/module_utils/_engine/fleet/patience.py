# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patience: requests that are made again while the API server is away, restarts, or asks to be left alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ..kubernetes.client import ClusterError, Conflict, Unavailable

T = TypeVar("T")
# For how long the API server may be away.
_ABSENCE_SECONDS = 60.0
_FIRST_SECONDS, _MOST_SECONDS = 0.25, 8.0
# Somebody else writes the same object just now.
_CONFLICTS = 5


class Patience:
    """Of all requests of one run, from any thread. Each may be made again: none adds up.

    :param seconds: after which nothing is tried any more, counted from C(begin) when that is called.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begin()
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self.requests = 0

    def begin(self) -> None:
        """Count the seconds anew."""
        self._end = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    def run(self, request: Callable[[], T]) -> T:
        """
        :raises ClusterError: the request is refused, the API server was away for too long, or the time is over.
        """
        wait, conflicts = _FIRST_SECONDS, 0
        while True:
            if self.left <= 0:
                raise ClusterError("It was not tried: the time was over.")
            with self._lock:
                self.requests += 1
            try:
                result = request()
            except Conflict:
                conflicts += 1
                self._answered()
                if conflicts >= _CONFLICTS:
                    raise
                self._sleep(wait)
            except Unavailable as error:
                if not self._is_patient(error):
                    raise
                self._sleep(error.seconds if error.seconds is not None else wait)
            except ClusterError:
                self._answered()
                raise
            else:
                self._answered()
                return result
            wait = min(wait * 2, _MOST_SECONDS)

    def _answered(self) -> None:
        self._away_since = None

    def _is_patient(self, error: Unavailable) -> bool:
        """Whether it is worth another try. Who says when to come again is not away."""
        if error.seconds is not None:
            self._answered()
            return True
        with self._lock:
            now = time.monotonic()
            self._away_since = now if self._away_since is None else self._away_since
            return now - self._away_since < _ABSENCE_SECONDS

    def _sleep(self, seconds: float) -> None:
        # Not all threads at once.
        time.sleep(max(min(seconds * random.uniform(1.0, 1.3), self.left), 0.0))  # noqa: S311
