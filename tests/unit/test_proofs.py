"""What was proven last is noted on every platform; what fails, or serves something else, is proven again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.runner import ComposeRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.runner import HostRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import inspect as kubernetes_inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.runner import KubernetesRunner
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_smoke_test
from support.fake_cluster import Api
from support.plans import planned

SEEN: dict[str, Any] = {"minor": 34, "storage_classes": ["s"], "default_storage_class": "s", "metrics": True}
SERVERS = "/apis/apps/v1/namespaces/team-a/deployments/mlflow"


@pytest.fixture
def host(tmp_path: Path) -> HostRunner:
    launch = {
        "argv": ["/env/bin/python", "--ssl-certfile", str(tmp_path / "server.pem")],
        "env": {"MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini")},
        "secrets": {"KEY": {"file": str(tmp_path / "key")}, "ID": {"random_bytes": 8}},
    }
    (tmp_path / "launch.json").write_text(json.dumps(launch))
    (tmp_path / "auth.ini").write_text("a")
    (tmp_path / "key").write_text("a")
    (tmp_path / "server.pem").write_text("a")
    return HostRunner("mlflow", str(tmp_path))


class Module:
    def __init__(self, check_mode: bool = False, unless_proven: bool = True) -> None:
        self.check_mode, self.params = check_mode, {"unless_proven": unless_proven}


class Smoke:
    """The smoke run of a deployment, which fails while it is C(broken)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runner: protocol.Runner) -> None:
        self.broken, self.runs = False, 0
        monkeypatch.setattr(mlflow_smoke_test, "deployment_of", lambda _module: runner)
        monkeypatch.setattr(mlflow_smoke_test, "carry_out", self)

    def __call__(self, module: Module, _operation: str, _options: dict[str, Any]) -> dict[str, Any]:
        self.runs += not module.check_mode
        if self.broken:
            raise ServerError("registry: no")
        return {"steps": [] if module.check_mode else [{"name": "run"}]}


def test_a_failed_proof_is_repeated_until_it_succeeds_and_then_no_more(
    host: HostRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoke = Smoke(monkeypatch, host)
    smoke.broken = True
    for number in (1, 2):
        with pytest.raises(ServerError):
            mlflow_smoke_test.prove(Module())
        assert smoke.runs == number and not host.proven()
    smoke.broken = False
    assert mlflow_smoke_test.prove(Module())["steps"] and host.proven() == host.serving()
    assert mlflow_smoke_test.prove(Module()) == {"changed": False, "steps": []} and smoke.runs == 3
    assert mlflow_smoke_test.prove(Module(unless_proven=False))["steps"], "whoever asks for it gets it"
    # One that fails later is forgotten, too.
    smoke.broken = True
    with pytest.raises(ServerError):
        mlflow_smoke_test.prove(Module(unless_proven=False))
    assert not host.proven()


def test_check_mode_notes_and_forgets_nothing(host: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    smoke = Smoke(monkeypatch, host)
    assert mlflow_smoke_test.prove(Module(check_mode=True))["steps"] == [] and not host.proven()
    host.note_proven("another")
    mlflow_smoke_test.prove(Module(check_mode=True))
    assert host.proven() == "another" and smoke.runs == 0


@pytest.mark.parametrize("file", ["launch.json", "auth.ini", "key", "server.pem"])
def test_on_a_host_launch_rights_and_secrets_are_what_is_proven(host: HostRunner, file: str) -> None:
    before = host.serving()
    path = Path(host.directory) / file
    path.write_text(path.read_text() + " ")
    assert host.serving() != before
    path.unlink()
    assert host.serving() != before
    (Path(host.directory) / "proven").unlink(missing_ok=True)
    host.note_proven("one")
    assert (Path(host.directory) / "proven").stat().st_mode & 0o777 == 0o600 and host.proven() == "one"
    host.note_proven("")
    host.note_proven("")
    assert host.proven() == ""


def test_nothing_deployed_serves_nothing(tmp_path: Path) -> None:
    assert HostRunner("mlflow", str(tmp_path)).serving() == ""
    assert KubernetesRunner(Cluster(Api({})), "team-a", "mlflow").serving() == ""


def test_on_compose_containers_configuration_and_secrets_are_what_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["a", "b"]
    monkeypatch.setattr(inspect, "containers", lambda _name, _component: [{"id": one} for one in ids])
    for place in ("configuration/launch.json", "secrets/server/KEY", "secrets/schema/KEY"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("a")
    runner = ComposeRunner("mlflow", str(tmp_path / "compose.yaml"))
    seen = [runner.serving()]
    for change in (
        lambda: ids.reverse(),
        lambda: (tmp_path / "secrets/schema/KEY").write_text("b"),
        lambda: (tmp_path / "secrets/server/KEY").write_text("b"),
        lambda: (tmp_path / "configuration/launch.json").write_text("b"),
        lambda: ids.__setitem__(0, "c"),
    ):
        change()
        seen.append(runner.serving())
    assert seen[0] == seen[1] == seen[2] and len(set(seen)) == 4
    runner.note_proven(seen[-1])
    assert runner.proven() == seen[-1] == runner.serving()
    ids.clear()
    assert runner.serving() == ""


def test_on_kubernetes_the_pods_template_is_what_is_proven_and_a_restart_changes_nothing() -> None:
    def runner(annotations: dict[str, str], noted: str = "", image: str = "a") -> tuple[KubernetesRunner, Api]:
        template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"image": image}]}}
        metadata = {"name": "mlflow", "annotations": {"mlops.mlflow/proven": noted} if noted else {}}
        api = Api({SERVERS: {"metadata": metadata, "spec": {"template": template}}})
        return KubernetesRunner(Cluster(api), "team-a", "mlflow"), api

    before = runner({"mlops.mlflow/configuration": "1"})[0].serving()
    restarted = {"mlops.mlflow/configuration": "1", "kubectl.kubernetes.io/restartedAt": "now"}
    assert runner(restarted)[0].serving() == before
    assert runner({"mlops.mlflow/configuration": "2"})[0].serving() != before
    assert runner({"mlops.mlflow/configuration": "1"}, image="b")[0].serving() != before
    assert runner({}, noted="x")[0].proven() == "x"
    for noted, known in (("x", False), (runner({})[0].serving(), True)):
        metadata = {"name": "mlflow", "annotations": {"mlops.mlflow/proven": noted}}
        template = {"metadata": {"annotations": {}}, "spec": {"containers": [{"image": "a"}]}}
        item = {"metadata": metadata, "spec": {"replicas": 1, "template": template}, "status": {}}
        api = Api({"/apis/apps/v1/namespaces/team-a/deployments": [item]})
        (workload,) = kubernetes_inspect.state(Cluster(api), "team-a", "mlflow")["workloads"]
        assert workload["proven"] is known, "a deploy learns it without another request"
        assert (
            planned("kubernetes", observed={"kubernetes": SEEN | {"workloads": [workload]}})["kubernetes"]["proven"]
            is known
        )
    servers, api = runner({})
    servers.note_proven("x")
    servers.note_proven("")
    notes = [
        body["metadata"]["annotations"] for method, path, body in api.calls if (method, path) == ("PATCH", SERVERS)
    ]
    assert notes == [{"mlops.mlflow/proven": "x"}, {"mlops.mlflow/proven": None}]
