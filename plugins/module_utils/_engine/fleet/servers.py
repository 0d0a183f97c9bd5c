# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pods of the servers of a namespace by instance, and which of them answer, by one list: none is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..kubernetes import kinds
from ..kubernetes.client import Cluster
from ..kubernetes.knative import SERVERS, SERVICE
from . import table

# A pod that was evicted stays in the list, and starts no more.
_LIVING = {"labelSelector": SERVERS, "fieldSelector": "status.phase!=Failed,status.phase!=Succeeded"}


@dataclass
class Servers:
    """Of one instance: how many are C(ready) and how many are C(starting), and since when the first of those is (Unix
    time). One that is being ended is neither."""

    ready: int = 0
    starting: int = 0
    since: float = float("inf")


def read(cluster: Cluster, namespace: str) -> Mapping[str, Servers]:
    """
    :returns: of each instance that has pods, of whatever fleet.
    :raises ClusterError: no answer, or a refusal.
    """
    found: dict[str, Servers] = {}
    for page in table.rows(cluster, kinds.path("v1", namespace, "pods"), _LIVING):
        for cells, metadata in page:
            if metadata.get("deletionTimestamp"):
                continue
            servers = found.setdefault(str(metadata["labels"][SERVICE]), Servers())
            if _is_ready(str(cells.get("ready") or "")):
                servers.ready += 1
            else:
                servers.starting += 1
                servers.since = min(servers.since, datetime.fromisoformat(metadata["creationTimestamp"]).timestamp())
    return found


def _is_ready(cell: str) -> bool:
    """Such as C(2/2): of all containers."""
    ready, _slash, containers = cell.partition("/")
    return ready == containers != ""
