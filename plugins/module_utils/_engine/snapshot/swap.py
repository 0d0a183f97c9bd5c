# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Putting restored data in the place of the live, wholly or not at all, even when the process is killed in between.

The journal (C(journal.py)) holds the moves before the first is made. Whoever finds one undoes what it lists, unless the
last step has happened: then it is done.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

from ..errors import SnapshotError
from ..storage.durable import fsync

Moves = Sequence[tuple[str, str]]


class Unsettled(SnapshotError):
    """Not everything is as before: what lies beside the live data must stay until a person has looked."""


def run(renames: Moves, exchange_databases: Callable[[], None]) -> None:
    """Do it all, or leave everything as it was. The databases of PostgreSQL come last, in one transaction.

    :raises SnapshotError: it could not be done; everything is as before.
    """
    try:
        for old, new in renames:
            _rename(old, new)
        exchange_databases()
    except Unsettled:
        raise
    except Exception as error:
        undo(renames)
        if isinstance(error, OSError):
            raise SnapshotError(
                f"The restored data could not be put in place, and everything is as before: {error.filename}: "
                f"{error.strerror}."
            ) from error
        raise


def made(renames: Moves) -> bool:
    """Whether every one of these was made."""
    goals = {new for _old, new in renames}
    # A name may hold what was to be moved away only where a later step has put something new there.
    return all(os.path.lexists(new) and (old in goals or not os.path.lexists(old)) for old, new in renames)


def undo(renames: Moves) -> None:
    """
    :raises Unsettled: something else is where something has to be put back, or the disk refuses.
    """
    kept = dict(renames)
    for old, new in reversed(renames):
        if new in kept and not os.path.lexists(kept[new]):
            continue  # what was live there never went, or is back
        # A step was made when its target is there and its source is not.
        if os.path.lexists(new) and not os.path.lexists(old):
            try:
                _rename(new, old)
            except OSError as error:
                raise Unsettled(
                    f"An interrupted restore had moved {old} to {new}, and it cannot be moved back: {error.strerror}. "
                    f"Restore again when it can: that first brings back what was there."
                ) from error
    goals = {new for _old, new in renames}
    for old, new in renames:
        # What was live must be live again. Who started a server meanwhile may have made something new there.
        if old not in goals and os.path.lexists(new) and new not in {first for first, _new in renames}:
            raise Unsettled(
                f"An interrupted restore had moved {old} to {new}, and something else is at {old} now. Look at both, "
                f"keep the one you want as {old}, move the other away, and try again."
            )


def _rename(source: str, goal: str) -> None:
    os.rename(source, goal)
    for folder in sorted({os.path.dirname(source), os.path.dirname(goal)}):
        with contextlib.suppress(OSError):
            fsync(folder)
