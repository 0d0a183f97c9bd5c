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
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, LockHeld
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, PostgreSQL
from support.processes import until

pytestmark = pytest.mark.heart

_REPOSITORY = Path(__file__).resolve().parents[2]
_HOLD = """
import os, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
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


def reserve(uri: str, own: str, password: str = OWNER_PASSWORD, **given: str) -> dict[str, object]:
    options = {"database_uri": uri, "purpose": "an upgrade", "holder": "ops1 process 1", **given}
    return operations.run(protocol.Request("reserve", options, reservation=own), env={"PGPASSWORD": password})


def comment_of(connection: Any, name: str) -> str | None:
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    return connection.execute(query, (name,)).fetchone()[0]


def test_a_reservation_is_the_owners_and_goes_with_the_database_that_a_restore_moves(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = postgresql.uri(postgresql.create_database("reserved"))
    with postgresql.superuser() as connection:
        connection.execute("COMMENT ON DATABASE reserved IS 'ask Dana'")
    monkeypatch.setenv("PGPASSWORD", OWNER_PASSWORD)
    reserve(uri, "ours")
    server = postgresql.uri("reserved", SERVER)
    for one, password in ((uri, OWNER_PASSWORD), (server, SERVER_PASSWORD)):
        words = r"reserved for an upgrade since 20\S+, by ops1 process 1"
        with pytest.raises(LockHeld, match=words), lock.held(one, password, "gc"):
            pass
    monkeypatch.setenv("PGPASSWORD", SERVER_PASSWORD)
    with pytest.raises(BadInput, match="does not own the database reserved"):
        reserve(server, "ours", SERVER_PASSWORD, state="absent")
    monkeypatch.setenv("PGPASSWORD", OWNER_PASSWORD)
    # A restore exchanges whole databases: the note is of the one that is moved aside.
    aside = "reserved_before_20261126000000000"
    with postgresql.superuser() as connection:
        connection.execute(f"ALTER DATABASE reserved RENAME TO {aside}")
        connection.execute(f'CREATE DATABASE reserved OWNER "{OWNER}"')
    assert not is_free(uri)
    reserve(uri, "ours")
    with postgresql.superuser() as connection:
        assert comment_of(connection, aside) == "ask Dana"
        connection.execute(f"DROP DATABASE {aside}")
    assert not is_free(uri), "whoever goes on notes it with the live one"
    reserve(uri, "ours", state="absent")
    assert is_free(uri)
    with postgresql.superuser() as connection:
        assert comment_of(connection, "reserved") is None
        connection.execute("""COMMENT ON DATABASE reserved IS '{"format": "mlops.mlflow restore", "version": 1}'""")
    with pytest.raises(BadInput, match="Run the restore again"):
        reserve(uri, "ours")
