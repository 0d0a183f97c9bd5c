"""A filled PostgreSQL, upgraded from versions that people come from: what fails on the way leads back to the old."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import indexes
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from support.databases import ADMIN_PASSWORD, Databases
from support.environments import Environments, pinned_version
from support.host.deployment import Deployment
from support.playbooks import PlayResult
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, PostgreSQL
from support.servers import API, create_run

FILL = Path(__file__).parents[1] / "support" / "fill.py"
SAME_SCHEMA = "3.17.1"
USER, USER_PASSWORD = "dana", "dana's % pässword"
SIZE = ("4", "30", "200", "1000000")  # experiments, runs, metrics of each, bytes of the big artifact


@dataclass
class Old:
    """A deployment of an old version, and what was written to it."""

    deployment: Deployment
    version: str
    database: str
    wrote: Path
    postgresql: PostgreSQL | None = None
    acknowledged: list[str] = field(default_factory=list)

    @property
    def served(self) -> str:
        return self.client().get("/version").body.decode().strip()

    @property
    def indexes(self) -> set[str]:
        """Those beyond MLflow's own that are whole."""
        assert self.postgresql
        with self.postgresql.superuser(self.database) as connection:
            found = connection.execute(
                "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
                "WHERE x.indisvalid AND starts_with(i.relname, %s)",
                (indexes.PREFIX,),
            ).fetchall()
        return {str(name).removeprefix(indexes.PREFIX) for (name,) in found}

    def client(self) -> Any:
        return self.deployment.client()

    def interpreter(self, version: str) -> Path:
        return next(self.deployment.home.glob(f"environments/{version}-*/bin/python"))

    def script(self, act: str, version: str) -> None:
        """With the real client of a version."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.wrote.parent),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [str(self.interpreter(version)), str(FILL), act, self.deployment.url, str(self.wrote)]
        arguments = SIZE if act == "fill" else ()
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """A client that writes runs for as long as it can."""
        stop = threading.Event()

        def write() -> None:
            client = self.client()
            while not stop.wait(0.02):
                try:
                    self.acknowledged.append(create_run(client))
                except ServerError:
                    time.sleep(0.2)  # it is being upgraded

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def holds_everything(self) -> bool:
        client = self.client()
        for run in self.acknowledged:
            client.get(f"{API}/runs/get", {"run_id": run})
        return bool(self.acknowledged)


@contextmanager
def cannot_start(interpreter: Path) -> Iterator[None]:
    """Whatever this Python would serve fails as soon as it starts."""
    broken = next(interpreter.parents[1].glob("lib/python3*/site-packages")) / "sitecustomize.py"
    broken.write_text(BROKEN)
    try:
        yield
    finally:
        broken.unlink()


def changes(result: PlayResult) -> list[str]:
    return [task for task, found in result.results if found.get("changed")]


def deployed(
    version: str, environments: Environments, databases: Databases, postgresql: PostgreSQL, folder: Path
) -> Iterator[Old]:
    name = f"old_{version.replace('.', '_')}"
    tracking = postgresql.create_database(name)
    postgresql.let_owner_create_databases()
    deployment = Deployment(
        environments,
        "throughput",
        mlflow_backup_pg_bindir=str(postgresql.tools),
        **databases.variables(tracking, tracking),
    )
    deployment.variables["mlflow_database_uri"] = postgresql.uri(tracking, SERVER, "psycopg2")
    deployment.install_itself()
    old = Old(deployment, version, tracking, folder / "wrote.json", postgresql)
    try:
        deployment.deploy(mlflow_version=version).succeeded()
        old.script("fill", version)
        with postgresql.superuser(tracking) as connection:
            for index, offered in indexes.OFFERED.items():
                connection.execute(f"CREATE INDEX {indexes.PREFIX}{index} ON {offered.table} {offered.definition}")
        yield old
    finally:
        deployment.remove()


@pytest.fixture(params=[pytest.param("2.22.5", marks=pytest.mark.soak), "3.12.0"])
def old(
    request: pytest.FixtureRequest,
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    tmp_path: Path,
) -> Iterator[Old]:
    yield from deployed(request.param, environments, databases, postgresql, tmp_path)


def test_an_upgrade_says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(old: Old) -> None:
    deployment, new = old.deployment, pinned_version()
    refused = deployment.deploy()
    assert refused.code != 0 and "Upgrade it: ansible-playbook " in refused.message
    assert old.served == old.version

    planned = deployment.play("upgrade").succeeded()
    said = str(planned.of("Report what the upgrade does")["msg"])
    assert f"MLflow {old.version} to MLflow {new}" in said and "75868b020152 destructive" in said
    assert "runs_as_listed" in said
    assert "Nothing that serves was touched. To upgrade:" in said and "-e mlflow_upgrade=true" in said
    assert old.served == old.version

    with old.written_to():
        time.sleep(1)
        # What only shows once the migration is done.
        with cannot_start(old.interpreter(new)):
            failed = deployment.play("upgrade", mlflow_upgrade="true")
        assert failed.code != 0
        assert f"MLflow {old.version} serves again, after " in failed.message
        assert "broken on purpose" in failed.message
        assert old.served == old.version
        time.sleep(1)
        before = len(old.acknowledged)
        time.sleep(1)
        assert len(old.acknowledged) > before, "nobody could write after it went back"
    assert old.holds_everything()
    old.script("read", old.version)

    with old.written_to():
        upgraded = deployment.play("upgrade", mlflow_upgrade="true").succeeded()
        time.sleep(1)
    assert "Away for" in str(upgraded.of("Report what was done")["msg"])
    assert old.served == new
    assert old.holds_everything()
    assert old.indexes == set(indexes.OFFERED), "an upgrade leaves indexes as they are"
    old.script("read", new)
    for unwanted in (OWNER_PASSWORD, SERVER_PASSWORD, "junk after the JSON data"):
        assert unwanted not in deployment.output

    again = deployment.play("upgrade", mlflow_upgrade="true").succeeded()
    assert changes(again) == [] and "Nothing to do" in str(again.of("Report what the upgrade does")["msg"])
    assert changes(deployment.deploy().succeeded()) == []

    # As its last words say. It serves what it served before.
    snapshot = re.findall(r"mlflow_snapshot=(\S+)", str(upgraded.of("Report what was done")["msg"]))[0]
    old_again = {"mlflow_version": old.version, "mlflow_snapshot": snapshot}
    deployment.play("restore", mlflow_restore="true", mlflow_restore_deploy="true", **old_again).succeeded()
    assert old.served == old.version
    assert old.indexes == set(indexes.OFFERED), "a restore brings indexes back"
    old.script("read", old.version)


def test_a_version_with_the_same_schema_is_only_put_in_the_place_of_the_other(environments: Environments) -> None:
    deployment, new = Deployment(environments, "light"), pinned_version()
    deployment.install_itself()
    old = Old(deployment, SAME_SCHEMA, "", Path())
    try:
        deployment.deploy(mlflow_version=SAME_SCHEMA).succeeded()
        planned = str(deployment.play("upgrade").succeeded().of("Report what the upgrade does")["msg"])
        assert f"MLflow {SAME_SCHEMA} to MLflow {new}" in planned and old.served == SAME_SCHEMA
        with old.written_to():
            time.sleep(1)
            with cannot_start(old.interpreter(new)):
                failed = deployment.play("upgrade", mlflow_upgrade="true", mlflow_server_health_timeout="20")
            assert f"MLflow {SAME_SCHEMA} serves again" in failed.message and "No data was touched" in failed.message
            upgraded = deployment.play("upgrade", mlflow_upgrade="true").succeeded()
            assert upgraded.of("Migrate while nobody writes").get("skipped"), "there was nothing to migrate"
        assert old.served == new and old.holds_everything()
        assert f"set mlflow_version to {SAME_SCHEMA}" in str(upgraded.of("Report what was done")["msg"])
        deployment.play("upgrade", mlflow_upgrade="true", mlflow_version=SAME_SCHEMA).succeeded()
        assert old.served == SAME_SCHEMA and old.holds_everything()
    finally:
        deployment.remove()


def test_a_database_that_another_mlflow_left_is_taken_over_with_its_users(
    environments: Environments, databases: Databases, postgresql: PostgreSQL
) -> None:
    tracking, users = postgresql.create_database("left"), postgresql.create_database("left_auth")
    postgresql.let_owner_create_databases()
    given = {"PGPASSWORD": OWNER_PASSWORD, "DANA": USER_PASSWORD, "ADMIN": ADMIN_PASSWORD, "PATH": "/usr/bin:/bin"}
    script = [str(environments.full / "bin" / "python"), "-c", AS_2_22, postgresql.uri(tracking), postgresql.uri(users)]
    done = subprocess.run(script, env=given, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    deployment = Deployment(
        environments,
        "throughput",
        mlflow_server_install="full",
        _mlflow_server_environment=str(environments.full),
        mlflow_server_auth="basic",
        mlflow_server_auth_password_file=str(databases.admin_password_file),
        mlflow_backup_pg_bindir=str(postgresql.tools),
        **databases.variables(tracking, users),
        mlflow_data_existing=True,  # its artifacts, too
    )
    (deployment.data / "artifacts").mkdir(0o700)  # of the other MLflow, too
    try:
        with postgresql.connect(OWNER, OWNER_PASSWORD, tracking):  # somebody who may be its server
            used = deployment.play("upgrade", mlflow_upgrade="true")
        assert used.code != 0 and f"in use by {OWNER} (1)" in used.message
        assert "No data was touched" in used.message

        taken = deployment.play("upgrade", mlflow_upgrade="true").succeeded()
        assert "a database without a server to MLflow" in str(taken.of("Report what the upgrade does")["msg"])
        dana = deployment.client(username=USER, password=USER_PASSWORD)
        tag = {"experiment_id": "1", "key": "by", "value": "dana"}
        dana.post(f"{API}/experiments/set-experiment-tag", tag)  # which only her permission of this experiment allows
        with pytest.raises(ServerError, match="403"):
            dana.post(f"{API}/experiments/set-experiment-tag", {**tag, "experiment_id": "2"})
        # What an upgrade has nothing to do with: that the folder of artifacts is this deployment's as well.
        assert changes(deployment.deploy().succeeded()) == ["mlops.mlflow.host_prerequisites : Make the folders"]
        assert changes(deployment.deploy().succeeded()) == []
    finally:
        deployment.remove()


# The schemas of MLflow 2.22, which did not write down a revision of the users', made by its own migrations.
AS_2_22 = """
import os, sys
import sqlalchemy
from alembic import command
from mlflow.server.auth.db import utils as auth
from mlflow.store.db import utils as tracking
from mlflow.store.tracking.dbmodels.initial_models import Base
from werkzeug.security import generate_password_hash

def engine(uri):
    return sqlalchemy.create_engine(sqlalchemy.engine.make_url(uri).set(password=os.environ["PGPASSWORD"]))

def migrate(config, engine, revision):
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

runs, users = map(engine, sys.argv[1:])
Base.metadata.create_all(runs)
migrate(tracking._get_alembic_config(sys.argv[1]), runs, "0584bdc529eb")
migrate(auth._get_alembic_config(sys.argv[2]), users, "8606fa83a998")
with runs.begin() as connection:
    connection.execute(sqlalchemy.text(
        "INSERT INTO experiments (name, artifact_location, lifecycle_stage) "
        "SELECT 'left-' || n, 'mlflow-artifacts:/' || n, 'active' FROM generate_series(1, 2) n"
    ))
with users.begin() as connection:
    for name, admin in (("admin", True), ("dana", False)):
        connection.execute(sqlalchemy.text(
            "INSERT INTO users (username, password_hash, is_admin) VALUES (:name, :hash, :admin)"
        ), {"name": name, "hash": generate_password_hash(os.environ[name.upper()]), "admin": admin})
    connection.execute(sqlalchemy.text(
        "INSERT INTO experiment_permissions (experiment_id, user_id, permission) "
        "SELECT '1', id, 'MANAGE' FROM users WHERE username = 'dana'"
    ))
    connection.execute(sqlalchemy.text("DROP TABLE alembic_version_auth"))
"""

BROKEN = """
import sys
if any("mlflow.server" in word for word in sys.orig_argv):
    raise SystemExit("broken on purpose")
"""
