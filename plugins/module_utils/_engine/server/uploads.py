# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uploads leave that a kill cut off, where artifacts are files: MLflow writes each under a hidden name first.

No client can give an artifact such a name, and none sees it. A server that is alive removes its own.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator

# LocalArtifactRepository of MLflow; tests/integration/test_gc.py holds it against the pinned version.
PREFIX = ".artifact.uploading."
# No upload pauses so long: longer than any time-out of a server or a load balancer.
_UNTOUCHED_SECONDS = 86_400


def remove(folder: str, *, check: bool) -> int:
    """Remove what nobody has written to for a day; C(check) only counts it. Links are not followed."""
    removed = 0
    for path in _abandoned(folder, time.time() - _UNTOUCHED_SECONDS):
        if not check:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        removed += 1
    return removed


def _abandoned(folder: str, before: float) -> Iterator[str]:
    for place, _folders, files in os.walk(folder):
        for name in files:
            if name.startswith(PREFIX):
                path = os.path.join(place, name)
                with contextlib.suppress(FileNotFoundError):
                    found = os.lstat(path)
                    if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                        yield path
