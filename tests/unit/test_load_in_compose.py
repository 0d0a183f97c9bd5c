"""A load test in a Docker Engine: the containers that are rendered, and what is made of those that are made up here."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import distributed
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.compose import InCompose
from support.load_results import entry, raw
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

RUN = "mlops-load-abc123"
URL = "http://mlflow-load-balancer:5000"
SETTINGS = {"run": RUN, "users": "4", "processes": "2", "run_time": "5"}
PROGRESS = "    1 s     4 users       81 requests"


class Engine:
    """A Docker Engine with one master in a C(state), that has C(printed) so much."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: str, *printed: str) -> None:
        self.state, self.printed = state, list(printed)
        self.ran: list[tuple[str, Mapping[str, Any]]] = []
        monkeypatch.setattr(inspect, "find", lambda _name: self.found())
        monkeypatch.setattr(inspect, "log", lambda _name: self.printed)

    def found(self) -> dict[str, Any] | None:
        return {"state": self.state, "problem": f"{self.state}, exit status 1"} if self.state else None

    def operate(self, operation: str, options: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        assert deadline > 0
        self.ran.append((operation, options))
        if operation == "info":
            return {"version": "3.17.2", "capabilities": {"artifact_serving_enabled": True}}
        return {"experiments": 3, "registered_models": 2, "left": []}

    def follow(self, folder: Path) -> dict[str, Any]:
        place = InCompose(self.operate, "mlflow-load-master", [])
        return distributed.follow(place, SETTINGS, URL, folder, 0.1)


def test_the_masters_log_becomes_progress_result_and_reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counted = json.dumps(raw(entry("log_metric", {10: 50}))).encode()
    engine = Engine(
        monkeypatch, "exited", "chatter", PROGRESS, "mlops-load: " + base64.b64encode(gzip.compress(counted)).decode()
    )
    result = engine.follow(tmp_path)
    assert result["verdict"]["passed"] is True and result["clean_up"]["experiments"] == 3
    # Servers have the same machine: that it is busy is no sign of a busy client.
    assert result["client"]["same_machine"] is True
    assert engine.ran == [("info", {"count_limit": 0}), ("clean-load", {"run": RUN, "timeout": 60})]
    assert PROGRESS in (tmp_path / "progress.txt").read_text()
    assert distributed.returned(result, tmp_path)["reports"]["html"] == str(tmp_path / "report.html")
    assert (tmp_path / "junit.xml").exists() and (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("state", "printed", "words"),
    [
        ("exited", "ImportError: no locust", "no locust [|] the container: exited, exit status 1"),
        ("created", "", "did not start within"),
        ("", "", "mlflow-load-master was removed while it was followed"),
        ("exited", "mlops-load: H4sI", "is cut off"),
    ],
)
def test_a_master_that_fails_is_named_with_its_reason_and_what_was_made_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, printed: str, words: str
) -> None:
    engine = Engine(monkeypatch, state, printed)
    with pytest.raises(EngineError, match=f"(?s){words}.*What it made was removed"):
        engine.follow(tmp_path)
    assert engine.ran[-1][0] == "clean-load"


def test_a_containers_streams_are_read_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho said; echo complained >&2; echo said again\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert inspect.log("any") == ["said", "complained", "said again"]


OTHERS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "load-balancer": ({"mlflow_server_replicas": 2}, "http://mlflow-load-balancer:5000", False),
    "one server": ({"mlflow_server_replicas": 1, "mlflow_zones": {}}, "http://mlflow-server-1:5000", False),
    "HTTPS": (
        {"mlflow_server_tls_certificate": "/c", "mlflow_server_tls_key": "/k", "mlflow_server_static_prefix": "/m"},
        "https://mlflow-load-balancer:5000/m",
        False,
    ),
    "another way": ({"locust_url": "https://mlflow.example.com"}, "https://mlflow.example.com", True),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Project and target that the role would start, beside deployments with users and two zones."""
    roles = [
        {"ansible.builtin.include_role": {"name": f"mlops.mlflow.{role}", "tasks_from": "connection", "public": True}}
        for role in ("mlflow_database", "mlflow_artifact_store", "mlflow_server", "locust")
    ]
    # Outside the role its templates are not found by their names.
    template = f"lookup('ansible.builtin.template', '{REPOSITORY}/roles/locust/templates/compose.yaml.j2')"
    compose = f"{{{{ {template} | mlops.mlflow.compose(_locust_compose_common) }}}}"
    show = {
        "name": "Show",
        "ansible.builtin.debug": {
            "msg": {"host": "{{ inventory_hostname }}", "project": compose, "plan": "{{ _locust_plan.plan }}"}
        },
    }
    deployed = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mlflow_platform": "compose",
        "mlflow_data_dir": "/data",
        "mlflow_image": "any",
        "mlflow_database_type": "postgresql",
        "mlflow_artifact_store_type": "s3",
        "mlflow_server_auth": "basic",
        "mlflow_zones": {"a": "", "b": ""},
        "mlflow_load_test_allowed": True,
    }
    hosts = {"workers": deployed | {"locust_workers": "3"}}
    hosts |= {name: deployed | settings for name, (settings, _url, _validated) in OTHERS.items()}
    folder = tmp_path_factory.mktemp("load")
    (folder / "play.yml").write_text(json.dumps([{"hosts": "mlflow", "gather_facts": False, "tasks": [*roles, show]}]))
    (folder / "hosts.json").write_text(json.dumps({"mlflow": {"hosts": hosts}}))
    run = run_playbook(folder / "play.yml", folder / "hosts.json", program=WITHOUT_FORKS).succeeded()
    found = {}
    for one in (result["msg"] for name, result in run.results if name == "Show"):
        plan = one["plan"]
        (target,) = (json.loads(plan) if isinstance(plan, str) else plan)["targets"]
        found[one["host"]] = yaml.safe_load(one["project"]), target
    return found


def test_master_and_workers_are_a_project_of_their_own_without_rights_and_secrets(
    started: dict[str, tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    project, target = started["workers"]
    assert project["name"] == "mlflow-load" and list(project["networks"]) == ["mlflow-a", "mlflow-b"]
    services = project["services"]
    assert list(services) == ["load-master", "load-worker-1", "load-worker-2", "load-worker-3"]
    for service in services.values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["user"] == "10001:10001"
        assert service["cpus"] > 0 and service["mem_limit"] > 0 and service["restart"] == "no"
        assert service["image"].startswith("docker.io/locustio/locust:2.")
        assert not [name for name in service["environment"] if "PASSWORD" in name]
    assert "--expect-workers=3" in services["load-master"]["command"]
    assert "--master-host=mlflow-load-master" in services["load-worker-3"]["command"]
    assert (target["username"], target["password_env"]) == ("admin", None)
    assert target["password_file"] == "/run/secrets/MLFLOW_TRACKING_PASSWORD"


@pytest.mark.parametrize("name", OTHERS)
def test_the_server_is_loaded_through_the_front_where_there_is_one(
    name: str, started: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    _project, target = started[name]
    assert (target["url"], target["validate_certs"]) == OTHERS[name][1:]
