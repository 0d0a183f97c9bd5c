"""The exporter beside a real server, on PostgreSQL and SQLite: its values are held against database and files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds, lock
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring import counts
from support import exporter
from support.databases import Databases
from support.environments import Environments
from support.ports import free_port
from support.postgresql import SERVER, PostgreSQL
from support.servers import API, PATIENCE, RunningServer, create_run

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.cli import main; sys.exit(main())"
)
ROOT = Path(__file__).parents[2]
CHECKS = {"process", "version", "capabilities", "database_read", "database_write", "artifacts", "web_page"}
CHECKS |= {"schema", "foreign_host"}


class Exporter:
    """C(mlflow-ops export), as its unit starts it."""

    def __init__(self, python: Path, home: Path, settings: Mapping[str, Any]) -> None:
        self.port = free_port()
        self.home, self.file, self.log = home, home / "monitoring.json", home / "exporter.log"
        self.file.write_text(json.dumps({"name": "mlflow", "port": self.port, "interval": 1, **settings}))
        self.argv = [str(python), "-I", "-B", "-c", PROGRAM, str(ROOT / ".dev"), "export", "--settings", str(self.file)]
        self.env = {"PATH": os.defpath, "HOME": str(home)}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Exporter:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.argv, env=self.env, stdout=log, stderr=log, cwd=self.home)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()

    def scrape(self) -> exporter.Values:
        return exporter.scrape(f"http://127.0.0.1:{self.port}/metrics")

    def until(self, holds: Callable[[exporter.Values], bool]) -> exporter.Values:
        """The first scrape of which that holds."""
        try:
            return exporter.until(self.scrape, holds, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-3000:]}") from error


PARTS = exporter.measured("health", "lock", "database", "counts", "schema", "artifacts", "disks")


def fill(server: RunningServer) -> None:
    client = Client(server.server())
    try:
        made = client.post(f"{API}/experiments/create", {"name": "measured"}).json()["experiment_id"]
        gone = client.post(f"{API}/experiments/create", {"name": "deleted"}).json()["experiment_id"]
        client.post(f"{API}/experiments/delete", {"experiment_id": gone})
        for status in ("FINISHED", "FINISHED", "FAILED", "RUNNING"):
            run = create_run(client, made)
            client.post(f"{API}/runs/update", {"run_id": run, "status": status})
        client.post(f"{API}/runs/delete", {"run_id": create_run(client, made)})
        client.post(f"{API}/registered-models/create", {"name": "model"})
        of_run = client.get(f"{API}/runs/get", {"run_id": run}).json()["run"]["info"]
        source = {"source": f"{of_run['artifact_uri']}/model", "run_id": run}
        for _number in range(3):
            client.post(f"{API}/model-versions/create", {"name": "model", **source})
        client.request("DELETE", f"{API}/model-versions/delete", json.dumps({"name": "model", "version": "2"}).encode())
    finally:
        client.close()


@pytest.fixture(scope="module")
def on_postgresql(
    environments: Environments, databases: Databases, run_server: Callable[..., RunningServer]
) -> RunningServer:
    server = run_server(environments.slim, "light", databases.connection(databases.copy("exported")))
    fill(server)
    return server


@pytest.fixture
def told(
    on_postgresql: RunningServer, databases: Databases, environments: Environments, tmp_path: Path
) -> Iterator[Exporter]:
    file = str(databases.server_password_file)
    settings = {
        "server": {"url": on_postgresql.url},
        "database": {"uri": on_postgresql.database["uri"], "password_file": file},
        "artifacts": {"artifacts_uri": str(on_postgresql.artifacts)},
        "disks": {"data": str(tmp_path)},
    }
    with Exporter(environments.slim / "bin" / "python", tmp_path, settings) as running:
        yield running


@pytest.mark.ci
def test_values_are_those_of_postgresql(told: Exporter, postgresql: PostgreSQL, on_postgresql: RunningServer) -> None:
    values = told.until(PARTS)
    assert {labels[0] for (name, labels), value in values.items() if name == "check_up" and value} == CHECKS
    assert {
        labels[0]: value for (name, labels), value in values.items() if name == "collection_success" and not value
    } == {}
    with postgresql.superuser("exported") as connection:

        def number(statement: str) -> float:
            return float(connection.execute(statement).fetchone()[0])

        for status in ("FINISHED", "FAILED", "RUNNING"):
            asked = f"SELECT count(*) FROM runs WHERE lifecycle_stage = 'active' AND status = '{status}'"
            assert values["runs", (status,)] == number(asked) > 0
        assert values["experiments", ()] == number("SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'")
        assert values["registered_models", ()] == 1
        assert values["model_versions", ()] == 2, "of three one was deleted"
        size = number("SELECT pg_database_size('exported')")
        assert abs(values["database_bytes", ()] - size) < 0.2 * size
        assert 1 <= values["database_connections", ()] <= values["database_connections_budget", ()]
        offered = number("SELECT current_setting('max_connections')::int - 3")
        assert values["database_connections_budget", ()] == offered
        assert 0 <= values["database_dead_rows_ratio", ()] < 1
    assert (values["schema_matches", ()], values["lock_held", ()]) == (1, 0)
    assert values["artifact_store_up", ()] == 1
    assert values["disk_size_bytes", ("data",)] > values["disk_free_bytes", ("data",)] > 0


def test_a_server_and_a_database_that_are_away_are_told_apart_and_come_back(
    told: Exporter, postgresql: PostgreSQL, on_postgresql: RunningServer
) -> None:
    told.until(PARTS)
    on_postgresql.stop()
    values = told.until(lambda found: found.get(("check_up", ("process",))) == 0)
    assert values["collection_verdict", ("health", "broken")] == 1
    assert values["collection_success", ("counts",)] == 1, "the database is read all the same"
    on_postgresql.start()
    told.until(lambda found: found.get(("check_up", ("process",))) == 1)
    with postgresql.stopped():
        values = told.until(lambda found: found.get(("collection_success", ("database",))) == 0)
        assert values["collection_verdict", ("database", "broken")] == 1
        assert ("database_bytes", ()) not in values and values["disk_free_bytes", ("data",)] > 0
        told.until(lambda found: found.get(("check_up", ("database_read",))) == 0)
    told.until(lambda found: found.get(("collection_success", ("database",))) == 1)


def test_a_role_that_may_not_read_is_told_apart_from_a_database_that_is_broken(
    told: Exporter, postgresql: PostgreSQL
) -> None:
    told.until(PARTS)
    with postgresql.superuser("exported") as connection:
        connection.execute(f"REVOKE SELECT ON trace_info FROM {SERVER}")
        connection.commit()
        try:
            values = told.until(lambda found: found.get(("collection_success", ("counts",))) == 0)
            assert values["collection_verdict", ("counts", "not_allowed_to_look")] == 1
            assert values["collection_success", ("database",)] == 1
        finally:
            connection.execute(f"GRANT SELECT ON trace_info TO {SERVER}")
            connection.commit()


def test_a_restore_finds_no_reader_in_its_way(
    told: Exporter, postgresql: PostgreSQL, on_postgresql: RunningServer, databases: Databases
) -> None:
    told.until(PARTS)
    password = databases.server_password_file.read_text().strip()
    with lock.held(str(on_postgresql.database["uri"]), password, "restore"):
        values = told.until(
            lambda found: found.get(("lock_held", ())) == 1 and not found.get(("collection_success", ("counts",)))
        )
        assert values["collection_verdict", ("counts", "could_not_look")] == 1
        with postgresql.superuser() as connection:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'exported' AND application_name = %s"
                # The check of the schema, which reads only while a server answers: in a restore none does.
                found = connection.execute(asked, ("mlops.mlflow",)).fetchone()[0]
                assert found <= 1
                time.sleep(0.1)
    told.until(lambda found: found.get(("collection_success", ("counts",))) == 1)


def test_scrapes_cost_the_database_nothing(told: Exporter, postgresql: PostgreSQL) -> None:
    """However many there are, what is read is read once an interval."""
    told.until(PARTS)
    told.__exit__()
    settings = json.loads(told.file.read_text())
    told.file.write_text(json.dumps({**settings, "interval": 3600}))
    with told:
        told.until(PARTS)
        with postgresql.superuser() as connection:
            time.sleep(2)  # statistics of sessions that ended come a moment later

            def transactions() -> int:
                connection.rollback()
                asked = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'exported'"
                return int(connection.execute(asked).fetchone()[0])

            before = transactions()
            for _number in range(200):
                told.scrape()
            time.sleep(2)
            # The server keeps its own connections; 200 scrapes that asked would be at least as many.
            assert transactions() - before < 50


def test_nobody_finds_it_but_on_loopback_and_it_ends_when_told(told: Exporter) -> None:
    told.until(PARTS)
    assert told.process
    listening = Path(f"/proc/{told.process.pid}/net/tcp").read_text().splitlines()[1:]
    ours = [line.split()[1] for line in listening if int(line.split()[1].partition(":")[2], 16) == told.port]
    assert {address.partition(":")[0] for address in ours} == {"0100007F"}
    told.process.send_signal(signal.SIGTERM)
    assert told.process.wait(30) == 0


@pytest.mark.ci
def test_values_are_those_of_sqlite_and_a_restore_can_begin(
    environments: Environments, run_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    database = tmp_path / "data" / "mlflow.db"
    database.parent.mkdir()
    server = run_server(environments.slim, "light", {"type": "sqlite", "uri": f"sqlite:///{database}"})
    fill(server)
    settings = {
        "server": {"url": server.url},
        "database": {"uri": f"sqlite:///{database}"},
        "artifacts": {"artifacts_uri": str(server.artifacts)},
        "disks": {"data": str(database.parent)},
    }
    with Exporter(environments.slim / "bin" / "python", tmp_path, settings) as running:
        values = running.until(PARTS)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            asked = "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active' AND status = 'FINISHED'"
            assert values["runs", ("FINISHED",)] == connection.execute(asked).fetchone()[0] == 2
        assert values["model_versions", ()] == 2
        assert {labels[0] for (name, labels), value in values.items() if name == "check_up" and value} == CHECKS
        absent = {"database_connections", "database_connections_budget", "users"}
        assert not absent & {name for name, _labels in values}
        server.stop()
        # As a restore does it, while the exporter goes on measuring each second.
        tools: Any = None
        for _number in range(20):
            kinds.database(f"sqlite:///{database}").require_loadable("tracking", "3", tools, used=True)
        assert running.scrape()["check_up", ("process",)] in (0, 1)


@pytest.mark.ci
def test_a_hundred_thousand_runs_are_counted_and_a_million_traces_estimated(
    postgresql: PostgreSQL, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = databases.copy("exported_big")
    with postgresql.superuser(name) as connection:
        connection.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'big', 'active')")
        connection.execute(
            "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage) SELECT lpad(to_hex(n), 32, '0'), "
            "7, (ARRAY['FINISHED', 'FINISHED', 'FINISHED', 'FAILED'])[1 + n % 4], 'active' "
            "FROM generate_series(1, 100000) AS n"
        )
        connection.execute(
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status) "
            "SELECT 'tr-' || n, 7, n, 1, 'OK' FROM generate_series(1, 300000) n"
        )
        connection.commit()
        connection.execute("ANALYZE")
        connection.commit()
    password = databases.server_password_file.read_text().strip()
    database = kinds.database(postgresql.uri(name, SERVER), password)
    began = time.monotonic()
    found = {(sample.name, sample.labels): sample.value for sample in counts.of_tracking(database, 60)}
    print(f"counts of 100,000 runs and 300,000 traces: {time.monotonic() - began:.3f} s")
    assert (found["runs", ("FINISHED",)], found["runs", ("FAILED",)]) == (75000, 25000)
    assert 270_000 < found["traces", ()] < 330_000
    with database.bounded(60) as ask:
        [(plan,)] = ask("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT status, count(*) FROM runs GROUP BY status")
    print(f"of these the runs: {plan[0]['Execution Time']:.1f} ms in PostgreSQL")
