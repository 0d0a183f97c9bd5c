# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which instances of a fleet there are, where clients find them, and which are awake, by two lists: none is asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..kubernetes import kinds
from ..kubernetes.client import METADATA_ONLY, Cluster
from ..kubernetes.knative import SERVERS, SERVICE
from . import table


def inspect(cluster: Cluster, namespace: str, fleet: str) -> dict[str, Any]:
    """
    :returns: C(instances) (C(name), C(state), C(reason), C(url), C(labels) and C(pods), how many of its servers there
        are), C(targets) (C(name), C(url) and C(awake) of those that are ready, as a load test has them) and C(counts).
    :raises BadInput: the cluster does not serve what fleets are made of.
    :raises ClusterError: no answer, or a refusal.
    """
    pods = _pods(cluster, namespace)
    found = [{**vars(line), "pods": pods[line.name]} for line in table.read(cluster, namespace, fleet)]
    targets = [
        {"name": one["name"], "url": one["url"], "awake": one["pods"] > 0}
        for one in found
        if one["state"] == table.READY and one["url"]
    ]
    states = Counter(str(one["state"]) for one in found)
    counts = {state: states[state] for state in (table.READY, table.NOT_READY, table.LEAVING)}
    return {
        "instances": found,
        "targets": targets,
        "counts": {**counts, "awake": sum(one["pods"] > 0 for one in found)},
    }


def _pods(cluster: Cluster, namespace: str) -> Counter[str]:
    """How many pods of servers each instance has, also such as are on their way."""
    query = {"labelSelector": SERVERS}
    found: Counter[str] = Counter()
    for page in cluster.pages(kinds.path("v1", namespace, "pods"), query, METADATA_ONLY):
        found.update(item["metadata"]["labels"][SERVICE] for item in page.get("items") or [])
    return found
