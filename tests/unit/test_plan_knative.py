"""The plan of a server that is a Service of Knative: what differs from a Deployment, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from support.plans import IN_CLUSTER, planned

Dict = dict[str, Any]
SLEEPS: Dict = {
    "workload": "KnativeService",
    "profile": "light",
    "replicas": 0,
    "max_replicas": 1,
    "expose": "none",
}
SEEN: Dict = {
    "minor": 34,
    "namespace": "Active",
    "storage_classes": ["fast"],
    "jobs": {"mlflow-setup": {"state": "complete"}},
}


def plan(**settings: Any) -> Dict:
    found = planned("kubernetes", {**SLEEPS, **settings}, database={**IN_CLUSTER, "max_connections": 600})
    assert found["errors"] == []
    return found


def test_its_pods_have_nothing_that_knative_refuses() -> None:
    own = plan()["kubernetes"]
    assert all("valueFrom" not in one or "fieldRef" not in one["valueFrom"] for one in own["env"])
    assert "/tmp" not in [mount["mountPath"] for mount in own["mounts"]]
    assert own["scratch"] in [mount["mountPath"] for mount in own["mounts"]]
    assert plan()["launch"]["env"]["TMPDIR"] == own["scratch"], "uploads pass through there"


def test_it_scales_by_requests_under_way_from_nothing_and_a_request_has_time() -> None:
    own = plan()["kubernetes"]["knative"]
    scaling = {name.rpartition("/")[2]: value for name, value in own["annotations"].items()}
    assert scaling["metric"] == "concurrency"
    assert (scaling["min-scale"], scaling["max-scale"], scaling["initial-scale"]) == ("0", "1", "0")
    assert own["timeout"] == 600


def test_one_that_never_sleeps_is_not_born_asleep() -> None:
    annotations = plan(replicas=1)["kubernetes"]["knative"]["annotations"]
    assert annotations["autoscaling.knative.dev/initial-scale"] == "1"


def test_clients_and_operations_come_by_its_gateway() -> None:
    found = plan()
    name = "http://mlflow.team-a.svc.cluster.local"
    assert found["urls"] == {"public": name, "inside": name, "operations": name, "local": ""}
    assert found["connection"]["port"] == found["ports"]["publish"] == 80
    assert found["connection"]["runner"]["options"]["url"] == name
    assert found["connection"]["runner"]["workload"] == "KnativeService"
    assert "mlflow.team-a.svc.cluster.local" in str(found["launch"])


def test_it_is_seen_from_outside_only_where_it_is_published() -> None:
    hidden = {"networking.knative.dev/visibility": "cluster-local"}
    assert plan()["kubernetes"]["knative"]["labels"] == hidden
    published = plan(expose="knative", hostname="mlflow.team-a.example.com")
    assert published["kubernetes"]["knative"]["labels"] == {}
    assert published["connection"]["uri"] == "http://mlflow.team-a.example.com"


def test_only_knative_connects_to_its_pods() -> None:
    (rule,) = plan()["kubernetes"]["ingress"]
    spaces = [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in rule["from"]]
    assert spaces == ["knative-serving", "kourier-system"]
    assert {"port": 8012, "protocol": "TCP"} in rule["ports"]


def test_no_autoscaler_of_kubernetes_works_on_it() -> None:
    assert plan(max_replicas=5)["kubernetes"]["autoscaled"] is False


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"workload": "StatefulSet"}, "mlflow_server_workload is 'StatefulSet'; offered are Deployment and"),
        ({"workload": "Deployment"}, "mlflow_server_replicas is 0; it must be at least 1"),
        ({"expose": "ingress", "hostname": "a.example.com"}, "offered of a KnativeService are none and knative"),
        ({"expose": "knative"}, "mlflow_server_hostname is empty, but mlflow_server_expose is knative"),
        ({"replicas": 2}, "mlflow_server_replicas is 2; it must be at least 0 and at most"),
        ({"scale_metric": "cpu"}, "mlflow_server_scale_metric is 'cpu'; offered are concurrency and rps"),
        ({"scale_target": 0}, "mlflow_server_scale_target is 0; it must be at least 1"),
        ({"request_timeout": "long"}, "mlflow_server_request_timeout must be a whole number"),
        ({"metrics_dir": "/tmp/metrics"}, "can write below /scratch only"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_it_cannot_be_is_an_error(settings: Dict, error: str) -> None:
    errors = planned("kubernetes", {**SLEEPS, **settings})["errors"]
    assert any(error in one for one in errors), errors


@pytest.mark.parametrize(("was", "asked"), [("Deployment", "KnativeService"), ("KnativeService", "Deployment")])
def test_one_kind_is_not_put_over_the_other(was: str, asked: str) -> None:
    found = {**SEEN, "workloads": [{"kind": was, "name": "mlflow", "wanted": 1, "version": "3.17.2"}]}
    settings = SLEEPS if asked == "KnativeService" else {}
    misfits = planned("kubernetes", settings, observed={"kubernetes": found})["misfits"]
    assert any(f"are a {was} so far, and mlflow_server_workload is {asked}" in one for one in misfits), misfits


def test_a_cluster_without_knative_is_told() -> None:
    found = {**SEEN, "missing_groups": ["serving.knative.dev"]}
    (misfit,) = planned("kubernetes", SLEEPS, observed={"kubernetes": found})["misfits"]
    assert "does not serve serving.knative.dev" in misfit and "mlflow_server_workload" in misfit


def test_one_that_sleeps_was_not_taken_away_and_one_that_was_removed_for_a_while_was() -> None:
    for stopped in (False, True):
        one = {"kind": "KnativeService", "name": "mlflow", "wanted": 0, "version": "3.16.0", "stopped": stopped}
        told = planned("kubernetes", SLEEPS, observed={"kubernetes": {**SEEN, "workloads": [one]}})
        assert (told["deployed"], told["kubernetes"]["stopped"]) == ("3.16.0", stopped)
