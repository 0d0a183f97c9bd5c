"""An operation as a Job: made from a CronJob, followed to its result, and removed when it is cut off."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import attendance, client, operation_job
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
        # For how long the Job runs before, and what is printed meanwhile.
        self.runs_seconds = 0.0
        self.printed_first: list[str] = []
        self.heard: list[tuple[str, str, str]] = []
        # It does not end before it has heard so often that somebody waits.
        self.hears = 0

    def call(self, method: str, path: str, body: Any = None, query: Any = None, **_more: Any) -> Any:
        if method == "POST":
            self.objects[f"{path}/{body['metadata']['name']}"] = body
            return dict(body)
        if method == "DELETE":
            self.removed.append(path)
            return self.objects.pop(path, None)
        if method == "GET" and path in (f"{BATCH}/jobs", f"{NAMESPACE}/pods"):
            return {"items": self._listed(path), "metadata": {"resourceVersion": "1"}}
        if method == "GET" and path.startswith(f"{BATCH}/jobs/") and path in self.objects:
            return self._stands(path)
        return self.objects.get(path)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        if path == f"{NAMESPACE}/pods":
            return self.items(path, {"labelSelector": "batch.kubernetes.io/job-name=x"})
        return [self._stands(name) for name in self.objects if name.startswith(f"{path}/")]

    def _stands(self, path: str) -> dict[str, Any]:
        conditions = [{"type": self.ends, "status": "True"}] if self.ends and self.runs_seconds <= 0 else []
        return {**self.objects[path], "status": {"conditions": conditions}}

    def watch(self, path: str, query: Any, opened: Any) -> Iterator[dict[str, Any]]:
        """Ends the Job a moment after it was begun."""
        over = threading.Event()
        opened(over.set)
        if path == f"{BATCH}/jobs" and self.runs_seconds > 0:
            over.wait(self.runs_seconds)
            while len(self.heard) < self.hears and not over.wait(0.01):
                pass
            self.runs_seconds = 0
            for job in self._listed(path):
                yield {"type": "MODIFIED", "object": job}
        over.wait(5)

    def follow_log(self, namespace: str, pod: str, container: str, opened: Any) -> Iterator[str]:
        yield from self.printed_first

    def items(self, path: str, query: Any = None) -> list[dict[str, Any]]:
        selector = (query or {}).get("labelSelector", "")
        alive = any(path.startswith(f"{BATCH}/jobs/") for path in self.objects)
        if "job-name" not in selector or not alive:
            return []
        metadata = {"name": "pod-1", "creationTimestamp": "2026-11-25T12:00:00Z"}
        status = {"phase": "Running", "containerStatuses": [{"name": "backup", "state": {"running": {}}}]}
        return [{"metadata": metadata, "spec": {"containers": [{"name": "backup"}]}, "status": status}]

    @contextmanager
    def attached(self, namespace: str, pod: str, container: str) -> Iterator[Callable[[str], None]]:
        def write(text: str) -> None:
            self.heard.append((pod, container, text))
            if len(self.heard) == 2:
                raise ClusterError("the connection was cut")

        yield write

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.printed

    @property
    def job(self) -> dict[str, Any]:
        return next(body for path, body in self.objects.items() if path.startswith(f"{BATCH}/jobs/"))


class WithoutPods(Batch):
    """Whose Job gets its pod at its end only."""

    refusals: Sequence[str] = ()

    def items(self, path: str, query: Any = None) -> list[dict[str, Any]]:
        if path == f"{NAMESPACE}/events":
            assert "involvedObject.name=mlflow-backup-backup-" in query["fieldSelector"]
            return [{"message": said, "lastTimestamp": str(at)} for at, said in enumerate(self.refusals)]
        return super().items(path, query) if self.runs_seconds <= 0 else []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_job, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "_BEAT_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "_RETRY_SECONDS", 0.01)


def run(cluster: Batch, request: protocol.Request) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return KubernetesRunner(cluster, "team-a", "mlflow").run(request, said.append), said


def requested(cluster: Batch) -> dict[str, Any]:
    """What the Job's pod reads as a file."""
    template = cluster.job["spec"]["template"]
    volume = next(one for one in template["spec"]["volumes"] if one["name"] == "request")
    (item,) = volume["downwardAPI"]["items"]
    name = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
    return dict(json.loads(template["metadata"]["annotations"][name]))


def test_a_backup_is_a_job_of_the_schedules_pod_with_its_request() -> None:
    request = protocol.Request("backup", {"prune": True}, deadline=60)
    log = "dumping\n" + protocol.result_line({"changed": True, "snapshot": {"id": "s"}}, request.id)
    cluster = Batch("Complete", log)
    found, said = run(cluster, request)
    assert found["snapshot"] == {"id": "s"} and said == ["dumping"]
    spec = cluster.job["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 660) and spec["ttlSecondsAfterFinished"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"] == ["run", "--request=/etc/mlflow-request/request", "--while-connected=60"]
    assert container["stdin"] and not container.get("stdinOnce"), "a connection may be cut and made again"
    assert {"name": "artifacts", "mountPath": "/mnt/artifacts", "readOnly": True} in container["volumeMounts"]
    assert {"name": "request", "mountPath": "/etc/mlflow-request", "readOnly": True} in container["volumeMounts"]
    assert requested(cluster)["id"] == request.id
    assert not cluster.removed


def test_what_a_job_prints_is_told_while_it_runs_and_nothing_twice() -> None:
    request = protocol.Request("backup", deadline=60)
    last = protocol.result_line({"changed": True}, request.id)
    cluster = Batch("Complete", f"dumping\ncopying\ndone\n{last}")
    cluster.runs_seconds, cluster.printed_first = 0.3, ["dumping", "copying"]
    told: list[tuple[str, float]] = []
    KubernetesRunner(cluster, "team-a", "mlflow").run(request, lambda line: told.append((line, cluster.runs_seconds)))
    assert told == [("dumping", 0.3), ("copying", 0.3), ("done", 0)]


def test_a_job_hears_that_we_wait_for_it_also_after_the_connection_was_cut_and_no_more_when_we_are_gone() -> None:
    request = protocol.Request("backup", deadline=60)
    cluster = Batch("Complete", protocol.result_line({"changed": True}, request.id))
    cluster.runs_seconds, cluster.hears = 0.1, 6
    run(cluster, request)
    assert len(cluster.heard) > 5 and set(cluster.heard) == {("pod-1", "backup", "\n")}
    time.sleep(0.05)
    heard = len(cluster.heard)
    time.sleep(0.1)
    assert len(cluster.heard) == heard


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


@pytest.mark.parametrize("room", [False, True])
def test_a_job_that_gets_no_pod_ends_with_what_the_api_server_says(room: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_job, "_REFUSED_SECONDS", 0.05)
    request = protocol.Request("backup", deadline=600)
    cluster = WithoutPods("Complete", protocol.result_line({"changed": True}, request.id))
    cluster.runs_seconds = 0.3
    if room:
        # Slow is not refused.
        assert run(cluster, request)[0]["changed"]
        return
    cluster.refusals = ["serviceaccount not found", "exceeded quota: mlflow, requested: pods=1"]
    with pytest.raises(ClusterError, match=r"gets no pod: exceeded quota: mlflow.*cluster_prerequisites_quota_spare"):
        run(cluster, request)
    assert len(cluster.removed) == 1


def test_a_job_is_removed_when_who_follows_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Batch(None)

    def interrupted(_watch: Any, _seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(operation_job.Watch, "change", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, protocol.Request("backup"))
    assert len(cluster.removed) == 1


def test_a_job_is_removed_when_an_interrupt_comes_before_it_is_known_to_be_there() -> None:
    class Interrupted(Batch):
        def call(self, method: str, path: str, body: Any = None, query: Any = None, **_more: Any) -> Any:
            answer = super().call(method, path, body, query)
            if method == "POST":
                raise KeyboardInterrupt
            return answer

    cluster = Interrupted(None)
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


def test_a_password_is_not_written_into_a_request() -> None:
    request = protocol.Request("trial", {"launch": {}}, login={"username": "admin", "password": "kept-to-itself"})
    cluster = Batch("Complete", protocol.result_line({"steps": []}, request.id))
    cluster.objects[f"{BATCH}/cronjobs/mlflow-trial"] = cron_job()
    login = {"username": "admin", "secret": "mlflow-auth", "key": "admin-password"}
    KubernetesRunner(cluster, "team-a", "mlflow", login).run(request)
    assert "kept-to-itself" not in str(cluster.objects)
    assert requested(cluster)["options"] == {"launch": {}, "username": "admin"}


def test_a_deployment_without_the_cron_job_is_told_so() -> None:
    cluster = Batch("Complete")
    cluster.objects.clear()
    with pytest.raises(ClusterError, match="There is no CronJob team-a/mlflow-backup"):
        run(cluster, protocol.Request("backup-info"))


def test_where_servers_may_sleep_what_would_run_in_a_pod_of_theirs_is_a_job_with_what_they_have() -> None:
    request = protocol.Request("info")
    cluster = Batch("Complete", protocol.result_line({"version": "3.17.2"}, request.id))
    cluster.objects[f"{BATCH}/cronjobs/mlflow-trial"] = cron_job()
    login = {"username": "admin", "secret": "mlflow-auth", "key": "admin-password"}
    runner = KubernetesRunner(cluster, "team-a", "mlflow", login, workload_kind="KnativeService")
    assert runner.run(request) == {"version": "3.17.2"}
    assert requested(cluster)["options"] == {"username": "admin"}


@pytest.mark.parametrize(
    ("url", "asked"),
    [("https://127.0.0.1:5000/p", "https://mlflow.team-a.svc:8080/p"), ("https://other.example.com", None)],
)
def test_a_job_asks_the_service_because_no_server_is_at_its_own_loopback(url: str, asked: str | None) -> None:
    request = protocol.Request("experiment", {"script": "print(1)", "url": url})
    cluster = Batch("Complete", protocol.result_line({"result": 1}, request.id))
    cluster.objects[f"{BATCH}/cronjobs/mlflow-experiment"] = cron_job()
    runner = KubernetesRunner(cluster, "team-a", "mlflow", inside="https://mlflow.team-a.svc:8080/p")
    assert runner.run(request) == {"result": 1}
    assert requested(cluster)["options"]["url"] == (asked or url)


def test_a_deployment_that_is_gone_is_what_is_said_not_that_its_password_is() -> None:
    login = {"username": "admin", "secret": "mlflow-auth", "key": "admin-password"}
    with pytest.raises(ClusterError, match=r"No pod of team-a/mlflow is running\. There is none at all"):
        KubernetesRunner(Batch("Complete"), "team-a", "mlflow", login).run(protocol.Request("info"))
