"""Real servers and databases, started once and shared. Each test leaves them as it found them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.databases import Databases
from support.environments import Environments
from support.host.deployment import Deployment
from support.postgresql import PostgreSQL
from support.servers import RunningServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    try:
        server.create()
        server.start()
        server.create_roles()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def databases(
    postgresql: PostgreSQL, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Databases:
    return Databases(postgresql, environments.slim / "bin" / "python", tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def run_server() -> Iterator[Callable[..., RunningServer]]:
    """Starts a server that lives as long as the test module."""
    started: list[RunningServer] = []

    def start(environment: Path, profile: str, database: dict[str, Any], **settings: Any) -> RunningServer:
        server = RunningServer(environment, profile, database, **settings)
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.remove()


@pytest.fixture(scope="session")
def light_server(environments: Environments, databases: Databases) -> Iterator[RunningServer]:
    """The profile light on PostgreSQL, under the role that may not change the schema."""
    server = RunningServer(environments.slim, "light", databases.connection(databases.copy("light")))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def laptop(environments: Environments) -> Iterator[Deployment]:
    """The target local as it is: light, SQLite, no authentication; deployed by the playbook."""
    deployment = Deployment(environments, "light")
    try:
        with deployment.as_users_do():
            deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(scope="session")
def team(environments: Environments, databases: Databases) -> Iterator[Deployment]:
    """Throughput, two workers, basic authentication, PostgreSQL with an owner; every variable a string, as from AWX."""
    tracking, users = databases.copy("team"), databases.copy_of_users("team_auth")
    deployment = Deployment(
        environments,
        "throughput",
        mlflow_server_workers="2",
        mlflow_server_auth="basic",
        mlflow_server_auth_password_file=str(databases.admin_password_file),
        mlflow_server_smoke_test="false",
        **databases.variables(tracking, users),
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()
