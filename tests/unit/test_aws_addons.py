"""An add-on of a cluster: what EKS is asked for, what is waited for, and what is refused beforehand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import addons, updates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import AwsError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import ACCOUNT, Call, answering

ADDON = {"clusterName": "c", "addonName": "a"}
ARN = f"arn:aws:eks:us-west-2:{ACCOUNT}:addon/c/a/1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/a"
CLUSTER: Call = ("describe_cluster", {"name": "c"}, {"cluster": {"status": "ACTIVE", "version": "1.33"}})
GONE = ("ResourceNotFoundException", "gone")
NO_CLUSTER: Call = ("describe_cluster", {"name": "c"}, GONE)
MISSING: Call = ("describe_addon", ADDON, GONE)
ISSUE = {"code": "InsufficientNumberOfReplicas", "message": "no nodes"}
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("version", "configuration", "service_account_role", "tags")),
    "resolve_conflicts": "NONE",
    "purge_tags": True,
}
REQUESTED: dict[str, Any] = {
    "version": "v2",
    "configuration": {"b": 1, "a": "x"},
    "service_account_role": ROLE,
    "tags": {"team": "ml"},
}


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", naps.append)
    return naps


def existing(status: str = "ACTIVE", version: str = "v1", values: str = "", **more: Any) -> Call:
    addon = {"addonArn": ARN, "status": status, "addonVersion": version, "configurationValues": values, **more}
    return ("describe_addon", ADDON, {"addon": addon})


def offered(*versions: str, default: str = "") -> Call:
    found = [
        {"addonVersion": one, "compatibilities": [{"clusterVersion": "1.33", "defaultVersion": one == default}]}
        for one in versions
    ]
    request = {"addonName": "a", "kubernetesVersion": "1.33"}
    return ("describe_addon_versions", request, {"addons": [{"addonName": "a", "addonVersions": found}]})


def update(**request: Any) -> list[Call]:
    asked = {**ADDON, "resolveConflicts": "NONE", **request}
    finished = ("describe_update", {"name": "c", "updateId": "u", "addonName": "a"})
    return [
        ("update_addon", asked, {"update": {"id": "u"}}),
        (*finished, {"update": {"status": "InProgress"}}),
        (*finished, {"update": {"status": "Successful"}}),
    ]


def ensure(
    calls: list[Call], check: bool = False, patience: updates.Patience | None = None, **requested: Any
) -> dict[str, Any]:
    with answering("eks", *calls) as eks:
        return addons.ensure(eks, "c", "a", NOTHING | requested, patience or updates.Patience(60), check)


THEN = existing(
    version="v2", values='{"a": "x", "b": 1}', serviceAccountRoleArn=ROLE, tags={"team": "ml", "aws:owner": "eks"}
)


def test_it_is_installed_and_waited_for_and_a_second_run_changes_nothing(slept: list[float]) -> None:
    request = {
        **ADDON,
        "addonVersion": "v2",
        "configurationValues": '{"a": "x", "b": 1}',
        "serviceAccountRoleArn": ROLE,
        "resolveConflicts": "NONE",
        "tags": {"team": "ml"},
    }
    create: Call = ("create_addon", request, {"addon": {"addonArn": ARN, "addonVersion": "v2"}})
    waiting = [existing("CREATING"), existing("DEGRADED", health={"issues": [ISSUE]}), THEN]
    found = ensure([CLUSTER, MISSING, offered("v2", "v1"), CLUSTER, create, *waiting], **REQUESTED)
    assert found["changed"] and found["addon"] == {"arn": ARN, **REQUESTED} and found["diff"]["before"] == {}
    assert len(slept) == 2
    assert not ensure([CLUSTER, THEN, THEN, THEN], **REQUESTED)["changed"]
    assert not ensure([CLUSTER, THEN], check=True, **REQUESTED)["changed"]


def test_a_check_run_says_what_would_be_installed_and_installs_nothing() -> None:
    for calls in ([CLUSTER, MISSING, offered("v2")], [NO_CLUSTER]):
        found = ensure(list(calls), check=True, **REQUESTED)
        assert found["changed"] and found["addon"] == {"arn": "", **REQUESTED}


def test_an_update_repeats_what_stays_because_eks_would_forget_it() -> None:
    before = existing(values='{"b": 1}', serviceAccountRoleArn=ROLE, tags={"old": "1"})
    changes: list[Call] = [
        *update(addonVersion="v2", configurationValues='{"b": 1}', serviceAccountRoleArn=ROLE),
        ("tag_resource", {"resourceArn": ARN, "tags": {"team": "ml"}}, {}),
        ("untag_resource", {"resourceArn": ARN, "tagKeys": ["old"]}, {}),
    ]
    requested: dict[str, Any] = {"version": "v2", "tags": {"team": "ml"}}
    found = ensure([CLUSTER, before, before, offered("v2", "v1"), *changes, THEN], **requested)
    assert found["changed"] and found["addon"]["configuration"] == {"b": 1}
    assert ensure([CLUSTER, before, offered("v2", "v1")], check=True, **requested) == found


def test_tags_alone_are_no_update() -> None:
    tag: Call = ("tag_resource", {"resourceArn": ARN, "tags": {"team": "ml"}}, {})
    assert ensure([CLUSTER, existing(), existing(), tag, existing()], tags={"team": "ml"})["changed"]


def test_its_version_follows_that_of_the_cluster() -> None:
    versions = offered("v3", "v2", "v1", default="v2")
    found = ensure([CLUSTER, existing(), versions], check=True, version="default")
    assert found["addon"]["version"] == "v2"
    assert not ensure([CLUSTER, existing(version="v2"), versions], check=True, version="default")["changed"]


def test_configuration_that_somebody_gave_as_yaml_is_another_one() -> None:
    found = ensure([CLUSTER, existing(values="b: 1")], check=True, configuration={"b": 1})
    assert found["changed"] and found["diff"]["before"]["configuration"] == "b: 1"
    assert not ensure([CLUSTER, existing(values="b: 1")], check=True)["changed"]


def test_one_that_failed_is_given_to_eks_again() -> None:
    failed = existing("CREATE_FAILED")
    assert ensure([CLUSTER, failed], check=True)["changed"]
    assert ensure([CLUSTER, failed, failed, *update(addonVersion="v1"), existing()])["changed"]


def test_what_is_being_removed_is_waited_for_and_then_installed() -> None:
    create: Call = (
        "create_addon", {**ADDON, "resolveConflicts": "NONE"}, {"addon": {"addonArn": ARN, "addonVersion": "v1"}}
    )  # fmt: skip
    calls = [CLUSTER, existing("DELETING"), existing("DELETING"), MISSING, CLUSTER, create, existing()]
    assert ensure(calls)["addon"]["version"] == "v1"


def test_without_waiting_it_is_only_begun() -> None:
    with answering("eks", CLUSTER, existing(), offered("v2"), update(addonVersion="v2")[0]) as eks:
        assert addons.ensure(eks, "c", "a", NOTHING | {"version": "v2"}, None)["changed"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (existing("UPDATE_FAILED", health={"issues": [ISSUE]}), "is UPDATE_FAILED: InsufficientNumberOfReplicas: no"),
        (existing("UPDATE_FAILED"), "is UPDATE_FAILED: EKS gives no reason"),
        (MISSING, "is gone: somebody else removed it"),
    ],
)
def test_one_that_never_runs_says_what_eks_says(state: Call, words: str) -> None:
    with pytest.raises(AwsError, match=words):
        ensure([CLUSTER, existing(), existing(), offered("v2"), *update(addonVersion="v2"), state], version="v2")


def test_one_that_waits_for_nodes_in_vain_says_so() -> None:
    degraded = existing("DEGRADED", health={"issues": [ISSUE]})
    with pytest.raises(AwsError, match=r"is still DEGRADED \(InsufficientNumberOfReplicas: no nodes\) after 0 s"):
        ensure([CLUSTER, degraded, degraded, degraded], patience=updates.Patience(0))


@pytest.mark.parametrize(
    ("calls", "requested", "words"),
    [
        ([NO_CLUSTER], {}, "There is no cluster c"),
        (
            [CLUSTER, MISSING, offered(*(f"v{number}" for number in range(9)))],
            {"version": "v10"},
            "no version v10 of the add-on a for Kubernetes 1.33: set version to one of v0, .+v5 and older ones",
        ),
        ([CLUSTER, MISSING, offered()], {"version": "default"}, "EKS has no add-on of this name"),
        ([CLUSTER, MISSING], {"tags": {"aws:team": "ml"}}, "AWS's own"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(
    calls: list[Call], requested: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        ensure(calls, **requested)


def test_it_is_removed_once_and_waited_for() -> None:
    def remove(calls: list[Call], check: bool = False) -> dict[str, Any]:
        with answering("eks", *calls) as eks:
            return addons.remove(eks, "c", "a", True, updates.Patience(60), check)

    delete: Call = ("delete_addon", {**ADDON, "preserve": True}, {"addon": {}})
    found = remove([CLUSTER, existing(), delete, existing("DELETING"), MISSING])
    assert found["changed"] and found["diff"]["after"] == {} and found["addon"]["arn"] == ""
    assert remove([CLUSTER, existing()], check=True) == found
    assert remove([CLUSTER, existing("DELETING"), MISSING])["changed"]
    for calls in ([CLUSTER, MISSING], [NO_CLUSTER]):
        assert not remove(list(calls))["changed"]
    with pytest.raises(AwsError, match="was not removed, it is DELETE_FAILED: InsufficientNumberOfReplicas"):
        remove([CLUSTER, existing(), delete, existing("DELETE_FAILED", health={"issues": [ISSUE]})])


def test_configuration_is_sent_so_that_the_same_is_the_same_text() -> None:
    one, other = ({"a": 1, "b": {"d": 1, "c": 2}}, {"b": {"c": 2, "d": 1}, "a": 1})
    assert not ensure([CLUSTER, existing(values=json.dumps(one))], check=True, configuration=other)["changed"]
