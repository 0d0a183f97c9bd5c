# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration of a PostgreSQL in a container, derived from the memory that it may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..quantities import quantity

_MIB = 2**20


# Where the container has certificate and key.
_TLS = {
    "ssl": "on",
    "ssl_cert_file": "/run/tls/tls.crt",
    "ssl_key_file": "/run/tls/tls.key",
    "ssl_min_protocol_version": "TLSv1.3",
}


def text(memory_limit: str, max_connections: int, settings: Mapping[str, Any], tls: bool = False) -> str:
    """The file postgresql.conf.

    :param memory_limit: of the container, as Kubernetes and compose files write it.
    :param tls: whether it serves TLS.
    :param settings: further ones, which come last: the last one of a name holds.
    :raises BadInput: the limit is no quantity.
    """
    memory = int(quantity(memory_limit) / _MIB)
    lines = [
        f"# Derived from the memory limit, {memory_limit}, and mlflow_database_max_connections.",
        "listen_addresses = '*'",
        "unix_socket_directories = '/tmp'",
        f"max_connections = {max_connections}",
        f"shared_buffers = {memory // 4}MB",
        f"effective_cache_size = {memory // 2}MB",
        f"maintenance_work_mem = {max(memory // 16, 16)}MB",
        f"work_mem = {max(memory // (4 * max_connections), 1)}MB",
        "min_wal_size = 128MB",
        "max_wal_size = 1GB",
        "wal_compression = on",
        "random_page_cost = 1.1",
        # Whoever was cut off without a word, as with a network that is gone, counts as connected until then.
        "tcp_keepalives_idle = 15",
        "tcp_keepalives_interval = 5",
        "tcp_keepalives_count = 3",
        "tcp_user_timeout = 30000",
        "password_encryption = scram-sha-256",
        "log_timezone = 'UTC'",
        "timezone = 'UTC'",
        *(f"{name} = '{_quoted(value)}'" for name, value in {**(_TLS if tls else {}), **settings}.items()),
    ]
    return "\n".join(lines) + "\n"


def _quoted(value: Any) -> str:
    return str(value).replace("'", "''")
