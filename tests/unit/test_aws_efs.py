"""File systems of a cluster: their storage classes, and where nodes mount them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.efs import plan

SETTINGS: dict[str, Any] = {
    "name": "mlflow",
    "file_systems": 1,
    "volumes_each": 1000,
    "storage_class": "efs",
    "uid": 10001,
    "gid": 10001,
    "subnets": ["subnet-1", "subnet-2"],
    "security_group": "sg-efs",
    "tags": {"team": "ml"},
}


def test_each_file_system_has_a_storage_class_and_more_of_them_rename_nobody() -> None:
    [first] = plan(SETTINGS)["file_systems"]
    assert first == {"name": "mlflow", "storage_class": "efs", "tags": {"Name": "mlflow", "team": "ml"}}
    found = plan(SETTINGS | {"file_systems": 3})["file_systems"]
    assert found[0] == first and [one["storage_class"] for one in found] == ["efs", "efs-2", "efs-3"]


def test_nodes_alone_mount_them_in_each_zone() -> None:
    assert plan(SETTINGS)["targets"] == [
        {"subnet_id": "subnet-1", "security_groups": ["sg-efs"]},
        {"subnet_id": "subnet-2", "security_groups": ["sg-efs"]},
    ]


@pytest.mark.parametrize("name", ["file_systems", "volumes_each", "uid", "gid"])
def test_numbers_that_cannot_be_are_refused(name: str) -> None:
    found = plan(SETTINGS | {name: 0})
    assert found["errors"] == [f"efs_csi_{name} is 0; it must be 1 or more."] and found["file_systems"] == []
