"""A namespace of somebody else's: used only where that is said, never changed, and nothing in it is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.kubernetes.deployment import Deployment, changed_objects
from support.kubernetes.kubectl import name

pytestmark = pytest.mark.cluster

LABELS = {"owner": "somebody"}
KINDS = "deployment,statefulset,job,cronjob,service,configmap,secret,persistentvolumeclaim,networkpolicy,resourcequota"
SAYS = "Report what was removed, and what was kept"


def of_somebody(kind: str, called: str, api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": called}, **fields}


THEIRS = [
    of_somebody("ConfigMap", "theirs", data={"a": "b"}),
    of_somebody("Secret", "mlflow-something", stringData={"a": "b"}),
    of_somebody(
        "PersistentVolumeClaim",
        "data-theirs-0",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    ),
    of_somebody(
        "Deployment",
        "theirs",
        "apps/v1",
        spec={
            "replicas": 0,
            "selector": {"matchLabels": {"app": "theirs"}},
            "template": {
                "metadata": {"labels": {"app": "theirs"}},
                "spec": {"containers": [{"name": "a", "image": "mlops-test.local/debian:trixie"}]},
            },
        },
    ),
]


@pytest.fixture(scope="module")
def space(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A deployment for a namespace that somebody else made and uses; nothing is deployed yet."""
    deployment = make(
        "t-theirs",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_artifact_store_type="volume",
        mlflow_backup_enabled=True,
        mlflow_backup_storage_size="1Gi",
    )
    deployment.kubectl("create", "namespace", "t-theirs")
    deployment.kubectl("label", "namespace", "t-theirs", "owner=somebody")
    deployment.kubectl.apply(*THEIRS)
    try:
        yield deployment
    finally:
        deployment.remove()


def listed(deployment: Deployment) -> set[str]:
    """Every object by kind, name and version: nothing was changed where this is the same."""
    return {
        f"{item['kind']}/{name(item)}/{item['metadata']['resourceVersion']}" for item in deployment.kubectl.items(KINDS)
    }


def refused(deployment: Deployment, playbook: str, *words: str, **variables: Any) -> None:
    before = listed(deployment)
    result = deployment.play(playbook, **variables)
    assert result.code and not result.stats["changed"]
    missing = [word for word in words if word not in result.message]
    assert not missing, f"{missing} not in: {result.message}"
    assert listed(deployment) == before


def of_theirs(deployment: Deployment) -> set[str]:
    marked = [f"{one['kind']}/{one['metadata']['name']}/" for one in THEIRS]
    return {item for item in listed(deployment) if item.startswith(tuple(marked))}


def test_a_namespace_that_exists_is_refused_unless_that_is_said(space: Deployment) -> None:
    refused(space, "kubernetes", "t-theirs exists already", "mlflow_namespace_existing to true")
    space.variables["mlflow_namespace_existing"] = True


def test_an_object_of_somebody_elses_with_the_same_name_is_not_taken_over(space: Deployment) -> None:
    space.kubectl.apply(of_somebody("Service", "mlflow", spec={"ports": [{"port": 80}]}))
    refused(space, "kubernetes", "did not make: Service mlflow", "mlflow_name")
    space.kubectl("delete", "service", "mlflow")


def test_it_is_used_as_it_is_and_gets_no_quota_limits_or_labels(space: Deployment) -> None:
    before = of_theirs(space)
    space.deploy().succeeded()
    labels = space.kubectl.json("get", "namespace", "t-theirs")["metadata"]["labels"]
    assert labels == {**LABELS, "kubernetes.io/metadata.name": "t-theirs"}
    assert space.kubectl.items("resourcequota,limitrange") == []
    assert of_theirs(space) == before


def test_a_second_run_with_backups_changes_nothing(space: Deployment) -> None:
    result = space.deploy().succeeded()
    assert changed_objects(result) == set()
    assert result.stats["changed"] == 0


def test_labels_annotations_and_pods_can_be_changed_on_a_running_deployment(space: Deployment) -> None:
    changed = {
        "mlflow_labels": {"team": "a"},
        "mlflow_annotations": {"owner": "b"},
        "mlflow_pod_spec": {"nodeSelector": {"kubernetes.io/os": "linux"}},
    }
    space.deploy(**changed).succeeded()
    space.variables |= changed
    for pod in space.servers():
        assert pod["metadata"]["labels"]["team"] == "a"
        assert pod["metadata"]["annotations"]["owner"] == "b"
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert space.deploy().succeeded().stats["changed"] == 0


def test_a_second_deployment_in_the_namespace_is_refused_and_the_first_is_named(space: Deployment) -> None:
    refused(space, "kubernetes", "t-theirs holds the deployment mlflow already", mlflow_name="second")


def test_the_namespace_is_not_removed_and_nothing_is_when_that_was_asked_for(space: Deployment) -> None:
    asked = {"mlflow_destroy": True, "mlflow_remove_data": True, "mlflow_backup_remove_data": True}
    refused(space, "destroy", "t-theirs was not made by the deployment mlflow", mlflow_remove_namespace=True, **asked)


def test_check_mode_names_what_would_go_and_what_would_stay(space: Deployment) -> None:
    before = listed(space)
    said = space.destroy("--check").succeeded().of(SAYS)["msg"]
    removed, _kept, kept = said.partition("Would be kept")
    assert "Would be removed: " in removed and "Deployment mlflow" in removed and "CronJob mlflow-backup" in removed
    for data in (
        "PersistentVolumeClaim mlflow-database",
        "PersistentVolumeClaim mlflow-backup",
        "Secret mlflow",
    ):
        assert data in kept and data not in removed
    assert listed(space) == before


def test_destroy_takes_what_the_deployment_made_and_says_that_backups_were_kept(space: Deployment) -> None:
    theirs = of_theirs(space)
    space.play("backup").succeeded()
    assert [name(job) for job in space.kubectl.items("jobs") if name(job).startswith("mlflow-backup-backup-")]
    said = space.destroy(mlflow_remove_data=True).succeeded().of(SAYS)["msg"]
    assert "All data was removed." not in said
    assert "Kept in the namespace t-theirs: PersistentVolumeClaim mlflow-backup." in said
    assert of_theirs(space) == theirs
    left = {item.rpartition("/")[0] for item in listed(space) - theirs}
    assert left == {"PersistentVolumeClaim/mlflow-backup", "ConfigMap/kube-root-ca.crt"}


def test_all_data_was_removed_is_said_once_it_is_true(space: Deployment) -> None:
    said = space.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded().of(SAYS)["msg"]
    assert said.splitlines() == ["Removed: PersistentVolumeClaim mlflow-backup.", "All data was removed."]
    assert listed(space) - of_theirs(space) == {item for item in listed(space) if "kube-root-ca" in item}
    assert space.kubectl.has_namespace("t-theirs")
