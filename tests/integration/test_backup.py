"""A filled deployment, backed up under write load, wiped, restored: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from support.databases import ADMIN, ADMIN_PASSWORD, Databases
from support.environments import Environments
from support.files import hashes, sqlite_rows
from support.host.deployment import Deployment
from support.playbooks import run_module
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER_PASSWORD, PostgreSQL
from support.s3 import ACCESS_KEY, S3, SECRET_KEY, running
from support.servers import API, create_run

KEYS = ("flask-secret-key", "gateway-passphrase", "webhook-key")
FILL = Path(__file__).parents[1] / "support" / "fill.py"
# Experiments, runs, metrics of each run, bytes of the one big artifact.
SMALL, WHOLE = (50, 60, 200, 20 << 20), (50, 5000, 100, 200 << 20)
USER, USER_PASSWORD = "dana", "dana's % pässword"


@dataclass
class Filled:
    """A deployment with basic authentication, and all that was written to it."""

    deployment: Deployment
    wrote: Path
    rows: Callable[[], dict[str, dict[str, int]]]
    files: Callable[[], dict[str, str]]
    wipe: Callable[[], None]
    acknowledged: list[str] = field(default_factory=list)

    @property
    def password(self) -> str:
        return self.deployment.password()

    def script(self, act: str, *arguments: str) -> None:
        environment = {
            "MLFLOW_TRACKING_USERNAME": ADMIN,
            "MLFLOW_TRACKING_PASSWORD": self.password,
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.wrote.parent),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [str(self.deployment.interpreter), str(FILL), act, self.deployment.url, str(self.wrote)]
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, timeout=3000, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    def client(self) -> Any:
        return self.deployment.client(username=ADMIN, password=self.password)

    @contextlib.contextmanager
    def written_to(self) -> Iterator[None]:
        """Three clients that write runs for as long as this lasts."""
        stop = threading.Event()

        def write() -> None:
            client = self.client()
            while not stop.is_set():
                with contextlib.suppress(ServerError):
                    run = create_run(client)
                    client.post(f"{API}/runs/log-metric", {"run_id": run, "key": "x", "value": 1, "timestamp": 1})
                    self.acknowledged.append(run)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _fill(filled: Filled, size: tuple[int, int, int, int]) -> Filled:
    client = filled.client()
    client.post(f"{API}/users/create", {"username": USER, "password": USER_PASSWORD})
    filled.script("fill", *map(str, size))
    grant = {"username": USER, "resource_type": "experiment", "resource_id": "1", "permission": "MANAGE"}
    client.post("/api/3.0/mlflow/users/permissions/grant", grant)
    return filled


@contextlib.contextmanager
def sqlite_and_folder(environments: Environments, wrote: Path, size: tuple[int, int, int, int]) -> Iterator[Filled]:
    deployment = Deployment(environments, "light", mlflow_server_auth="basic", mlflow_server_smoke_test="false")
    database, artifacts = deployment.data / "database", deployment.data / "artifacts"

    def wipe() -> None:
        shutil.rmtree(artifacts)
        for path in database.iterdir():
            path.unlink()

    def rows() -> dict[str, dict[str, int]]:
        return {"tracking": sqlite_rows(database / "mlflow.db"), "auth": sqlite_rows(database / "auth.db")}

    try:
        deployment.deploy().succeeded()
        yield _fill(Filled(deployment, wrote, rows, lambda: hashes(artifacts), wipe), size)
    finally:
        deployment.remove()


@contextlib.contextmanager
def postgresql_and_bucket(
    name: str,
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    s3: S3,
    wrote: Path,
    size: tuple[int, int, int, int],
) -> Iterator[Filled]:
    """PostgreSQL with an owner, artifacts in a bucket, snapshots in another bucket."""
    tracking, users = databases.copy(name), databases.copy_of_users(f"{name}_auth")
    postgresql.let_owner_create_databases()
    deployment = Deployment(
        environments,
        "throughput",
        mlflow_server_auth="basic",
        mlflow_server_auth_password_file=str(databases.admin_password_file),
        mlflow_server_smoke_test="false",
        mlflow_artifact_store_type="external_s3",
        mlflow_artifact_store_uri=f"s3://artifacts/{name}",
        mlflow_backup_destination=f"s3://backups/{name}",
        mlflow_backup_pg_bindir=str(postgresql.tools),
        **s3.options("mlflow_artifact_store_"),
        **s3.options("mlflow_backup_"),
        **databases.variables(tracking, users),
    )
    bucket = s3.home / "data" / "artifacts" / name

    def wipe() -> None:
        shutil.rmtree(bucket)
        for database in (tracking, users):
            with postgresql.superuser() as connection:
                connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def rows() -> dict[str, dict[str, int]]:
        return {"tracking": postgresql.row_counts(tracking), "auth": postgresql.row_counts(users)}

    class OnPostgreSQL(Filled):
        @property
        def password(self) -> str:
            return ADMIN_PASSWORD

    try:
        deployment.deploy().succeeded()
        yield _fill(OnPostgreSQL(deployment, wrote, rows, lambda: hashes(bucket), wipe), size)
    finally:
        deployment.remove()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def on_sqlite(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with sqlite_and_folder(environments, tmp_path_factory.mktemp("filled") / "wrote.json", SMALL) as filled:
        yield filled


@pytest.fixture(scope="module")
def on_postgresql(
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    s3: S3,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Filled]:
    wrote = tmp_path_factory.mktemp("filled") / "wrote.json"
    with postgresql_and_bucket("backed", environments, databases, postgresql, s3, wrote, SMALL) as filled:
        yield filled


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def filled(request: pytest.FixtureRequest) -> Filled:
    found: Filled = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("filled", [pytest.param("on_sqlite", marks=pytest.mark.ci), "on_postgresql"], indirect=True)
def test_nothing_acknowledged_before_the_backup_is_lost(filled: Filled) -> None:
    backed_up_wiped_and_restored(filled)


@pytest.mark.soak
def test_nothing_of_a_deployment_of_whole_size_is_lost_on_sqlite(environments: Environments, tmp_path: Path) -> None:
    with sqlite_and_folder(environments, tmp_path / "wrote.json", WHOLE) as filled:
        backed_up_wiped_and_restored(filled)


@pytest.mark.soak
def test_nothing_of_a_deployment_of_whole_size_is_lost_on_postgresql(
    environments: Environments, databases: Databases, postgresql: PostgreSQL, s3: S3, tmp_path: Path
) -> None:
    wrote = tmp_path / "wrote.json"
    with postgresql_and_bucket("whole", environments, databases, postgresql, s3, wrote, WHOLE) as filled:
        backed_up_wiped_and_restored(filled)


def backed_up_wiped_and_restored(filled: Filled) -> None:
    deployment = filled.deployment
    checked = deployment.play("backup", "--check").succeeded()
    assert "Check mode: a snapshot could be written" in str(checked.of("Report what was written")["msg"])
    with filled.written_to():
        while len(filled.acknowledged) < 20:
            threading.Event().wait(0.05)
        before = list(filled.acknowledged)
        result = deployment.play("backup").succeeded()
    snapshot = result.of("Write a snapshot")["snapshot"]
    assert set(snapshot["databases"]) == {"tracking", "auth"}
    assert len(filled.acknowledged) > len(before), "nobody wrote while the backup ran"
    files = filled.files()

    drilled = deployment.play("drill").succeeded()
    assert "Proven" in drilled.of("Report what was proven")["msg"]
    assert drilled.stats["changed"] == 0

    refused = deployment.play("restore")
    assert refused.code != 0 and "-e mlflow_restore=true" in refused.message

    deployment.supervisorctl("stop", "all")
    filled.wipe()
    restored = deployment.play("restore", mlflow_restore="true").succeeded()
    assert filled.rows() == {what: database["rows"] for what, database in snapshot["databases"].items()}
    found = filled.files()
    assert found.items() <= files.items() and len(found) == snapshot["artifacts"]["count"]
    said = restored.of("Report what was restored")["msg"]
    assert "the server is healthy" in said
    print("\n" + str(result.of("Report what was written")["msg"]) + str(said))  # shown by pytest -s
    assert restored.of("Load the snapshot, compare it, put it in place")["secrets"] == dict.fromkeys(KEYS, "same")

    filled.script("read")  # the real client
    client = filled.client()
    for run in before:
        client.get(f"{API}/runs/get", {"run_id": run})
    dana = deployment.client(username=USER, password=USER_PASSWORD)
    tag = {"experiment_id": "1", "key": "by", "value": "dana"}
    dana.post(f"{API}/experiments/set-experiment-tag", tag)  # which only her permission of this experiment allows
    with pytest.raises(ServerError, match="403"):
        dana.post(f"{API}/experiments/set-experiment-tag", {**tag, "experiment_id": "2"})
    for secret in (SECRET_KEY, ACCESS_KEY + "\n", OWNER_PASSWORD, SERVER_PASSWORD, filled.password):
        assert secret not in deployment.output


def test_a_restore_over_live_data_keeps_it_until_the_restored_server_is_healthy(filled: Filled) -> None:
    deployment = filled.deployment
    deployment.play("backup").succeeded()
    before = filled.rows()
    create_run(filled.client())
    assert filled.rows() != before
    kept = deployment.play("restore", mlflow_restore="true", mlflow_restore_keep_replaced="true").succeeded()
    replaced = kept.of("Load the snapshot, compare it, put it in place")["replaced"]
    assert replaced and filled.rows() == before
    again = deployment.play("restore", mlflow_restore="true").succeeded()
    removed = again.of("Remove what was replaced, because the restored servers are healthy")["removed"]
    assert removed and set(removed).isdisjoint(replaced)
    assert filled.rows() == before
    filled.script("read")


def test_one_per_cent_of_change_costs_at_most_three_per_cent(filled: Filled) -> None:
    deployment = filled.deployment
    first = deployment.play("backup").succeeded().of("Write a snapshot")["snapshot"]
    wrote = json.loads(filled.wrote.read_text())
    client = filled.client()
    for number in range(1):  # of 60 runs with 200 metrics each
        run = create_run(client)
        metrics = [{"key": f"m{n % 10}", "value": n, "timestamp": 1 + n, "step": n} for n in range(200)]
        client.post(f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics})
        path = f"/api/2.0/mlflow-artifacts/artifacts/{wrote['experiments'][0]}/{run}/artifacts/new"
        client.request("PUT", path, bytes([number]) * 1000)
    second = deployment.play("backup").succeeded().of("Write a snapshot")["snapshot"]
    assert second["new_bytes"] <= 0.03 * first["size"], (second["new_bytes"], first["size"])


def test_the_schedule_runs_the_same_backup_and_a_second_deployment_changes_nothing(on_sqlite: Filled) -> None:
    deployment = on_sqlite.deployment
    wish = {"mlflow_backup_enabled": "true", "mlflow_backup_scheduler": "none"}
    deployment.deploy(**wish).succeeded()
    assert deployment.deploy(**wish).succeeded().stats["changed"] == 0
    folder = deployment.data / "operations"
    command = [
        str(folder / "mlflow-ops"),
        "backup",
        "--settings",
        str(folder / "settings.json"),
        "--prune",
        "--low-priority",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert protocol.result_of(done.stdout)["snapshot"]["databases"].keys() == {"tracking", "auth"}
    assert json.loads((folder / "run" / "last-backup.json").read_text())["failed_run"] is False
    assert "Stored" in done.stderr
    (deployment.data / "database" / "auth.db").rename(deployment.data / "gone")  # so that the next one fails
    try:
        assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 1
    finally:
        (deployment.data / "gone").rename(deployment.data / "database" / "auth.db")
    said = str(deployment.play("status", **wish).succeeded().of("Show the status")["msg"])
    assert "the last backup failed at" in said and "auth.db does not exist" in said


def test_status_tells_of_the_newest_snapshot_and_of_an_overdue_one(on_sqlite: Filled) -> None:
    deployment = on_sqlite.deployment
    deployment.play("backup").succeeded()
    said = str(deployment.play("status").succeeded().of("Show the status")["msg"])
    assert "Backup       2" in said and "overdue" not in said
    said = str(
        deployment.play("status", mlflow_backup_max_age_hours="0.000001").succeeded().of("Show the status")["msg"]
    )
    assert "h old" in said


def settings(filled: Filled, s3: S3, postgresql: PostgreSQL, databases: Databases, **more: Any) -> dict[str, Any]:
    return {
        "destination": "s3://backups/backed",
        **s3.options(),
        "database_uri": postgresql.uri("backed"),
        "auth_uri": postgresql.uri("backed_auth"),
        "database_password_file": str(databases.owner_password_file),
        "pg_bindir": str(postgresql.tools),
        **more,
    }


@pytest.fixture(scope="module")
def snapshot_there(on_postgresql: Filled, s3: S3, postgresql: PostgreSQL, databases: Databases) -> None:
    given = settings(on_postgresql, s3, postgresql, databases)
    result = run_module("mlflow_backup", given, interpreter=on_postgresql.deployment.interpreter)
    assert result.get("changed") is True, result


@pytest.mark.usefixtures("snapshot_there")
@pytest.mark.parametrize("module", ["mlflow_backup", "mlflow_restore"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wrong password", "authentication failed"),
        ("wrong secret key", "the keys"),
        ("no bucket", "the bucket does not exist"),
        ("unreachable", "cannot be reached"),
        ("no tools", "Install PostgreSQL's client tools"),
    ],
)
def test_what_cannot_be_reached_is_said_and_nothing_changes(
    on_postgresql: Filled,
    s3: S3,
    postgresql: PostgreSQL,
    databases: Databases,
    module: str,
    fault: str,
    words: str,
    tmp_path: Path,
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wr0ng")
    change: dict[str, dict[str, Any]] = {
        "wrong password": {"database_password_file": str(wrong)},
        "wrong secret key": {"secret_key_file": str(wrong)},
        "no bucket": {"destination": "s3://nowhere/at-all"},
        "unreachable": {"endpoint": "http://127.0.0.1:9"},
        "no tools": {"pg_bindir": str(tmp_path)},
    }
    before = on_postgresql.rows()
    given = settings(on_postgresql, s3, postgresql, databases, **change[fault])
    result = run_module(module, given, interpreter=on_postgresql.deployment.interpreter)
    assert result.get("failed") and words in result["msg"], result.get("msg")
    assert "wr0ng" not in json.dumps(result) and "Traceback" not in result["msg"]
    assert on_postgresql.rows() == before


@pytest.mark.usefixtures("snapshot_there")
def test_a_restore_under_open_connections_is_refused(
    on_postgresql: Filled, s3: S3, postgresql: PostgreSQL, databases: Databases
) -> None:
    on_postgresql.deployment.wait_until_healthy(username=ADMIN, password=ADMIN_PASSWORD)
    given = settings(on_postgresql, s3, postgresql, databases)
    result = run_module("mlflow_restore", given, interpreter=on_postgresql.deployment.interpreter)
    assert result.get("failed") and "Stop the servers first" in result["msg"]


@pytest.mark.usefixtures("snapshot_there")
def test_a_role_that_may_not_create_databases_is_told_what_to_do(
    on_postgresql: Filled, s3: S3, postgresql: PostgreSQL, databases: Databases
) -> None:
    with postgresql.superuser() as connection:
        connection.execute(f"ALTER ROLE {OWNER} NOCREATEDB")
    try:
        given = settings(on_postgresql, s3, postgresql, databases, drill=True)
        result = run_module("mlflow_restore", given, interpreter=on_postgresql.deployment.interpreter)
        assert result.get("failed") and f'ALTER ROLE "{OWNER}" CREATEDB;' in result["msg"]
    finally:
        with postgresql.superuser() as connection:
            connection.execute(f"ALTER ROLE {OWNER} CREATEDB")


def test_a_schema_newer_than_the_server_is_refused(
    on_postgresql: Filled, s3: S3, postgresql: PostgreSQL, databases: Databases
) -> None:
    given = settings(on_postgresql, s3, postgresql, databases, name="newer", auth_uri="")
    newer = databases.copy("newer_schema")
    with postgresql.superuser(newer) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    interpreter = on_postgresql.deployment.interpreter
    given["database_uri"] = postgresql.uri(newer)
    taken = run_module("mlflow_backup", given, interpreter=interpreter)["snapshot"]["id"]
    before = on_postgresql.rows()
    given |= {"database_uri": postgresql.uri("backed"), "snapshot": taken, "drill": True}
    result = run_module("mlflow_restore", given, interpreter=interpreter)
    assert result.get("failed") and "is newer than the MLflow installed here" in result["msg"]
    assert on_postgresql.rows() == before
