"""The access entry of a principal: what EKS is asked for, in which order, and what is refused beforehand."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import access
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import ACCOUNT, Call, answering

PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/team/ml"
ENTRY = {"clusterName": "c", "principalArn": PRINCIPAL}
ARN = f"arn:aws:eks:us-west-2:{ACCOUNT}:access-entry/c/role/{ACCOUNT}/ml/1"
NAMED = {"accessEntryArn": ARN, "username": "ml"}
POLICIES = "arn:aws:eks::aws:cluster-access-policy/"
EDIT, VIEW = f"{POLICIES}AmazonEKSEditPolicy", f"{POLICIES}AmazonEKSViewPolicy"
NOTHING = {"type": "STANDARD", "groups": None, "username": None, "policies": None, "tags": None, "purge_tags": True}
GONE = ("ResourceNotFoundException", "gone")


def cluster(mode: str = "API") -> Call:
    return ("describe_cluster", {"name": "c"}, {"cluster": {"accessConfig": {"authenticationMode": mode}}})


def missing() -> list[Call]:
    return [cluster(), ("describe_access_entry", ENTRY, GONE)]


def existing(*policies: dict[str, Any], kind: str = "STANDARD", tags: dict[str, str] | None = None) -> list[Call]:
    entry = {**NAMED, "type": kind, "kubernetesGroups": ["a", "b"], "tags": tags or {}}
    return [
        cluster(),
        ("describe_access_entry", ENTRY, {"accessEntry": entry}),
        ("list_associated_access_policies", ENTRY, {"associatedAccessPolicies": [*policies]}),
    ]


def policy(arn: str, *namespaces: str) -> dict[str, Any]:
    return {"policyArn": arn, "accessScope": scope(*namespaces)}


def scope(*namespaces: str) -> dict[str, Any]:
    return {"type": "namespace", "namespaces": [*namespaces]} if namespaces else {"type": "cluster"}


def associate(arn: str, *namespaces: str) -> Call:
    return ("associate_access_policy", {**ENTRY, "policyArn": arn, "accessScope": scope(*namespaces)}, {})


def ensure(calls: list[Call], check: bool = False, **requested: Any) -> dict[str, Any]:
    with answering("eks", *calls) as eks:
        return access.ensure(eks, "c", PRINCIPAL, NOTHING | requested, check)


REQUESTED: dict[str, Any] = {
    "groups": ["b", "a"],
    "policies": [{"policy": "AmazonEKSViewPolicy", "namespaces": []}, {"policy": EDIT, "namespaces": ["y", "x"]}],
    "tags": {"team": "ml"},
}
POLICIES_THEN = [{"policy": EDIT, "namespaces": ["x", "y"]}, {"policy": VIEW, "namespaces": []}]


def test_an_entry_is_created_with_its_policies_and_a_second_run_changes_nothing() -> None:
    request = {**ENTRY, "kubernetesGroups": ["a", "b"], "type": "STANDARD", "tags": {"team": "ml"}}
    create: Call = ("create_access_entry", request, {"accessEntry": NAMED})
    found = ensure([*missing(), create, associate(EDIT, "x", "y"), associate(VIEW)], **REQUESTED)
    entry = {"arn": ARN, "type": "STANDARD", "groups": ["a", "b"], "username": "ml", "policies": POLICIES_THEN}
    assert found["entry"] == entry | {"tags": {"team": "ml"}}
    assert (found["changed"], found["diff"]["before"]) == (True, {})
    again = existing(policy(VIEW), policy(EDIT, "y", "x"), tags={"team": "ml"})
    for check in (True, False):
        same = ensure(again, check, **REQUESTED)
        assert not same["changed"] and same["entry"] == found["entry"]


def test_a_check_run_says_what_would_be_created_and_creates_nothing() -> None:
    for calls in (missing(), [cluster("CONFIG_MAP")], [("describe_cluster", {"name": "c"}, GONE)]):
        found = ensure(list(calls), check=True, **REQUESTED)
        assert found["changed"] and found["entry"]["policies"] == POLICIES_THEN and found["entry"]["arn"] == ""


def test_what_differs_is_changed_and_policies_are_added_before_others_are_removed() -> None:
    before = existing(policy(VIEW), policy(EDIT, "x"), tags={"old": "1"})
    changes: list[Call] = [
        ("update_access_entry", {**ENTRY, "kubernetesGroups": ["c"]}, {}),
        ("tag_resource", {"resourceArn": ARN, "tags": {"team": "ml"}}, {}),
        ("untag_resource", {"resourceArn": ARN, "tagKeys": ["old"]}, {}),
        associate(EDIT, "z"),
        ("disassociate_access_policy", {**ENTRY, "policyArn": VIEW}, {}),
    ]
    requested: dict[str, Any] = {
        "groups": ["c"],
        "policies": [{"policy": EDIT, "namespaces": ["z"]}],
        "tags": {"team": "ml"},
    }
    found = ensure([*before, *changes], **requested)
    assert found["changed"] and found["entry"]["username"] == "ml"
    assert ensure(before, check=True, **requested) == found


def test_what_is_not_given_stays() -> None:
    found = ensure(existing(policy(VIEW), tags={"team": "ml"}))
    assert not found["changed"] and found["entry"]["groups"] == ["a", "b"]
    emptied: list[Call] = [("disassociate_access_policy", {**ENTRY, "policyArn": VIEW}, {})]
    assert ensure([*existing(policy(VIEW)), *emptied], policies=[])["entry"]["policies"] == []


def test_the_policies_of_another_partition_are_its_own() -> None:
    principal = "arn:aws-cn:iam::123456789012:user/ml"
    with answering("eks", ("describe_cluster", {"name": "c"}, GONE)) as eks:
        found = access.ensure(eks, "c", principal, NOTHING | {"policies": [{"policy": "P"}]}, check=True)
    assert found["entry"]["policies"][0]["policy"] == "arn:aws-cn:eks::aws:cluster-access-policy/P"


def test_it_is_removed_once() -> None:
    def remove(calls: list[Call], check: bool = False) -> dict[str, Any]:
        with answering("eks", *calls) as eks:
            return access.remove(eks, "c", PRINCIPAL, check)

    found = remove([*existing(), ("delete_access_entry", ENTRY, {})])
    assert found["changed"] and found["diff"]["after"] == {} and found["entry"]["arn"] == ""
    assert remove(existing(), check=True) == found
    for calls in (missing(), [cluster("CONFIG_MAP")], [("describe_cluster", {"name": "c"}, GONE)]):
        assert not remove(list(calls))["changed"]


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"type": "EC2_LINUX", "groups": ["a"]}, "EC2_LINUX takes neither groups nor policies"),
        ({"policies": [{"policy": EDIT}, {"policy": "AmazonEKSEditPolicy"}]}, "names AmazonEKSEditPolicy twice"),
    ],
)
def test_what_contradicts_itself_is_refused_before_eks_is_asked(requested: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ensure([], **requested)


@pytest.mark.parametrize(
    "principal", ["ml", f"arn:aws:sts::{ACCOUNT}:assumed-role/ml/session", "arn:aws:iam::1:role/x"]
)
def test_who_is_no_principal_is_refused(principal: str) -> None:
    with answering("eks") as eks:
        for call in (lambda: access.ensure(eks, "c", principal, NOTHING), lambda: access.remove(eks, "c", principal)):
            with pytest.raises(BadInput, match="is no role or user of IAM: give its ARN"):
                call()


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([("describe_cluster", {"name": "c"}, GONE)], "There is no cluster c"),
        ([cluster("CONFIG_MAP")], "c takes no access entries: its access mode is CONFIG_MAP"),
        (existing(kind="EC2_LINUX"), r"is of the type EC2_LINUX.+remove it .+create it as STANDARD"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(calls: list[Call], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ensure(calls)
