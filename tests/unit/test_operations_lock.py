"""One operation at a time changes a deployment's data: its holder is named, and one that is killed holds nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import LockHeld

REPOSITORY = Path(__file__).parents[2]
HOLD = """
import sys, time
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
with lock.held(sys.argv[1], None, sys.argv[2], shared=sys.argv[2] == "backup"):
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(uri: str, operation: str) -> Iterator[subprocess.Popen[str]]:
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.defpath}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, uri, operation],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == "holds\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "mlflow.db").touch()
    return f"sqlite:///{tmp_path}/mlflow.db"


def test_the_second_is_told_who_works_since_when_where_and_how_to_end_it(uri: str) -> None:
    with holder(uri, "restore") as process, pytest.raises(LockHeld) as refused, lock.held(uri, None, "gc"):
        pass
    said = str(refused.value)
    assert "restore since 20" in said and f" on {os.uname().nodename}, process {process.pid}" in said
    assert "Nothing was changed" in said and "ending its process releases the lock" in said


def test_backups_exclude_a_restore_and_not_each_other(uri: str, tmp_path: Path) -> None:
    with holder(uri, "backup"):
        with lock.held(uri, None, "backup", shared=True):
            pass
        with pytest.raises(LockHeld, match="backup since"), lock.held(uri, None, "restore"):
            pass
    with lock.held(uri, None, "restore"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"], "the lock left something behind"


@pytest.mark.parametrize("seed", range(5))
def test_a_holder_that_is_killed_holds_nothing_any_more(uri: str, seed: int) -> None:
    chance = random.Random(seed)
    with holder(uri, chance.choice(["restore", "gc", "migration", "backup"])) as process:
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait(30)
        with lock.held(uri, None, "restore"):
            pass


def test_an_operation_that_changes_data_is_refused_and_one_that_looks_is_not(uri: str) -> None:
    with holder(uri, "restore"):
        with pytest.raises(LockHeld):
            operations.run(protocol.Request("schema", {"database_uri": uri, "migrate": True}))
        options = {"destination": "/nowhere", "database_uri": uri, "snapshot": "latest"}
        for operation in ("backup", "restore"):
            given = options if operation == "restore" else {"destination": "/nowhere", "database_uri": uri}
            with pytest.raises(LockHeld):
                operations.run(protocol.Request(operation, given))
        with pytest.raises(Exception, match="nowhere") as other:
            operations.run(protocol.Request("restore", {**options, "drill": True}))
        assert not isinstance(other.value, LockHeld)


def test_where_no_database_is_yet_nothing_is_locked(tmp_path: Path) -> None:
    with lock.held(f"sqlite:///{tmp_path}/none/mlflow.db", None, "restore"):
        assert not (tmp_path / "none").exists()
