# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One lock per deployment, for what changes its data: a restore, a removal or a migration alone, backups together.

Whoever works holds it, and the system itself releases it when that process dies: PostgreSQL with the connection, the
kernel with the file. There is no lease that could end too early or stay behind. What takes several operations, as an
upgrade does, reserves the deployment besides: C(reservation.py).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from . import kinds, reservation


@contextlib.contextmanager
def held(
    uri: str, password: str | None, operation: str, *, shared: bool = False, reservations: tuple[str, ...] = ()
) -> Iterator[None]:
    """Hold the lock of a deployment.

    :param uri: of its backend store.
    :param operation: for who is refused meanwhile.
    :param shared: whether others may hold it too that say the same. They change no data, so that they also work while
        the deployment is reserved: an upgrade that died must not be the end of all backups.
    :param reservations: as part of which this works; see C(reservation.py).
    :raises LockHeld: another operation has it, or has reserved it; who, since when and where is in the message.
    """
    database = kinds.database(uri, password)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    with database.locked(f"{operation} since {now} on {socket.gethostname()}", shared=shared):
        if not shared:
            reservation.require(database, *reservations)
        yield
