"""One operation on all instances of a fleet: shares in Jobs, each instance by itself, one result."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import each, operation
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.rendering import NAME
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.shares import Shares
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client, kinds, operation_job
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_fleet_operation
from support.documentation import documented
from support.playbooks import REPOSITORY

SAMPLE, SPACE = "fleet-sample", "/namespaces/tenants"
NAMES = [f"t-{number}" for number in range(1, 6)]


def objects(*, volume: bool = True) -> list[dict[str, Any]]:
    """Those of a sample that a backup is carried out with."""
    secret = {"secretKeyRef": {"name": f"{SAMPLE}-database", "key": "owner-password"}}
    shared = {"secretKeyRef": {"name": "bucket", "key": "access-key"}}
    container = {
        "name": "backup",
        "image": "mlflow:1",
        "args": ["backup"],
        "env": [
            {"name": "PGPASSWORD", "valueFrom": secret},
            {"name": "MLFLOW_BACKUP_ACCESS_KEY", "valueFrom": shared},
            {"name": "TMPDIR", "value": "/scratch"},
            {"name": "WHOSE", "value": f"of {SAMPLE}"},
        ],
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/mlflow-backup", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
            *([{"name": "artifacts", "mountPath": "/mnt/artifacts", "readOnly": True}] if volume else []),
        ],
    }
    volumes = [
        {"name": "settings", "configMap": {"name": f"{SAMPLE}-backup"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        *([{"name": "artifacts", "persistentVolumeClaim": {"claimName": f"{SAMPLE}-artifacts"}}] if volume else []),
    ]
    labels = {"app.kubernetes.io/instance": SAMPLE, "app.kubernetes.io/component": "backup", "team": "vision"}
    pod = {"serviceAccountName": f"{SAMPLE}-backup", "affinity": {"x": SAMPLE}, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": {**pod, "volumes": volumes}}
    settings = {
        "database_uri": f"postgresql+psycopg://owner@db/{SAMPLE}",
        "artifacts_uri": "/mnt/artifacts",
        "destination": f"s3://bucket/mnt/artifacts/{SAMPLE}",
        "max_age_hours": 26,
    }
    return [
        {
            "kind": "CronJob",
            "metadata": {"name": f"{SAMPLE}-backup"},
            "spec": {"jobTemplate": {"spec": {"template": template}}},
        },
        {
            "kind": "ConfigMap",
            "metadata": {"name": f"{SAMPLE}-backup"},
            "data": {"settings.json": json.dumps(settings)},
        },
    ]


OPTIONS = {"settings": "/etc/mlflow-backup/settings.json", "prune": True}


def shares(**more: Any) -> Shares:
    return Shares(objects(), SAMPLE, "tenants", "tenants", "backup", {**OPTIONS, **more})


def pod_of(names: list[str]) -> dict[str, Any]:
    job = operation_job.manifest(
        shares().cron_job(names), shares().request(names, check=False, seconds=60), at_rest=True
    )
    found: dict[str, Any] = job["spec"]["template"]
    return found


def test_the_job_of_a_share_has_what_each_instance_has_in_places_of_its_own() -> None:
    pod = pod_of(["a", "b"])["spec"]
    (container,) = pod["containers"]
    assert [one["name"] for one in container["env"]] == ["MLFLOW_BACKUP_ACCESS_KEY", "TMPDIR"], (
        "what is the same for all"
    )
    volumes = {one["name"]: one for one in pod["volumes"]}
    (mine, others) = (one["secret"] for one in volumes["instances"]["projected"]["sources"])
    assert mine == {
        "name": "a-database", "items": [{"key": "owner-password", "path": "a/PGPASSWORD"}], "optional": True,
    }  # fmt: skip
    assert others["name"] == "b-database"
    assert volumes["artifacts-1"]["persistentVolumeClaim"] == {"claimName": "b-artifacts"}
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert mounts["/instances/b/mnt/artifacts"] == {
        "name": "artifacts-1", "mountPath": "/instances/b/mnt/artifacts", "readOnly": True,
    }  # fmt: skip
    assert "/scratch" in mounts and "/etc/mlflow-backup" not in mounts, "what a ConfigMap says is in the request"
    assert pod["serviceAccountName"] == "tenants-operations" and "affinity" not in pod


def test_its_pods_are_nobodys_instance() -> None:
    labels = pod_of(["a"])["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "tenants" and labels["app.kubernetes.io/component"] == "operations"
    assert labels["mlops.mlflow/fleet-operation"] == "backup" and labels["team"] == "vision"


def test_its_request_holds_no_secret_and_paths_as_they_are_there() -> None:
    line = pod_of(NAMES)["metadata"]["annotations"]["mlops.mlflow/request"]
    request = protocol.Request.parse(line)
    assert request.operation == "each" and request.options["names"] == NAMES
    options = request.options["options"]
    assert options["artifacts_uri"] == f"/instances/{NAME}/mnt/artifacts"
    assert options["destination"] == f"s3://bucket/mnt/artifacts/{NAME}", "a bucket's folder of that name is no volume"
    assert options["prune"] is True and not {"settings", "max_age_hours"} & set(options)
    assert request.options["secrets"] == {"PGPASSWORD": f"/run/secrets/instances/{NAME}/PGPASSWORD"}
    assert request.options["env"] == {"WHOSE": f"of {NAME}"}


def test_the_longest_share_fits_into_an_annotation() -> None:
    names = [f"{number:040}" for number in range(operation.MOST_INSTANCES)]
    assert len(pod_of(names)["metadata"]["annotations"]["mlops.mlflow/request"]) < 1 << 17
    assert len(json.dumps(pod_of(names))) < 1 << 19, "nor is the Job larger than etcd takes"


def test_a_sample_without_what_the_operation_needs_is_refused() -> None:
    with pytest.raises(BadInput, match="have no CronJob fleet-sample-schema: schema needs it"):
        Shares(objects(), SAMPLE, "tenants", "tenants", "schema", {})


# In the Job


def carried_out(
    act: Callable[[protocol.Request, Mapping[str, str]], dict[str, Any]], **more: Any
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    lines: list[str] = []
    options = {"operation": "backup", "names": NAMES[:3], "mark": "@", "options": {"name": "@"}, **more}
    found = each.run(options, "id-1", act, lines.append, check=False)
    parts = [part for line in lines if (part := protocol.part_of(line, "id-1"))]
    assert len(parts) == len(lines), "one line for each"
    return found, dict(parts)


def test_each_instance_is_told_as_it_is_done_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    def act(request: protocol.Request, _env: Mapping[str, str]) -> dict[str, Any]:
        name = request.options["name"]
        if name == "t-1":
            raise EngineError("the database is away")
        if name == "t-2":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"changed": True, "snapshot": {"id": f"of-{name}"}}

    found, parts = carried_out(act)
    assert found == {
        "changed": True, "counts": {"done": 1, "failures": 2}, "failed": True, "msg": "an instance failed",
    }  # fmt: skip
    assert parts["t-1"] == {"changed": False, "failed": True, "msg": "the database is away"}
    assert parts["t-2"] == {"failed": True, "msg": "its process ended with status -9 and without a word"}
    assert parts["t-3"] == {"changed": True, "failed": False, "msg": "of-t-3"}


def test_an_instance_has_its_own_secrets_and_nobody_elses(tmp_path: Path) -> None:
    for name in ("t-1", "t-3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "PGPASSWORD").write_text(f"secret of {name}\n")

    def act(_request: protocol.Request, env: Mapping[str, str]) -> dict[str, Any]:
        return {"msg": f"{env.get('PGPASSWORD')} {env['WHOSE']}"}

    _found, parts = carried_out(act, secrets={"PGPASSWORD": f"{tmp_path}/@/PGPASSWORD"}, env={"WHOSE": "of @"})
    assert [part["msg"] for part in parts.values()] == ["secret of t-1 of t-1", "None of t-2", "secret of t-3 of t-3"]
    assert "WHOSE" not in os.environ


def test_whoever_is_told_to_end_ends_what_runs_and_tells_what_was_done(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"

    def act(request: protocol.Request, _env: Mapping[str, str]) -> dict[str, Any]:
        if request.options["name"] == "t-1":
            return {"changed": True}
        try:
            time.sleep(30)
        except protocol.Ended:
            cleaned.touch()
        return {}

    def end(*_received: Any) -> None:
        raise protocol.Ended("told to end")

    before = signal.signal(signal.SIGTERM, end)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        found, parts = carried_out(act)
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, before)
    assert found["msg"] == "told to end" and found["counts"] == {"done": 1, "failures": 1}
    assert list(parts) == ["t-1", "t-2"] and cleaned.exists(), "what had not begun is left to the next run"


def test_only_what_is_offered_for_many_is_carried_out() -> None:
    with pytest.raises(BadInput, match="restore is not offered for many instances"):
        carried_out(lambda _request, _env: {}, operation="restore")
    with pytest.raises(BadInput, match="backup has no option launch"):
        carried_out(lambda _request, _env: {}, options={"launch": {}})


# In the cluster


class Cluster(client.Cluster):
    """Carries a Job out when it is made. C(dies) are instances at which the whole Job dies, C(away) have no volume."""

    def __init__(self, dies: str = "", away: str = "", account: bool = True) -> None:
        self.dies, self.away, self.account = dies, away, account
        self.jobs: dict[str, str] = {}
        self.made: list[protocol.Request] = []
        self.removed: list[str] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return "https://cluster"

    def call(self, method: str, path: str, body: Any = None, query: Any = None, **_more: Any) -> Any:
        if method == "POST":
            return self._carry_out(body)
        if method == "DELETE":
            with self._lock:
                self.at_once -= 1
                self.removed.append(path.rpartition("/")[2])
            return {}
        if path == kinds.path("v1", "tenants", "serviceaccounts", "tenants-operations"):
            return {"metadata": {"name": "tenants-operations"}} if self.account else None
        if path.endswith("/persistentvolumeclaims"):
            # Some are made by day-2 playbooks for one instance, and have no mark of the fleet.
            names = [f"{name}-artifacts" for name in NAMES if name != self.away and "labelSelector" not in query]
            return {"items": [{"metadata": {"name": name}} for name in names]}
        if path.endswith("/configmaps"):
            return {"items": [{"metadata": {"name": "t-2", "labels": {"app.kubernetes.io/instance": "t-2"}}}]}
        if "/jobs/" in path:
            return self._job(path.rpartition("/")[2])
        if path.endswith("/jobs"):
            return {"items": [self._job(str(query["fieldSelector"]).rpartition("=")[2])], "metadata": {}}
        return {"items": self.items(path, query), "metadata": {}}

    def _carry_out(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        request = protocol.Request.parse(body["spec"]["template"]["metadata"]["annotations"]["mlops.mlflow/request"])
        self.made.append(request)
        lines: list[str] = []
        if self.dies in request.options["names"]:
            lines.append(protocol.part_line(request.options["names"][0], {"changed": True, "msg": "s"}, request.id))
        else:
            found = operations.run(request, lines.append)
            lines.append(protocol.result_line(found, request.id))
        time.sleep(0.05)
        self.jobs[body["metadata"]["name"]] = "\n".join(lines)
        return body

    def _job(self, name: str) -> dict[str, Any]:
        done = {"conditions": [{"type": "Complete", "status": "True"}]}
        return {"metadata": {"name": name, "namespace": "tenants"}, "status": done}

    def watch(self, path: str, query: Any, opened: Any) -> Iterator[dict[str, Any]]:
        over = threading.Event()
        opened(over.set)
        over.wait(5)
        yield from ()

    def items(self, path: str, query: Any = None, accept: str = "") -> list[dict[str, Any]]:
        if not path.endswith("/pods"):
            return []
        job = (query or {}).get("labelSelector", "").rpartition("=")[2]
        status = {
            "phase": "Failed",
            "containerStatuses": [{"name": "backup", "state": {"terminated": {"exitCode": 137}}}],
        }
        metadata = {"name": job, "creationTimestamp": "2026-11-25T12:00:00Z"}
        return [{"metadata": metadata, "spec": {"containers": [{"name": "backup"}]}, "status": status}]

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.jobs[pod]


@pytest.fixture(autouse=True)
def backups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of t-3 there is a snapshot already, and t-4 fails."""

    def backup(call: operations.Call) -> dict[str, Any]:
        name = str(call.options["destination"]).rpartition("/")[2]
        if name == "t-4":
            raise EngineError("the database is away")
        return {"changed": name != "t-3", "snapshot": {"id": f"of-{name}"}, "seen": call.check}

    monkeypatch.setitem(operations._FUNCTIONS, "backup", backup)


def run(cluster: Cluster, *, check: bool = False, **more: Any) -> dict[str, Any]:
    place = {"fleet": "tenants", "namespace": "tenants", "sample": SAMPLE, "objects": objects(), "options": OPTIONS}
    request = operation.Request(**{**place, "operation": "backup", "instances": NAMES, "share": 2, "jobs": 2, **more})
    return operation.run(cluster, request, check=check)


def test_all_are_done_in_a_few_jobs_at_once_and_the_result_names_who_failed() -> None:
    cluster = Cluster()
    found = run(cluster)
    assert found["counts"] == {"declared": 5, "changed": 3, "unchanged": 1, "failures": 1}
    assert found["failures"] == [{"name": "t-4", "reason": "the database is away"}]
    assert found["instances"] == [{"name": name, "result": f"of-{name}"} for name in ("t-1", "t-2", "t-5")]
    assert found["failed"] and "Of 5 instances 1 failed, and the others are done" in found["msg"]
    assert found["jobs"] == 3 and cluster.most_at_once <= 2
    assert sorted(cluster.removed) == sorted(cluster.jobs), "no Job is left"


def test_a_job_that_dies_takes_along_only_what_it_had_not_done() -> None:
    found = run(Cluster(dies="t-1"))
    failed = {one["name"]: one["reason"] for one in found["failures"]}
    assert set(failed) == {"t-2", "t-4"} and "The Job tenants/tenants-backup-each-" in failed["t-2"]
    assert {"name": "t-1", "result": "s"} in found["instances"]


def test_an_instance_without_its_volume_is_named_and_keeps_no_job_from_starting() -> None:
    cluster = Cluster(away="t-2")
    found = run(cluster)
    assert {"name": "t-2", "reason": "there is no PersistentVolumeClaim t-2-artifacts"} in found["failures"]
    # Jobs are made side by side.
    made = sorted(name for request in cluster.made for name in request.options["names"])
    assert made == ["t-1", "t-3", "t-4", "t-5"]


def test_a_few_instances_are_spread_over_the_jobs() -> None:
    cluster = Cluster()
    assert run(cluster, share=50, jobs=4)["jobs"] == 3
    assert sorted(len(request.options["names"]) for request in cluster.made) == [1, 2, 2]


def test_check_mode_only_looks_and_says_where_it_could_not() -> None:
    cluster = Cluster()
    assert run(cluster, check=True)["counts"]["changed"] == 3 and all(request.check for request in cluster.made)
    cluster = Cluster(account=False)
    found = run(cluster, check=True)
    assert (
        cluster.made == [] and found["counts"]["changed"] == 5 and "could not look" in found["instances"][0]["result"]
    )


@pytest.mark.parametrize(("more", "said"), [({"jobs": 9}, "jobs is 9"), ({"share": 0}, "share is 0")])
def test_numbers_out_of_bounds_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run(Cluster(), **more)


def test_databases_of_what_is_deployed_are_not_removed() -> None:
    cron_job = {**objects()[0], "metadata": {"name": f"{SAMPLE}-databases"}}
    cluster = Cluster()
    found = run(cluster, operation="databases", objects=[cron_job], options={"state": "absent"}, instances=["t-2"])
    assert found["failures"] == [{"name": "t-2", "reason": "it is deployed: remove it first"}] and cluster.made == []


def test_databases_come_before_instances_and_cost_a_second_run_no_job() -> None:
    cluster = Cluster()
    found = run(cluster, instances=["t-2"], skip_deployed=True)
    assert found["counts"]["unchanged"] == 1 and found["jobs"] == 0 and cluster.made == []
    run(cluster, instances=["t-1", "t-2"], skip_deployed=True)
    assert [request.options["names"] for request in cluster.made] == [["t-1"]]


def test_the_module_returns_what_is_documented_and_offers_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        check_mode, _diff = False, True
        params: ClassVar[dict[str, Any]] = {
            "name": "tenants", "namespace": "tenants", "operation": "backup", "objects": objects(), "sample": SAMPLE,
            "options": OPTIONS, "instances": [], "count": 3, "pattern": "t-#", "jobs": 2, "share": 2, "timeout": 60.0,
            "progress_file": None, "skip_deployed": False,
        }  # fmt: skip

    monkeypatch.setattr(mlflow_fleet_operation, "cluster_of", lambda _module: Cluster())
    done = mlflow_fleet_operation.operate(Module())
    file = REPOSITORY / "plugins/modules/mlflow_fleet_operation.py"
    assert set(done) - {"changed", "diff"} == set(documented(file))
    assert done["diff"] == {"before": "", "after": "t-1: of-t-1\nt-2: of-t-2\n"}
    assert str(list(each.OPERATIONS)).replace("'", '"') in file.read_text()


def test_an_operation_on_nobody_is_no_success() -> None:
    cluster = Cluster()
    with pytest.raises(BadInput, match="backup of none would look like success"):
        run(cluster, instances=[])
    assert cluster.jobs == {}
