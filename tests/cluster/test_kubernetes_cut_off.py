"""Restores and upgrades in the cluster, cut off at seeded points: nothing runs on, nothing is lost, the lock is free.

    TEST_CUT_OFF_POINTS=4 pytest tests/cluster -m cluster -k cut_off -s

Most points are within the operation that does the work, begun as the playbooks begin it, with the servers stopped; some
are anywhere in a whole playbook.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from support.environments import pinned_version
from support.kubernetes.cut_off import WAYS, Operation, active_jobs
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import eventually
from support.kubernetes.snapshots import WEIGHTS, ask
from support.kubernetes.upgrades import ASK_VERSION, NEW, OLD
from support.processes import descendants
from support.testbed.target_images import MLFLOW

pytestmark = pytest.mark.cluster

POINTS = int(os.environ.get("TEST_CUT_OFF_POINTS", "20"))
# Of these, in the restore, in the migration, in the playbook restore and in the playbook upgrade; at least one each.
PARTS = {part: max(1, POINTS * share // 20) for part, share in (("restore", 9), ("migration", 7), ("playbook", 2))}
_RESTORE = {"settings": "/etc/mlflow-backup/settings.json", "snapshot": "latest"}
_OWNER = "postgresql+psycopg2://mlflow_owner@mlflow-database:5432/mlflow"
_MIGRATION = {"database_uri": _OWNER, "grantee": "mlflow", "migrate": True, "wait_timeout": 60}
_ROWS = "SELECT count(*) FROM experiments"
_SCHEMA = "SELECT version_num FROM alembic_version"
_ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"
_MORE = (
    "INSERT INTO experiments (experiment_id, name, lifecycle_stage) "
    "SELECT 1000 + n, 'later-' || n, 'active' FROM generate_series(1, 7) n ON CONFLICT DO NOTHING"
)


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """An old version with a snapshot of some rows and an artifact."""
    deployment = make(
        "t-cut-off",
        mlflow_backup_enabled=True,
        mlflow_backup_storage_size="1Gi",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
    )
    try:
        deployment.deploy(**OLD).succeeded()
        for number in range(5):
            body = {"name": f"kept-{number}"}
            assert ask(deployment, "POST", "/api/2.0/mlflow/experiments/create", body)[0] == 200
        assert ask(deployment, "PUT", _ARTIFACT, WEIGHTS)[0] == 200
        deployment.play("backup", **OLD).succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture
def stopped(old: Deployment) -> Iterator[Deployment]:
    old.kubectl("scale", "deployment/mlflow", "--replicas=0")
    eventually("no server runs", lambda: not old.kubectl.items("pods", "--selector=app.kubernetes.io/component=server"))
    yield old
    old.kubectl("scale", "deployment/mlflow", "--replicas=1")
    old.wait_until_ready()


def at(point: int, chance: random.Random, length: float) -> tuple[str, float]:
    """How and when an operation of this length is cut off. Its own clock, for the deadline, begins in the pod."""
    way = WAYS[point % len(WAYS)]
    return way, chance.uniform(0.0, length / 2 if way == "deadline" else length)


def restored(stopped: Deployment, rows: str, schema: str, where: str) -> None:
    Operation(stopped, "restore", _RESTORE).whole()
    assert (stopped.sql(_ROWS), stopped.sql(_SCHEMA)) == (rows, schema), where


def test_a_restore_that_is_cut_off_anywhere_leaves_nothing_running_nothing_lost_and_no_lock(
    stopped: Deployment,
) -> None:
    rows, schema, chance = stopped.sql(_ROWS), stopped.sql(_SCHEMA), random.Random(20261125)
    restore = Operation(stopped, "restore", _RESTORE)
    stopped.sql(_MORE)
    more = stopped.sql(_ROWS)
    assert int(more) == int(rows) + 7
    length = restore.whole()
    print(f"\na whole restore takes {length:.1f} s")
    outcomes = set()
    for point in range(PARTS["restore"]):
        stopped.sql(_MORE)
        way, seconds = at(point, chance, length)
        said = restore.cut_off(way, seconds)
        where = f"point {point}, {way} after {seconds:.1f} s: {said}"
        there = "mlflow" in stopped.sql("SELECT datname FROM pg_database", "postgres").split()
        found = stopped.sql(_ROWS) if there else "between two names"
        print(f"{where}; {found} rows")
        assert found in (rows, more) or not there, where
        outcomes.add(found)
        restored(stopped, rows, schema, where)
    assert more in outcomes, "no point was early enough to cut anything off"


def test_a_migration_that_is_cut_off_anywhere_is_whole_or_has_not_begun_and_can_be_run_again(
    stopped: Deployment,
) -> None:
    rows, schema, chance = stopped.sql(_ROWS), stopped.sql(_SCHEMA), random.Random(20261126)
    migration = Operation(stopped, "schema", _MIGRATION, MLFLOW)
    length = migration.whole()
    new = stopped.sql(_SCHEMA)
    print(f"\na whole migration takes {length:.1f} s, from {schema} to {new}")
    assert new != schema and stopped.sql(_ROWS) == rows
    outcomes = set()
    for point in range(PARTS["migration"]):
        restored(stopped, rows, schema, f"before point {point}")
        way, seconds = at(point, chance, length)
        said = migration.cut_off(way, seconds)
        found = stopped.sql(_SCHEMA)
        where = f"point {point}, {way} after {seconds:.1f} s: {said}"
        print(f"{where}; schema {found}")
        assert stopped.sql(_ROWS) == rows, where
        assert found in (schema, new), where
        outcomes.add(found)
        migration.whole()
        assert (stopped.sql(_ROWS), stopped.sql(_SCHEMA)) == (rows, new), where
    assert schema in outcomes, "no point was early enough to cut anything off"
    restored(stopped, rows, schema, "in the end")


def cut_off_playbook(old: Deployment, way: signal.Signals, seconds: float, playbook: str, **variables: object) -> None:
    """Begin a playbook and end it after so many seconds: as Ctrl-C does, or as the end of its machine."""
    run = old.begin(playbook, **variables)
    time.sleep(seconds)
    # A terminal tells the processes of a session; an end of the machine takes all.
    for process in [run.pid, *(descendants(run.pid) if way == signal.SIGKILL else [])]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, way)
    run.wait(240)
    eventually(f"after {way.name} no Job runs on", lambda: not active_jobs(old), 150)


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL][: PARTS["playbook"]], ids=["Ctrl-C", "killed"])
def test_the_playbook_restore_that_was_cut_off_succeeds_when_it_is_run_again(
    old: Deployment, way: signal.Signals
) -> None:
    rows = old.sql(_ROWS)
    began = time.monotonic()
    old.play("restore", mlflow_restore=True, **OLD).succeeded()
    length = time.monotonic() - began
    seconds = random.Random(way).uniform(0.3, 0.9) * length
    old.sql(_MORE)
    cut_off_playbook(old, way, seconds, "restore", mlflow_restore=True, **OLD)
    print(f"\n{way.name} after {seconds:.0f} of {length:.0f} s")
    old.play("restore", mlflow_restore=True, **OLD).succeeded()
    serves(old, OLD["mlflow_version"], rows)


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL][: PARTS["playbook"]], ids=["Ctrl-C", "killed"])
def test_the_playbook_upgrade_that_was_cut_off_succeeds_when_it_is_run_again(
    old: Deployment, way: signal.Signals
) -> None:
    rows, seconds = old.sql(_ROWS), random.Random(way).uniform(40, 100)
    cut_off_playbook(old, way, seconds, "upgrade", mlflow_upgrade=True, **NEW)
    print(f"\n{way.name} after {seconds:.0f} s")
    old.play("upgrade", mlflow_upgrade=True, **NEW).succeeded()
    serves(old, pinned_version(), rows)
    old.play("restore", mlflow_restore=True, mlflow_restore_deploy=True, **OLD).succeeded()
    serves(old, OLD["mlflow_version"], rows)


def serves(old: Deployment, version: str, rows: str) -> None:
    old.wait_until_ready()
    assert old.kubectl.execute(old.server(), *ASK_VERSION).strip() == version
    assert old.sql(_ROWS) == rows
    assert ask(old, "GET", _ARTIFACT) == (200, WEIGHTS)
