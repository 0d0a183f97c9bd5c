"""What is wrong is said before anything is changed."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything

pytestmark = pytest.mark.compose


@pytest.fixture
def refused(make: Callable[..., Deployment]) -> Callable[..., str]:
    """Deploy what cannot be deployed; returns the message."""

    def deploy(target: str = "compose_multi_az", **variables: Any) -> str:
        deployment = make(target, "t-bad", mlflow_server_port=5004)
        before = everything(deployment.name)
        result = deployment.deploy(**variables)
        assert result.code, "it was deployed"
        assert result.stats["changed"] == 0
        assert everything(deployment.name) == before
        assert not list(deployment.folder.rglob("*"))
        return result.message

    return deploy


@pytest.fixture
def other_network() -> Iterator[str]:
    docker("network", "create", "--subnet=10.89.7.0/24", "others")
    yield "others"
    docker("network", "rm", "others")


@pytest.fixture
def docker_that_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A docker before the real one, whose compose plugin is another."""

    def put(script: str) -> None:
        program = tmp_path / "docker"
        real = shutil.which("docker")
        program.write_text(f'#!/bin/sh\nif [ "$1" = compose ]; then {script}; fi\nexec {real} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def test_an_engine_that_is_not_running(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_local", "t-bad", mlflow_server_port=5004)
    deployment.variables["mlflow_docker_host"] = "unix:///run/no-engine.sock"
    message = deployment.deploy().message
    for words in ("The Docker Engine cannot be used", "/run/no-engine.sock", "mlflow_docker_host"):
        assert words in message
    health = deployment.play("health")
    assert health.code and "127.0.0.1:5004" in health.message
    status = deployment.play("status").succeeded().of("Show the status")["msg"]
    assert "The Docker Engine cannot be used" in status
    assert not list(deployment.folder.rglob("*"))


def test_a_compose_plugin_that_is_too_old(refused: Callable[..., str], docker_that_says: Callable[[str], None]) -> None:
    docker_that_says("echo 2.17.3; exit 0")
    assert "The compose plugin 2.17.3 is too old: 2.20 or newer is needed." in refused()


def test_a_compose_plugin_that_is_missing(refused: Callable[..., str], docker_that_says: Callable[[str], None]) -> None:
    docker_that_says("echo \"docker: 'compose' is not a docker command.\" >&2; exit 1")
    assert "The compose plugin of Docker is not installed" in refused()


def test_a_port_that_is_taken(refused: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 5004)):
        assert "Port 5004 on 127.0.0.1 is held by another program" in refused()


def test_a_subnet_that_overlaps_an_existing_network(refused: Callable[..., str], other_network: str) -> None:
    message = refused(mlflow_zones={"a": "10.89.7.128/25", "b": ""})
    assert "10.89.7.128/25 of t-bad-a overlaps 10.89.7.0/24 of the network others" in message


def test_subnets_that_overlap_each_other(refused: Callable[..., str]) -> None:
    message = refused(mlflow_zones={"a": "10.89.8.0/24", "b": "10.89.0.0/16"})
    assert "10.89.8.0/24 of t-bad-a overlaps 10.89.0.0/16 of t-bad-b" in message


def test_a_subnet_that_is_none(refused: Callable[..., str]) -> None:
    message = refused(mlflow_zones={"a": "somewhere", "b": ""})
    assert "The subnet of the zone a in mlflow_zones is 'somewhere', which is no network" in message


def test_an_image_that_is_missing(refused: Callable[..., str]) -> None:
    message = refused(
        mlflow_image="mlops-test.local/none:1", mlflow_server_load_balancer_image="mlops-test.local/nobody:2"
    )
    for words in ("mlops-test.local/none:1, mlops-test.local/nobody:2", "cannot be pulled", "playbook images"):
        assert words in message


def test_a_volume_of_another_target(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_local", "t-bad", mlflow_server_port=5004)
    docker("volume", "create", "--label=mlops.mlflow.deployment=another", "t-bad-database")
    try:
        message = deployment.deploy().message
        assert "Volumes with these names were made by others, and are not touched: t-bad-database" in message
        assert deployment.destroy(mlflow_remove_data=True).succeeded()
        found = json.loads(docker("volume", "inspect", "t-bad-database"))
        assert found[0]["Labels"] == {"mlops.mlflow.deployment": "another"}
    finally:
        docker("volume", "rm", "t-bad-database")


def test_a_network_of_others(refused: Callable[..., str]) -> None:
    docker("network", "create", "t-bad-b")
    try:
        assert "Networks with these names were made by others: t-bad-b" in refused()
    finally:
        docker("network", "rm", "t-bad-b")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--name=t-bad-database"], ["t-bad-database"]),
        (
            ["--name=others", "--label=com.docker.compose.project=t-bad-server"],
            ["others (compose project t-bad-server)"],
        ),
        (["--name=others", "--label=com.docker.compose.project=t-bad-artifacts"], ["others", "t-bad-artifacts"]),
    ],
)
@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_container_or_project_of_others(
    make: Callable[..., Deployment], flags: list[str], words: list[str], options: list[str]
) -> None:
    deployment = make("compose_multi_az", "t-bad", mlflow_server_port=5004)
    docker("create", *flags, "--label=mlops.mlflow.deployment=another", "mlops-test.local/load-balancer:test")
    try:
        before = everything(deployment.name)
        result = deployment.deploy(*options)
        assert result.code and result.stats["changed"] == 0
        for word in ["were made by others, and are not touched", "Set mlflow_name to another, or remove them", *words]:
            assert word in result.message
        assert everything(deployment.name) == before
    finally:
        docker("rm", flags[0].removeprefix("--name="))


def test_fewer_servers_than_zones(refused: Callable[..., str]) -> None:
    assert "mlflow_server_replicas is 1, but there are 2 zones" in refused(mlflow_server_replicas="1")


def test_an_export_without_a_server(refused: Callable[..., str]) -> None:
    assert "mlflow_artifact_store_nfs_server is empty" in refused(target="compose_multi_az_nfs")


def test_a_database_that_offers_too_few_connections(refused: Callable[..., str]) -> None:
    message = refused(mlflow_database_max_connections="16", mlflow_server_workers="2", mlflow_server_threads="8")
    assert "mlflow_database_max_connections" in message


def test_a_name_that_docker_would_refuse(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_local", "t-bad", mlflow_server_port=5004)
    before = everything("My MLflow")
    assert "which is no name for containers and projects" in deployment.deploy(mlflow_name="My MLflow").message
    assert everything("My MLflow") == before


def test_data_whose_passwords_are_gone(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_local", "t-bad", mlflow_server_port=5004)
    marks = ["--label=mlops.mlflow.deployment=t-bad", "--label=mlops.mlflow.component=database"]
    docker("volume", "create", *marks, "t-bad-database")
    message = deployment.deploy().message
    assert "The volume t-bad-database holds a database, but its passwords are not in" in message
    assert not deployment.containers()


def test_a_database_at_an_address_that_in_a_container_is_the_container_itself(refused: Callable[..., str]) -> None:
    external = {"mlflow_database_type": "external_postgresql"}
    message = refused("compose_local", **external, mlflow_database_uri="postgresql+psycopg2://mlflow@localhost/mlflow")
    assert "The database is at localhost, which in a container is the container itself" in message
