"""What test runs share: programs that are installed or built once, by one of them while the others wait."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .playbooks import REPOSITORY

HOME = Path(os.environ.get("MLOPS_TEST_CACHE") or REPOSITORY / ".cache" / "test-mlflow")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is within such a block of this folder, because tests run side by side in several processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
