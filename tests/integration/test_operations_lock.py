"""The lock of a deployment on a real PostgreSQL: its holder is named, and a killed one holds nothing any more."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import LockHeld
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, PostgreSQL
from support.processes import until

pytestmark = pytest.mark.heart

_REPOSITORY = Path(__file__).resolve().parents[2]
_HOLD = """
import os, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
with lock.held(sys.argv[1], os.environ["PGPASSWORD"], sys.argv[2], shared=sys.argv[2] == "backup"):
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(uri: str, operation: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, as the owner."""
    env = {"PYTHONPATH": str(_REPOSITORY / ".dev"), "PATH": os.defpath, "PGPASSWORD": OWNER_PASSWORD}
    arguments = [sys.executable, "-c", _HOLD, uri, operation]
    process = subprocess.Popen(arguments, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "holds\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def is_free(uri: str, password: str = OWNER_PASSWORD) -> bool:
    try:
        with lock.held(uri, password, "somebody else"):
            return True
    except LockHeld:
        return False


def test_the_second_is_told_who_works_and_the_words_it_gets_release_the_lock(postgresql: PostgreSQL) -> None:
    database = postgresql.create_database("locked")
    with holder(postgresql.uri(database), "restore"):
        # Another role, which may not see all of the other's session.
        with pytest.raises(LockHeld) as refused, lock.held(postgresql.uri(database, SERVER), SERVER_PASSWORD, "gc"):
            pass
        said = str(refused.value)
        assert re.search(rf"restore since 20\S+Z on {os.uname().nodename[:20]}", said), said
        assert "Nothing was changed" in said and OWNER_PASSWORD not in said
        # Whoever is refused here works on another database there.
        assert is_free(postgresql.uri(postgresql.create_database("not_locked")))
        with postgresql.connect(OWNER, OWNER_PASSWORD, "postgres") as connection:
            connection.execute(re.findall(r"SELECT pg_terminate_backend\(\d+\);", said)[0])
        until(lambda: is_free(postgresql.uri(database)), "the remedy did not release the lock")


def test_a_restore_can_rename_the_database_whose_lock_it_holds(postgresql: PostgreSQL) -> None:
    database = postgresql.create_database("renamed")
    with holder(postgresql.uri(database), "restore"), postgresql.superuser() as connection:
        connection.execute("ALTER DATABASE renamed RENAME TO renamed_before")
        connection.execute("ALTER DATABASE renamed_before RENAME TO renamed")
        assert not is_free(postgresql.uri(database))


def test_who_may_not_enter_the_database_postgres_still_locks(postgresql: PostgreSQL) -> None:
    database = postgresql.create_database("alone")
    with postgresql.superuser() as connection:
        connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        try:
            with holder(postgresql.uri(database), "gc"):
                assert not is_free(postgresql.uri(database))
            until(lambda: is_free(postgresql.uri(database)), "the lock stayed")
        finally:
            connection.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")


@pytest.mark.parametrize("seed", range(5))
def test_a_holder_that_is_killed_holds_nothing_any_more(postgresql: PostgreSQL, seed: int) -> None:
    chance, uri = random.Random(seed), postgresql.uri(postgresql.create_database(f"killed_{seed}"))
    with holder(uri, chance.choice(["restore", "gc", "migration", "backup"])) as process:
        assert not is_free(uri)
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait(30)
        until(lambda: is_free(uri), "the lock outlived its holder")
