"""Azure Resource Manager and its login: what is waited for, sent again and refused, and what the messages say."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import client, login, web
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.client import Arm, Patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.inspect import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.web import Answer, AzureError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support import arm as stand_in

GROUP = f"{stand_in.ROOT}/resourceGroups/mlflow"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[stand_in.Azure, Arm]]:
    monkeypatch.setattr(patience.time, "sleep", lambda _seconds: None)
    with stand_in.serving() as (azure, environ):
        yield azure, Arm(environ["AZURE_RESOURCE_MANAGER_ENDPOINT"], environ, Patience(60))


def test_a_resource_is_waited_for_until_it_is_there_and_until_it_is_gone(azure: tuple[stand_in.Azure, Arm]) -> None:
    subscription, arm = azure
    arm.put(GROUP, "1", {"location": "Central India"}, "group")
    made = arm.put(ACCOUNT, "1", {"location": "Central India"}, "account")
    assert made["properties"]["provisioningState"] == "Succeeded"
    arm.delete(ACCOUNT, "1", "account")
    assert ACCOUNT.lower() not in subscription.resources and arm.find(ACCOUNT, "1") is None


def test_who_waits_too_long_is_told_that_azure_goes_on(azure: tuple[stand_in.Azure, Arm]) -> None:
    _subscription, arm = azure
    arm.put(GROUP, "1", {}, "group")
    arm._patience = Patience(0)
    with pytest.raises(AzureError, match=r"the account is still requested after 0 s\. Azure goes on with it"):
        arm.put(ACCOUNT, "1", {}, "the account")


def test_a_refusal_has_azures_words_and_what_helps(
    monkeypatch: pytest.MonkeyPatch, azure: tuple[stand_in.Azure, Arm]
) -> None:
    _subscription, arm = azure
    with pytest.raises(AzureError, match=r"Azure refused PUT .*/a: ResourceGroupNotFound: Resource group 'mlflow'"):
        arm.put(ACCOUNT, "1", {}, "account")
    said = {"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}}
    monkeypatch.setattr(web, "send", lambda *_a: Answer(403, {}, said))
    with pytest.raises(AzureError, match=r"does not have authorization\. Log in as somebody who may do this"):
        arm.put(ACCOUNT, "1", {}, "account")


def test_what_may_not_be_seen_is_not_taken_for_something_that_is_there(
    monkeypatch: pytest.MonkeyPatch, azure: tuple[stand_in.Azure, Arm]
) -> None:
    _subscription, arm = azure
    assert arm.principal
    said = {"error": {"code": "AuthorizationFailed", "message": "no right to read"}}
    monkeypatch.setattr(web, "send", lambda *_a: Answer(403, {}, said))
    with pytest.raises(AzureError, match="no right to read"):
        arm.find(GROUP, "1")


def test_what_may_pass_is_sent_again_and_a_next_page_elsewhere_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, azure: tuple[stand_in.Azure, Arm]
) -> None:
    _subscription, arm = azure
    assert arm.principal.principal == stand_in.PRINCIPAL
    unknown = {"error": {"code": "PrincipalNotFound", "message": "not yet"}}
    answers = [Answer(503, {}, {}), Answer(400, {}, unknown), Answer(200, {}, {"value": [{"a": 1}]})]
    answers[2].body["nextLink"] = "https://elsewhere.example/next"
    monkeypatch.setattr(web, "send", lambda *_a: answers.pop(0))
    assert arm.pages("/x", "1") == [{"a": 1}] and answers == []


def test_why_a_long_operation_failed_is_asked_of_azure_alone(
    monkeypatch: pytest.MonkeyPatch, azure: tuple[stand_in.Azure, Arm]
) -> None:
    _subscription, arm = azure
    assert arm.principal
    for host, words in ((arm._endpoint, "QuotaExceeded: no cores. Ask Azure for a higher"), ("https://x", "no reason")):
        failed = {"properties": {"provisioningState": "Failed"}}
        reason = {"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no cores"}}
        answers = [Answer(201, {"azure-asyncoperation": f"{host}/operations/1"}, failed), Answer(200, {}, reason)]
        monkeypatch.setattr(web, "send", lambda *_a, left=answers: left.pop(0))
        with pytest.raises(AzureError, match=words):
            arm.put("/x", "1", {}, "the cluster")


def test_a_change_that_only_its_operation_tells_of_is_waited_for_and_its_failure_told(
    monkeypatch: pytest.MonkeyPatch, azure: tuple[stand_in.Azure, Arm]
) -> None:
    _subscription, arm = azure
    assert arm.principal
    begun = Answer(202, {"azure-asyncoperation": f"{arm._endpoint}/operations/1"}, {})
    there, going = Answer(200, {}, {"properties": {"state": "Ready"}}), Answer(200, {}, {"status": "InProgress"})
    full = Answer(200, {}, {"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no cores"}})
    answers = [begun, there, going, there, Answer(200, {}, {"status": "Succeeded"})]
    monkeypatch.setattr(web, "send", lambda *_a: answers.pop(0))
    assert arm.put("/x", "1", {}, "the database") == there.body and answers == []
    answers[:] = [begun, there, full, full]
    with pytest.raises(AzureError, match="the database is Failed: QuotaExceeded: no cores"):
        arm.put("/x", "1", {}, "the database")


@pytest.mark.parametrize("url", ["http://management.azure.com", "management.azure.com", "https://", "ftp://127.0.0.1"])
def test_logins_go_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(BadInput, match="begins with https://"):
        Arm(url, {})


def test_half_a_login_is_told(azure: tuple[stand_in.Azure, Arm]) -> None:
    with pytest.raises(BadInput, match="AZURE_TENANT_ID is not"):
        login.log_in(client.ENDPOINT, {"AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"})
    with pytest.raises(BadInput, match="AZURE_FEDERATED_TOKEN_FILE is /none"):
        environ = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": "/none"}
        login.log_in(client.ENDPOINT, environ)


def test_azure_cli_gives_a_token_or_says_why_not(tmp_path: Path) -> None:
    program = tmp_path / "az"
    answer = json.dumps({"accessToken": stand_in.TOKEN, "expires_on": 4_000_000_000})
    for text, words in (
        (f"#!/bin/sh\necho '{answer}'\n", ""),
        ("#!/bin/sh\necho 'Run az login' >&2\nexit 1\n", "Run az"),
    ):
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        environ = {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"}
        if words:
            with pytest.raises(BadInput, match=words):
                login.log_in(client.ENDPOINT, environ)
        else:
            assert login.log_in(client.ENDPOINT, environ).principal == stand_in.PRINCIPAL


def test_a_token_is_asked_for_anew_before_it_ends(azure: tuple[stand_in.Azure, Arm]) -> None:
    _subscription, arm = azure
    first = arm.principal
    assert arm.principal is first
    arm._token = login.Token(first.text, 0.0, "", "")
    assert arm.principal is not first and stand_in.TOKEN not in repr(arm.principal)


def test_who_has_rights_in_a_group_alone_lacks_nothing_where_that_and_the_cluster_are_there(
    azure: tuple[stand_in.Azure, Arm],
) -> None:
    subscription, arm = azure
    subscription.actions = ["Microsoft.Storage/*", "Microsoft.ManagedIdentity/*", "Microsoft.Authorization/*"]
    where = (stand_in.SUBSCRIPTION, "g", "n", "centralindia")
    assert len(inspect(arm, *where)["denied"]) == 2
    group = f"{stand_in.ROOT}/resourceGroups/g"
    subscription.resources[group.lower()] = {"id": group, "name": "g", "properties": {}}
    found = inspect(arm, *where, ("resource_group", "cluster"))
    assert (found["denied"], found["group"], found["cluster"]) == ([], True, {})


def test_a_subscription_that_is_not_seen_is_told(azure: tuple[stand_in.Azure, Arm]) -> None:
    _subscription, arm = azure
    with pytest.raises(BadInput, match="is not seen by who is logged in"):
        inspect(arm, "00000000-0000-0000-0000-00000000000f", "g", "n", "centralindia")
