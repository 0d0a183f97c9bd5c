"""The configuration of an EKS cluster: which updates lead where, in which order, and what is refused beforehand."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import AwsError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.updates import Patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import Call, answering

KEY = "arn:aws:kms:us-west-2:123456789012:key/k"
# As a cluster is that nobody configured.
BEFORE: dict[str, Any] = {
    "authentication_mode": "CONFIG_MAP",
    "endpoint_public_access": True,
    "endpoint_private_access": False,
    "public_access_cidrs": ["0.0.0.0/0"],
    "logging": [],
    "encryption_key": "",
    "version": "1.32",
}
ALL: dict[str, Any] = {
    "authentication_mode": "API",
    "endpoint_private_access": True,
    "public_access_cidrs": ["203.0.113.0/24", "198.51.100.7/32"],
    "logging": ["audit", "api"],
    "encryption_key": KEY,
    "version": "1.33",
}


def described(status: str = "ACTIVE", **state: Any) -> Call:
    """EKS describes a cluster."""
    now = BEFORE | state
    off = [kind for kind in cluster.LOGS if kind not in now["logging"]]
    answer: dict[str, Any] = {
        "status": status,
        "version": now["version"],
        "accessConfig": {"authenticationMode": now["authentication_mode"]},
        "resourcesVpcConfig": {
            "endpointPublicAccess": now["endpoint_public_access"],
            "endpointPrivateAccess": now["endpoint_private_access"],
            "publicAccessCidrs": now["public_access_cidrs"],
        },
        "logging": {
            "clusterLogging": [{"types": now["logging"], "enabled": True}, {"types": off, "enabled": False}],
        },
    }
    if now["encryption_key"]:
        answer["encryptionConfig"] = [{"resources": ["secrets"], "provider": {"keyArn": now["encryption_key"]}}]
    return ("describe_cluster", {"name": "c"}, {"cluster": answer})


def update(operation: str, **request: Any) -> tuple[Call, Call, Call]:
    """An update that succeeds at once."""
    named = {"clusterName" if operation.startswith("associate") else "name": "c"}
    begun: Call = (operation, {**named, **request}, {"update": {"id": "u", "status": "InProgress"}})
    return (begun, progress("Successful"), described())


def progress(status: str, *errors: dict[str, Any]) -> Call:
    return ("describe_update", {"name": "c", "updateId": "u"}, {"update": {"status": status, "errors": [*errors]}})


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait was, on a clock that stands still otherwise."""
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    monkeypatch.setattr(patience.time, "monotonic", lambda: sum(slept))
    return slept


def test_all_is_changed_by_one_update_after_the_other_and_the_version_last() -> None:
    logs = [
        {"types": ["api", "audit"], "enabled": True},
        {"types": ["authenticator", "controllerManager", "scheduler"], "enabled": False},
    ]
    network = {
        "endpointPublicAccess": True,
        "endpointPrivateAccess": True,
        "publicAccessCidrs": ["198.51.100.7/32", "203.0.113.0/24"],
    }
    secrets = [{"resources": ["secrets"], "provider": {"keyArn": KEY}}]
    with answering(
        "eks",
        described(),
        described(),
        *update("update_cluster_config", accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"}),
        *update("update_cluster_config", accessConfig={"authenticationMode": "API"}),
        *update("update_cluster_config", resourcesVpcConfig=network),
        *update("update_cluster_config", logging={"clusterLogging": logs}),
        *update("associate_encryption_config", encryptionConfig=secrets),
        *update("update_cluster_version", version="1.33"),
    ) as eks:
        found = cluster.configure(eks, "c", ALL, Patience(60))
    assert found["updates"][:3] == ["access mode API_AND_CONFIG_MAP", "access mode API", "endpoint access"]
    assert found["updates"][3:] == ["logging", "encryption of Secrets", "version 1.33"]
    assert found["changed"] and found["changes"]["version"] == {"before": "1.32", "after": "1.33"}
    assert "endpoint_public_access" not in found["changes"], "it is as requested already"
    assert found["diff"]["before"] == BEFORE and found["diff"]["after"] == found["configuration"]
    with answering("eks", described()) as eks:
        assert cluster.configure(eks, "c", ALL, Patience(60), check=True) == found


def test_a_cluster_that_is_as_requested_is_only_looked_at() -> None:
    requested = ALL | {"logging": ["api", "audit"], "public_access_cidrs": [*ALL["public_access_cidrs"]][::-1]}
    state = ALL | {"logging": ["audit", "api"]}
    with answering("eks", described(**state), described(**state)) as eks:
        found = cluster.configure(eks, "c", requested, Patience(60))
    assert (found["changed"], found["changes"], found["updates"]) == (False, {}, [])
    assert found["diff"]["before"] == found["diff"]["after"]


@pytest.mark.parametrize(
    ("state", "requested", "expected"),
    [
        ({}, {"endpoint_public_access": False, "endpoint_private_access": True}, {"Public": False, "Private": True}),
        ({"endpoint_private_access": True}, {"endpoint_public_access": False}, {"Public": False, "Private": True}),
        ({}, {"endpoint_private_access": True}, {"Public": True, "Private": True}),
    ],
)
def test_an_endpoint_is_changed_and_networks_that_nobody_gave_are_not_sent(
    state: dict[str, Any], requested: dict[str, Any], expected: dict[str, bool]
) -> None:
    [planned] = cluster.plan("c", BEFORE | state, requested)
    network = {f"endpoint{which}Access": on for which, on in expected.items()}
    assert planned.request == {"name": "c", "resourcesVpcConfig": network}


def test_logs_that_are_not_named_are_turned_off() -> None:
    [planned] = cluster.plan("c", BEFORE | {"logging": ["api"]}, {"logging": []})
    assert planned.request["logging"] == {"clusterLogging": [{"types": list(cluster.LOGS), "enabled": False}]}


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"version": "latest"}, "version is 'latest'"),
        ({"version": "1.33.2"}, r"version is '1\.33\.2'"),
        ({"public_access_cidrs": ["203.0.113.5/24"]}, r"'203\.0\.113\.5/24': write the network as 203\.0\.113\.0/24"),
        ({"public_access_cidrs": ["203.0.113.5"]}, r"write the network as 203\.0\.113\.5/32"),
        ({"public_access_cidrs": ["office"], "version": ""}, r"holds 'office'.+version is ''"),
        ({"encryption_key": "alias/mlflow"}, "encryption_key is 'alias/mlflow': give the ARN"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_means_nothing_is_refused_before_eks_is_asked(requested: dict[str, Any], words: str, check: bool) -> None:
    with answering("eks") as eks, pytest.raises(BadInput, match=words):
        cluster.configure(eks, "c", requested, Patience(60), check)


@pytest.mark.parametrize(
    ("state", "requested", "words"),
    [
        ({}, {"version": "1.34"}, r"1\.32, and EKS goes one minor version at a time: set version to '1\.33'.+1\.34"),
        ({}, {"version": "1.31"}, r"1\.32, and this module lowers none: 1\.31"),
        ({}, {"version": "1.3"}, r"YAML reads 1\.30 as 1\.3"),
        (
            {"authentication_mode": "API"},
            {"authentication_mode": "CONFIG_MAP"},
            "API, and EKS never goes back to CONFIG",
        ),
        ({}, {"endpoint_public_access": False}, "Nobody could reach it"),
        (
            {"endpoint_private_access": True},
            {"endpoint_public_access": False, "public_access_cidrs": ["203.0.113.0/24"]},
            "public endpoint, which is off",
        ),
        ({}, {"public_access_cidrs": []}, "EKS reads as everybody"),
        ({"encryption_key": KEY}, {"encryption_key": f"{KEY}2"}, f"{KEY}, and EKS takes no other key"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_request_to_which_no_update_leads_is_refused_before_anything_is_changed(
    state: dict[str, Any], requested: dict[str, Any], words: str, check: bool
) -> None:
    asked = [described(**state)] * (1 if check else 2)
    with answering("eks", *asked) as eks, pytest.raises(BadInput, match=words):
        cluster.configure(eks, "c", {"logging": ["api"]} | requested, Patience(60), check)


def test_all_that_is_wrong_is_said_at_once() -> None:
    requested = {"version": "1.40", "endpoint_public_access": False, "authentication_mode": "CONFIG_MAP"}
    with pytest.raises(BadInput, match=r"cluster c cannot.+never goes back.+Nobody could reach it.+one minor version"):
        cluster.plan("c", BEFORE | {"authentication_mode": "API"}, requested)


def test_what_changes_the_cluster_already_is_waited_for_and_counts(waited: list[float]) -> None:
    said: list[str] = []
    busy = [described("UPDATING"), described("UPDATING"), described(version="1.33")]
    with answering("eks", described("UPDATING"), *busy) as eks:
        found = cluster.configure(eks, "c", {"version": "1.33"}, Patience(600, said.append))
    assert not found["changed"] and len(waited) == 2 and said == ["the cluster c is UPDATING"] * 2
    with answering("eks", described("UPDATING")) as eks:
        assert cluster.configure(eks, "c", {"version": "1.33"}, Patience(600), check=True)["changed"]


def test_an_update_is_waited_for_until_it_succeeded(waited: list[float]) -> None:
    begun, done, active = update("update_cluster_version", version="1.33")
    running = [progress("InProgress")] * 3
    with answering("eks", described(), described(), begun, *running, done, described("UPDATING"), active) as eks:
        assert cluster.configure(eks, "c", {"version": "1.33"}, Patience(600))["changed"]
    assert len(waited) == 4


def test_an_update_that_fails_is_told_with_the_words_of_eks_and_none_follows() -> None:
    begun, _done, _active = update("update_cluster_config", accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
    failed = progress("Failed", {"errorCode": "AccessDenied", "errorMessage": "The role is gone"})
    with (
        answering("eks", described(), described(), begun, failed) as eks,
        pytest.raises(
            AwsError, match="access mode API_AND_CONFIG_MAP of the cluster c is Failed: AccessDenied: The role is"
        ),
    ):
        cluster.configure(eks, "c", {"authentication_mode": "API"}, Patience(60))


def test_who_waits_no_longer_is_told_that_aws_goes_on(waited: list[float]) -> None:
    begun, _done, _active = update("update_cluster_version", version="1.33")
    with (
        answering("eks", described(), described(), begun, *[progress("InProgress")] * 4) as eks,
        pytest.raises(AwsError, match=r"version 1\.33 of the cluster c is still in progress after 30 s.+wait_timeout"),
    ):
        cluster.configure(eks, "c", {"version": "1.33"}, Patience(30))
    assert sum(waited) == 30


def test_a_cluster_that_takes_no_change_is_named() -> None:
    for status in ("DELETING", "FAILED"):
        with answering("eks", *[described(status)] * 2) as eks, pytest.raises(AwsError, match=f"cluster c is {status}"):
            cluster.configure(eks, "c", {"logging": ["api"]}, Patience(60))


def test_a_cluster_that_is_not_there_is_refused_and_in_a_check_run_would_get_all() -> None:
    gone: Call = ("describe_cluster", {"name": "c"}, ("ResourceNotFoundException", "No cluster found"))
    with (
        answering("eks", gone) as eks,
        pytest.raises(BadInput, match="There is no cluster c in this region and account"),
    ):
        cluster.configure(eks, "c", {"logging": ["api"]}, Patience(60))
    with answering("eks", gone) as eks:
        found = cluster.configure(eks, "c", {"logging": ["api"], "version": None}, Patience(60), check=True)
    assert found["changes"] == {"logging": {"before": None, "after": ["api"]}} and found["updates"] == []


CREATE: dict[str, Any] = {"role": "arn:aws:iam::123456789012:role/c", "subnets": ["a", "b"], "tags": {"team": "ml"}}
MISSING: Call = ("describe_cluster", {"name": "c"}, ("ResourceNotFoundException", "gone"))


def creation(network: dict[str, Any] | None = None, **request: Any) -> Call:
    given = {
        "name": "c",
        "roleArn": CREATE["role"],
        "resourcesVpcConfig": {"subnetIds": ["a", "b"], **(network or {})},
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "bootstrapSelfManagedAddons": False,
        "tags": {"team": "ml"},
        **request,
    }
    return ("create_cluster", given, {"cluster": {"status": "CREATING"}})


def test_a_new_cluster_is_as_requested_from_its_first_minute(waited: list[float]) -> None:
    requested = {**ALL, "endpoint_public_access": False, "public_access_cidrs": None}
    create = creation(
        {"endpointPublicAccess": False, "endpointPrivateAccess": True},
        version="1.33",
        accessConfig={"authenticationMode": "API"},
        logging={"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]},
        encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": KEY}}],
    )
    then = {**{name: value for name, value in requested.items() if value is not None}, "logging": ["api", "audit"]}
    calls = [MISSING, create, described("CREATING"), described(**then)]
    with answering("eks", *calls) as eks:
        found = cluster.configure(eks, "c", requested, Patience(60), create=CREATE)
    assert found["changed"] and found["updates"] == ["creation"] and len(waited) == 1
    assert found["configuration"] == {**then, "public_access_cidrs": ["0.0.0.0/0"]}
    with answering("eks", MISSING) as eks:
        would = cluster.configure(eks, "c", requested, Patience(60), True, CREATE)
    assert (would["changes"], would["updates"]) == (found["changes"], found["updates"])
    with answering("eks", described(**then), described(**then)) as eks:
        assert not cluster.configure(eks, "c", requested, Patience(60), create=CREATE)["changed"]


def test_a_role_that_eks_does_not_know_yet_is_waited_for(waited: list[float]) -> None:
    unknown = ("InvalidParameterException", "Role with arn: arn:aws:iam::1:role/c, could not be assumed")
    create = creation()
    with answering("eks", MISSING, (*create[:2], unknown), create, described()) as eks:
        assert cluster.configure(eks, "c", {}, Patience(60), create=CREATE)["changed"]
    assert len(waited) == 1
    with (
        answering("eks", MISSING, (*create[:2], ("InvalidParameterException", "no such subnet"))) as eks,
        pytest.raises(AwsError, match="no such subnet"),
    ):
        cluster.configure(eks, "c", {}, Patience(60), create=CREATE)


def test_a_cluster_that_nobody_could_reach_is_not_created() -> None:
    with answering("eks", MISSING) as eks, pytest.raises(BadInput, match="Nobody could reach it"):
        cluster.configure(eks, "c", {"endpoint_public_access": False}, Patience(60), create=CREATE)
