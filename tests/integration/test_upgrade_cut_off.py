"""An upgrade of a host, cut off at seeded points: nothing runs on, nothing is lost, and who comes next is told.

Its operations through the runner, each in every way; and whole playbooks, continued by the same playbook.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import LockHeld
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from support.cut_off import WAYS, OnHost, carried_out, cut_off
from support.deployment import tasks_of
from support.environments import Environments, pinned_version
from support.host.deployment import Deployment
from support.playbooks import REPOSITORY
from support.ports import free_port
from support.processes import until
from support.servers import create_run

POINTS = 20
OLD_REVISION = "7d34483879f0"  # of MLflow 3.12
STEPS = ("reserve", "backup", "schema", "trial", "restore")
# What MLflow 3.12 would have made, by the migrations that the pinned one has, too. Its rows take a migration a while.
_OLD = """
import sys, sqlalchemy
from alembic import command
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base
uri, revision = sys.argv[1:]
engine = sqlalchemy.create_engine(uri)
Base.metadata.create_all(engine)
config = utils._get_alembic_config(uri)
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
with engine.begin() as connection:
    for statement in (
        # A server would make the first one.
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES "
        "(0, 'Default', '/nowhere/0', 'active'), (1, 'first', '/nowhere/1', 'active')",
        "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id) " + numbers.format(200)
        + "SELECT printf('%032d', i), 'run', 'FINISHED', 'active', 1 FROM n",
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) " + numbers.format(20000)
        + "SELECT 'loss', i, i, printf('%032d', 1 + i % 200), i, 0 FROM n",
        "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) " + numbers.format(2000)
        + "SELECT printf('tr-%032d', i), 1, i, 'OK' FROM n",
        "INSERT INTO spans (trace_id, experiment_id, span_id, name, status, start_time_unix_nano, content) "
        + numbers.format(20000)
        + "SELECT printf('tr-%032d', 1 + i % 2000), 1, printf('%016d', i), 'span', 'OK', i, '{}' FROM n",
    ):
        connection.exec_driver_sql(statement)
"""


# A migration that dies with one of its statements.
_DIES = """
import os, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes
uri, left = sys.argv[1], [int(sys.argv[2])]
@event.listens_for(Engine, "after_cursor_execute")
def die(*_anything):
    left[0] -= 1
    if not left[0]:
        os._exit(9)
changes.upgrade(uri, None)
print(left[0])
"""


@dataclass(frozen=True)
class Old:
    """A deployment's data, as an operator has it: C(home) holds all of it, and copies are deployments of their own."""

    home: Path
    python: Path

    @property
    def database(self) -> Path:
        return self.home / "mlflow.db"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.database}"

    @property
    def place(self) -> OnHost:
        return OnHost(self.python, self.home)

    def copy(self, home: Path) -> Old:
        shutil.copytree(self.home, home)
        return replace(self, home=home)

    def rows(self) -> list[int]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            tables = ("experiments", "runs", "metrics", "trace_info", "spans")
            return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    def revision(self) -> str:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    def request(self, operation: str, reservation: str = "first", **options: Any) -> protocol.Request:
        """One of an upgrade's steps."""
        snapshots = {"name": "old", "destination": str(self.home / "snapshots"), "database_uri": self.uri}
        snapshots["artifacts_uri"] = str(self.home / "artifacts")
        given: dict[str, dict[str, Any]] = {
            "reserve": {"database_uri": self.uri, "purpose": "an upgrade", "holder": "ops1 process 1"},
            "backup": {**snapshots, "version": "3.12.0"},
            "schema": {"database_uri": self.uri, "migrate": True},
            "restore": {**snapshots, "snapshot": "latest", "databases_only": True},
            "trial": {
                "launch": self.launch(),
                "starter": str(REPOSITORY / "plugins/module_utils/_engine/standalone/starter.py"),
                "version": pinned_version(),
                "database_uri": self.uri,
                "smoke_test": False,
            },
        }
        return protocol.Request(operation, {**given[operation], **options}, reservation=reservation)

    def launch(self) -> dict[str, Any]:
        return launch.compute(
            {
                "profile": "light",
                "python": str(self.python),
                "port": free_port(),
                "database": {"type": "sqlite", "uri": self.uri},
                "artifact_store": {"type": "local", "uri": str(self.home / "artifacts")},
                "scratch_dir": str(self.home),
            }
        ).as_dict()

    def succeeds(self, operation: str, reservation: str = "first", **options: Any) -> dict[str, Any]:
        request = self.request(operation, reservation, **options)
        # What needs no MLflow needs no process of its own, which takes a while to start.
        apart = operation in ("schema", "trial")
        found = carried_out(self.place, request) if apart else operations.run(request)
        assert not found.get("failed"), f"{operation}: {found['msg']}"
        return found


@pytest.fixture(scope="module")
def old(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Old:
    made = Old(tmp_path_factory.mktemp("old") / "home", environments.slim / "bin" / "python")
    (made.home / "artifacts").mkdir(parents=True)
    done = subprocess.run(
        [str(made.python), "-c", _OLD, made.uri, OLD_REVISION], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made.succeeds("backup")
    return made


@pytest.fixture(scope="module")
def migrated(old: Old, tmp_path_factory: pytest.TempPathFactory) -> Old:
    made = old.copy(tmp_path_factory.mktemp("migrated") / "home")
    made.succeeds("schema")
    return made


def test_an_upgrade_that_is_cut_off_anywhere_leaves_nothing_running_and_is_continued(
    old: Old, migrated: Old, tmp_path: Path
) -> None:
    rows, new = old.rows(), migrated.revision()
    assert old.revision() == OLD_REVISION != new and migrated.rows() == rows
    seconds = {}
    for step in STEPS:
        whole = (migrated if step in ("trial", "restore") else old).copy(tmp_path / f"whole-{step}")
        began = time.monotonic()
        carried_out(whole.place, whole.request(step))
        seconds[step] = time.monotonic() - began
        whole.succeeds("reserve", state="absent")
    chance, unfinished = random.Random(20261126), 0
    for point in range(POINTS):  # five steps in four ways: every pair once
        step, way = STEPS[point % len(STEPS)], WAYS[point % len(WAYS)]
        after = (migrated if step in ("trial", "restore") else old).copy(tmp_path / f"at-{point}")
        if step != "reserve":
            after.succeeds("reserve")
        said = cut_off(after.place, after.request(step), way, chance.uniform(0.0, 0.7 * seconds[step]))
        where = f"point {point}, {step}, {way}: {said}"
        # The lock is free for whoever belongs to it; others are told what is under way, since when and by whom.
        with lock.held(after.uri, None, "whoever goes on", reservations=("first",)):
            pass
        if step != "reserve":
            with pytest.raises(LockHeld, match=r"reserved for an upgrade since 20\S+, by ops1 process 1"):
                operations.run(protocol.Request("gc", {"database_uri": after.uri}))
        unfinished += '"failed": true' in said or not said
        assert after.rows() == rows, where
        # The same again goes on, and ends with the new version served on the same rows.
        after.succeeds("reserve", "next", instead_of="first")
        if step == "restore":  # as whoever goes on is told
            after.succeeds("restore", "next")
        after.succeeds("schema", "next")
        assert (after.revision(), after.rows()) == (new, rows), where
        # Or back.
        after.succeeds("restore", "next")
        assert (after.revision(), after.rows()) == (OLD_REVISION, rows), where
        after.succeeds("reserve", "next", state="absent")
        with lock.held(after.uri, None, "whoever comes next"):
            pass
        shutil.rmtree(after.home)
    assert unfinished, "no point was early enough to cut anything off"


def test_a_migration_that_dies_between_two_statements_can_be_run_again(old: Old, tmp_path: Path) -> None:
    def dies(after: Old, statement: int) -> subprocess.CompletedProcess[str]:
        env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.defpath}
        command = [str(old.python), "-c", _DIES, after.uri, str(statement)]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)

    whole = dies(old.copy(tmp_path / "whole"), 0)
    assert whole.returncode == 0, whole.stderr[-3000:]
    statements, chance = -int(whole.stdout), random.Random(20261126)
    for statement in chance.sample(range(1, statements), 3):
        after = old.copy(tmp_path / f"at-{statement}")
        assert dies(after, statement).returncode == 9
        after.succeeds("schema")
        assert after.rows() == old.rows(), f"statement {statement} of {statements}"


@dataclass
class Upgraded:
    """A host whose playbook of an upgrade is cut off."""

    deployment: Deployment
    log: Path

    @property
    def database(self) -> Path:
        return self.deployment.data / "database" / "mlflow.db"

    def runs(self) -> set[str]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return {str(run) for (run,) in connection.execute("SELECT run_uuid FROM runs")}

    def serves(self) -> str:
        return str(self.deployment.client().get("/version").body.decode().strip())

    def cut_off(self, task: str, way: str, seconds: float) -> None:
        """Let the playbook come to a task, and end it so many seconds later."""
        playbook = self.deployment.begin("upgrade", output=self.log, mlflow_upgrade="true")
        until(lambda: task in tasks_of(self.log) or playbook.poll() is not None, f"no task {task}", 400)
        assert playbook.poll() is None, self.log.read_text()[-3000:]
        time.sleep(seconds)
        numbers = {"interrupt": signal.SIGINT, "end": signal.SIGTERM, "kill": signal.SIGKILL}
        os.killpg(playbook.pid, numbers[way])  # as a terminal does, or what runs a job
        playbook.wait(400)
        until(lambda: not self.operations(), f"after '{way}' at '{task}' an operation runs on", 60)

    def operations(self) -> list[int]:
        """With the libraries of this deployment's server."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if b"--while-connected" in words and os.fsencode(self.deployment.home) in words:
                    found.append(int(process.name))
        return found


@pytest.fixture
def host(environments: Environments, tmp_path: Path) -> Iterator[Upgraded]:
    deployment = Deployment(environments, "light")
    deployment.install_itself()
    try:
        deployment.deploy(mlflow_version="3.12.0").succeeded()
        client = deployment.client()
        for _ in range(20):
            create_run(client)
        deployment.play("upgrade").succeeded()  # which installs the other version, and takes a while
        yield Upgraded(deployment, tmp_path / "log")
    finally:
        deployment.remove()


# Where in the playbook, how, and after how many seconds at most.
CUTS = (
    ("Take a snapshot while the server goes on serving", "kill"),
    ("Migrate", "interrupt"),
    ("Try the server", "end"),
    ("Start the new version", "kill"),
)


def test_a_playbook_that_is_cut_off_is_continued_by_the_same_playbook(host: Upgraded) -> None:
    chance, runs, new = random.Random(20261126), host.runs(), pinned_version()
    assert len(runs) >= 20
    for task, way in CUTS:
        host.cut_off(task, way, chance.uniform(0.0, 3.0))
        where = f"after '{way}' at '{task}'"
        assert host.runs() >= runs, where
        refused = host.deployment.play("gc", mlflow_gc="true")
        assert refused.code != 0, where
        if way == "kill":  # the server still serves, or serves already
            assert f"reserved for an upgrade to MLflow {new} since 20" in refused.message, where
        done = host.deployment.play("upgrade", mlflow_upgrade="true").succeeded()
        assert host.serves() == new and host.runs() >= runs, where
        # As its last words say.
        said = str(done.of("Report what was done")["msg"])
        snapshot = re.findall(r"mlflow_snapshot=(\S+)", said)[0]
        old_again = {"mlflow_version": "3.12.0", "mlflow_snapshot": snapshot, "mlflow_restore_deploy": "true"}
        host.deployment.play("restore", mlflow_restore="true", **old_again).succeeded()
        assert host.serves() == "3.12.0" and host.runs() >= runs, where
