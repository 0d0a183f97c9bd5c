"""What the role renders for a Prometheus and an Alertmanager of its own, in the real programs of Debian."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.filter.own_prometheus import own_prometheus
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import configuration
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.client import DockerError
from support.debian_programs import command, program
from support.loopback import Handler, serve
from support.playbooks import LOCAL_HOST, run_playbook
from support.ports import free_port
from support.processes import until
from support.prometheus import PATIENCE, api, ask

pytestmark = pytest.mark.ci

# The last part of an address of a chat: who has it may write there.
SECRET = "4f0a9d1c22b7"
CHAT = {"api_url_file": "/run/secrets/chat", "channel": "#mlflow", "send_resolved": True}
ROUTING: dict[str, Any] = {
    "route": {
        "receiver": "mail",
        "group_by": ["alertname"],
        "routes": [
            {"matchers": ['severity="critical"'], "receiver": "chat", "group_wait": "0s", "group_interval": "1s"}
        ],
    },
    "receivers": [
        {"name": "mail", "email_configs": [{"to": "a@example.com", "from": "b@example.com", "smarthost": "m:25"}]},
        {"name": "chat", "slack_configs": [CHAT]},
    ],
}
OPTIONS: dict[str, Any] = {
    "name": "team",
    "platform": "compose",
    "port": 9090,
    "alertmanager_port": 9093,
    "exporter_port": 9500,
    "interval": 1,
    "days": 30,
    "size": "5Gi",
    "rules": rules_file({"down_minutes": 0}, {"deployment": "team"}),
    "server_metrics": "/tmp/metrics",
    "alertmanager_config": ROUTING,
    "alertmanager_secrets": {"chat": "/etc/mlflow/chat"},
}


PASSWORD = "a long password"
SERVER = {
    "runner": {"options": {"username": "admin", "password_file": "/etc/mlflow/password"}},
    "workload": {"inside_uri": "http://team-server-1:5000", "containers": ["team-server-1"]},
}


def rendered(folder: Path, places: dict[str, str], **options: Any) -> dict[str, Any]:
    """What the role has, its files in C(folder). C(places): what a name within a container is here."""

    def here(text: str) -> str:
        for said, place in {"/etc/": f"{folder}/configuration/", **places}.items():
            text = text.replace(said, place)
        return text

    found = own_prometheus({**OPTIONS, **options}, SERVER)
    for path, text in found["files"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(here(text))
    return {name: [here(word) for word in words] for name, words in found["commands"].items()}


def said_by(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("routing", [{}, ROUTING], ids=["nobody", "routed"])
def test_their_own_checkers_accept_what_is_rendered(routing: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    rendered(tmp_path, {"/run/secrets/": f"{tmp_path}/"}, alertmanager_config=routing)
    folder = tmp_path / "configuration"
    said = said_by(program("promtool"), "check", "config", folder / "prometheus" / "prometheus.yml")
    assert "1 rule files found" in said and "rules found" in said.rpartition("SUCCESS")[2]
    assert "SUCCESS" in said_by(program("amtool"), "check-config", folder / "alertmanager" / "alertmanager.yml")


def test_an_alert_goes_to_the_receiver_of_its_route(tmp_path: Path) -> None:
    rendered(tmp_path, {})
    file = tmp_path / "configuration" / "alertmanager" / "alertmanager.yml"
    asked = [str(program("amtool")), "config", "routes", "test", f"--config.file={file}"]
    assert said_by(*asked, "severity=critical").split()[0] == "chat"
    assert said_by(*asked, "severity=warning").split()[0] == "mail"


@dataclass
class Running:
    """Both, and what is around them. C(up) is what a scrape says of the server, C(told) what the chat was told."""

    folder: Path
    places: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    up: int = 1
    told: list[tuple[str, str]] = field(default_factory=list)

    def page(self, handler: Handler) -> None:
        handler.answer(200, f'mlflow_ops_check_up{{check="process"}} {self.up}\n'.encode())

    def server(self, handler: Handler) -> None:
        given = handler.headers.get("Authorization", "").removeprefix("Basic ")
        known = base64.b64decode(given).decode() == f"admin:{PASSWORD}"
        handler.answer(200 if known else 401, b"mlflow_exporter_info 1\n" if known else b"")

    def hear(self, handler: Handler) -> None:
        self.told.append((handler.path, handler.body.decode()))
        handler.answer(200, b"ok")

    def was_told(self, words: str) -> bool:
        return any(words in body for _path, body in self.told)

    def start(self, name: str, program_name: str, words: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*command(program_name), *words], cwd=self.folder, stdout=log, stderr=log
            )
        until(lambda: self._ready(name), f"{name} does not get ready: {self.log(name)}", PATIENCE)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def _ready(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        try:
            with urllib.request.urlopen(f"{self.urls[name]}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def call(self, *words: str, **_more: Any) -> subprocess.CompletedProcess[str]:
        """In the place of docker: what a command within one of the containers would do."""
        name = words[1] if words[0] == "exec" else words[-1]
        if words[0] == "logs":
            return subprocess.CompletedProcess(words, 0, self.log(name), "")
        if words[2] == "wget":
            with urllib.request.urlopen(f"{self.urls[name]}/metrics", timeout=10) as answer:
                return subprocess.CompletedProcess(words, 0, answer.read().decode(), "")
        assert words[2:] == ("sh", "-c", "kill -HUP 1")
        os.kill(self.processes[name].pid, signal.SIGHUP)
        return subprocess.CompletedProcess(words, 0, "", "")

    def reload(self, name: str, timeout: float = PATIENCE) -> bool:
        folder = self.folder / "configuration" / name
        return configuration.reload(name, "http://127.0.0.1/metrics", folder, timeout)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("own")
    one = Running(folder, {})
    with ExitStack() as stack:
        page, server, chat = (stack.enter_context(serve(answer)) for answer in (one.page, one.server, one.hear))
        stack.callback(one.end)
        one.urls = {name: f"http://127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager")}
        (folder / "chat").write_text(f"{chat.url}/{SECRET}")
        (folder / "password").write_text(f"{PASSWORD}\n")
        one.places |= {
            "/run/secrets/": f"{folder}/",
            "path=/": f"path={folder}/stored-",
            "team-exporter:9500": page.url.removeprefix("http://"),
            "team-server-1:5000": server.url.removeprefix("http://"),
            "team-alertmanager:9093": one.urls["alertmanager"].removeprefix("http://"),
        }
        words = rendered(folder, one.places)
        for name, called in (("alertmanager", "prometheus-alertmanager"), ("prometheus", "prometheus")):
            listen = f"--web.listen-address={one.urls[name].removeprefix('http://')}"
            one.start(name, called, [*words[name], listen])
        yield one


@pytest.fixture
def in_containers(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(configuration, "call", running.call)
    return running


def test_they_run_as_they_are_called_and_a_fault_reaches_the_receiver_whose_address_is_a_secret(
    running: Running,
) -> None:
    until(lambda: ask(running.urls["prometheus"], "up == 1"), "nothing is scraped", PATIENCE)
    running.up = 0
    try:
        until(lambda: running.was_told("[FIRING:1] MlflowServerDown"), "nobody was told", PATIENCE)
    finally:
        running.up = 1
    until(lambda: running.was_told("[RESOLVED] MlflowServerDown"), "its end was not told", PATIENCE)
    assert {path for path, _body in running.told} == {f"/{SECRET}"}
    status = api(running.urls["alertmanager"], "/api/v2/status")
    assert SECRET not in str(status) + running.log("alertmanager")


def test_servers_with_a_login_are_scraped_and_refused_credentials_are_seen(running: Running) -> None:
    def state(health: str) -> str:
        targets = api(running.urls["prometheus"], "/api/v1/targets")["data"]["activeTargets"]
        found = [one["lastError"] for one in targets if one["labels"]["job"] == "mlflow" and one["health"] == health]
        return "".join(found) or ("fine" if found else "")

    until(lambda: state("up") == "fine", "the server is not scraped", PATIENCE)
    (running.folder / "password").write_text("another")
    try:
        until(lambda: "401" in state("down"), "nobody sees that", PATIENCE)
    finally:
        (running.folder / "password").write_text(PASSWORD)
    assert PASSWORD not in running.log("prometheus")


def rules_of(running: Running) -> set[str]:
    groups = api(running.urls["prometheus"], "/api/v1/rules")["data"]["groups"]
    return {rule["query"] for group in groups for rule in group["rules"] if rule["name"] == "MlflowSlow"}


def test_what_is_new_is_read_without_a_restart_and_only_then(in_containers: Running) -> None:
    before = {name: process.pid for name, process in in_containers.processes.items()}
    assert [in_containers.reload(name) for name in before] == [False, False], "they have read all that there is"
    slower = rules_file({"down_minutes": 0, "latency_seconds": 7}, {"deployment": "team"})
    rendered(in_containers.folder, in_containers.places, rules=slower, alertmanager_config={})
    assert [in_containers.reload(name) for name in before] == [True, True]
    [query] = rules_of(in_containers)
    assert "> 7 " in query
    assert "nobody" in api(in_containers.urls["alertmanager"], "/api/v2/status")["config"]["original"]
    assert {name: process.pid for name, process in in_containers.processes.items() if process.poll() is None} == before


def test_what_cannot_be_read_is_an_error_and_they_go_on_with_what_they_had(in_containers: Running) -> None:
    before = rules_of(in_containers)
    file = in_containers.folder / "configuration" / "prometheus" / "rules" / "mlflow.yml"
    good = file.read_text()
    file.write_text("groups: [{name: x, rules: [{alert: A, expr: 'up =='}]}]")
    with pytest.raises(DockerError, match="prometheus goes on with the configuration that it had"):
        in_containers.reload("prometheus", timeout=2)
    assert rules_of(in_containers) == before
    file.write_text(good)
    assert in_containers.reload("prometheus") is True


# On a host. The collection that runs them there takes its programs from the internet: one of its name stands in, which
# writes what it is given where that one's templates write it.
STAND_IN: dict[str, dict[str, Any]] = {
    "prometheus": {
        "prometheus.yml": {
            "global": "{{ prometheus_global }}",
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": "{{ prometheus_alertmanager_config }}"},
            "scrape_configs": "{{ prometheus_scrape_configs }}",
        },
        "rules.yml": {"groups": [{"name": "managed", "rules": "{{ prometheus_alert_rules }}"}]},
    },
    "alertmanager": {
        "alertmanager.yml": {
            "route": "{{ alertmanager_route }}",
            "receivers": "{{ alertmanager_receivers }}",
            "inhibit_rules": "{{ alertmanager_inhibit_rules }}",
            "time_intervals": "{{ alertmanager_time_intervals }}",
        }
    },
}
ON_HOST = {
    "mlflow_name": "team",
    "mlflow_platform": "host",
    "mlflow_monitoring_prometheus_enabled": "true",
    "mlflow_monitoring_server": {
        "runner": {"type": "host", "published": "http://127.0.0.1:5000"},
        "uri": "http://a:5000",
    },
    "mlflow_monitoring_alertmanager_config": {
        **ROUTING,
        "receivers": [ROUTING["receivers"][0], {"name": "chat", "slack_configs": [{"api_url_file": "/etc/chat"}]}],
    },
}


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the roles of that collection were given by ours, beside the playbook as one finds collections there."""
    folder = tmp_path_factory.mktemp("host")
    collection = folder / "collections" / "ansible_collections" / "prometheus" / "prometheus"
    for role, files in STAND_IN.items():
        tasks = [
            {
                "ansible.builtin.copy": {"dest": f"{folder}/{name}", "content": "{{ told | to_nice_yaml }}"},
                "vars": {"told": told},
            }
            for name, told in files.items()
        ]
        (collection / "roles" / role / "tasks").mkdir(parents=True)
        (collection / "roles" / role / "tasks" / "main.yml").write_text(json.dumps(tasks))
    (collection / "galaxy.yml").write_text("{namespace: prometheus, name: prometheus, version: 0.30.2}")
    role = "mlops.mlflow.mlflow_monitoring"
    tasks = [
        {"ansible.builtin.include_role": {"name": role, "tasks_from": entry}}
        for entry in ("connection", "host/prometheus")
    ]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"one": LOCAL_HOST}}}))
    run_playbook(folder / "play.yml", folder / "hosts.json", ON_HOST).succeeded()
    return folder


def test_what_the_roles_of_a_host_are_given_is_accepted_as_well(on_host: Path) -> None:
    said = said_by(program("promtool"), "check", "config", on_host / "prometheus.yml")
    assert "1 rule files found" in said and "31 rules found" in said
    assert "2 receivers" in said_by(program("amtool"), "check-config", on_host / "alertmanager.yml")
    [job] = yaml.safe_load((on_host / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [
        {"targets": ["127.0.0.1:9500"], "labels": {"job": "mlflow-ops", "deployment": "team"}}
    ]
