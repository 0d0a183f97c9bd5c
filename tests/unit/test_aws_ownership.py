"""Whose the things of an account are: all that roles create is covered, and a mark is nobody else's to give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import ownership
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import answering
from support.playbooks import REPOSITORY

ROLES = ("efs_csi", "eks_cluster", "eks_storage", "rds_postgresql")
MARK = "mlops.mlflow/deployment"
OURS = "us-west-2/mlflow"
# By the module that creates it the kind, which is looked at before it is created or removed.
KINDS = {
    "amazon.aws.cloudwatchlogs_log_group": "log_group",
    "amazon.aws.ec2_launch_template": "launch_template",
    "amazon.aws.ec2_security_group": "security_group",
    "amazon.aws.ec2_vpc_net": "vpc",
    "amazon.aws.iam_role": "role",
    "amazon.aws.kms_key": "key",
    "amazon.aws.rds_instance": "database",
    "amazon.aws.rds_instance_param_group": "parameter_group",
    "amazon.aws.rds_subnet_group": "subnet_group",
    "amazon.aws.s3_bucket": "bucket",
    "community.aws.ecs_ecr": "repository",
    "community.aws.efs": "file_system",
    "community.aws.eks_cluster": "cluster",
    "community.aws.secretsmanager_secret": "secret",
    "mlops.mlflow.eks_addon": "addon",
    "mlops.mlflow.eks_cluster_config": "cluster",
    "mlops.mlflow.eks_oidc_provider": "provider",
}
# What is found by the id of one of those, and goes with it.
WITHIN = {
    "amazon.aws.ec2_vpc_endpoint": "vpc",
    "amazon.aws.ec2_vpc_igw": "vpc",
    "amazon.aws.ec2_vpc_nat_gateway": "vpc",
    "amazon.aws.ec2_vpc_route_table": "vpc",
    "amazon.aws.ec2_vpc_subnet": "vpc",
    "amazon.aws.iam_policy": "role",
    "community.aws.eks_nodegroup": "cluster",
    "community.aws.s3_lifecycle": "bucket",
    "mlops.mlflow.eks_access_entry": "cluster",
    "mlops.mlflow.eks_nodegroup_version": "cluster",
}
# What cannot be tagged by its module, or is part of what is.
UNTAGGED = {"amazon.aws.iam_policy", "community.aws.s3_lifecycle", "community.aws.ecs_ecr"} | {
    "mlops.mlflow.eks_nodegroup_version"
}


def tasks(role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Modules of AWS that a role runs, and the tasks."""
    found = [
        task
        for file in sorted((REPOSITORY / "roles" / role / "tasks").glob("*.yml"))
        for task in yaml.safe_load(file.read_text())
    ]
    for task in [{"when": one.get("when"), **part} for one in found for part in one.get("block", [one])]:
        for module in task:
            if module.startswith(("amazon.aws.", "community.aws.", "mlops.mlflow.eks_")) and not module.endswith(
                "info"
            ):
                yield module, task


@pytest.mark.parametrize("role", ROLES)
def test_of_all_that_a_role_creates_it_is_known_whose_it_is(role: str) -> None:
    used = {module for module, _task in tasks(role)}
    assert used, "the role creates nothing"
    assert used - KINDS.keys() - WITHIN.keys() == set()
    text = "".join(
        (REPOSITORY / "roles" / role / file).read_text() for file in ("tasks/ownership.yml", "vars/main.yml")
    )
    asked = {KINDS.get(module) or WITHIN[module] for module in used} - {"provider"}
    assert [kind for kind in sorted(asked) if f"\n  {kind}:" not in text and f"\n      {kind}:" not in text] == []


@pytest.mark.parametrize("role", ROLES)
def test_all_that_a_role_creates_carries_the_mark(role: str) -> None:
    for module, task in tasks(role):
        options = task[module]
        removed = options.get("state") == "absent" or ("targets" in options and not options["targets"])
        if removed or module in UNTAGGED or options.get("deletion_protection") is False:
            continue
        tags = str((options.get("create") or options).get("tags"))
        words = ("_ownership.tags", "_plan.tags", "item.tags")
        assert any(word in tags for word in words), f"{task['name']}: {tags}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_removes_by_name_only_what_it_has_found_to_be_its_own(role: str) -> None:
    for module, task in tasks(role):
        if task[module].get("state") == "absent" and module in KINDS and KINDS[module] not in ("vpc", "provider"):
            loop = str(task.get("loop", task.get("when")))
            assert any(word in loop for word in (f"_{role}_ours.", f"_{role}_there")), task["name"]


@pytest.mark.parametrize(
    ("tags", "ours"),
    [
        ({MARK: OURS}, True),
        ({MARK: OURS, "managed-by": "somebody"}, True),
        ({"managed-by": "mlops.mlflow"}, True),  # of an earlier version
        ({}, False),
        ({"managed-by": "terraform"}, False),
        ({MARK: "eu-west-1/mlflow"}, False),
        ({MARK: "eu-west-1/mlflow", "managed-by": "mlops.mlflow"}, False),
    ],
)
def test_a_thing_is_the_deployments_where_it_carries_its_mark(tags: dict[str, str], ours: bool) -> None:
    assert ownership.is_ours(tags, OURS) is ours


def test_tags_of_the_inventory_do_not_change_the_mark() -> None:
    with answering("ec2") as ec2:
        place = ownership.Place(lambda _service: ec2)
        assert ownership.deployment(place, "mlflow") == OURS
        found = ownership.inspect(place, OURS, {}, {MARK: "eu-west-1/other", "team": "ml"})
    assert found["tags"] == {MARK: OURS, "team": "ml"}
    assert set(found["ours"]) == set(ownership.KINDS)


def test_a_bucket_of_another_account_is_said_to_be_one() -> None:
    refused = ("get_bucket_tagging", {"Bucket": "taken"}, ("AccessDenied", "Access Denied"))
    with answering("s3", refused) as s3:
        found = ownership.inspect(ownership.Place(lambda _service: s3), OURS, {"bucket": ["taken"]}, {})
    [sentence] = found["refusals"]
    assert sentence.startswith("The bucket taken is there, and who asks may not read whose it is: it is of another acc")
    assert found["foreign"] == ["bucket taken"] and found["ours"]["bucket"] == {}


def test_a_kind_that_is_not_known_is_refused() -> None:
    with answering("s3") as s3, pytest.raises(BadInput, match="resources names bukkit; kinds of things are addon, bu"):
        ownership.inspect(ownership.Place(lambda _service: s3), OURS, {"bukkit": ["x"]}, {})
