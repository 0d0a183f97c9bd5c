"""The target cratedb_seaweedfs: one server, CrateDB or its stand-in, and a real SeaweedFS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from support.kubernetes import processes
from support.kubernetes.cratedb import CrateDBDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import STORE, Kubectl, eventually, name
from support.kubernetes.load import under_load
from support.kubernetes.secrets import secrets_in_clear
from support.kubernetes.snapshots import WEIGHTS, ask, what_was_deleted_after_a_backup_is_there_again_after_the_restore
from support.kubernetes.uploads import uploading

pytestmark = pytest.mark.cluster

ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/before/removal"
CREATE, BY_NAME = "/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow/experiments/get-by-name?experiment_name="
CLAIMS = {"data-mlflow-database-0", "mlflow-database-repository", "mlflow-artifacts"}
# What the user of the servers says to CrateDB, in a server's pod.
AS_THE_SERVER = """
import os, sys
from mlflow_ops.database.kinds import database
with database("crate://mlflow@mlflow-database:4200/?schema=mlflow", os.environ["PGPASSWORD"]).ask() as ask:
    print(ask(sys.argv[1]))
"""
Started = tuple[CrateDBDeployment, dict[str, str], set[tuple[str, str]]]


@pytest.fixture(scope="module")
def started(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A deployment from nothing, its secrets, and which of them were seen in clear meanwhile."""
    variables, folder = variables_of_the_cluster(), tmp_path_factory.mktemp("screens")
    more = {"mlflow_backup_enabled": True, "mlflow_backup_storage_size": "1Gi"}
    deployment = CrateDBDeployment(cluster, "t-crate", variables, **more)
    deployment.remove(wait=True)
    try:
        secrets, found = secrets_in_clear(deployment, folder)
        deployment.variables["mlflow_server_access_log"] = True
        yield deployment, secrets, found
    finally:
        deployment.remove(wait=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def crate(started: Started) -> CrateDBDeployment:
    return started[0]


def test_secrets_appear_nowhere(started: Started) -> None:
    _crate, secrets, found = started
    assert set(secrets) >= {
        "mlflow-database/password", "mlflow-database/owner-password", "mlflow-artifacts/access-key",
        "mlflow-artifacts/secret-key", "mlflow-artifacts/admin-access-key", "mlflow-artifacts/admin-secret-key",
    }  # fmt: skip
    assert found == set()


def test_a_second_run_changes_nothing(crate: CrateDBDeployment) -> None:
    assert crate.deploy().succeeded().stats["changed"] == 0


def test_it_is_healthy_at_the_fullest_level(crate: CrateDBDeployment) -> None:
    health = crate.play("health", mlflow_health_level="full").succeeded()
    assert health.of("Report the verdict")["msg"].startswith("healthy at level full")


def test_two_servers_are_refused_and_one_goes_on(crate: CrateDBDeployment) -> None:
    before = [name(pod) for pod in crate.servers()]
    refused = crate.deploy(mlflow_server_replicas=2, mlflow_server_max_replicas=2)
    assert refused.code and "On CrateDB exactly one server may run" in refused.message
    assert not refused.stats["changed"] and [name(pod) for pod in crate.servers()] == before


def test_the_servers_user_can_make_and_drop_no_table(crate: CrateDBDeployment) -> None:
    def say(statement: str) -> str:
        return crate.kubectl.execute(crate.server(), "python", "-c", AS_THE_SERVER, statement, check=False)

    assert "[(1,)]" in say("SELECT count(*) FROM experiments WHERE experiment_id = 0")
    for statement in ("DROP TABLE runs", "CREATE TABLE mine (id INT)"):
        assert "Missing 'DDL' privilege" in say(statement), statement


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(crate: CrateDBDeployment) -> None:
    what_was_deleted_after_a_backup_is_there_again_after_the_restore(crate)


def test_no_acknowledged_artifact_is_lost_when_seaweedfs_is_killed(crate: CrateDBDeployment) -> None:
    processes.need_host_of(crate.kubectl)
    with uploading(crate) as seen:
        eventually("uploads before", lambda: len(seen.acknowledged) > 20)
        [store] = crate.kubectl.pods(STORE)
        processes.kill(store)
        killed = len(seen.acknowledged)
        eventually("uploads after", lambda: len(seen.acknowledged) > killed + 20, 240)
    print(f"\n{len(seen.acknowledged)} uploads acknowledged, {len(seen.refused)} refused {sorted(set(seen.refused))}")
    assert seen.lost(crate) == []


def test_no_acknowledged_write_is_lost_when_cratedb_is_killed(crate: CrateDBDeployment) -> None:
    processes.need_host_of(crate.kubectl)
    with under_load(crate, threads=2) as seen:
        eventually("writes before", lambda: seen.answers > 20)
        processes.kill(crate.database())
        killed = seen.answers
        eventually("writes after", lambda: seen.answers > killed + 20, 240)
    print(f"\n{seen}")
    assert seen.lost(crate) == {}


def test_a_removal_keeps_data_and_passwords_unless_it_is_told_otherwise(crate: CrateDBDeployment) -> None:
    assert ask(crate, "POST", CREATE, {"name": "before-removal"})[0] == 200
    assert ask(crate, "PUT", ARTIFACT, WEIGHTS)[0] == 200
    secrets = crate.secrets()
    crate.destroy().succeeded()
    assert not crate.kubectl.items("deployments") and not crate.kubectl.items("statefulsets")
    assert {name(claim) for claim in crate.kubectl.items("persistentvolumeclaims")} >= CLAIMS
    assert crate.secrets() == secrets
    crate.deploy().succeeded()
    found = json.loads(ask(crate, "GET", f"{BY_NAME}before-removal")[1])
    assert found["experiment"]["lifecycle_stage"] == "active"
    assert ask(crate, "GET", ARTIFACT) == (200, WEIGHTS)
    crate.destroy(mlflow_remove_data=True).succeeded()
    assert [name(claim) for claim in crate.kubectl.items("persistentvolumeclaims")] == ["mlflow-backup"]
    crate.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert not crate.kubectl.items("persistentvolumeclaims")
