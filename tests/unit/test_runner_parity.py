"""Every operation returns the same keys on every platform: those that its module documents, and no others."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, programs, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import runner as compose_runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client, operation_job
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health
from support.documentation import documented

MODULES = Path(__file__).parents[2] / "plugins/modules"
# Each operation's module, and what that must be given.
MODULE_OF: dict[str, tuple[str, dict[str, Any]]] = {
    "health": ("mlflow_health", {"level": "live"}),
    "info": ("mlflow_info", {}),
    "smoke": ("mlflow_smoke_test", {}),
    "backup": ("mlflow_backup", {}),
    "backup-info": ("mlflow_backup_info", {}),
    "restore": ("mlflow_restore", {}),
    "reserve": ("mlflow_reservation", {}),
    "gc": ("mlflow_gc", {}),
    "schema": ("mlflow_schema", {}),
    "schema-info": ("mlflow_schema_info", {}),
    "tune": ("mlflow_tune", {}),
    "bucket": ("mlflow_bucket", {"uri": "s3://b"}),
    "experiment": (
        "mlflow_experiments",
        {"experiments": [{"name": "x", "script": "print(1)", "parameters": {}, "image": ""}]},
    ),
    "trial": ("mlflow_trial", {"launch_file": "/etc/mlflow/launch.json"}),
}
# The load test carries the first out itself; the others are what a fleet's module sends to Jobs of its own.
WITHOUT_MODULE = {"clean-load", "databases", "each"}


class Ended(Exception):
    """What the module said at its end."""


class Module:
    """What Ansible would make of a module's arguments, in this process."""

    check_mode = False
    given: ClassVar[dict[str, Any]] = {}

    def __init__(self, argument_spec: dict[str, Any], **_rules: Any) -> None:
        defaults = {name: spec.get("default") for name, spec in argument_spec.items()}
        unknown = set(self.given) - set(defaults)
        assert not unknown, f"the module does not take {unknown}"
        self.params = {**defaults, **self.given}
        self.no_log_values: set[str] = set()

    def exit_json(self, **result: Any) -> None:
        raise Ended(result)

    def fail_json(self, **result: Any) -> None:
        raise AssertionError(result)


def answer(line: str) -> str:
    """What mlflow-ops prints of a request."""
    request = protocol.Request.parse(line)
    return f"a line of log\n{protocol.result_line(operations.run(request), request.id)}"


class Cluster(client.Cluster):
    """Answers what is asked in a pod, and lets Jobs end at once."""

    def __init__(self) -> None:
        self.printed = self.job = ""

    def call(self, method: str, path: str, body: Any = None, query: Any = None, **_more: Any) -> dict[str, Any] | None:
        if "/deployments/" in path:
            return None
        if method == "POST":
            self.job = body["metadata"]["name"]
            self.printed = answer(body["spec"]["template"]["metadata"]["annotations"]["mlops.mlflow/request"])
            return dict(body)
        if "/cronjobs/" in path:
            pod = {"containers": [{"name": "ops", "image": "i"}]}
            template = {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}
            return {"metadata": {"name": path.rpartition("/")[2], "namespace": "n"}, **template}
        done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
        job = {"metadata": {"name": self.job, "namespace": "n"}, **done}
        if path.endswith(f"/jobs/{self.job}"):
            return job
        listed = [job] if path.endswith("/jobs") else self.items(path)
        return {"items": listed, "metadata": {"resourceVersion": "1"}}

    def watch(self, path: str, query: Any, opened: Any) -> Iterator[dict[str, Any]]:
        """Nothing happens any more."""
        over = threading.Event()
        opened(over.set)
        over.wait(5)
        yield from ()

    def follow_log(self, namespace: str, pod: str, container: str, opened: Any) -> Iterator[str]:
        yield from ()

    def items(self, path: str, query: Any = None) -> list[dict[str, Any]]:
        state = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}], "conditions": []}
        metadata = {"name": "pod", "creationTimestamp": "2026-11-25T12:00:00Z"}
        return [{"metadata": metadata, "spec": {"containers": [{"name": "mlflow"}]}, "status": state}]

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.printed

    def converse(self, *asked: Any) -> str:
        return answer(asked[4])


@pytest.fixture(params=["host", "compose", "kubernetes"])
def runner(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A connection's runner, whose transport is not there."""
    monkeypatch.setattr(programs, "ask", lambda _argv, line, **_more: answer(line))
    monkeypatch.setattr(compose_runner, "call", lambda *_words, **_more: None)
    monkeypatch.setattr(compose_runner.inspect, "containers", lambda *_asked: [])
    monkeypatch.setattr(_runner, "cluster_of", lambda *_asked: Cluster())
    monkeypatch.setattr(operation_job, "_POLL_SECONDS", 0.0)
    (tmp_path / "compose.yaml").touch()
    python = tmp_path / "python"
    python.touch(0o755)
    places: dict[str, dict[str, Any]] = {
        "host": {"directory": str(tmp_path), "python": str(python)},
        "compose": {"project": str(tmp_path / "compose.yaml")},
        "kubernetes": {"namespace": "n"},
    }
    kind = str(request.param)
    options = {"url": "http://127.0.0.1:5000", "database_uri": f"sqlite:///{tmp_path}/none/mlflow.db"}
    return {"type": kind, "name": "mlflow", "options": options, **places[kind]}


def found_of(operation: str) -> Callable[[operations.Call], dict[str, Any]]:
    """The operation as its module documents it: every key, with its sample."""
    if operation == "health":
        return lambda call: health.Report(str(call.options["level"]), [health.Check("live", True, 0.1, "")]).as_dict()
    keys = documented(MODULES / f"{MODULE_OF[operation][0]}.py")
    return lambda _call: {"changed": True, **{key: value.get("sample") for key, value in keys.items()}}


def test_every_operation_has_a_module_or_a_reason_to_have_none() -> None:
    assert set(MODULE_OF) | WITHOUT_MODULE == set(protocol.OPERATIONS)


@pytest.mark.parametrize("operation", sorted(MODULE_OF))
def test_an_operation_returns_what_its_module_documents(
    operation: str, runner: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, given = MODULE_OF[operation]
    monkeypatch.setitem(operations._FUNCTIONS, operation, found_of(operation))
    module = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{name}")
    monkeypatch.setattr(module, "AnsibleModule", Module)
    monkeypatch.setattr(Module, "given", {"runner": runner, "cluster": {}, **given})
    with pytest.raises(Ended) as ended:
        module.main()
    assert set(ended.value.args[0]) - {"changed"} == set(documented(MODULES / f"{name}.py"))


def test_the_image_of_a_script_is_that_of_its_container(
    runner: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    images: list[str] = []

    def ask(argv: list[str], line: str, **_more: Any) -> str:
        for word in [one for one in argv if one.startswith("--file=")][1:]:
            said = json.loads(Path(word.removeprefix("--file=")).read_text())
            images.append(said["services"]["experiment"]["image"])
        return answer(line)

    class Noting(Cluster):
        def call(self, method: str, path: str, body: Any = None, *rest: Any, **more: Any) -> dict[str, Any] | None:
            if method == "POST":
                images.append(body["spec"]["template"]["spec"]["containers"][0]["image"])
            return super().call(method, path, body, *rest, **more)

    monkeypatch.setattr(programs, "ask", ask)
    monkeypatch.setattr(_runner, "cluster_of", lambda *_asked: Noting())
    monkeypatch.setitem(operations._FUNCTIONS, "experiment", found_of("experiment"))
    module = importlib.import_module("ansible_collections.mlops.mlflow.plugins.modules.mlflow_experiments")
    monkeypatch.setattr(module, "AnsibleModule", Module)
    own = {**MODULE_OF["experiment"][1]["experiments"][0], "image": "torch:1"}
    monkeypatch.setattr(Module, "given", {"runner": runner, "cluster": {}, "experiments": [own]})
    refused = runner["type"] == "host"
    with pytest.raises(AssertionError, match="The script x names an image") if refused else pytest.raises(Ended):
        module.main()
    assert images == ([] if refused else ["torch:1"])
