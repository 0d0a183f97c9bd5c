"""A load test in a cluster, against an API that is made up: what is planned, what goes wrong, and what is collected."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import ClusterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import distributed, kubernetes
from support.fake_cluster import NAMESPACE, Api, Executing, container, ended, job, pod
from support.load_results import entry, raw

RUN = "mlops-load-abc123"
JOB = "/apis/batch/v1/namespaces/team-a/jobs/mlflow-load-abc123-master"
URL = "http://mlflow.team-a.svc:5000"
SETTINGS = {"run": RUN, "users": "4", "processes": "2", "run_time": "5", "wait_min": "", "wait_max": ""}
CGROUP = """usage_usec 2500000
user_usec 2000000
anon 1
inactive_file 100000000
current 300000000
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A0A0A0A:1F90 0B0B0B0B:1538 01 00000000:00000000 00:00000000 00000000 1000 0 7 1
   1: 0A0A0A0A:1F91 0B0B0B0B:1538 06 00000000:00000000 00:00000000 00000000 1000 0 8 1
   2: 0A0A0A0A:1F92 0B0B0B0B:0050 01 00000000:00000000 00:00000000 00000000 1000 0 9 1
"""


class LoadedCluster(Executing):
    """One server's pod, operations that find what they should, and a master whose log is C(printed)."""

    def __init__(self, master: dict[str, Any], state: dict[str, Any], printed: str) -> None:
        running = pod("mlflow-1", container("running", ready=True))
        super().__init__(Api({f"{NAMESPACE}/pods": [running], JOB: state, f"{NAMESPACE}/events": []}), "")
        self.master, self.printed = master, printed
        self.asked: list[tuple[str, Any]] = []

    def operate(self, operation: str, options: Any, deadline: float) -> dict[str, Any]:
        self.asked.append((operation, options))
        assert deadline > 0
        if operation == "info":
            return {"version": "3.17.2", "capabilities": {"artifact_serving_enabled": True}}
        return {
            "experiments": 3,
            "registered_models": 2,
            "traces": 1,
            "artifact_folders": 1,
            "left": [],
        }

    def items(self, path: str, query: Any = None) -> list[dict[str, Any]]:
        if "job-name" in (query or {}).get("labelSelector", ""):
            return [self.master] if self.master else []
        return super().items(path, query)

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.printed

    def execute(self, namespace: str, pod: str, container: str, argv: Any, timeout: float) -> str:
        super().execute(namespace, pod, container, argv, timeout)
        return CGROUP


def line(result: dict[str, Any]) -> str:
    return "mlops-load: " + base64.b64encode(gzip.compress(json.dumps(result).encode())).decode()


def follow(cluster: LoadedCluster, folder: Path, **settings: Any) -> dict[str, Any]:
    place = kubernetes.InCluster(cluster.operate, cluster, "team-a", "mlflow", "mlflow-load-abc123")
    return distributed.follow(place, SETTINGS | settings, URL, folder, 0.1)


def cleaned(cluster: LoadedCluster) -> list[Any]:
    return [options for operation, options in cluster.asked if operation == "clean-load"]


def test_the_plan_names_the_server_the_workers_and_where_the_password_is() -> None:
    made = distributed.plan(SETTINGS, URL, "admin", True, {})
    plan = json.loads(made["plan"])
    assert plan["run"] == made["run"] == RUN and plan["print_result"] is True
    (target,) = plan["targets"]
    assert (target["url"], target["username"], target["password_env"]) == (URL, "admin", "MLFLOW_TRACKING_PASSWORD")
    assert {"--master", "--expect-workers=2", "--users=4", "--run-time=5s"} <= set(made["master"])
    assert "--worker" in made["worker"] and not any("--csv" in word for word in made["master"])


def test_what_the_server_does_not_have_is_left_out_of_the_plan() -> None:
    without = {"artifact_serving_enabled": False}
    weights = json.loads(distributed.plan(SETTINGS, URL, "", True, without)["plan"])["weights"]
    assert "artifact_4k" not in weights and "log_batch_10" in weights
    with pytest.raises(BadInput, match="put_artifact_4k, which no task"):
        distributed.plan(SETTINGS | {"slos": {"put_artifact_4k": {"p95_ms": 9}}}, URL, "", True, without)


@pytest.mark.parametrize(
    ("settings", "allowed", "words"),
    [
        ({}, False, "was not allowed"),
        ({"users": "many"}, True, "users must be a whole number, and is 'many'"),
        ({"slos": {"fly": {"p95_ms": 1}}}, True, "'fly', which does not exist"),
        ({"processes": 9}, True, "each process needs a user"),
        ({"speed": 9}, True, "no such setting: speed"),
    ],
)
def test_bad_wishes_are_refused_before_there_is_an_object(settings: dict[str, Any], allowed: bool, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        distributed.plan(SETTINGS | settings, URL, "", allowed, {})


def test_the_masters_log_becomes_progress_result_and_reports(tmp_path: Path) -> None:
    printed = "locust: All users spawned: {4} users in chatter\n    1 s     4 users       81 requests\n"
    printed += line(raw(entry("log_metric", {10: 50}))) + "\n"
    cluster = LoadedCluster(pod("master-x", container("running", ready=True)), job(), printed)
    result = follow(cluster, tmp_path)
    assert result["verdict"]["passed"] is True
    assert result["clean_up"]["experiments"] == 3 and cleaned(cluster)[0]["run"] == RUN
    progress = (tmp_path / "progress.txt").read_text()
    assert "4 users" in progress and "chatter" not in progress and "mlops-load:" not in progress
    assert (tmp_path / "report.html").exists() and json.loads((tmp_path / "result.json").read_text())["run"] == RUN
    servers = result["servers"][0]
    assert (servers["name"], servers["memory_peak_bytes"], servers["database_connections_peak"]) == (
        "servers", 200_000_000, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("master", "state", "printed", "words"),
    [
        (
            pod("master-x", ended("x"), phase="Failed"),
            job("Failed"),
            "ImportError: no locust",
            "ImportError: no locust",
        ),
        (
            pod("master-x", container("waiting", reason="ImagePullBackOff", message="no such image"), phase="Pending"),
            job(),
            "",
            "ImagePullBackOff.*no such image",
        ),
        ({}, job(), "", "did not start within"),
        (pod("master-x", container("running")), job("Complete"), "mlops-load: H4sI", "is cut off"),
    ],
    ids=["died", "no image", "no pod", "half a result"],
)
def test_a_master_that_fails_is_named_with_its_reason_and_what_was_made_is_removed(
    tmp_path: Path, master: dict[str, Any], state: dict[str, Any], printed: str, words: str
) -> None:
    cluster = LoadedCluster(master, state, printed)
    with pytest.raises(EngineError, match=f"(?s){words}.*What it made was removed"):
        follow(cluster, tmp_path)
    assert len(cleaned(cluster)) == 1


@pytest.mark.parametrize(
    "written",
    [b"[" * 100_000, b"[1, 2]", b"null", b'{"a": ' * 100_000, b"{" + b" " * 2_000_000 + b"}", b"\xff"],
    ids=["deep", "a list", "null", "deep objects", "a bomb", "no text"],
)
def test_a_result_that_no_master_of_ours_writes_is_one_sentence(written: bytes, monkeypatch: Any) -> None:
    """The image that says it is somebody's."""
    monkeypatch.setattr(distributed, "_LONGEST_RESULT", 1_000_000)
    line = f"mlops-load: {base64.b64encode(gzip.compress(written)).decode()}"
    with pytest.raises(EngineError, match="The result in the master's log is cut off, or none"):
        distributed._unpack(line)


def test_cgroups_of_version_1_say_the_same() -> None:
    old = "usage_nsec 2500000000\ninactive_file 5\ntotal_inactive_file 100000000\ncurrent 300000000\n"
    network = CGROUP[CGROUP.index("  sl") :]
    assert kubernetes.read_cgroup(old + network) == kubernetes.read_cgroup(CGROUP)
    assert kubernetes.read_cgroup(CGROUP) == {"cpu_seconds": 2.5, "memory_bytes": 2e8, "connections": 1}


def test_a_container_that_does_not_show_its_cgroup_is_not_measured() -> None:
    with pytest.raises(ClusterError, match="does not show its cgroup"):
        kubernetes.read_cgroup("cat: cpu.stat: No such file or directory")
