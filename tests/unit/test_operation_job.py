"""An operation as a Job: made from a CronJob, followed to its result, and removed when it is cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client, operation_job
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.runner import KubernetesRunner

NAMESPACE = "/api/v1/namespaces/team-a"
BATCH = "/apis/batch/v1/namespaces/team-a"


def cron_job() -> dict[str, Any]:
    container = {
        "name": "backup",
        "image": "i",
        "args": ["backup", "--settings", "x", "--prune"],
        "volumeMounts": [{"name": "artifacts", "mountPath": "/mnt/artifacts", "readOnly": True}],
    }
    pod = {"restartPolicy": "Never", "affinity": {"podAffinity": {}}, "containers": [container]}
    return {
        "metadata": {
            "name": "mlflow-backup",
            "namespace": "team-a",
            "labels": {"app.kubernetes.io/component": "backup"},
        },
        "spec": {"suspend": True, "jobTemplate": {"spec": {"backoffLimit": 1, "template": {"spec": pod}}}},
    }


class Batch(client.Cluster):
    """A cluster that keeps what is made, and whose Job ends as C(ends) says: a condition, or None for never."""

    def __init__(self, ends: str | None, log: str = "") -> None:
        self.ends, self.printed = ends, log
        self.objects: dict[str, dict[str, Any]] = {f"{BATCH}/cronjobs/mlflow-backup": cron_job()}
        self.removed: list[str] = []

    def call(self, method: str, path: str, body: Any = None, query: Any = None) -> dict[str, Any] | None:
        if method == "POST":
            body["metadata"]["uid"] = "1-2-3"
            self.objects[f"{path}/{body['metadata']['name']}"] = body
            return dict(body)
        if method == "DELETE":
            self.removed.append(path)
            return self.objects.pop(path, None)
        if method == "GET" and path.startswith(f"{BATCH}/jobs/") and path in self.objects:
            conditions = [{"type": self.ends, "status": "True"}] if self.ends else []
            return {**self.objects[path], "status": {"conditions": conditions}}
        return self.objects.get(path)

    def items(self, path: str, query: Any = None) -> list[dict[str, Any]]:
        selector = (query or {}).get("labelSelector", "")
        alive = any(path.startswith(f"{BATCH}/jobs/") for path in self.objects)
        if "job-name" not in selector or not alive:
            return []
        metadata = {"name": "pod-1", "creationTimestamp": "2026-11-25T12:00:00Z"}
        return [{"metadata": metadata, "spec": {"containers": [{"name": "backup"}]}, "status": {"phase": "Running"}}]

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.printed

    @property
    def job(self) -> dict[str, Any]:
        return next(body for path, body in self.objects.items() if path.startswith(f"{BATCH}/jobs/"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_job, "_POLL_SECONDS", 0.01)


def run(cluster: Batch, request: protocol.Request) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return KubernetesRunner(cluster, "team-a", "mlflow").run(request, said.append), said


def test_a_backup_is_a_job_of_the_schedules_pod_with_its_request_in_a_map_that_goes_with_it() -> None:
    request = protocol.Request("backup", {"prune": True}, deadline=60)
    log = "dumping\n" + protocol.result_line({"changed": True, "snapshot": {"id": "s"}}, request.id)
    cluster = Batch("Complete", log)
    found, said = run(cluster, request)
    assert found["snapshot"] == {"id": "s"} and said == ["dumping"]
    spec = cluster.job["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 660) and spec["ttlSecondsAfterFinished"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"] == ["run", "--request=/etc/mlflow-request/request"]
    assert {"name": "artifacts", "mountPath": "/mnt/artifacts", "readOnly": True} in container["volumeMounts"]
    held = next(body for path, body in cluster.objects.items() if "/configmaps/" in path)
    assert json.loads(held["data"]["request"])["id"] == request.id
    assert held["metadata"]["ownerReferences"][0]["uid"] == "1-2-3"
    assert not cluster.removed


@pytest.mark.parametrize(("check", "writable"), [(False, True), (True, False)])
def test_only_a_restore_may_write_where_the_artifacts_are(check: bool, writable: bool) -> None:
    request = protocol.Request("restore", {"snapshot": "latest"}, check=check)
    job = operation_job.manifest(cron_job(), request, at_rest=False)
    mounts = {one["name"]: one for one in job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert ("readOnly" not in mounts["artifacts"]) == writable


def test_without_a_server_a_job_need_not_run_beside_one() -> None:
    request = protocol.Request("backup")
    for at_rest in (True, False):
        job = operation_job.manifest(cron_job(), request, at_rest=at_rest)
        assert ("affinity" in job["spec"]["template"]["spec"]) != at_rest
    assert "affinity" in cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_a_job_that_does_not_end_is_removed_before_anything_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_job, "_START_SECONDS", 0.05)
    cluster = Batch(None, "dumping\n")
    cluster.objects[f"{NAMESPACE}/events"] = {"items": []}
    with pytest.raises(ClusterError, match="did not end in time, and was removed"):
        run(cluster, protocol.Request("backup", deadline=0.05))
    assert len(cluster.removed) == 1 and cluster.removed[0].startswith(f"{BATCH}/jobs/mlflow-backup-backup-")


def test_a_job_is_removed_when_who_follows_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Batch(None)

    def interrupted(_seconds: float) -> None:
        monkeypatch.setattr(operation_job.time, "sleep", lambda _seconds: None)
        raise KeyboardInterrupt

    monkeypatch.setattr(operation_job.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, protocol.Request("backup"))
    assert len(cluster.removed) == 1


def test_a_job_that_failed_without_a_result_says_why() -> None:
    cluster = Batch("Failed", "starting\nKilled\n")
    cluster.objects[f"{NAMESPACE}/events"] = {"items": []}
    with pytest.raises(ClusterError, match=r"The Job team-a/mlflow-backup-backup-.* failed"):
        run(cluster, protocol.Request("backup"))


def test_a_job_runs_the_image_that_the_runner_names() -> None:
    for image, runs in (("", "i"), ("new:2", "new:2")):
        job = operation_job.manifest(cron_job(), protocol.Request("backup"), at_rest=False, image=image)
        assert job["spec"]["template"]["spec"]["containers"][0]["image"] == runs
    with pytest.raises(BadInput, match="the servers' pods, which have their own image"):
        KubernetesRunner(Batch("Complete"), "team-a", "mlflow", image="new:2").run(protocol.Request("info"))


def test_a_password_is_not_written_into_the_map_of_a_request() -> None:
    request = protocol.Request("trial", {"launch": {}}, login={"username": "admin", "password": "kept-to-itself"})
    cluster = Batch("Complete", protocol.result_line({"steps": []}, request.id))
    cluster.objects[f"{BATCH}/cronjobs/mlflow-trial"] = cron_job()
    login = {"username": "admin", "secret": "mlflow-auth", "key": "admin-password"}
    KubernetesRunner(cluster, "team-a", "mlflow", login).run(request)
    held = next(body for path, body in cluster.objects.items() if "/configmaps/" in path)
    assert "kept-to-itself" not in str(held)
    assert json.loads(held["data"]["request"])["options"] == {"launch": {}, "username": "admin"}


def test_a_deployment_without_the_cron_job_is_told_so() -> None:
    cluster = Batch("Complete")
    cluster.objects.clear()
    with pytest.raises(ClusterError, match="There is no CronJob team-a/mlflow-backup"):
        run(cluster, protocol.Request("backup-info"))
