# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a restore that moves files notes what it moves. A new database must not be made while such a note is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..errors import SnapshotError


def file_of(target: str, place: str | None = None) -> Path:
    """The note of a restore of this database (or folder): one file per target."""
    if place is None and os.geteuid() == 0:
        place = "/var/lib/mlops.mlflow/restore"
    elif place is None:
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        place = f"{state}/mlops.mlflow/restore"
    if not os.path.isabs(place):
        raise SnapshotError(f"The folder of the journal, {place}, must be an absolute path: give journal_dir.")
    named = hashlib.sha256(os.fsencode(os.path.realpath(target))).hexdigest()
    return Path(os.path.realpath(place)) / f"{named[:32]}.json"
