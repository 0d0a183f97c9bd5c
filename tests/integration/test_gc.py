"""What users deleted goes for good, what they did not stays, and whatever gc did not do is a failure that says so."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import uploads
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import commands
from support.databases import ADMIN, ADMIN_PASSWORD, Databases
from support.environments import Environments
from support.files import hashes, sqlite_rows
from support.host.deployment import Deployment
from support.playbooks import PlayResult, run_module
from support.postgresql import OWNER_PASSWORD, SERVER_PASSWORD, PostgreSQL
from support.s3 import ACCESS_KEY, S3, SECRET_KEY, running
from support.servers import API, RunningServer, create_run

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
SHOW, REMOVE = "Show what there was and what there is", "Remove what was deleted long enough ago"
MANY = 1100  # more than S3 lists or deletes in one request
MAKE_LOCKABLE = """
import boto3, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
s3.create_bucket(Bucket="lockable", ObjectLockEnabledForBucket=True)
"""
HOLD = """
import boto3, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
s3.put_object_legal_hold(Bucket="lockable", Key=sys.argv[2], LegalHold={"Status": sys.argv[3]})
"""


@dataclass
class Used:
    """A deployment that people work with, and how to look behind it. C(settings): of its backups."""

    deployment: Deployment
    credentials: dict[str, str]
    rows: Callable[[], dict[str, int]]
    store: Path
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        self.client = self.deployment.client(**self.credentials)

    @property
    def files(self) -> dict[str, str]:
        return hashes(self.store)

    def experiment(self, name: str) -> str:
        return str(self.client.post(f"{API}/experiments/create", {"name": name}).json()["experiment_id"])

    def run(self, experiment: str, **more: Any) -> str:
        run = create_run(self.client, experiment)
        metric = {"run_id": run, "key": "loss", "value": 1, "timestamp": 1, **more}
        self.client.post(f"{API}/runs/log-metric", metric)
        self.client.post(f"{API}/runs/log-parameter", {"run_id": run, "key": "depth", "value": "3"})
        self.put(f"{experiment}/{run}/artifacts/deep/model.bin", run.encode())
        return run

    def model(self, experiment: str) -> str:
        wish = {"experiment_id": experiment, "name": "m", "params": [{"key": "a", "value": "b"}]}
        model = str(self.client.post(f"{API}/logged-models", wish).json()["model"]["info"]["model_id"])
        self.put(f"{experiment}/models/{model}/artifacts/model.bin", model.encode())
        return model

    def put(self, path: str, data: bytes) -> None:
        self.client.request("PUT", f"{ARTIFACTS}/{path}", data)

    def delete(self, *runs: str) -> None:
        for run in runs:
            self.client.post(f"{API}/runs/delete", {"run_id": run})

    def gc(self, *options: str, **variables: str) -> PlayResult:
        return self.deployment.play("gc", *options, **{"mlflow_gc_older_than": "0s", **variables})


@pytest.fixture(scope="module")
def on_sqlite(environments: Environments) -> Iterator[Used]:
    deployment = Deployment(environments, "light", mlflow_server_smoke_test="false")
    database, artifacts = deployment.data / "database" / "mlflow.db", deployment.data / "artifacts"
    settings = {
        "destination": str(deployment.data / "backup"),
        "database_uri": f"sqlite:///{database}",
        "artifacts_uri": str(artifacts),
    }
    try:
        deployment.deploy().succeeded()
        yield Used(deployment, {}, lambda: sqlite_rows(database), artifacts, settings)
    finally:
        deployment.remove()


@pytest.fixture(scope="module")
def s3(environments: Environments) -> Iterator[S3]:
    """With a bucket in which objects can be held against deletion."""
    with running() as server:
        in_boto(environments, server, MAKE_LOCKABLE)
        yield server


@pytest.fixture(scope="module")
def on_postgresql(environments: Environments, databases: Databases, postgresql: PostgreSQL, s3: S3) -> Iterator[Used]:
    """Under the role that may not change the schema, with basic authentication and artifacts in a bucket."""
    tracking, users = databases.copy("collected"), databases.copy_of_users("collected_auth")
    postgresql.let_owner_create_databases()
    deployment = Deployment(
        environments,
        "throughput",
        mlflow_server_auth="basic",
        mlflow_server_auth_password_file=str(databases.admin_password_file),
        mlflow_server_smoke_test="false",
        mlflow_artifact_store_type="external_s3",
        mlflow_artifact_store_uri="s3://lockable/mlflow",
        mlflow_backup_pg_bindir=str(postgresql.tools),
        **s3.options("mlflow_artifact_store_"),
        **databases.variables(tracking, users),
    )
    settings = {
        "destination": str(deployment.data / "backup"),
        "database_uri": postgresql.uri(tracking),
        "auth_uri": postgresql.uri(users),
        "database_password_file": str(databases.owner_password_file),
        "artifacts_uri": "s3://lockable/mlflow",
        "pg_bindir": str(postgresql.tools),
        **s3.options("artifacts_"),
    }
    try:
        deployment.deploy().succeeded()
        credentials = {"username": ADMIN, "password": ADMIN_PASSWORD}
        store = s3.home / "data" / "lockable" / "mlflow"
        yield Used(deployment, credentials, lambda: postgresql.row_counts(tracking), store, settings)
    finally:
        deployment.remove()


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def used(request: pytest.FixtureRequest) -> Used:
    found: Used = request.getfixturevalue(request.param)
    return found


def in_boto(environments: Environments, s3: S3, code: str, *arguments: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    command = [str(environments.slim / "bin" / "python"), "-c", code, s3.endpoint, *arguments]
    subprocess.run(command, env=keys, check=True, capture_output=True, timeout=60)


def test_what_was_deleted_goes_with_its_files_and_everything_else_stays(used: Used) -> None:
    client = used.client
    kept = used.experiment("kept")
    used.run(kept)
    used.model(kept)
    rows, files = used.rows(), used.files

    old = used.experiment("old")
    model = used.model(kept)
    client.request("DELETE", f"{API}/logged-models/{model}")
    of_old = used.model(old)
    single, *of_experiment = used.run(kept, model_id=model), used.run(old, model_id=of_old), used.run(old)
    restored = of_experiment[-1]
    folder = used.store / kept / single / "artifacts"
    for number in range(MANY):
        (folder / str(number)).write_bytes(b"x")
    used.put(f"{old}/traces/tr-1/artifacts/traces.json", b"{}")
    source = f"mlflow-artifacts:/{kept}/{single}/artifacts/deep"
    client.post(f"{API}/registered-models/create", {"name": "in-use"})
    client.post(f"{API}/model-versions/create", {"name": "in-use", "source": source, "run_id": single})
    used.delete(single)
    client.post(f"{API}/experiments/delete", {"experiment_id": old})
    client.post(f"{API}/runs/restore", {"run_id": restored})  # which does not save it: its experiment is deleted
    before, before_files = used.rows(), used.files
    assert len(before_files) >= MANY

    checked = used.gc("--check").succeeded()
    refused = used.gc()
    assert refused.code != 0
    assert "1 experiments, 3 runs and 2 logged models" in refused.message and "-e mlflow_gc=true" in refused.message
    for looked in (checked, refused):
        found = looked.of(REMOVE)
        assert {item["id"] for item in found["items"]} == {old, single, *of_experiment, model, of_old}
        said = str(looked.of(SHOW)["msg"])
        assert "Nothing was removed." in said and single in said and "in-use version 1 is registered" in said
    waits = used.gc(mlflow_gc="true", mlflow_gc_older_than="1h").succeeded()
    assert waits.of(REMOVE)["waiting"] == {"experiments": 1, "runs": 2, "logged_models": 1}
    assert (used.rows(), used.files) == (before, before_files)

    done = used.gc(mlflow_gc="true").succeeded()
    found = done.of(REMOVE)
    assert found["before"] == {
        "experiments": 1, "runs": 3, "logged_models": 2, "metrics": 3, "params": 3, "tags": 3, "traces": 0,
    }  # fmt: skip
    assert set(found["after"].values()) == {0} and found["left"] == [] and found["problems"] == []
    orphaned = {f"{old}/traces", f"{old}/models/{of_old}/artifacts", f"{old}/{restored}/artifacts"}
    assert set(found["orphaned"]) == {f"mlflow-artifacts:/{place}" for place in orphaned}
    registry = {"registered_models": 1, "model_versions": 1}
    assert used.rows() == {table: count + registry.get(table, 0) for table, count in rows.items()}
    stay = {name: digest for name, digest in before_files.items() if name.startswith(tuple(orphaned))}
    assert len(stay) == 3 and used.files == files | stay

    again = used.gc(mlflow_gc="true").succeeded()
    assert again.stats["changed"] == 0 and again.of(REMOVE)["items"] == []
    assert used.gc().succeeded(), "nothing is asked for where there is nothing to remove"
    for secret in (ADMIN_PASSWORD, SERVER_PASSWORD, OWNER_PASSWORD, SECRET_KEY):
        assert json.dumps(secret)[1:-1] not in used.deployment.output


def test_nothing_is_removed_while_the_server_cannot_be_reached(on_sqlite: Used) -> None:
    on_sqlite.delete(on_sqlite.run("0"))
    before = on_sqlite.rows()
    on_sqlite.deployment.supervisorctl("stop", "all")
    try:
        failed = on_sqlite.gc(mlflow_gc="true")
        assert failed.code != 0 and "Nothing accepts connections on 127.0.0.1" in failed.message
        assert on_sqlite.rows() == before
    finally:
        on_sqlite.deployment.supervisorctl("start", "all")
        on_sqlite.deployment.wait_until_healthy()


def test_a_server_of_another_database_is_refused(on_sqlite: Used, light_server: RunningServer) -> None:
    on_sqlite.delete(on_sqlite.run("0"))
    before = on_sqlite.rows()
    given = {"url": light_server.url, "database_uri": on_sqlite.settings["database_uri"], "older_than": "0s"}
    result = run_module("mlflow_gc", given, interpreter=on_sqlite.deployment.interpreter)
    assert result.get("failed") and "does not serve this database" in result["msg"], result
    assert on_sqlite.rows() == before


def test_the_command_of_containers_does_the_same(on_sqlite: Used) -> None:
    deployment = on_sqlite.deployment
    deployment.deploy(mlflow_backup_enabled="true", mlflow_backup_scheduler="none").succeeded()
    on_sqlite.gc(mlflow_gc="true").succeeded()
    on_sqlite.delete(run := on_sqlite.run("0"))
    command = [str(deployment.data / "operations" / "mlflow-ops"), "gc", "--url", deployment.url, "--older-than", "0s"]
    command += ["--database-uri", on_sqlite.settings["database_uri"]]
    for options, changes in ((["--check"], False), ([], True)):
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
        found = protocol.result_of(done.stdout)
        assert done.returncode == 0 and [item["id"] for item in found["items"]] == [run], done.stdout + done.stderr
        assert any(run in name for name in on_sqlite.files) is not changes
    assert found["after"]["runs"] == 0 and "MLflow's gc removes 1" in done.stderr


def test_a_folder_that_cannot_be_removed_is_a_failure_that_says_what_is_left(on_sqlite: Used) -> None:
    on_sqlite.gc(mlflow_gc="true").succeeded()
    runs = [on_sqlite.run("0") for _ in range(3)]
    stuck = on_sqlite.store / "0" / runs[1] / "artifacts"
    stuck.rename(moved := stuck.with_name("moved"))
    stuck.symlink_to(moved)  # which no recursive removal follows, whoever runs it
    on_sqlite.delete(*runs)
    failed = on_sqlite.gc(mlflow_gc="true")
    found = failed.of(REMOVE)
    assert failed.code != 0 and f"1 could not be removed, and were left as they are: run {runs[1]}" in failed.message
    assert "500" in failed.message and "removed were 2 of 3 runs" in failed.message
    assert found["after"]["runs"] == 1 and found["left"] == []
    stuck.unlink()
    moved.rename(stuck)
    assert on_sqlite.gc(mlflow_gc="true").succeeded().of(REMOVE)["after"]["runs"] == 0
    assert not stuck.exists()


def test_files_that_the_store_kept_are_a_failure_although_mlflow_sees_none(
    on_postgresql: Used, s3: S3, environments: Environments
) -> None:
    run = on_postgresql.run("0")
    key = f"mlflow/0/{run}/artifacts/deep/model.bin"
    in_boto(environments, s3, HOLD, key, "ON")
    on_postgresql.delete(run)
    failed = on_postgresql.gc(mlflow_gc="true")
    found = failed.of(REMOVE)
    in_boto(environments, s3, HOLD, key, "OFF")
    assert failed.code != 0 and "their files are still there" in failed.message
    assert found["left"] == [f"mlflow-artifacts:/0/{run}/artifacts"] and found["after"]["runs"] == 0
    assert len(found["problems"]) == 1, "MLflow itself said that all is well"


def test_a_backup_during_gc_is_whole_and_has_all_that_nobody_deleted(used: Used) -> None:
    used.gc(mlflow_gc="true").succeeded()
    experiment = used.experiment("busy")
    runs = [used.run(experiment) for _ in range(60)]
    kept, deleted = runs[::2], runs[1::2]
    files = {f"{experiment}/{run}/artifacts/deep/model.bin" for run in kept}
    used.delete(*deleted)
    during: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(used.gc, mlflow_gc="true")
        while not collecting.done():
            before = gone(used, deleted)
            taken = commands.create_backup(used.settings, check=False)["snapshot"]
            if before < gone(used, deleted):
                during.append(taken["id"])
    assert collecting.result().succeeded().of(REMOVE)["after"]["runs"] == 0
    assert during, "no backup ran while gc removed"

    for snapshot in {during[0], during[-1]}:
        found = commands.describe({**used.settings, "snapshot": snapshot}, verify="all")
        assert found["verified"]["snapshot"] == snapshot and found["problems"] == []
        drilled = commands.restore_snapshot({**used.settings, "snapshot": snapshot, "drill": True}, check=False)
        assert drilled["snapshot"]["id"] == snapshot
    whole = used.files
    for run in kept:
        used.client.request("DELETE", f"{ARTIFACTS}/{experiment}/{run}/artifacts/deep/model.bin")
    assert not files & set(used.files)
    used.deployment.play("restore", mlflow_restore="true", mlflow_snapshot=during[0]).succeeded()
    after = used.files
    assert {name: after[name] for name in files} == {name: whole[name] for name in files}
    for run in kept:
        found = used.client.get(f"{API}/runs/get", {"run_id": run}).json()["run"]["info"]
        assert found["lifecycle_stage"] == "active"
        assert after[f"{experiment}/{run}/artifacts/deep/model.bin"] == hashlib.sha256(run.encode()).hexdigest()
    used.gc(mlflow_gc="true").succeeded()  # of runs that came back deleted, and whose files are gone already


def gone(used: Used, deleted: list[str]) -> int:
    """How many of the deleted runs have no files any more."""
    names = {name.split("/")[1] for name in used.files}
    return len(set(deleted) - names)


def test_a_place_of_which_nobody_has_rights_stops_nothing_else(on_sqlite: Used) -> None:
    client = on_sqlite.client
    body = {"name": "out of reach", "artifact_location": "s3://not-ours/evil"}
    evil = str(client.post(f"{API}/experiments/create", body).json()["experiment_id"])
    stuck = create_run(client, evil)
    kept = on_sqlite.experiment("of others")
    others = [on_sqlite.run(kept) for _number in range(4)]
    old = on_sqlite.experiment("old one")
    on_sqlite.delete(stuck, *others)
    for experiment in (old, evil):
        client.post(f"{API}/experiments/delete", {"experiment_id": experiment})
    for turn in (1, 2):
        done = on_sqlite.gc(mlflow_gc="true")
        found = done.of(REMOVE)
        assert done.code != 0, "what could not be done is a failure, at the end"
        assert "2 could not be removed, and were left as they are: run " + stuck in done.message
        assert "s3://not-ours/evil" in done.message and f"experiment {evil}" in done.message
        assert found["after"]["runs"] == 1 and found["after"]["experiments"] == 1, f"turn {turn}"
    assert not [path for path in on_sqlite.files if any(run in path for run in others)]
    with sqlite3.connect(on_sqlite.deployment.data / "database" / "mlflow.db") as connection:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            reached = f"replace({column}, 's3://not-ours', 'mlflow-artifacts:')"
            connection.execute(f"UPDATE {table} SET {column} = {reached}")
    on_sqlite.gc(mlflow_gc="true").succeeded()


def test_the_name_of_an_upload_that_is_under_way_is_that_of_the_pinned_mlflow(environments: Environments) -> None:
    ask = "from mlflow.store.artifact import local_artifact_repo as one; print(one._TEMP_ARTIFACT_PREFIX)"
    command = [str(environments.slim / "bin" / "python"), "-c", ask]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == uploads.PREFIX
