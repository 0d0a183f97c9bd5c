# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operation ends itself when its time is over, wherever it runs: in a module's process as in a container."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

from . import protocol


@contextlib.contextmanager
def kept(request: protocol.Request) -> Iterator[None]:
    """Signals reach the main thread alone. What a module does in others ends by itself: an experiment sees to its time,
    and a load test to the time of what it asks.

    :raises Ended: the seconds of the request are over.
    """
    if not request.deadline or threading.current_thread() is not threading.main_thread():
        yield
        return
    late = f"{request.operation} did not end within {request.deadline:.0f} s, and was ended."
    before = signal.signal(signal.SIGALRM, lambda *_received: end(late))
    signal.setitimer(signal.ITIMER_REAL, request.deadline)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def end(why: str) -> NoReturn:
    raise protocol.Ended(why)
