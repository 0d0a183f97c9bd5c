# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a cloud that goes on with its work whether somebody waits or not."""

from __future__ import annotations

import time
from typing import ClassVar

from .errors import EngineError
from .progress import Say, silent

EVERY = 10.0


class Patience:
    """How long all the waiting of one call may take together, and whom to tell about it.

    C(service) is who works, C(error) what is raised when there is no time left.
    """

    service: ClassVar[str] = "The service"
    error: ClassVar[type[EngineError]] = EngineError

    def __init__(self, seconds: float, say: Say = silent) -> None:
        self.seconds = seconds
        self.say = say
        self._until = time.monotonic() + seconds

    def wait(self, state: str, what: str, pause: float = EVERY) -> None:
        """Wait a little.

        :param pause: for how many seconds.
        :raises EngineError: there is no time left.
        """
        if time.monotonic() >= self._until:
            raise self.error(
                f"{what} is still {state} after {self.seconds:.0f} s. {self.service} goes on with it: run this again, "
                f"which waits for it first, or give a longer wait_timeout."
            )
        self.say(f"{what} is {state}")
        time.sleep(pause)
