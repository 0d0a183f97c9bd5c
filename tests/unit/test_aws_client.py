"""A service of AWS: who asks, what is refused, and that what a service says reaches the user."""

from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import AwsError, Login, connect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.tags import difference
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, MissingLibrary
from support.aws import Call, answering

SECRET, TOKEN = "a-secret-that-nobody-reads", "a-token-that-nobody-reads"


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_missing_library_is_one_sentence_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingLibrary, match=r"library boto3 is needed to reach AWS.+requirements-aws\.txt") as error:
        connect("eks", Login(region="us-west-2"))
    assert "MLflow" not in str(error.value), "its interpreter has no boto3"


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (Login(), r"must specify a region\. Give region, or set AWS_REGION"),
        (Login(region="us west"), r"us west.+Give region"),
        (Login(region="us-west-2", profile="nobody"), r"nobody.+Check profile and AWS_PROFILE"),
        (Login(region="us-west-2", endpoint_url="nowhere"), "Invalid endpoint: nowhere"),
        (Login(region="us-west-2", config={"patience": 1}), "patience"),
    ],
)
def test_a_login_that_cannot_be_is_refused_before_anything_is_sent(login: Login, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        connect("eks", login)


def test_who_has_no_credentials_is_told_where_they_come_from() -> None:
    with pytest.raises(
        AwsError, match=r"eks:DescribeCluster: Unable to locate credentials\. Give access_key and secret_"
    ):
        connect("eks", Login(region="us-west-2")).call("describe_cluster", name="c")


def test_a_service_that_is_out_of_reach_is_named_with_its_address() -> None:
    login = Login(
        region="us-west-2",
        access_key="key",
        secret_key=SECRET,
        session_token=TOKEN,
        endpoint_url="http://127.0.0.1:9",
        config={"retries": {"max_attempts": 0}},
    )
    with pytest.raises(AwsError, match=r"127\.0\.0\.1:9.+Check region and endpoint_url") as error:
        connect("eks", login).call("describe_cluster", name="c")
    assert not {SECRET, TOKEN} & set(str(error.value).split())
    assert SECRET not in repr(login) and TOKEN not in repr(login)


@pytest.mark.parametrize(
    ("code", "said", "remedy"),
    [
        ("ResourceLimitExceededException", "Clusters quota of 100 is reached", "Service Quotas"),
        ("AccessDeniedException", "User: x is not authorized to perform: eks:DescribeCluster", "allow it"),
        ("ExpiredTokenException", "The security token included in the request is expired", "Check the credentials"),
        ("InvalidSignatureException", "The signature does not match", "Check the credentials"),
        ("ResourceInUseException", "An update is in progress", "Run it again when"),
        ("InvalidParameterException", "Only one type of update can be allowed", ""),
    ],
)
def test_what_a_service_refuses_is_told_in_its_own_words(code: str, said: str, remedy: str) -> None:
    with (
        answering("eks", ("describe_cluster", {"name": "c"}, (code, said))) as eks,
        pytest.raises(AwsError, match=f"AWS refused eks:DescribeCluster: {code}: {said}.*{remedy}") as error,
    ):
        eks.call("describe_cluster", name="c")
    assert error.value.code == code


def test_only_what_is_not_there_counts_as_missing() -> None:
    gone = ("ResourceNotFoundException", "No cluster found for name: c.")
    with answering("eks", ("describe_cluster", {"name": "c"}, gone)) as eks:
        assert eks.find("describe_cluster", name="c") is None
    denied = ("AccessDeniedException", "no")
    with answering("eks", ("describe_cluster", {"name": "c"}, denied)) as eks, pytest.raises(AwsError):
        eks.find("describe_cluster", name="c")


def test_a_list_of_several_answers_is_read_to_its_end() -> None:
    first: Call = ("list_clusters", {}, {"clusters": ["a", "b"], "nextToken": "more"})
    with answering("eks", first, ("list_clusters", {"nextToken": "more"}, {"clusters": ["c"]})) as eks:
        assert eks.pages("list_clusters", "clusters") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("requested", "purge", "changed", "removed", "after"),
    [
        (None, True, {}, [], {"a": "1", "b": "2", "aws:x": "3"}),
        ({"a": 1}, True, {}, ["b"], {"a": "1", "aws:x": "3"}),
        ({"a": 1}, False, {}, [], {"a": "1", "b": "2", "aws:x": "3"}),
        ({"a": "other", "c": ""}, False, {"a": "other", "c": ""}, [], {"a": "other", "b": "2", "c": "", "aws:x": "3"}),
        ({}, True, {}, ["a", "b"], {"aws:x": "3"}),
    ],
)
def test_tags_differ_by_what_is_requested(
    requested: dict[str, object] | None, purge: bool, changed: dict[str, str], removed: list[str], after: dict[str, str]
) -> None:
    found = difference({"a": "1", "b": "2", "aws:x": "3"}, requested, purge)
    assert (found.set, found.removed, found.after) == (changed, removed, after)


def test_a_tag_of_aws_itself_is_refused() -> None:
    with pytest.raises(BadInput, match="aws:x are AWS's own"):
        difference({}, {"aws:x": "1"}, True)
