"""Resources of Azure as requested: what counts as a difference, what is sent, and whose they are."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import resources
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

OURS = {"mlflow-deployment": "mlflow"}
GROUP: dict[str, Any] = {
    "what": "group g",
    "id": "/g",
    "version": "1",
    "body": {"location": "Central India"},
    "tagged": True,
}
ACCOUNT: dict[str, Any] = {
    "what": "account a",
    "id": "/g/providers/x/a",
    "version": "1",
    "body": {"properties": {"p": "x"}},
}
ROLE: dict[str, Any] = {"what": "role r", "id": "/g/providers/x/r", "version": "1", "fixed": True}


class Arm:
    """A subscription without time: what is put is there."""

    def __init__(self, **found: Any) -> None:
        self.found: dict[str, Any] = {
            f"/g/providers/x/{name}" if name != "g" else "/g": one for name, one in found.items()
        }
        self.sent: list[tuple[str, str]] = []
        self.free = True

    def find(self, id: str, _version: str) -> Any:
        return copy.deepcopy(self.found.get(id))

    def settle(self, id: str, version: str, _what: str) -> Any:
        return self.find(id, version)

    def put(self, id: str, _version: str, body: Any, _what: str) -> Any:
        self.sent.append(("PUT", id))
        self.found[id] = {**body, "id": id}
        return self.found[id]

    def delete(self, id: str, _version: str, _what: str) -> None:
        self.sent.append(("DELETE", id))
        del self.found[id]

    def post(self, _id: str, _version: str, _body: Any) -> Any:
        return {"nameAvailable": self.free, "message": "It is already taken."}

    def pages(self, id: str, _version: str) -> list[Any]:
        inside = id.removesuffix("/resources") + "/providers/"
        return [{"id": one} for one in self.found if one.startswith(inside)]


def ensure(arm: Arm, *requested: Any, check: bool = False, **options: Any) -> dict[str, Any]:
    return resources.ensure(cast(Any, arm), "mlflow", requested, check, **options)


def remove(arm: Arm, *requested: Any, check: bool = False) -> dict[str, Any]:
    return resources.remove(cast(Any, arm), "mlflow", requested, check)


@pytest.mark.parametrize(
    ("requested", "found", "differ"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {}, True),
        ({"a": {"b": None}}, {"a": {}}, True),
        ({"a": True}, {"a": "True"}, True),
        ({"location": "Central India"}, {"location": "centralindia"}, False),
        ({"id": "/subscriptions/X"}, {"id": "/Subscriptions/x"}, False),
        ({"ranges": ["b", "a"]}, {"ranges": ["a", "b"]}, False),
        ({"ranges": ["a"]}, {"ranges": ["a", "b"]}, True),
        ({"pools": [{"name": "n", "count": 1}]}, {"pools": [{"name": "n", "count": 1, "os": "Linux"}]}, False),
        ({"pools": [{"name": "n", "count": 1}]}, {"pools": [{"name": "n", "count": 2}]}, True),
        ({"pools": [{"name": "n", "count": 1}]}, {"pools": [{"name": "m"}, {"name": "n", "count": 1}]}, False),
        ({"pools": [{"name": "n", "count": 1}]}, {"pools": []}, True),
        ({"ranges": []}, {"ranges": ["a"]}, True),
        ({"ranges": []}, {}, False),
        ({"a": {}}, {"a": None}, True),
    ],
)
def test_a_difference_is_what_is_requested_and_not_there(requested: Any, found: Any, differ: bool) -> None:
    assert resources.differs(requested, found) is differ


def test_from_nothing_all_are_created_in_order_and_the_second_time_nothing_is_sent() -> None:
    arm = Arm()
    assert ensure(arm, GROUP, ACCOUNT, check=True)["created"] == ["group g", "account a"] and arm.sent == []
    assert ensure(arm, GROUP, ACCOUNT)["created"] == ["group g", "account a"]
    assert arm.sent == [("PUT", "/g"), ("PUT", "/g/providers/x/a")] and arm.found["/g"]["tags"] == OURS
    done = ensure(arm, GROUP, ACCOUNT)
    assert (done["changed"], done["diff"], len(arm.sent)) == (False, [], 2)


def test_what_else_a_resource_has_is_sent_back_without_what_azure_alone_says() -> None:
    there = {"id": "i", "etag": "e", "tags": {"team": "ml", **OURS}, "properties": {"p": "y", "q": 1}}
    arm = Arm(g={"tags": OURS, "location": "centralindia"}, a=there)
    done = ensure(arm, GROUP, {**ACCOUNT, "tagged": True})
    assert done["altered"] == ["account a"]
    assert arm.found[ACCOUNT["id"]] == {
        "id": ACCOUNT["id"],
        "tags": {"team": "ml", **OURS},
        "properties": {"p": "x", "q": 1},
    }
    [diff] = done["diff"]
    assert diff["before"] == {"properties": {"p": "y"}, "tags": OURS}
    assert diff["after"] == {"properties": {"p": "x"}, "tags": OURS}


def test_what_only_a_new_one_is_asked_for_is_no_difference_later() -> None:
    arm = Arm()
    one = {**ACCOUNT, "first": {"properties": {"count": 1}}}
    ensure(arm, one)
    assert arm.found[one["id"]]["properties"] == {"p": "x", "count": 1}
    arm.found[one["id"]]["properties"]["count"] = 5
    assert not ensure(arm, one)["changed"]


def test_entries_that_others_added_to_a_list_stay() -> None:
    arm = Arm(a={"properties": {"pools": [{"name": "m"}, {"name": "n", "count": 1, "os": "Linux"}]}})
    ensure(arm, {**ACCOUNT, "body": {"properties": {"pools": [{"name": "n", "count": 2}]}}})
    pools = arm.found[ACCOUNT["id"]]["properties"]["pools"]
    assert pools == [{"name": "m"}, {"name": "n", "count": 2, "os": "Linux"}]


def test_one_that_is_being_removed_refuses_all() -> None:
    arm = Arm(a={"properties": {"provisioningState": "Deleting"}})
    with pytest.raises(BadInput, match="account a is being removed"):
        ensure(arm, GROUP, ACCOUNT)
    assert arm.sent == []


def test_one_that_failed_is_put_again() -> None:
    arm = Arm(a={"properties": {"p": "x", "provisioningState": "Failed"}})
    assert ensure(arm, ACCOUNT)["altered"] == ["account a"]


def test_a_value_of_another_resource_is_taken_when_that_is_there() -> None:
    refers = {"from": ACCOUNT["id"], "version": "1", "at": "properties.p"}
    role = {**ROLE, "body": {"principal": refers}}
    arm, read = Arm(), {"p": refers}
    assert ensure(arm, ACCOUNT, role, check=True, read=read)["values"] == {}
    assert ensure(arm, ACCOUNT, role, read=read)["values"] == {"p": "x"}
    assert arm.found[ROLE["id"]]["principal"] == "x"


def test_a_secret_is_sent_when_it_is_created_or_renewed_and_never_shown() -> None:
    arm, secret = Arm(), {ACCOUNT["id"]: {"properties": {"password": "of somebody"}}}

    def held() -> Any:
        return arm.found[ACCOUNT["id"]]["properties"].pop("password", None)

    done = [ensure(arm, ACCOUNT, secrets=secret)]
    assert held() == "of somebody"
    done.append(ensure(arm, ACCOUNT, secrets=secret))
    assert held() is None and not done[1]["changed"]
    done.append(ensure(arm, ACCOUNT, secrets=secret, renew=True))
    assert held() == "of somebody" and done[2]["altered"] == ["account a"]
    assert "of somebody" not in str(done)


def test_identities_of_a_resource_are_sent_back_without_what_azure_says_of_them() -> None:
    there = {"properties": {"p": "y"}, "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/i": {"a": 1}}}}
    arm = Arm(a=there)
    ensure(arm, ACCOUNT)
    assert arm.found[ACCOUNT["id"]]["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {"/i": {}}}


def test_what_never_changes_is_made_anew() -> None:
    arm = Arm(r={"principal": "old"})
    ensure(arm, {**ROLE, "body": {"principal": "new"}})
    assert [method for method, _id in arm.sent] == ["DELETE", "PUT"] and arm.found[ROLE["id"]]["principal"] == "new"


@pytest.mark.parametrize(
    ("tags", "words"), [({}, "somebody else's"), ({"mlflow-deployment": "other"}, "of the deployment other")]
)
def test_one_of_somebody_else_refuses_all_and_a_removal_leaves_it(tags: dict[str, str], words: str) -> None:
    arm = Arm(a={"tags": tags, "properties": {"p": "y"}})
    with pytest.raises(BadInput, match=f"{words}.*Nothing was changed"):
        ensure(arm, GROUP, {**ACCOUNT, "tagged": True})
    assert remove(arm, {**ACCOUNT, "tagged": True})["left"] == ["account a"] and arm.sent == []


def test_a_name_that_is_taken_is_told_before_anything_is_created() -> None:
    arm = Arm()
    arm.free = False
    with pytest.raises(BadInput, match=r"There can be no account a: It is already taken\. Choose another name"):
        ensure(arm, GROUP, {**ACCOUNT, "unique": {"ask": "/free", "body": {}}})
    assert arm.sent == []


def test_a_removal_takes_the_last_first_and_what_holds_nothing_more() -> None:
    group = {**GROUP, "holds": "/g/resources"}
    found = {"g": {"tags": OURS}, "a": {"properties": {}}, "r": {"properties": {}}}
    full = Arm(**found)
    said = remove(full, group, ROLE)
    assert (said["removed"], said["left"]) == (["role r"], ["group g, which holds x/a"])
    arm = Arm(**found)
    for check in (True, False):
        assert remove(arm, group, ACCOUNT, ROLE, check=check)["removed"] == ["role r", "account a", "group g"]
    assert arm.found == {} and not remove(arm, group, ACCOUNT, ROLE)["changed"]
