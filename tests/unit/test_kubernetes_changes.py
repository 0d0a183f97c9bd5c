"""What of a cluster's objects goes before others are applied, and what an upgrade keeps of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import changes

SETUP = "mlflow-setup"


def job(checksum: str) -> dict[str, Any]:
    annotations = {"mlops.mlflow/checksum": checksum}
    return {"kind": "Job", "metadata": {"name": SETUP, "namespace": "team-a", "annotations": annotations}}


def optional(kind: str, name: str = "mlflow") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def test_what_is_asked_for_no_longer_goes_and_nothing_of_another_name() -> None:
    found = {"optional": [optional("Ingress"), optional("PodDisruptionBudget"), optional("Ingress", "others")]}
    objects = [job("a"), {"kind": "PodDisruptionBudget", "metadata": {"name": "mlflow"}}]
    assert changes.superfluous(found, objects, "mlflow", SETUP) == [optional("Ingress")]


@pytest.mark.parametrize(
    ("seen", "goes"),
    [
        (None, False),
        ({"checksum": "a", "state": "complete"}, False),
        ({"checksum": "b", "state": "complete"}, True),
        ({"checksum": "a", "state": "failed"}, True),
    ],
)
def test_a_job_that_would_be_another_or_that_failed_goes(seen: dict[str, str] | None, goes: bool) -> None:
    found = {"jobs": {SETUP: seen} if seen else {}}
    gone = changes.superfluous(found, [job("a")], "mlflow", SETUP)
    expected = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": SETUP, "namespace": "team-a"}}
    assert gone == ([expected] if goes else [])


def test_what_the_api_server_added_is_not_kept_and_the_number_of_servers_is_apart() -> None:
    metadata = {"name": "mlflow", "namespace": "team-a", "labels": {"a": "b"}, "uid": "1", "managedFields": []}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment"}
    found = [
        {"resources": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"launch.json": "{}"}}]},
        {"resources": [{**workload, "metadata": metadata, "spec": {"replicas": 3, "template": {}}, "status": {}}]},
    ]
    kept = {name: metadata[name] for name in ("name", "namespace", "labels")}
    assert changes.saved(found) == {
        "objects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": {"launch.json": "{}"}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": kept, "spec": {"template": {}}},
        ],
        "replicas": 3,
    }
