"""Footprint: what manifests take of a cluster at their most, and whether a quota has room for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements

SERVER = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "2Gi"}}


def workload(kind: str, name: str = "server", **spec: Any) -> dict[str, Any]:
    template = {"template": {"spec": {"containers": [{"name": "a", "resources": SERVER}]}}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {**template, **spec}}


def scaler(maximum: int, name: str = "server") -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "any"},
        "spec": {"scaleTargetRef": {"name": name}, "maxReplicas": maximum},
    }


def claim(size: str) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": size}}}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", "0.5"), ("2", "2"), (2, "2"), (0.25, "0.25"), ("1Gi", "1073741824"), ("1.5Ki", "1536"),
        ("1k", "1000"), ("1M", "1000000"), ("1e3", "1000"), ("2E", "2000000000000000000"), ("1Ei", 2**60),
        ("250u", "0.00025"), ("0", "0"),
    ],
)  # fmt: skip
def test_a_quantity_is_read_as_kubernetes_reads_it(text: Any, number: Any) -> None:
    assert requirements.quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "much", "1GB", "1gi", "1 Gi", "1mi", "-1", "NaN", "inf", "1_000", None, True])
def test_what_is_no_quantity_is_refused(text: Any) -> None:
    with pytest.raises(BadInput, match=r"is no Kubernetes quantity such as 500m, 2 or 1Gi\."):
        requirements.quantity(text)


def test_servers_are_counted_at_the_autoscalers_maximum_with_the_one_that_a_roll_out_adds() -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    found = requirements.of([workload("Deployment", strategy=rolling), scaler(10)])
    assert found == {
        "pods": "11",
        "requests.cpu": "5500m",
        "requests.memory": "11264Mi",
        "limits.cpu": "11000m",
        "limits.memory": "22528Mi",
        "requests.ephemeral-storage": "0Mi",
        "limits.ephemeral-storage": "0Mi",
        "persistentvolumeclaims": "0",
        "requests.storage": "0Mi",
    }


def test_an_autoscaler_counts_for_its_own_target_only() -> None:
    assert requirements.of([workload("Deployment", replicas=2, strategy={"type": "Recreate"}), scaler(9, "other")]) == (
        requirements.of([workload("Deployment", replicas=2, strategy={"type": "Recreate"})])
    )


def test_more_replicas_than_the_maximum_are_counted() -> None:
    assert (
        requirements.of([workload("Deployment", replicas=5, strategy={"type": "Recreate"}), scaler(2)])["pods"] == "5"
    )


@pytest.mark.parametrize(
    ("strategy", "replicas", "added"),
    [
        ({"type": "Recreate"}, 10, 0),
        ({"rollingUpdate": {"maxSurge": 2}}, 10, 2),
        ({"rollingUpdate": {"maxSurge": "30%"}}, 10, 3),
        ({"rollingUpdate": {"maxSurge": "1"}}, 10, 1),
        ({}, 10, 3),  # Kubernetes' default is 25 %, rounded up
        ({"type": "RollingUpdate"}, 1, 1),
    ],
)
def test_a_roll_out_adds_what_its_strategy_allows(strategy: dict[str, Any], replicas: int, added: int) -> None:
    assert requirements.surge(strategy, replicas) == added


def test_initial_containers_run_one_after_the_other_before_the_rest() -> None:
    job = workload("Job")
    job["spec"]["template"]["spec"]["initContainers"] = [
        {"name": "small", "resources": {"requests": {"cpu": "100m", "memory": "3Gi"}}},
        {"name": "none"},
    ]
    found = requirements.of([job])
    assert (found["pods"], found["requests.cpu"], found["requests.memory"]) == ("1", "500m", "3072Mi")


def test_containers_of_one_pod_run_at_once() -> None:
    pod = workload("StatefulSet", replicas=3)
    pod["spec"]["template"]["spec"]["containers"] *= 2
    assert requirements.of([pod])["requests.cpu"] == "3000m"


def test_volumes_are_counted() -> None:
    found = requirements.of(
        [
            {"kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": claim("1Gi")},
            {"kind": "PersistentVolumeClaim", "metadata": {"name": "b"}, "spec": claim("500Mi")},
        ]
    )
    assert (found["persistentvolumeclaims"], found["requests.storage"]) == ("2", "1524Mi")


def test_a_cron_job_counts_as_one_pod() -> None:
    cron = {"kind": "CronJob", "metadata": {"name": "x"}, "spec": {"jobTemplate": workload("Job")}}
    assert requirements.of([cron])["pods"] == "1"


def test_a_suspended_cron_job_takes_nothing_but_local_storage() -> None:
    job = workload("Job")
    job["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "limits": {"cpu": "1", "ephemeral-storage": "20Gi"}
    }
    cron = {"kind": "CronJob", "metadata": {"name": "x"}, "spec": {"suspend": True, "jobTemplate": job}}
    found = requirements.of([cron])
    assert (found["pods"], found["limits.cpu"], found["limits.ephemeral-storage"]) == ("0", "0m", "20480Mi")


def test_other_objects_take_nothing() -> None:
    assert set(requirements.of([{"kind": "Service", "metadata": {"name": "x"}, "spec": {}}]).values()) == {
        "0", "0m", "0Mi"
    }  # fmt: skip


def test_footprints_add_up_in_any_unit_and_nothing_is_rounded_down() -> None:
    found = requirements.add([{"pods": 1, "requests.cpu": "0.0015"}, {"pods": "2", "requests.memory": 1}, {}])
    assert (found["pods"], found["requests.cpu"], found["requests.memory"]) == ("3", "2m", "1Mi")


def test_a_quota_that_is_too_small_is_told_with_both_figures() -> None:
    needed = {"pods": "11", "requests.cpu": "5500m", "limits.memory": "22528Mi"}
    assert requirements.too_small({"pods": "10", "limits.memory": "22Gi", "services": "1"}, needed) == [
        "pods 10 where 11 is needed"
    ]
    assert requirements.too_small({"requests.cpu": 5}, needed) == ["requests.cpu 5 where 5500m is needed"]
    assert requirements.too_small({"requests.cpu": "6"}, needed) == []
    assert requirements.too_small({}, needed) == []
