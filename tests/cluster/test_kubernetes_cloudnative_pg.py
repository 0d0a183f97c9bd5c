"""PostgreSQL that CloudNativePG runs: two instances, backups, and the end of the one that is written to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl, eventually, name
from support.kubernetes.snapshots import ask, what_was_deleted_after_a_backup_is_there_again_after_the_restore
from support.testbed.cloudnative_pg import POSTGRESQL

pytestmark = pytest.mark.cluster

SEARCH = ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 100})


class Operated(Deployment):
    def primary(self) -> str:
        [pod] = self.kubectl.items("pods", "--selector=cnpg.io/cluster=mlflow-database,cnpg.io/instanceRole=primary")
        return name(pod)

    def sql(self, statement: str, database: str = "mlflow") -> str:
        psql = ["psql", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", f"--command={statement}", database]
        # Named, because kubectl says otherwise which of several containers it takes.
        return self.kubectl("exec", self.primary(), "--container=postgres", "--", *psql).strip()


@pytest.fixture(scope="module")
def operated(cluster: Kubectl) -> Iterator[Deployment]:
    deployment = Operated(
        cluster,
        "t-operated",
        mlflow_database_type="cloudnative_pg",
        mlflow_database_image=POSTGRESQL,
        mlflow_database_run_as=999,
        mlflow_database_instances=2,
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_backup_enabled=True,
        mlflow_backup_storage_size="1Gi",
    )
    with deployment.deployed():
        yield deployment


def test_a_second_run_changes_nothing(operated: Deployment) -> None:
    assert operated.deploy().succeeded().stats["changed"] == 0


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(operated: Deployment) -> None:
    what_was_deleted_after_a_backup_is_there_again_after_the_restore(operated)


def test_the_servers_go_on_with_the_other_instance(operated: Operated) -> None:
    names = {f"before-{number}" for number in range(20)}
    for one in names:
        assert ask(operated, "POST", "/api/2.0/mlflow/experiments/create", {"name": one})[0] == 200
    written = operated.sql("SELECT pg_current_wal_lsn()", "postgres")
    replayed = f"SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '{written}'"
    eventually("the other instance has all of it", lambda: operated.sql(replayed, "postgres") == "1", 180)
    first = operated.primary()
    operated.kubectl("delete", "pod", first, "--grace-period=0", "--force")
    eventually("another is written to", lambda: _primary_of(operated) not in ("", first), 120)
    eventually("the servers write again", lambda: _creates(operated), 120)
    found = {one["name"] for one in json.loads(ask(operated, *SEARCH)[1])["experiments"]}
    assert names <= found
    assert operated.play("health").succeeded().of("Report the verdict")["msg"].startswith("healthy at level ")


def _primary_of(operated: Operated) -> str:
    cluster: dict[str, Any] = operated.kubectl.json("get", "clusters.postgresql.cnpg.io", "mlflow-database")
    return str(cluster["status"].get("currentPrimary", ""))


def _creates(operated: Operated) -> bool:
    status, said = ask(operated, "POST", "/api/2.0/mlflow/experiments/create", {"name": "after"})
    return status == 200 or b"RESOURCE_ALREADY_EXISTS" in said
