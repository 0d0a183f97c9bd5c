# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a cluster's objects must go before others are applied, and what is kept of them for a rollback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import manifests

_KEPT_METADATA = ("name", "namespace", "labels")
# Left out, because an autoscaler may own it.
_NUMBER = "replicas"


def superfluous(
    found: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], name: str, setup: str
) -> list[dict[str, Any]]:
    """Objects of a deployment that changed settings no longer ask for, and a Job that would be another.

    :param found: what mlflow_kubernetes_info returned.
    :param objects: that will be applied, with the Job C(setup) among them.
    """
    kinds = {one["kind"] for one in objects}
    gone = [
        dict(one) for one in found.get("optional") or [] if one["metadata"]["name"] == name and one["kind"] not in kinds
    ]
    job = next(one for one in objects if one["kind"] == "Job")
    seen = (found.get("jobs") or {}).get(setup)
    # A Job cannot be changed, and one that failed must be tried again.
    if seen and (
        seen.get("checksum") != job["metadata"]["annotations"][manifests.CHECKSUM] or seen.get("state") == "failed"
    ):
        metadata = {"name": setup, "namespace": job["metadata"]["namespace"]}
        gone.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})
    return gone


def saved(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What servers are started with, without what the API server adds: C(objects), and C(replicas) apart.

    :param results: of k8s_info, one for the ConfigMap and one for the workload.
    """
    configuration, workload = (result["resources"][0] for result in results)
    spec = {name: value for name, value in workload["spec"].items() if name != _NUMBER}
    return {
        "objects": [{**_named(configuration), "data": configuration["data"]}, {**_named(workload), "spec": spec}],
        "replicas": workload["spec"].get(_NUMBER, 1),
    }


def _named(one: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in one["metadata"].items() if name in _KEPT_METADATA}
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata}
