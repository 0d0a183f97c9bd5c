"""The workload of the servers: stopping, starting and restarting a Deployment or a Service of Knative."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import inspect, workload
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.runner import KubernetesRunner
from support.fake_cluster import NAMESPACE, Api, ApiException, Object, States, deployment

DEPLOYMENT = "/apis/apps/v1/namespaces/team-a/deployments/mlflow"
SERVICE = "/apis/serving.knative.dev/v1/namespaces/team-a/services/mlflow"
CONFIGURATION = f"{NAMESPACE}/configmaps/mlflow"
PODS = f"{NAMESPACE}/pods"
REPLICA_SETS = "/apis/apps/v1/namespaces/team-a/replicasets"


def service(ready: str = "True", **metadata: Any) -> Object:
    """As a real Knative (1.21) has it."""
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": "mlflow",
            "namespace": "team-a",
            "uid": "uid-of-the-service",
            "generation": 1,
            "labels": {"app.kubernetes.io/version": "3.17.2"},
            "annotations": {"serving.knative.dev/creator": "admin", "mlops.mlflow/proven": "x"},
            **metadata,
        },
        "spec": {
            "template": {"spec": {"containers": [{"image": "a"}]}},
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
        "status": {
            "observedGeneration": 1,
            "url": "http://mlflow.team-a.example.com",
            "latestCreatedRevisionName": "mlflow-00001",
            "conditions": [{"type": "Ready", "status": ready, "message": "no image"}],
        },
    }


def configuration(saved: str = "") -> Object:
    return {"metadata": {"name": "mlflow", "annotations": {workload.STOPPED: saved} if saved else {}}, "data": {}}


def bring(api: Api, kind: str, state: str, **options: Any) -> bool:
    api.answers = {PODS: [], REPLICA_SETS: [], **api.answers}
    return workload.of(Cluster(api), kind, "team-a", "mlflow").bring(state, 2, 1.0, **options)


def changes(api: Api) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _body in api.changes]


def test_a_deployment_is_stopped_by_taking_its_replicas_and_its_last_pod_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workload, "_END_SECONDS", 0.2)
    api = Api({DEPLOYMENT: deployment(2), PODS: [{"metadata": {"name": "mlflow-1"}}]})
    with pytest.raises(ClusterError, match=r"have not ended after .* mlflow-1"):
        bring(api, "Deployment", "stopped")
    assert [body for _m, path, body in api.changes if path == DEPLOYMENT] == [{"spec": {"replicas": 0}}]


def test_what_is_so_already_is_not_changed() -> None:
    api = Api({DEPLOYMENT: deployment(2)})
    assert bring(api, "Deployment", "started") is False
    assert api.changes == []


def test_a_restart_is_another_template() -> None:
    api = Api({DEPLOYMENT: deployment(2)})
    assert bring(api, "Deployment", "restarted") is True
    ((_method, _path, body),) = api.changes
    assert list(body["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]


@pytest.mark.parametrize("state", ["started", "stopped", "restarted"])
@pytest.mark.parametrize("kind", ["Deployment", "KnativeService"])
def test_in_check_mode_nothing_is_changed_or_waited_for(kind: str, state: str) -> None:
    api = Api({DEPLOYMENT: deployment(1), SERVICE: service("Unknown"), CONFIGURATION: configuration()})
    bring(api, kind, state, dry_run=True)
    assert api.changes == []


def test_a_service_of_knative_is_saved_before_it_is_removed() -> None:
    api = Api({SERVICE: service(), CONFIGURATION: configuration()})
    assert bring(api, "KnativeService", "stopped") is True
    assert changes(api) == [("PATCH", CONFIGURATION), ("DELETE", SERVICE)]
    saved = json.loads(api.changes[0][2]["metadata"]["annotations"][workload.STOPPED])
    assert saved["spec"] == {"template": service()["spec"]["template"]}
    assert saved["metadata"]["annotations"] == {"mlops.mlflow/proven": "x"}, "Knative's own are refused to others"
    assert "uid" not in saved["metadata"]
    assert api.changes[1][2]["preconditions"] == {"uid": "uid-of-the-service"}


def test_a_service_is_stopped_when_it_is_gone_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen on a real cluster: it outlives its last pod, and a start in between would be lost with it."""
    monkeypatch.setattr(workload, "_END_SECONDS", 0.2)
    api = Api({SERVICE: service(), CONFIGURATION: configuration()})
    api.stubborn = True
    with pytest.raises(ClusterError, match=r"have not ended after .*KnativeService mlflow"):
        bring(api, "KnativeService", "stopped")


def test_without_a_place_to_save_it_nothing_is_removed() -> None:
    api = Api({SERVICE: service()})
    api.refusals[CONFIGURATION] = ApiException(404, "not found")
    with pytest.raises(ClusterError, match="There is no ConfigMap team-a/mlflow: deploy first"):
        bring(api, "KnativeService", "stopped")
    assert ("DELETE", SERVICE) not in changes(api)


def test_it_starts_as_it_was_saved_and_the_note_goes() -> None:
    saved = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "mlflow"}, "spec": {}}
    api = Api({CONFIGURATION: configuration(json.dumps(saved)), SERVICE: States(None, service())})
    assert bring(api, "KnativeService", "started") is True
    assert [(method, path, body) for method, path, body in api.changes] == [
        ("PATCH", SERVICE, saved),
        ("PATCH", CONFIGURATION, {"metadata": {"annotations": {workload.STOPPED: None}}}),
    ]


def test_one_that_was_never_deployed_cannot_be_started() -> None:
    with pytest.raises(ClusterError, match="There is no KnativeService team-a/mlflow: deploy first"):
        bring(Api({CONFIGURATION: configuration()}), "KnativeService", "started")


def test_one_that_does_not_become_ready_says_why() -> None:
    listed = service("False")
    del listed["kind"], listed["apiVersion"]  # as in lists of the API server
    api = Api({SERVICE: listed, CONFIGURATION: configuration()})
    with pytest.raises(ClusterError, match="KnativeService/mlflow: not ready: no image"):
        bring(api, "KnativeService", "started")


def test_kinds_and_states_that_nobody_knows_are_refused() -> None:
    with pytest.raises(BadInput, match="offered are Deployment, KnativeService"):
        workload.of(Cluster(Api()), "DaemonSet", "team-a", "mlflow")
    with pytest.raises(BadInput, match="offered are started, stopped, restarted"):
        bring(Api(), "Deployment", "gone")


def test_a_stopped_service_is_still_known_with_its_version() -> None:
    api = Api({CONFIGURATION: configuration(json.dumps(service()))})
    (found,) = inspect.state(Cluster(api), "team-a", "mlflow", "KnativeService")["workloads"]
    assert (found["version"], found["stopped"]) == ("3.17.2", True)


def test_deployments_that_knative_makes_are_not_the_deployment_s_own() -> None:
    revision = {"metadata": {"name": "mlflow-00001-deployment", "ownerReferences": [{"kind": "Revision"}]}, "spec": {}}
    api = Api({"/apis/apps/v1/namespaces/team-a/deployments": [revision], SERVICE: service()})
    found = inspect.state(Cluster(api), "team-a", "mlflow", "KnativeService")["workloads"]
    assert [(one["kind"], one["name"]) for one in found] == [("KnativeService", "mlflow")]


def runner(api: Api) -> KubernetesRunner:
    return KubernetesRunner(Cluster(api), "team-a", "mlflow", workload_kind="KnativeService")


def test_who_sleeps_is_told_without_being_woken() -> None:
    api = Api({SERVICE: service()})
    assert "nobody has asked" in runner(api).asleep()
    assert runner(api).workload() == "KnativeService mlflow asleep"
    assert runner(api).published() == "Knative leads http://mlflow.team-a.example.com to it"
    assert api.changes == []
    labels = {"app.kubernetes.io/component": "server"}
    api.answers[PODS] = [{"metadata": {"name": "mlflow-1", "labels": labels}, "status": {"phase": "Running"}}]
    assert runner(api).asleep() == ""
    assert KubernetesRunner(Cluster(api), "team-a", "mlflow").asleep() == "", "a Deployment does not sleep"
