"""kill -9: the server is back by itself, with no orphan on the port, and everything it acknowledged is still there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from support.databases import ADMIN, ADMIN_PASSWORD, Databases
from support.environments import Environments
from support.host.deployment import Deployment
from support.ports import listeners, working_in
from support.postgresql import PostgreSQL
from support.servers import API, PATIENCE, create_run, metric_history

SEED = 20261121
ADMINISTRATOR = {"username": ADMIN, "password": ADMIN_PASSWORD}


class Writer:
    """Logs a metric without a pause, and remembers which steps the server acknowledged."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.run_id = create_run(client)
        self.acknowledged: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        self.until(5)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def until(self, count: int) -> None:
        """Wait until so many steps in all were acknowledged."""
        end = time.monotonic() + PATIENCE
        while len(self.acknowledged) < count:
            assert time.monotonic() < end, f"only {len(self.acknowledged)} writes were acknowledged"
            time.sleep(0.02)

    def _write(self) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            point = {"run_id": self.run_id, "key": "m", "value": step, "timestamp": step, "step": step}
            try:
                self.client.post(f"{API}/runs/log-metric", point)
                self.acknowledged.append(step)
            except ServerError:
                time.sleep(0.05)


def kill_and_recover(deployment: Deployment, victim: int, record: Any, what: str, credentials: dict[str, str]) -> None:
    """Kill one process under load; wait until the server is deeply healthy again; compare what was acknowledged."""
    with Writer(deployment.client(**credentials)) as writer:
        master, many = deployment.group, len(listeners(deployment.port))
        start = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until_replaced(deployment, victim, many, restarted=victim == master)
        deployment.wait_until_healthy(**credentials)
        seconds = time.monotonic() - start
        writer.until(len(writer.acknowledged) + 5)
    record(f"seconds_until_healthy_after_kill_of_{what}", round(seconds, 1))
    print(f"{what}: healthy again after {seconds:.1f} s")
    wait_until_supervised(deployment)
    assert (deployment.group == master) == (victim != master), "the master was restarted for one worker"
    stored = {point["step"] for point in metric_history(deployment.client(**credentials), writer.run_id, "m")}
    assert set(writer.acknowledged) <= stored, f"{len(set(writer.acknowledged) - stored)} acknowledged points are lost"


def wait_until_replaced(deployment: Deployment, victim: int, many: int, restarted: bool) -> None:
    """Wait until as many as before listen, and all of them belong to the present server.

    The workers of a killed master go on answering until the next start ends them: that is not being back.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            holders = {process: os.getpgid(process) for process in listeners(deployment.port)}
        except ProcessLookupError:  # ended between two looks
            continue
        back = victim not in holders and len(holders) >= many and set(holders.values()) == {deployment.group}
        if back and (deployment.group != victim or not restarted):
            return
        assert time.monotonic() < end, f"processes and their groups: {holders}; the server's is {deployment.group}"
        time.sleep(0.02)


def wait_until_supervised(deployment: Deployment) -> None:
    """Supervisor calls a server RUNNING some seconds after its start."""
    end = time.monotonic() + PATIENCE
    while "RUNNING" not in (status := deployment.supervisorctl("status")):
        assert time.monotonic() < end, status
        time.sleep(0.2)
    assert f"pid {deployment.group}," in status, "supervisor watches something else"


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


@pytest.mark.heart
def test_light_survives_the_kill_of_its_process(laptop: Deployment, record_property: Any) -> None:
    assert listeners(laptop.port) == {laptop.group}, "light is one process"
    before = laptop.group
    kill_and_recover(laptop, before, record_property, "light_server", {})
    assert laptop.group != before


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
