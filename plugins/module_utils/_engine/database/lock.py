# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One lock per deployment, for what changes its data: a restore, a removal or a migration alone, backups together.

Whoever works holds it, and the system itself releases it when that process dies: PostgreSQL with the connection, the
kernel with the file. There is no lease that could end too early or stay behind.
"""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from . import kinds


def held(uri: str, password: str | None, operation: str, *, shared: bool = False) -> AbstractContextManager[None]:
    """Hold the lock of a deployment.

    :param uri: of its backend store.
    :param operation: for who is refused meanwhile.
    :param shared: whether others may hold it too that say the same.
    :raises LockHeld: another operation has it; who, since when and where is in the message.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    return kinds.database(uri, password).locked(f"{operation} since {now} on {socket.gethostname()}", shared=shared)
