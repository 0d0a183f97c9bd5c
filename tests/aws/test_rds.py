"""A PostgreSQL of RDS, from nothing to a last snapshot, against an emulator of AWS (moto)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.aws import ACCOUNT, REGION, SECRET, Play
from support.playbooks import PlayResult

Client = Callable[[str], Any]


@pytest.fixture
def cluster_connection(client: Client) -> dict[str, Any]:
    """What the role eks_cluster would say."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.99.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
    return {
        "name": "mlflow",
        "account": ACCOUNT,
        "region": REGION,
        "issuer": "oidc.example/id/1",
        "oidc_provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example/id/1",
        "vpc": vpc,
        "subnets": [subnet["SubnetId"] for subnet in subnets],
        "security_group": group,
    }


@pytest.fixture
def run(
    play: Play, cluster_connection: dict[str, Any], endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PlayResult]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": endpoint}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    given = {
        "rds_postgresql_name": f"mlflow-{uuid.uuid4().hex[:6]}",
        "rds_postgresql_cluster": cluster_connection,
        "rds_postgresql_host_file": str(tmp_path / "kube/host"),
    }

    def run_role(*options: str, entry: str = "main", **variables: Any) -> PlayResult:
        role = {"name": "mlops.mlflow.rds_postgresql", "tasks_from": entry}
        task = {"name": "Run the role", "ansible.builtin.include_role": role, "vars": {**given, **variables}}
        return play([task], *options)

    run_role.name = given["rds_postgresql_name"]  # type: ignore[attr-defined]
    return run_role


def password(client: Client, name: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])


def test_a_database_comes_with_a_standby_and_a_password_that_nobody_sees_and_leaves_a_snapshot(
    run: Callable[..., PlayResult], client: Client, cluster_connection: dict[str, Any], tmp_path: Path
) -> None:
    rds, name = client("rds"), f"{run.name}-database"  # type: ignore[attr-defined]
    would = run("--check").succeeded()
    assert f"RDS {name}: 2 db.m7g.large with 20 GiB each" in str(would.results)
    assert rds.describe_db_instances()["DBInstances"] == []
    made = run("-vvv", "--diff").succeeded()
    [instance] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert instance["MultiAZ"] and instance["StorageEncrypted"] and instance["DeletionProtection"]
    assert not instance["PubliclyAccessible"] and instance["BackupRetentionPeriod"] == 7
    assert (instance["Engine"], instance["DBName"], instance["MasterUsername"]) == ("postgres", "mlflow", "mlflow")
    first = password(client, name)
    assert len(first) == 40 and first not in made.output
    [group] = instance["VpcSecurityGroups"]
    rules = client("ec2").describe_security_groups(GroupIds=[group["VpcSecurityGroupId"]])["SecurityGroups"][0]
    [rule] = rules["IpPermissions"]
    assert (rule["FromPort"], rule["IpRanges"]) == (5432, [])
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [cluster_connection["security_group"]]
    # moto knows no parameters of a group, so that what is in it is not shown here.
    assert [one["DBParameterGroupName"] for one in instance["DBParameterGroups"]] == [f"{name}-postgres17"]
    host = instance["Endpoint"]["Address"]
    assert (tmp_path / "kube/host").read_text().strip() == host

    again = run().succeeded()
    assert [task for task, result in again.results if result.get("changed")] == []
    assert password(client, name) == first
    run(rds_postgresql_rotate=True).succeeded()
    assert password(client, name) != first

    refused = run(entry="remove")
    assert "rds_postgresql_remove_data=true removes it after a last snapshot" in refused.message
    run(entry="remove", rds_postgresql_remove_data=True).succeeded()
    assert rds.describe_db_instances()["DBInstances"] == []
    [snapshot] = rds.describe_db_snapshots(DBInstanceIdentifier=name)["DBSnapshots"]
    assert snapshot["DBSnapshotIdentifier"].startswith(f"{name}-last-")
    assert not (tmp_path / "kube/host").exists()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"rds_postgresql_user": "postgres"}, "none that RDS keeps for itself"),
        ({"rds_postgresql_database": "my-db"}, "small letters, digits and underscores"),
        ({"rds_postgresql_storage_size": 10}, "at least 20 GiB"),
        ({"rds_postgresql_storage_size": 300}, "no more than it may grow to"),
    ],
)
def test_what_rds_would_refuse_is_refused_before_anything_is_created(
    run: Callable[..., PlayResult], client: Client, variables: dict[str, Any], words: str
) -> None:
    assert words in run(**variables).message
    assert json.dumps(client("rds").describe_db_subnet_groups()["DBSubnetGroups"]) == "[]"
