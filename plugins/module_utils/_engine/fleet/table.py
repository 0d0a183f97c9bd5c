# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What instances of a fleet there are, and how they are, by one list: each a line of a table, as people are shown it.

The API server makes it: metadata, and the columns that Knative defines of its services. Neither specs nor pods are
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from ..kubernetes import kinds, manifests
from ..kubernetes.client import Cluster
from .rendering import FLEET, INSTANCE

_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
READY, NOT_READY, LEAVING = "ready", "not_ready", "leaving"
# Cells, and metadata.
Row = tuple[dict[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """One instance. C(reason) says why it is not ready; C(url) is where clients find it."""

    name: str
    state: str
    reason: str
    url: str
    labels: Mapping[str, str]


def read(cluster: Cluster, namespace: str, fleet: str) -> list[Line]:
    """
    :raises BadInput: the cluster does not serve what fleets are made of.
    :raises ClusterError: no answer, or a refusal.
    """
    services = kinds.path(kinds.KNATIVE, namespace, "services")
    found = [[_line(*row) for row in page] for page in rows(cluster, services, of_fleet(fleet))]
    if not found:
        raise BadInput(f"The cluster at {cluster.address} does not serve {kinds.KNATIVE}: Knative is not installed.")
    return [line for page in found for line in page]


def of_fleet(fleet: str) -> dict[str, str]:
    """The query that chooses the objects of a fleet."""
    return {"labelSelector": f"{FLEET}={fleet},{manifests.MANAGED_BY}={manifests.MANAGER}"}


def rows(cluster: Cluster, path: str, query: Mapping[str, str]) -> Iterator[list[Row]]:
    """What a collection has, in parts: cells by the name of their column in small letters, and metadata. Nothing where
    there is no such collection, and one empty part where nothing is in it.

    Metadata is longer than all that is made of it: whoever keeps no part holds one at a time.

    :raises ClusterError: no answer, or a refusal.
    """
    columns: list[str] = []
    for page in cluster.pages(path, {**query, "includeObject": "Metadata"}, _TABLE):
        # The columns stand in the first part only.
        columns = columns or [str(one["name"]).lower() for one in page.get("columnDefinitions") or []]
        listed = [(row["cells"], row["object"]["metadata"]) for row in page.get("rows") or []]
        yield [(dict(zip(columns, cells, strict=False)), metadata) for cells, metadata in listed]


def instance_of(metadata: Mapping[str, Any]) -> str:
    return str((metadata.get("labels") or {}).get(INSTANCE) or metadata["name"])


def _line(cells: Mapping[str, Any], metadata: Mapping[str, Any]) -> Line:
    ready = str(cells.get("ready") or "") == "True"
    state = LEAVING if metadata.get("deletionTimestamp") else READY if ready else NOT_READY
    return Line(
        name=instance_of(metadata),
        state=state,
        reason="" if state == READY else str(cells.get("reason") or ""),
        url=str(cells.get("url") or ""),
        labels=metadata.get("labels") or {},
    )
