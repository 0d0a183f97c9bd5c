"""A Prometheus and an Alertmanager of the deployment's own: they scrape, tell, read changes, and lose nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import examples
from support.compose.deployment import Deployment
from support.compose.engine import docker, inspect, is_healthy, kill_all
from support.processes import until
from support.prometheus import IN_A_CONTAINER, PATIENCE, api, ask

pytestmark = pytest.mark.compose

NAME = "t-own"
PROMETHEUS, ALERTMANAGER = "http://127.0.0.1:9590", "http://127.0.0.1:9593"
BOTH = [f"{NAME}-alertmanager", f"{NAME}-prometheus"]
# What an address of a chat is: who has it may write there.
SECRET = "4f0a9d1c22b7"
ROUTING = {
    "route": {"receiver": "chat", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"},
    "receivers": [
        {
            "name": "chat",
            "slack_configs": [{"api_url_file": "/run/secrets/chat", "channel": "#mlflow", "send_resolved": True}],
        }
    ],
}


@pytest.fixture(scope="module")
def own(make: Callable[..., Deployment], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    secret = tmp_path_factory.mktemp("chat") / "url"
    secret.write_text(f"http://{NAME}-receiver:8080/{SECRET}")
    deployment = make(
        "compose_local",
        NAME,
        mlflow_server_port=5012,
        mlflow_server_auth="basic",
        mlflow_server_metrics_dir="/tmp/metrics",
        mlflow_monitoring_enabled=True,
        mlflow_monitoring_port=9512,
        mlflow_monitoring_interval=5,
        mlflow_monitoring_thresholds={"down_minutes": 0},
        mlflow_monitoring_prometheus_enabled=True,
        mlflow_monitoring_prometheus_port=9590,
        mlflow_monitoring_alertmanager_port=9593,
        mlflow_monitoring_prometheus_interval=1,
        mlflow_monitoring_alertmanager_config=ROUTING,
        mlflow_monitoring_alertmanager_secrets={"chat": str(secret)},
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        docker("rm", "--force", f"{NAME}-receiver", check=False)
        deployment.remove()


@pytest.fixture(scope="module")
def receiver(own: Deployment) -> str:
    """A container in the network of the deployment, where the chat would be outside."""
    name = f"{NAME}-receiver"
    image = inspect(own.servers()[0])["Config"]["Image"]
    docker(
        "run", "--detach", f"--name={name}", f"--network={NAME}", "--pull=never",
        "--entrypoint=/opt/mlflow/bin/python", image, "-c", IN_A_CONTAINER,
    )  # fmt: skip
    return name


def scraped() -> dict[str, str]:
    """Whether each job is up."""
    return {one["metric"]["job"]: one["value"][1] for one in ask(PROMETHEUS, "up")}


def threshold() -> str:
    """Of the alert MlflowSlow, as Prometheus evaluates it."""
    groups = api(PROMETHEUS, "/api/v1/rules")["data"]["groups"]
    return next(str(rule["query"]) for group in groups for rule in group["rules"] if rule["name"] == "MlflowSlow")


def test_exporter_and_server_are_scraped_by_their_names_and_with_the_login(own: Deployment) -> None:
    until(lambda: scraped() == {"mlflow-ops": "1", "mlflow": "1"}, f"not all are scraped: {scraped()}", PATIENCE)
    [process] = ask(PROMETHEUS, 'mlflow_ops_check_up{check="process"}')
    assert (process["metric"]["deployment"], process["value"][1]) == (NAME, "1")
    assert ask(PROMETHEUS, "mlflow_http_request_total") != []


def test_both_are_on_loopback_alone_without_rights_and_show_no_secret(own: Deployment) -> None:
    password = (own.folder / "secrets" / "admin-password").read_text().strip()
    for name, port in zip(BOTH, ("9093/tcp", "9090/tcp"), strict=True):
        seen = inspect(name)
        assert {bound["HostIp"] for bound in seen["NetworkSettings"]["Ports"][port]} == {"127.0.0.1"}
        assert seen["Config"]["User"] == "65534:65534" and seen["HostConfig"]["ReadonlyRootfs"]
        said = json.dumps(seen) + docker("logs", name)
        assert SECRET not in said and password not in said
    assert SECRET not in own.output and password not in own.output
    assert SECRET not in json.dumps(api(ALERTMANAGER, "/api/v2/status"))


def test_a_second_run_changes_nothing(own: Deployment) -> None:
    before = own.started()
    assert own.deploy().succeeded().stats.get("changed", 0) == 0
    assert own.started() == before


def test_a_fault_reaches_the_receiver_and_its_end_too(own: Deployment, receiver: str) -> None:
    docker("stop", *own.servers())
    try:
        until(lambda: "[FIRING:1] MlflowServerDown" in docker("logs", receiver), "nobody was told", PATIENCE)
        assert f"/{SECRET} " in docker("logs", receiver)
    finally:
        docker("start", *own.servers())
    until(lambda: "[RESOLVED] MlflowServerDown" in docker("logs", receiver), "its end was not told", PATIENCE)


def test_changed_rules_and_routes_are_read_without_a_restart(own: Deployment) -> None:
    before = own.started()
    changes = {
        "mlflow_monitoring_thresholds": {"down_minutes": 0, "latency_seconds": 7},
        "mlflow_monitoring_alertmanager_config": {**ROUTING, "inhibit_rules": []},
    }
    checked = own.deploy("--check", **changes).succeeded()
    assert checked.stats["changed"] > 0 and "> 2 " in threshold()
    own.deploy(**changes).succeeded()
    assert "> 7 " in threshold()
    assert own.started() == before
    own.deploy().succeeded()
    assert "> 2 " in threshold()


def test_after_such_a_reload_a_crash_is_still_repaired(own: Deployment) -> None:
    kill_all(f"{NAME}-prometheus")
    until(lambda: is_healthy(f"{NAME}-prometheus"), "it was not started again", PATIENCE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"mlflow_monitoring_rules": {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up =="}]}]}},
            "mlflow_monitoring_rules is refused by promtool check rules",
        ),
        (
            {"mlflow_monitoring_alertmanager_config": {**ROUTING, "route": {"receiver": "chat", "group_wait": "soon"}}},
            "mlflow_monitoring_alertmanager_config is refused by amtool check-config",
        ),
        ({"mlflow_monitoring_prometheus_port": 5012}, "Two programs cannot have one port"),
    ],
)
def test_what_they_would_refuse_changes_nothing(own: Deployment, changes: dict[str, Any], words: str) -> None:
    before = own.started()
    refused = own.deploy(**changes)
    assert refused.code and words in refused.message
    assert own.started() == before and refused.stats.get("changed", 0) == 0


def test_the_examples_do_what_they_say(own: Deployment, tmp_path: Path) -> None:
    places = {
        "docker.io/prom/prometheus:v3.13.4": "mlops-test.local/prometheus:test",
        "mlflow-prometheus": f"{NAME}-prometheus",
        "/var/lib/mlflow": str(own.folder),
    }
    tasks = examples.at("prometheus", places)
    changes = {
        "Check rules with the program that is to read them": False,
        "Let Prometheus read changed rules": False,
    }
    assert set(tasks) == set(changes)
    examples.run(own, tasks, changes, tmp_path)


def test_switched_off_both_end_and_what_they_stored_is_there_when_they_are_back(own: Deployment) -> None:
    [first] = ask(PROMETHEUS, 'min_over_time(timestamp(up{job="mlflow-ops"})[1h:1s])')
    own.deploy(mlflow_monitoring_prometheus_enabled=False).succeeded()
    assert own.containers("prometheus") == []
    assert own.deploy(mlflow_monitoring_prometheus_enabled=False).succeeded().stats.get("changed", 0) == 0
    own.deploy().succeeded()
    assert own.containers("prometheus") == BOTH
    until(lambda: scraped().get("mlflow-ops") == "1", "it is not scraped again", PATIENCE)
    [kept] = ask(PROMETHEUS, 'min_over_time(timestamp(up{job="mlflow-ops"})[1h:1s])')
    assert float(kept["value"][1]) <= float(first["value"][1]) + 1


def test_removal_keeps_what_they_stored_unless_it_is_told(own: Deployment) -> None:
    def volumes() -> set[str]:
        return set(docker("volume", "ls", "--format={{.Name}}").split()) & set(BOTH)

    docker("rm", "--force", f"{NAME}-receiver", check=False)
    own.destroy().succeeded()
    assert own.containers() == [] and volumes() == set(BOTH)
    own.destroy(mlflow_remove_data=True).succeeded()
    assert volumes() == set()
