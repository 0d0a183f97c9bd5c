"""Restores and upgrades on compose, cut off at seeded points: nothing runs on, nothing is lost, the lock is free."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.cut_off import WAYS, OnCompose, carried_out, cut_off
from support.deployment import tasks_of
from support.environments import pinned_version
from support.kubernetes.kubectl import eventually
from support.kubernetes.upgrades import NEW, OLD
from support.processes import until
from support.testbed.target_images import MLFLOW, OLD_MLFLOW, OLD_VERSION

pytestmark = pytest.mark.compose

POINTS = 20
# In this order each finds what the one before has left, and an upgrade goes forth and back again and again.
STEPS = ("reserve", "backup", "schema", "trial", "restore")
_HOLDERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
_NOTE = (
    "SELECT description FROM pg_shdescription JOIN pg_database ON pg_database.oid = objoid "
    "WHERE description LIKE '%mlops.mlflow reservation%'"
)


class Old:
    """A deployment of an old version, and its operations: in its own project, and in that of the new version."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        host = str(deployment.variables["mlflow_docker_host"])
        self.own = OnCompose(deployment.name, str(deployment.folder / "operations" / "compose.yaml"), host)
        # As an upgrade stages it.
        staged = deployment.folder / "staged-for-the-test"
        shutil.copytree(deployment.folder / "server", staged)
        project = staged / "compose.yaml"
        project.write_text(project.read_text().replace(OLD_MLFLOW, MLFLOW))
        self.new = OnCompose(deployment.name, str(project), host)
        settings = next((deployment.folder / "operations").rglob("settings.json"))
        self.uri = str(json.loads(settings.read_text())["database_uri"])
        launch = json.loads((deployment.folder / "server" / "configuration" / "launch.json").read_text())
        self.servers_uri = str(launch["env"]["_MLFLOW_SERVER_FILE_STORE"])

    def place(self, step: str) -> OnCompose:
        return self.new if step in ("schema", "trial") else self.own

    def request(self, step: str, reservation: str, **options: Any) -> protocol.Request:
        settings = {"settings": "/etc/mlflow-backup/settings.json"}
        given: dict[str, dict[str, Any]] = {
            "reserve": {**settings, "purpose": "an upgrade", "holder": "ops1 process 1"},
            "backup": {**settings, "version": OLD_VERSION},
            "schema": {"database_uri": self.uri, "migrate": True, "grantee": "mlflow"},
            "trial": {
                "launch_file": "/etc/mlflow/launch.json",
                "version": pinned_version(),
                "database_uri": self.servers_uri,
                "smoke_test": False,
            },
            "restore": {**settings, "snapshot": "latest", "databases_only": True},
        }
        return protocol.Request(step, {**given[step], **options}, reservation=reservation)

    def succeeds(self, step: str, reservation: str, **options: Any) -> None:
        found = carried_out(self.place(step), self.request(step, reservation, **options))
        assert not found.get("failed"), f"{step}: {found['msg']}"

    def rows(self) -> str:
        tables = ("experiments", "runs", "metrics")
        return self.deployment.sql("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables))

    def revision(self) -> str:
        return self.deployment.sql("SELECT version_num FROM alembic_version")

    def is_left_alone(self, where: str) -> None:
        eventually(f"{where} the lock is free", lambda: self.deployment.sql(_HOLDERS) == "0", 120)

    def is_cut_off(self, step: str, way: str, seconds: float, reservation: str = "") -> str:
        said = cut_off(self.place(step), self.request(step, reservation), way, seconds)
        self.is_left_alone(f"after '{way}' at '{step}'")
        return said


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Old]:
    deployment = make("compose_local", "t-cut-off", mlflow_server_port=5008)
    try:
        deployment.deploy(**OLD).succeeded()
        numbered = "SELECT 'e' || n, 'mlflow-artifacts:/' || n, 'active', 0, 0 FROM generate_series(10, 500) n"
        columns = "name, artifact_location, lifecycle_stage, creation_time, last_update_time"
        deployment.sql(f"INSERT INTO experiments ({columns}) {numbered}")
        deployment.play("backup", **OLD).succeeded()
        yield Old(deployment)
    finally:
        deployment.remove()


@pytest.fixture
def stopped(old: Old) -> Iterator[Old]:
    docker("stop", *old.deployment.servers())
    try:
        yield old
    finally:
        old.deployment.sql("COMMENT ON DATABASE mlflow IS NULL")
        docker("start", *old.deployment.servers())


def test_a_restore_that_is_cut_off_anywhere_leaves_nothing_running_no_lock_and_nothing_lost(stopped: Old) -> None:
    rows, chance, unfinished = stopped.rows(), random.Random(20261125), 0
    began = time.monotonic()
    stopped.succeeds("restore", "")
    seconds = time.monotonic() - began
    for point in range(POINTS):
        said = stopped.is_cut_off("restore", WAYS[point % len(WAYS)], chance.uniform(0.0, seconds))
        unfinished += '"failed": true' in said or not said
        assert stopped.rows() == rows, f"point {point}"
    stopped.succeeds("restore", "")
    assert stopped.rows() == rows and unfinished, "no point was early enough to cut anything off"


def test_an_upgrade_that_is_cut_off_anywhere_is_continued_and_names_itself_meanwhile(stopped: Old) -> None:
    rows, chance, revisions = stopped.rows(), random.Random(20261126), set()
    seconds, unfinished = {}, 0
    stopped.succeeds("reserve", "first")
    for step in STEPS:
        began = time.monotonic()
        stopped.succeeds(step, "first")
        seconds[step] = time.monotonic() - began
        revisions.add(stopped.revision())
    assert len(revisions) == 2
    ids = ("first", "next")
    for point in range(POINTS):
        step, way = STEPS[point % len(STEPS)], WAYS[point % len(WAYS)]
        said = stopped.is_cut_off(step, way, chance.uniform(0.0, seconds[step]), ids[0])
        unfinished += '"failed": true' in said or not said
        where = f"point {point}, {step}, {way}: {said}"
        assert "an upgrade" in stopped.deployment.sql(_NOTE), where
        assert stopped.rows() == rows and stopped.revision() in revisions, where
        if way == "kill the client":  # who goes on is another
            stopped.succeeds("reserve", ids[1], instead_of=ids[0])
            ids = (ids[1], ids[0])
        stopped.succeeds(step, ids[0])
        assert stopped.rows() == rows, where
    other = carried_out(stopped.own, stopped.request("restore", "whoever"))
    assert "reserved for an upgrade since 20" in other["msg"] and "by ops1 process 1" in other["msg"]
    stopped.succeeds("reserve", ids[0], state="absent")
    assert stopped.deployment.sql(_NOTE) == "" and unfinished, "no point was early enough to cut anything off"


# Where in the playbook, how, and after how many seconds at most.
CUTS = (("Migrate", signal.SIGINT), ("Start the new version", signal.SIGKILL))


def test_a_playbook_that_is_cut_off_is_continued_by_the_same_playbook(old: Old, tmp_path: Path) -> None:
    deployment, chance = old.deployment, random.Random(20261126)
    # Each smoke run leaves what it has deleted; these are a user's.
    ours = "SELECT count(*) FROM experiments WHERE name LIKE 'e%' AND lifecycle_stage = 'active'"
    rows = deployment.sql(ours)
    for task, number in CUTS:
        log = tmp_path / "log"
        playbook = deployment.begin("upgrade", output=log, **NEW, mlflow_upgrade=True)
        until(lambda: task in tasks_of(log) or playbook.poll() is not None, f"no task {task}", 400)  # noqa: B023
        assert playbook.poll() is None, log.read_text()[-3000:]
        time.sleep(chance.uniform(0.0, 3.0))
        os.killpg(playbook.pid, number)
        playbook.wait(300)
        until(lambda: not old.own.running(), f"after {number} at '{task}' an operation runs on", 120)
        old.is_left_alone(f"after {number} at '{task}'")
        assert deployment.sql(ours) == rows
        refused = deployment.play("gc", **NEW, mlflow_gc=True)
        assert refused.code != 0 and "reserved for an upgrade to MLflow" in refused.message, refused.message
        deployment.play("upgrade", **NEW, mlflow_upgrade=True).succeeded()
        deployment.wait_until_healthy()
        assert deployment.sql(ours) == rows and deployment.sql(_NOTE) == ""
        back = {"mlflow_restore": True, "mlflow_restore_deploy": True}
        deployment.play("restore", **OLD, **back).succeeded()
        assert deployment.sql(ours) == rows
