# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a CrateDB in a cluster is started with, derived from the memory that it may use and the number of its nodes."""

from __future__ import annotations

import re
from typing import Any

from ..errors import BadInput
from ..quantities import quantity

HTTP_PORT, TRANSPORT_PORT = 4200, 4300
# More than one, and no two halves that both believe to be the whole.
_NODES = (1, 3)
_MIB = 2**20
_HEAP = re.compile(r"(\d+)([mg])", re.IGNORECASE)
# The rest of a node's memory is for files that are mapped. Less than the least does not start.
_SHARE, _LEAST_MIB = 2, 256


def compute(name: str, memory_limit: str, heap: str = "", nodes: int = 1) -> dict[str, Any]:
    """
    :param name: of the StatefulSet, and of its pods with their number.
    :param memory_limit: of each node, as Kubernetes writes it.
    :param heap: as Java writes it; empty for half of the limit.
    :returns: C(heap), C(nodes) and C(arguments).
    :raises BadInput: they do not fit.
    """
    if nodes not in _NODES:
        raise BadInput(f"mlflow_database_nodes is {nodes}; it must be {' or '.join(map(str, _NODES))}.")
    half = int(quantity(memory_limit) / _MIB) // _SHARE
    size = _mebibytes(heap) if heap else half
    if size > half:
        raise BadInput(
            f"mlflow_database_heap is {heap}, which is more than half of the memory of mlflow_database_resources, "
            f"{memory_limit}: CrateDB needs the rest for its files. Raise that, or lower the heap to {half}m."
        )
    if size < _LEAST_MIB:
        raise BadInput(
            f"The heap of CrateDB would be {size}m, and it needs {_LEAST_MIB}m: raise the memory of "
            f"mlflow_database_resources, {memory_limit}, or mlflow_database_heap."
        )
    return {"heap": f"{size}m", "nodes": nodes, "arguments": [*_shared(name), *_discovery(name, nodes)]}


def _mebibytes(heap: str) -> int:
    found = _HEAP.fullmatch(heap)
    if not found:
        raise BadInput(f"mlflow_database_heap is '{heap}'; it must be a size as Java writes it, such as 512m or 1g.")
    return int(found[1]) * (1024 if found[2].lower() == "g" else 1)


def _shared(name: str) -> list[str]:
    settings = {
        "cluster.name": name,
        # CrateDB itself replaces these, from the environment of its pod.
        "node.name": "${HOSTNAME}",
        "network.bind_host": "0.0.0.0",  # noqa: S104
        "network.publish_host": "${POD_IP}",
        "http.port": HTTP_PORT,
        "transport.tcp.port": TRANSPORT_PORT,
        # MLflow speaks HTTP.
        "psql.enabled": "false",
        "path.data": "/data",
        "path.repo": "/repository",
        "path.logs": "/tmp",  # noqa: S108
        # Nobody is told how it is used.
        "udc.enabled": "false",
        # The superuser has no password: only within the pod.
        "auth.host_based.enabled": "true",
        "auth.host_based.config.0.user": "crate",
        "auth.host_based.config.0.address": "_local_",
        "auth.host_based.config.0.method": "trust",
        "auth.host_based.config.99.method": "password",
    }
    return [f"-C{key}={value}" for key, value in settings.items()]


def _discovery(name: str, nodes: int) -> list[str]:
    if nodes == 1:
        return ["-Cdiscovery.type=single-node"]
    pods = [f"{name}-{number}" for number in range(nodes)]
    settings = {
        "discovery.seed_hosts": ",".join(f"{pod}.{name}-pods:{TRANSPORT_PORT}" for pod in pods),
        "cluster.initial_master_nodes": ",".join(pods),
        "gateway.expected_data_nodes": nodes,
        "gateway.recover_after_data_nodes": nodes // 2 + 1,
    }
    return [f"-C{key}={value}" for key, value in settings.items()]
