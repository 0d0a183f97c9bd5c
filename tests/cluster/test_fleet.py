"""A fleet on a real API server, which nobody else uses and nothing carries out: what it notes of changes, and its end.

pytest tests/cluster/test_fleet.py -m cluster
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import deploy, health, table
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import declare
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import in_cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring import exporter
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.settings import Settings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent
from support import exporter as exporting
from support import locust
from support.api_server import ApiServer
from support.fleet_cluster import SAMPLE, objects
from support.playbooks import REPOSITORY, run_playbook
from support.stub_instances import Instances

pytestmark = pytest.mark.cluster
MERGE = "application/merge-patch+json"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/{}/services/"
CONFIGURATIONS = "/api/v1/namespaces/{}/configmaps/"
PLAYBOOK = (REPOSITORY / "playbooks/fleet_load_test.yml", REPOSITORY / "inventories/kubernetes_knative")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(tmp_path_factory.mktemp("api-server")) as found:
        found.define_knative()
        yield found


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> Cluster:
    import kubernetes

    login = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(api.kubeconfig), client_configuration=login)
    return Cluster(kubernetes.client.ApiClient(configuration=login))


@pytest.fixture
def namespace(api: ApiServer, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")[:40].strip("-")
    api.kubectl("create", "namespace", name)
    return name


def sample() -> list[dict[str, Any]]:
    volume, configuration, servers = objects()
    volume["spec"]["accessModes"] = ["ReadWriteMany"]
    return [volume, configuration, servers]


def run(cluster: Cluster, namespace: str, count: int, *, fleet: str = "one", **more: Any) -> dict[str, Any]:
    instances = declare(more.pop("own", []), count=count, pattern=more.pop("pattern", "t-####"), limit=10_000)
    return deploy.deploy(cluster, deploy.Request(fleet, namespace, SAMPLE, sample(), instances, **more))


def test_a_second_run_is_one_list_a_kind(cluster: Cluster, namespace: str) -> None:
    first = run(cluster, namespace, 20)
    assert (first["counts"]["created"], first["counts"]["failures"]) == (20, 0)
    second = run(cluster, namespace, 20)
    assert (second["changed"], second["counts"]["unchanged"], second["requests"]) == (False, 20, 3)


def test_every_edit_of_what_was_applied_is_seen_and_no_other(cluster: Cluster, namespace: str) -> None:
    run(cluster, namespace, 8)
    services, configurations = SERVICES.format(namespace), CONFIGURATIONS.format(namespace)

    def edit(path: str, body: dict[str, Any]) -> None:
        cluster.call("PATCH", path, body, content_type=MERGE)

    edit(f"{services}t-0001", {"spec": {"template": {"spec": {"timeoutSeconds": 77}}}})
    edit(f"{services}t-0002", {"metadata": {"labels": {"app.kubernetes.io/instance": "t-0002", "team": "a"}}})
    edit(f"{configurations}t-0003", {"data": {"launch.json": "{}"}})
    edit(f"{configurations}t-0004", {"data": {"launch.json": None}})
    edit(f"{configurations}t-0005", {"data": {"more": "x"}})
    edit(f"{configurations}t-0006", {"metadata": {"annotations": {"mlops.mlflow/fleet-checksum": None}}})
    cluster.call("DELETE", f"{services}t-0007")
    # What others own besides is theirs: a label, another key.
    assert run(cluster, namespace, 8)["updated"] == ["t-0001", "t-0003", "t-0004", "t-0006", "t-0007"]
    assert run(cluster, namespace, 8)["changed"] is False
    restored = cluster.get(f"{services}t-0001")
    assert restored is not None and restored["spec"]["template"]["spec"]["timeoutSeconds"] == 600


def test_two_fleets_and_what_somebody_else_made_are_left_alone(
    api: ApiServer, cluster: Cluster, namespace: str
) -> None:
    everything = {"prune": True, "prune_data": True}
    run(cluster, namespace, 3, fleet="one", pattern="a-#", **everything)
    run(cluster, namespace, 3, fleet="two", pattern="b-#", **everything)
    for fleet, pattern in (("one", "a-#"), ("two", "b-#")):
        assert run(cluster, namespace, 3, fleet=fleet, pattern=pattern, **everything)["changed"] is False
    with pytest.raises(BadInput, match="did not make"):
        run(cluster, namespace, 3, fleet="one", pattern="b-#", **everything)
    api.kubectl("create", "configmap", "c-1", f"--namespace={namespace}", "--from-literal=whose=mine")
    with pytest.raises(BadInput, match="ConfigMap c-1"):
        run(cluster, namespace, 1, fleet="three", pattern="c-#")
    assert {line.name for line in table.read(cluster, namespace, "one")} == {"a-1", "a-2", "a-3"}


def test_what_the_api_server_refuses_is_named_and_the_rest_stands(cluster: Cluster, namespace: str) -> None:
    wrong = [{"name": "t-0002", "labels": {"team": "no label!"}}, {"name": "t-0003", "storage_size": "9Gi"}]
    run(cluster, namespace, 2)
    done = run(cluster, namespace, 4, own=wrong)
    assert [one["name"] for one in done["failures"]] == ["t-0002"]
    assert "a valid label must" in done["msg"]
    assert done["created"] == ["t-0003", "t-0004"]


def tell(cluster: Cluster, namespace: str, name: str, status: str, reason: str = "", **more: Any) -> None:
    """What Knative would say of the service of an instance."""
    path = f"{SERVICES.format(namespace)}{name}"
    found = cluster.get(path)
    assert found is not None
    condition = {"type": "Ready", "status": status, **({"reason": reason} if reason else {})}
    generation = found["metadata"]["generation"]
    body = {"status": {"observedGeneration": generation, "conditions": [condition], **more}}
    cluster.call("PATCH", f"{path}/status", body, content_type=MERGE)


def test_health_is_what_the_tables_of_the_api_server_tell(cluster: Cluster, namespace: str) -> None:
    run(cluster, namespace, 5)
    for name in ("t-0001", "t-0002", "t-0003"):
        tell(cluster, namespace, name, "True")
    tell(cluster, namespace, "t-0004", "False", "RevisionFailed")
    claim = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/t-0003/status"
    cluster.call("PATCH", claim, {"status": {"phase": "Lost"}}, content_type=MERGE)
    cluster.call("DELETE", f"{SERVICES.format(namespace)}t-0005")
    found = health.check(cluster, namespace, "one", [f"t-000{number}" for number in range(1, 6)])
    assert {one["name"]: one["state"] for one in found["unhealthy"]} == {
        "t-0003": "no_volume", "t-0004": "not_ready", "t-0005": "missing",
    }  # fmt: skip
    assert "t-0004 (not_ready: RevisionFailed)" in found["verdict"]
    assert found["counts"] == {"declared": 5, "healthy": 2, "unhealthy": 3, "stopped": 0, "undeclared": 0}


def test_the_exporter_tells_what_the_tables_of_the_api_server_tell(
    api: ApiServer, cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(cluster, namespace, 5)
    names = [f"t-000{number}" for number in range(1, 6)]
    for name in names[:4]:
        tell(cluster, namespace, name, "True")
    for name, ready, phase in (
        ("t-0001", True, "Running"),
        ("t-0002", False, "Pending"),
        # One that was evicted stays.
        ("t-0003", False, "Failed"),
    ):
        pod(cluster, namespace, name, ready, phase)
    log_in_as_a_pod(api, tmp_path, monkeypatch)
    told = {"namespace": namespace, "instances": names, "count": 0, "pattern": ""}
    values = exporting.parsed(exporter.once(Settings("one", fleet=told), silent))
    assert {labels[0]: value for (name, labels), value in values.items() if name == "fleet_instances" and value} == {
        "awake": 1, "starting": 1, "sleeping": 2, "unhealthy": 1,
    }  # fmt: skip
    assert values["fleet_instances_unhealthy", ("not_ready",)] == 1
    assert abs(values["fleet_starting_since_timestamp_seconds", ()] - time.time()) < 600
    assert exporting.unmeasured(values) == set()


def pod(cluster: Cluster, namespace: str, instance: str, ready: bool, phase: str) -> None:
    """As Knative makes one of a server, and a kubelet tells of it."""
    labels = {"app.kubernetes.io/component": "server", "serving.knative.dev/service": instance}
    containers = [{"name": name, "image": "mlflow:1"} for name in ("mlflow", "queue-proxy")]
    pods = f"/api/v1/namespaces/{namespace}/pods"
    body = {"metadata": {"name": instance, "labels": labels}, "spec": {"containers": containers}}
    cluster.call("POST", pods, {"apiVersion": "v1", "kind": "Pod", **body})
    state = (
        {"running": {"startedAt": "2026-11-28T05:00:00Z"}} if ready else {"waiting": {"reason": "ContainerCreating"}}
    )
    one = {"ready": ready, "state": state, "restartCount": 0, "image": "mlflow:1", "imageID": ""}
    statuses = [{"name": container["name"], **one} for container in containers]
    status = {"phase": phase, "containerStatuses": statuses}
    cluster.call("PATCH", f"{pods}/{instance}/status", {"status": status}, content_type=MERGE)


def log_in_as_a_pod(api: ApiServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads(api.kubeconfig.read_text())
    address, authority = (config["clusters"][0]["cluster"][key] for key in ("server", "certificate-authority"))
    (folder / "token").write_text(config["users"][0]["user"]["token"])
    (folder / "ca.crt").write_bytes(Path(authority).read_bytes())
    monkeypatch.setattr(in_cluster, "ACCOUNT", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(urlsplit(address).hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(urlsplit(address).port))


def test_the_playbook_loads_the_instances_that_are_ready_and_wakes_nobody_else(
    api: ApiServer, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    run(cluster, namespace, 4)
    for name in ("t-0001", "t-0002", "t-0003"):
        tell(cluster, namespace, name, "True", url=f"http://{name}.{namespace}.example.com")
    tell(cluster, namespace, "t-0004", "False", "RevisionFailed", url=f"http://t-0004.{namespace}.example.com")
    with Instances(wake_seconds=1.0) as gateway:
        variables = {
            "mlflow_cluster": {"kubeconfig": str(api.kubeconfig)},
            "mlflow_namespace": namespace,
            "mlflow_fleet_name": "one",
            "mlflow_load_test_dir": str(locust.installed()),
            "locust_report_dir": str(tmp_path),
            "locust_gateway": f"127.0.0.1:{gateway.port}",
            "locust_users": 12,
            "locust_run_time": 5,
            "locust_workload": "reference",
            "locust_slos": {"all": {"error_rate": 0}, "wake": {"error_rate": 0}},
        }
        refused = run_playbook(*PLAYBOOK, variables)
        assert refused.code != 0 and "set mlflow_load_test_allowed: true" in refused.message and not gateway.asked
        variables["mlflow_load_test_allowed"] = True
        played = run_playbook(*PLAYBOOK, variables).succeeded()
        asked = {name.partition(".")[0] for name in gateway.asked}
    assert "The load test passed: 2 objectives held" in played.of("Report the verdict")["msg"]
    assert asked == {"t-0001", "t-0002", "t-0003"}, "twelve users draw all three, and one is not ready"
    report = json.loads((tmp_path / "result.json").read_text())
    wake = next(one for one in report["operations"] if one["name"] == "wake")
    assert wake["requests"] == 2, "the third was inspected, and awake then"
    assert report["servers"][0]["why_not"].startswith("the cluster tells no metrics of pods")


def test_a_roll_out_waits_for_each_wave_and_goes_on_from_there(cluster: Cluster, namespace: str) -> None:
    options: dict[str, Any] = {"wave": 2, "wait_seconds": 1.0}
    first = run(cluster, namespace, 4, **options)
    assert (first["created"], first["untried"]) == (["t-0001", "t-0002"], ["t-0003", "t-0004"])
    assert len(table.read(cluster, namespace, "one")) == 2
    tell(cluster, namespace, "t-0001", "True")
    still = run(cluster, namespace, 4, **options)
    assert (still["changed"], still["failures"][0]["name"]) == (False, "t-0002")
    tell(cluster, namespace, "t-0002", "True")
    assert run(cluster, namespace, 4, **options)["created"] == ["t-0003", "t-0004"]


def test_an_api_server_that_crashes_and_comes_back_is_survived(
    api: ApiServer, cluster: Cluster, namespace: str
) -> None:
    def crash() -> None:
        time.sleep(1.0)
        api.kill()
        time.sleep(3.0)
        api.start_again()

    crashing = threading.Thread(target=crash)
    crashing.start()
    try:
        done = run(cluster, namespace, 600)
    finally:
        crashing.join()
    assert (done["counts"]["created"], done["counts"]["failures"]) == (600, 0), done.get("msg")
    assert done["requests"] > 1803, "it was away meanwhile"
    assert run(cluster, namespace, 600)["counts"]["unchanged"] == 600


def test_a_run_that_was_killed_is_gone_on_with(api: ApiServer, cluster: Cluster, namespace: str) -> None:
    request = {
        "kubeconfig": str(api.kubeconfig), "fleet": "one", "namespace": namespace, "sample": SAMPLE,
        "objects": sample(), "pattern": "t-####", "count": 600, "own": [],
    }  # fmt: skip
    program = [sys.executable, "-P", str(REPOSITORY / "benchmarks/lib/fleet_run.py")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL) as running:
        assert running.stdin
        running.stdin.write(json.dumps(request))
        running.stdin.close()
        while len(table.read(cluster, namespace, "one")) < 50:
            time.sleep(0.1)
        os.kill(running.pid, signal.SIGKILL)
    there = len(table.read(cluster, namespace, "one"))
    assert 50 <= there < 600
    done = run(cluster, namespace, 600)
    assert there - 8 <= done["counts"]["unchanged"] <= there, "at most what was under way is applied again"
    assert (done["counts"]["failures"], run(cluster, namespace, 600)["changed"]) == (0, False)
