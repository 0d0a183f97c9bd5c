"""kill -9 of servers with several processes: all are back, no orphan is on the port, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import random
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from support.databases import ADMIN, ADMIN_PASSWORD, Databases
from support.environments import Environments
from support.host.deployment import Deployment
from support.host.kill import kill_and_recover
from support.ports import listeners, working_in
from support.postgresql import PostgreSQL

SEED = 20261121
ADMINISTRATOR = {"username": ADMIN, "password": ADMIN_PASSWORD}


def workers(deployment: Deployment) -> list[int]:
    return sorted(listeners(deployment.port) - {deployment.group})


def processes_of(deployment: Deployment) -> list[tuple[int, str]]:
    """Process group and command of whatever the server runs: its workers, the job runner, the runner's consumers."""
    python = str(deployment.interpreter)
    found = []
    for process, command in working_in(deployment.home / "run").items():
        if command.startswith(python):
            with contextlib.suppress(ProcessLookupError):
                found.append((os.getpgid(process), command))
    return found


def generated(deployment: Deployment) -> dict[str, str]:
    return {"username": ADMIN, "password": deployment.password()}


@pytest.fixture(scope="module")
def full(environments: Environments, databases: Databases, postgresql: PostgreSQL) -> Iterator[Deployment]:
    """Full with two workers and the job runner, on PostgreSQL, with users; the role makes their database."""
    deployment = Deployment(
        environments,
        "full",
        mlflow_server_auth="basic",
        mlflow_server_smoke_test="false",
        **databases.variables(databases.copy("full"), postgresql.create_database("full_auth")),
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_throughput_survives_the_kill_of_its_master(team: Deployment, record_property: Any) -> None:
    before = listeners(team.port)
    kill_and_recover(team, team.group, record_property, "throughput_master", ADMINISTRATOR)
    assert not before & listeners(team.port), "a process of the killed server still listens"
    assert len(workers(team)) == 2


def test_throughput_survives_the_kill_of_a_worker(team: Deployment, record_property: Any) -> None:
    victim = random.Random(SEED).choice(workers(team))
    kill_and_recover(team, victim, record_property, "throughput_worker", ADMINISTRATOR)
    assert len(workers(team)) == 2


def test_full_survives_the_kill_of_a_worker(full: Deployment, record_property: Any) -> None:
    victim = random.Random(SEED).choice(workers(full))
    kill_and_recover(full, victim, record_property, "full_worker", generated(full))


def test_full_survives_the_kill_of_its_master_and_no_worker_or_job_is_left_of_it(
    full: Deployment, record_property: Any
) -> None:
    before, group = listeners(full.port), full.group
    commands = [command for pgid, command in processes_of(full) if pgid == group]
    assert any("_job_runner" in command for command in commands), commands
    kill_and_recover(full, group, record_property, "full_master", generated(full))
    assert not before & listeners(full.port), "a process of the killed server still listens"
    left = [(pgid, command) for pgid, command in processes_of(full) if pgid != full.group]
    assert left == [], f"not of the present server, whose group is {full.group}"
    assert full.group != group


def test_the_generated_password_of_the_administrator_is_long_private_and_nowhere_else(full: Deployment) -> None:
    password = full.password()
    assert len(password) >= 12
    assert stat.S_IMODE((full.data / "secrets" / "admin-password").stat().st_mode) == 0o600
    files = [path for path in full.home.iterdir() if path.is_file()]
    assert {"launch.json", "server.log", "auth.ini"} <= {path.name for path in files}
    assert [path.name for path in files if password in path.read_text(errors="replace")] == []
    assert password not in full.output


@pytest.mark.soak
@pytest.mark.parametrize("profile", ["laptop", "team", "full"])
def test_ten_kills_in_a_row_lose_nothing(profile: str, request: pytest.FixtureRequest, record_property: Any) -> None:
    deployment: Deployment = request.getfixturevalue(profile)
    credentials = {"laptop": dict, "team": lambda: ADMINISTRATOR, "full": lambda: generated(deployment)}[profile]()
    chance = random.Random(SEED)
    for number in range(10):
        victim = chance.choice(sorted(listeners(deployment.port)))
        kill_and_recover(deployment, victim, record_property, f"{profile}_{number}", credentials)
