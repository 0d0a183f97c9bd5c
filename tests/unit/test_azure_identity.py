"""A pod that a container of Azure refuses says at which step: no identity, not believed, no right, no keys."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import identity, web
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.web import Answer

URI = "wasbs://artifactroot@mlflow0aa3981a.blob.core.windows.net/prefix"
SUBJECT = "system:serviceaccount:other:mlflow"
CLAIMS: dict[str, Any] = {"sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "iss": "https://oidc.example/id/1"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
KEY = {"AZURE_STORAGE_ACCESS_KEY": base64.b64encode(b"key").decode()}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    body = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=")
    (tmp_path / "token").write_text(f"e30.{body}.signature")
    login = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant"}
    return {**POD, **login, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}


def explained(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], blob: Any = None, login: Any = None) -> str:
    """What is said where the blob service and the login answer this."""
    asked: list[str] = []

    def send(_method: str, url: str, *_rest: Any) -> Answer:
        asked.append(url)
        if "/oauth2/" in url:
            return login or Answer(200, {}, {"access_token": "a.b.c", "expires_in": 3600})
        return Answer(200, {}, {}) if blob is None else Answer(403, {"x-ms-error-code": blob}, {})

    monkeypatch.setattr(web, "send", send)
    found = identity.explain(URI, environ)
    assert not asked or "/oauth2/" in asked[0] or "comp=list&maxresults=1&restype=container" in asked[0]
    return found


def test_a_pod_without_label_or_annotation_is_told_both(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, POD)
    assert "lacks the label azure.workload.identity/use" in said and "azure.workload.identity/client-id" in said


def test_an_identity_that_is_not_federated_is_named_with_whose_the_token_is(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    refused = {"error": "invalid_client", "error_description": "AADSTS700213: No matching federated identity record."}
    said = explained(monkeypatch, environ, login=Answer(401, {}, refused))
    for words in ("identity client", "AADSTS700213", SUBJECT, CLAIMS["aud"][0], CLAIMS["iss"], "aks_storage_namespace"):
        assert words in said, words
    Path(environ["AZURE_FEDERATED_TOKEN_FILE"]).unlink()
    assert "but no token for it" in explained(monkeypatch, environ)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "AuthorizationPermissionMismatch",
            "refuses it the container artifactroot of mlflow0aa3981a.*Data Contributor",
        ),
        ("ContainerNotFound", "The role aks_storage creates it"),
    ],
)
def test_a_container_that_is_denied_is_named_with_the_right_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], code: str, words: str
) -> None:
    said = explained(monkeypatch, environ, code)
    assert re.search(words, said), said


def test_a_key_that_is_switched_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, {**POD, **KEY}, "KeyBasedAuthenticationNotPermitted")
    assert "The keys of the account are switched off" in said and KEY["AZURE_STORAGE_ACCESS_KEY"] not in said


def test_where_all_works_or_the_login_is_another_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    assert explained(monkeypatch, environ) == "" == explained(monkeypatch, {**POD, **KEY})
    assert explained(monkeypatch, {}) == "" == explained(monkeypatch, {"AZURE_STORAGE_CONNECTION_STRING": "x"})
    assert identity.explain("s3://artifacts", POD) == ""


def test_a_login_that_nobody_answers_is_no_disbelief(environ: dict[str, str]) -> None:
    said = identity.explain(URI, {**environ, "AZURE_AUTHORITY_HOST": "http://127.0.0.1:1"})
    assert said.startswith("The pod has the identity client, and: Azure could not be asked at 127.0.0.1: "), said
    assert "does not believe" not in said
