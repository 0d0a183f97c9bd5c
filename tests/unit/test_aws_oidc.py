"""The identity provider of a cluster: what IAM is asked for, and that nothing is where all is as requested."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import oidc
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import AwsError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.aws import ACCOUNT, Call, answering

NAME = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
ISSUER = f"https://{NAME}"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{NAME}"
# Its name begins as ours does.
OTHER = f"{ARN}2"
STS = "sts.amazonaws.com"


def listed(*arns: str) -> Call:
    return ("list_open_id_connect_providers", {}, {"OpenIDConnectProviderList": [{"Arn": arn} for arn in arns]})


def provider(client_ids: list[str], **tags: str) -> Call:
    said = [{"Key": name, "Value": value} for name, value in tags.items()]
    answer = {"Url": NAME, "ClientIDList": client_ids, "ThumbprintList": ["a" * 40], "Tags": said}
    return ("get_open_id_connect_provider", {"OpenIDConnectProviderArn": ARN}, answer)


def change(operation: str, **request: Any) -> Call:
    return (operation, {"OpenIDConnectProviderArn": ARN, **request}, {})


def created(**tags: str) -> Call:
    request: dict[str, Any] = {"Url": ISSUER, "ClientIDList": [STS]}
    if tags:
        request["Tags"] = [{"Key": name, "Value": value} for name, value in tags.items()]
    return ("create_open_id_connect_provider", request, {"OpenIDConnectProviderArn": ARN})


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
def test_a_provider_is_created_with_its_tags(issuer: str) -> None:
    with answering("iam", listed(OTHER), created(team="ml")) as iam:
        found = oidc.ensure(iam, issuer, [STS], {"team": "ml"}, True)
    now = {"arn": ARN, "client_ids": [STS], "tags": {"team": "ml"}}
    assert found == {"changed": True, "issuer": issuer, **now, "diff": {"before": {}, "after": now}}


def test_one_without_tags_is_created_without_an_empty_list() -> None:
    with answering("iam", listed(), created()) as iam:
        assert oidc.ensure(iam, ISSUER, [STS], None, True)["arn"] == ARN


def test_a_check_run_says_what_would_be_created_and_creates_nothing() -> None:
    with answering("iam", listed()) as iam:
        found = oidc.ensure(iam, ISSUER, [STS], {"team": "ml"}, True, check=True)
    assert (found["changed"], found["arn"], found["tags"]) == (True, "", {"team": "ml"})


@pytest.mark.parametrize("check", [True, False])
def test_one_that_is_there_with_more_than_is_requested_stays_as_it_is(check: bool) -> None:
    with answering("iam", listed(OTHER, ARN), provider(["other", STS], team="ml")) as iam:
        found = oidc.ensure(iam, ISSUER, [STS], None, True, check)
    assert not found["changed"] and found["diff"]["before"] == found["diff"]["after"]
    assert found["client_ids"] == ["other", STS] and found["tags"] == {"team": "ml"}


def test_what_it_lacks_is_added_and_what_is_not_requested_any_more_removed() -> None:
    with answering(
        "iam",
        listed(ARN),
        provider(["other"], team="ml", old="1"),
        change("add_client_id_to_open_id_connect_provider", ClientID=STS),
        change("tag_open_id_connect_provider", Tags=[{"Key": "team", "Value": "data"}]),
        change("untag_open_id_connect_provider", TagKeys=["old"]),
    ) as iam:
        found = oidc.ensure(iam, ISSUER, [STS], {"team": "data"}, True)
    assert found["changed"] and found["client_ids"] == ["other", STS] and found["tags"] == {"team": "data"}
    with answering("iam", listed(ARN), provider(["other"], team="ml", old="1")) as iam:
        assert oidc.ensure(iam, ISSUER, [STS], {"team": "data"}, True, check=True) == found


def test_it_is_removed_once() -> None:
    with answering("iam", listed(ARN), provider([STS]), change("delete_open_id_connect_provider")) as iam:
        found = oidc.remove(iam, ISSUER)
    assert (found["changed"], found["arn"], found["diff"]["after"]) == (True, "", {})
    with answering("iam", listed(ARN), provider([STS])) as iam:
        assert oidc.remove(iam, ISSUER, check=True) == found
    with answering("iam", listed(OTHER)) as iam:
        assert oidc.remove(iam, ISSUER)["changed"] is False


@pytest.mark.parametrize("issuer", ["oidc.eks/id/X", "http://oidc.eks/id/X", "https://", f"{ISSUER}?a=b", ""])
def test_what_is_no_issuer_is_refused_before_iam_is_asked(issuer: str) -> None:
    with answering("iam") as iam, pytest.raises(BadInput, match="is no issuer: give the URL that the cluster says"):
        oidc.ensure(iam, issuer, [STS], None, True)


def test_a_provider_that_would_accept_no_token_is_refused() -> None:
    with answering("iam") as iam, pytest.raises(BadInput, match="client_ids is empty"):
        oidc.ensure(iam, ISSUER, [], None, True)


def test_the_issuer_is_what_the_cluster_says() -> None:
    def described(**cluster: Any) -> Call:
        return ("describe_cluster", {"name": "c"}, {"cluster": cluster})

    with answering("eks", described(identity={"oidc": {"issuer": ISSUER}})) as eks:
        assert oidc.issuer_of(eks, "c") == ISSUER
    with (
        answering("eks", described(status="CREATING")) as eks,
        pytest.raises(AwsError, match=r"is CREATING\. Wait until"),
    ):
        oidc.issuer_of(eks, "c")
    with answering("eks", ("describe_cluster", {"name": "c"}, ("ResourceNotFoundException", "No cluster"))) as eks:
        assert oidc.issuer_of(eks, "c") is None


def test_a_check_run_knows_a_provider_of_a_cluster_that_would_be_created() -> None:
    found = oidc.without_cluster("c", [STS], {"team": "ml"}, check=True)
    assert (found["changed"], found["issuer"], found["client_ids"], found["tags"]) == (True, "", [STS], {"team": "ml"})
    with pytest.raises(BadInput, match=r"There is no cluster c .+ give the issuer"):
        oidc.without_cluster("c", [STS], None, check=False)


CLUSTER = {"issuer": "oidc.eks.us-west-2.amazonaws.com/id/A", "oidc_provider": "arn:aws:iam::1:oidc-provider/x"}


def test_a_role_for_pods_trusts_one_service_account_by_subject_and_audience() -> None:
    [statement] = oidc.trust(CLUSTER, "mlflow", "server")["Statement"]
    assert statement["Principal"] == {"Federated": CLUSTER["oidc_provider"]}
    assert statement["Condition"] == {
        "StringEquals": {
            f"{CLUSTER['issuer']}:sub": "system:serviceaccount:mlflow:server",
            f"{CLUSTER['issuer']}:aud": "sts.amazonaws.com",
        }
    }


def test_a_role_may_be_for_a_few_accounts_that_are_named() -> None:
    [statement] = oidc.trust(CLUSTER, "kube-system", ["controller", "node"])["Statement"]
    subjects = statement["Condition"]["StringEquals"][f"{CLUSTER['issuer']}:sub"]
    assert subjects == ["system:serviceaccount:kube-system:controller", "system:serviceaccount:kube-system:node"]
    for accounts in ([], ["controller", "efs-*"]):
        with pytest.raises(BadInput, match="exactly those that are named"):
            oidc.trust(CLUSTER, "kube-system", accounts)


@pytest.mark.parametrize(
    ("cluster", "account", "words"),
    [
        (CLUSTER, "*", "is no service account: a role is for exactly those"),
        (CLUSTER, "", "is no service account"),
        ({"issuer": "", "oidc_provider": "arn"}, "server", "run the role eks_cluster first"),
        ({}, "server", "run the role eks_cluster first"),
    ],
)
def test_a_role_for_whoever_comes_is_refused(cluster: dict[str, str], account: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        oidc.trust(cluster, "mlflow", account)
