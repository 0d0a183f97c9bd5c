"""The buckets of a deployment: that of backups in another region or of somebody else, against an emulator (moto)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.aws import ACCOUNT, REGION, SECRET, Play
from support.moto import clients
from support.playbooks import PlayResult

ELSEWHERE = "eu-west-1"
Client = Callable[[str], Any]


class Role:
    """The role eks_storage, of a cluster as the role eks_cluster would say it."""

    def __init__(self, play: Play, name: str) -> None:
        self._play, self.name = play, name
        self.artifacts, self.backups = f"{name}-artifacts", f"{name}-backups"
        issuer = "oidc.example/id/1"
        cluster = {"name": name, "account": ACCOUNT, "region": REGION, "issuer": issuer}
        self.variables: dict[str, Any] = {
            "eks_storage_name": name,
            "eks_storage_cluster": {
                **cluster,
                "oidc_provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}",
            },
            "eks_storage_artifact_bucket": self.artifacts,
            "eks_storage_backup_bucket": self.backups,
        }

    def __call__(self, *options: str, entry: str = "main", **variables: Any) -> PlayResult:
        role = {"name": "mlops.mlflow.eks_storage", "tasks_from": entry}
        task = {"name": "Run the role", "ansible.builtin.include_role": role, "vars": {**self.variables, **variables}}
        return self._play([task], *options)


@pytest.fixture
def role(play: Play, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Role:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": endpoint}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return Role(play, f"mlflow-{uuid.uuid4().hex[:6]}")


def changed(done: PlayResult) -> list[str]:
    return [name for name, result in done.results if result.get("changed")]


def granted(client: Client, role: Role, what: str) -> list[dict[str, Any]]:
    found = client("iam").get_role_policy(RoleName=f"{role.name}-backup", PolicyName=what)["PolicyDocument"]
    statements: list[dict[str, Any]] = found["Statement"]
    return statements


def keys(client: Any, role: Role) -> list[str]:
    return [
        one["TargetKeyId"]
        for one in client.list_aliases()["Aliases"]
        if one["AliasName"] == f"alias/{role.name}-storage"
    ]


def test_backups_may_be_in_another_region_with_a_key_there(role: Role, client: Client, endpoint: str) -> None:
    away = {"eks_storage_backup_region": ELSEWHERE}
    there = clients(endpoint, ELSEWHERE)("kms")
    role("--check", **away).succeeded()
    assert keys(there, role) == [] and keys(client("kms"), role) == []
    role(**away).succeeded()
    s3 = client("s3")
    assert s3.get_bucket_location(Bucket=role.backups)["LocationConstraint"] == ELSEWHERE
    assert s3.get_bucket_location(Bucket=role.artifacts)["LocationConstraint"] == REGION
    [key], [other] = keys(client("kms"), role), keys(there, role)
    [rule] = s3.get_bucket_encryption(Bucket=role.backups)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"].endswith(f"{ELSEWHERE}:{ACCOUNT}:key/{other}")
    assert granted(client, role, "backups")[2]["Resource"] == f"arn:aws:kms:{ELSEWHERE}:{ACCOUNT}:key/{other}"
    assert granted(client, role, "artifacts")[2]["Resource"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
    assert changed(role(**away).succeeded()) == []

    kept = role(entry="remove", **away).succeeded()
    assert role.backups in str([result.get("msg") for _task, result in kept.results])
    role(entry="remove", eks_storage_remove_data=True, **away).succeeded()
    for kms, one in ((client("kms"), key), (there, other)):
        assert kms.describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_bucket_of_another_account_is_used_and_never_touched(role: Role, client: Client, endpoint: str) -> None:
    s3, key = clients(endpoint, ELSEWHERE)("s3"), f"arn:aws:kms:{ELSEWHERE}:210987654321:key/1"
    s3.create_bucket(Bucket=role.backups, CreateBucketConfiguration={"LocationConstraint": ELSEWHERE})
    theirs: dict[str, Any] = {"eks_storage_backup_existing": True, "eks_storage_backup_region": ELSEWHERE}
    made = role(**theirs, eks_storage_backup_key=key).succeeded()
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=role.backups)
    assert s3.get_bucket_versioning(Bucket=role.backups).get("Status") is None
    assert granted(client, role, "backups")[2]["Resource"] == key
    [said] = [result["msg"] for task, result in made.results if task.endswith("adds to its policy") and "msg" in result]
    assert said["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{role.name}-backup"}
    role(entry="remove", eks_storage_remove_data=True, **theirs).succeeded()
    assert role.backups in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert role.artifacts not in [one["Name"] for one in s3.list_buckets()["Buckets"]]


def test_a_key_that_waits_for_its_removal_is_taken_back(role: Role, client: Client) -> None:
    role().succeeded()
    role(entry="remove", eks_storage_remove_data=True).succeeded()
    kms, [key] = client("kms"), keys(client("kms"), role)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    role().succeeded()
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled" and keys(kms, role) == [key]


def test_a_bucket_that_exists_is_named_and_locked_by_its_owner(role: Role, client: Client) -> None:
    for wrong in ({"eks_storage_backup_bucket": ""}, {"eks_storage_backup_lock_days": 7}):
        assert (
            "leave eks_storage_backup_lock_days to its owner" in role(eks_storage_backup_existing=True, **wrong).message
        )
    assert json.dumps(client("s3").list_buckets()["Buckets"]).count(role.name) == 0
