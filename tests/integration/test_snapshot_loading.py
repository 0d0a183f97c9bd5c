"""A dump whose rows lie mostly in one table: it is loaded over several connections, with either driver."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql_loading, postgresql_uri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_tools import Programs
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from support.postgresql import SUPERUSER, SUPERUSER_PASSWORD, PostgreSQL

# What the text of a dump writes in its own way, or could be taken for the end of a row or of everything.
VALUES = [
    "",
    "plain",
    "tab\t",
    "line\nbreak",
    "back\\slash",
    "\\.",
    "\\N",
    "ünïcödé 🎉",
    "\r\n",
    "\\n\n\\.\n",
    "'",
    "x" * 900,
]
DIGEST = "SELECT count(*) || md5(string_agg(t::text, '|' ORDER BY id)) FROM {} t"


@pytest.fixture(scope="module")
def dump(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Gives a copy of a dump of the database C(dumped)."""
    original = tmp_path_factory.mktemp("dump") / "dump"
    with postgresql.superuser() as connection:
        connection.autocommit = True
        connection.execute("CREATE DATABASE dumped")
    with postgresql.superuser("dumped") as connection:
        connection.execute(
            "CREATE TABLE runs (id int PRIMARY KEY, name text);"
            "CREATE TABLE dropped_in_between"
            " (id int, gone int, value text, nothing text, twice int GENERATED ALWAYS AS (id * 2) STORED);"
            "ALTER TABLE dropped_in_between DROP COLUMN gone;"
            'CREATE TABLE "Two words" (id int, value text)'
        )
        with connection.cursor() as cursor:
            rows = [(number, VALUES[number % len(VALUES)]) for number in range(20_000)]
            cursor.executemany("INSERT INTO runs VALUES (%s, %s)", rows)
            cursor.executemany("INSERT INTO dropped_in_between VALUES (%s, %s)", rows[:9000])
            cursor.executemany('INSERT INTO "Two words" VALUES (%s, %s)', rows[:5000])
        connection.execute("ALTER TABLE dropped_in_between ADD FOREIGN KEY (id) REFERENCES runs")
    reach = [f"--port={postgresql.port}", "--host=127.0.0.1", f"--username={SUPERUSER}", "--dbname=dumped"]
    subprocess.run(
        [postgresql.tools / "pg_dump", "--format=directory", "--compress=0", f"--file={original}", *reach],
        env={"PGPASSWORD": SUPERUSER_PASSWORD},
        check=True,
    )

    def copy(folder: Path) -> Path:
        subprocess.run(["cp", "-r", original, folder / "dump"], check=True)
        return folder / "dump"

    return copy


@pytest.fixture
def empty(postgresql: PostgreSQL) -> Iterator[str]:
    with postgresql.superuser() as connection:
        connection.autocommit = True
        connection.execute("CREATE DATABASE loaded")
    yield "loaded"
    with postgresql.superuser() as connection:
        connection.autocommit = True
        connection.execute("DROP DATABASE loaded")


def load(postgresql: PostgreSQL, folder: Path, driver: str, jobs: int = 3) -> None:
    uri = f"postgresql+{driver}://{SUPERUSER}@127.0.0.1:{postgresql.port}/loaded"
    postgresql_loading.load(
        Programs.find(str(postgresql.tools)), folder, postgresql_uri.parse(uri), SUPERUSER_PASSWORD, jobs
    )


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_every_row_is_there_whatever_it_holds(
    postgresql: PostgreSQL,
    dump: Callable[[Path], Path],
    empty: str,
    driver: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgresql_loading, "_BIG", 1000)
    monkeypatch.setattr(postgresql_loading, "_BLOCK", 1001)
    stream = mock.Mock(wraps=postgresql_loading._stream)
    monkeypatch.setattr(postgresql_loading, "_stream", stream)
    load(postgresql, dump(tmp_path), driver)
    assert stream.call_count == 6, "two tables in three parts each; names with a space are left to pg_restore"
    with postgresql.superuser("dumped") as before, postgresql.superuser(empty) as after:
        for table in ("runs", "dropped_in_between", '"Two words"'):
            assert after.execute(DIGEST.format(table)).fetchone() == before.execute(DIGEST.format(table)).fetchone()
        ours = "connamespace = 'public'::regnamespace AND contype IN ('p', 'f')"
        assert after.execute(f"SELECT count(*) FROM pg_constraint WHERE {ours}").fetchone() == (2,)


def test_a_row_that_the_database_refuses_ends_all_and_is_named(
    postgresql: PostgreSQL, dump: Callable[[Path], Path], empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_loading, "_BIG", 1000)
    folder = dump(tmp_path)
    file = max(folder.glob("*.dat"), key=lambda path: path.stat().st_size)
    text = file.read_bytes()
    file.write_bytes(text.replace(b"\n19000\t", b"\nno number\t"))
    with pytest.raises(EngineError, match="no number"):
        load(postgresql, folder, "psycopg")
