"""Node groups get the version of their control plane: one minor version, one group after the other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import nodegroups, updates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import AwsError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import Call, answering

CLUSTER: Call = ("describe_cluster", {"name": "c"}, {"cluster": {"status": "ACTIVE", "version": "1.34"}})
DONE = {"update": {"id": "u", "status": "Successful"}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda _seconds: None)


def listed(*names: str) -> Call:
    return ("list_nodegroups", {"clusterName": "c"}, {"nodegroups": list(names)})


def group(name: str, version: str, status: str = "ACTIVE", **more: Any) -> Call:
    answer = {"nodegroup": {"nodegroupName": name, "version": version, "status": status, **more}}
    return ("describe_nodegroup", {"clusterName": "c", "nodegroupName": name}, answer)


def update(name: str, force: bool = False) -> list[Call]:
    asked = {"clusterName": "c", "nodegroupName": name, "version": "1.34", "force": force}
    waited = {"name": "c", "updateId": "u", "nodegroupName": name}
    return [("update_nodegroup_version", asked, DONE), ("describe_update", waited, DONE)]


def upgraded(*calls: Call, names: tuple[str, ...] = (), force: bool = False, check: bool = False) -> dict[str, Any]:
    with answering("eks", *calls) as eks:
        return nodegroups.upgrade(eks, "c", names, force, updates.Patience(60), check)


def test_groups_that_are_behind_follow_one_after_the_other() -> None:
    first = [CLUSTER, *update("a"), group("a", "1.34")]
    second = [CLUSTER, *update("b"), group("b", "1.34", "UPDATING"), group("b", "1.34")]
    found = upgraded(CLUSTER, listed("b", "a"), group("a", "1.33"), group("b", "1.33"), *first, *second)
    assert found["changed"] and found["node_groups"] == {"a": "1.34", "b": "1.34"}
    assert found["diff"]["before"] == {"a": "1.33", "b": "1.33"}


def test_those_that_are_there_stay_and_a_check_changes_nothing() -> None:
    assert not upgraded(CLUSTER, listed("a"), group("a", "1.34"))["changed"]
    found = upgraded(CLUSTER, listed("a", "b"), group("b", "1.33", "UPDATING"), names=("b",), check=True)
    assert found["changed"] and found["node_groups"] == {"b": "1.34"}
    none: Call = ("describe_cluster", {"name": "c"}, ("ResourceNotFoundException", "No cluster"))
    assert upgraded(none, check=True) == {"changed": False, "node_groups": {}, "diff": {"before": {}, "after": {}}}


def test_pods_that_do_not_leave_are_ended_only_where_that_is_said() -> None:
    calls = [CLUSTER, *update("a", force=True), group("a", "1.34")]
    assert upgraded(CLUSTER, listed("a"), group("a", "1.33"), *calls, force=True)["changed"]


@pytest.mark.parametrize("version", ["1.32", "1.35"])
def test_a_group_that_is_not_one_version_behind_is_refused_before_any_is_changed(version: str) -> None:
    with pytest.raises(BadInput, match=rf"is at 1.34, and these node groups are not one .* behind: b \({version}\)"):
        upgraded(CLUSTER, listed("a", "b"), group("a", "1.33"), group("b", version))


def test_what_is_not_there_or_not_well_is_named() -> None:
    with pytest.raises(BadInput, match=r"has no node group x. It has: a"):
        upgraded(CLUSTER, listed("a"), names=("x",))
    issues = {"health": {"issues": [{"code": "PodEvictionFailure", "message": "Reached max retries"}]}}
    with pytest.raises(AwsError, match="The node group a is DEGRADED: PodEvictionFailure: Reached max retries"):
        upgraded(CLUSTER, listed("a"), group("a", "1.33", "DEGRADED", **issues))
    none: Call = ("describe_cluster", {"name": "c"}, ("ResourceNotFoundException", "No cluster"))
    with pytest.raises(BadInput, match="There is no cluster c"):
        upgraded(none)
