"""A pod that a bucket refuses says at which step: no role, a role that does not trust it, no right to bucket or key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.health import Check, Report
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import bucket, identity
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/mlflow-server"
SUBJECT = "system:serviceaccount:other:mlflow"
CLAIMS = {"sub": SUBJECT, "aud": ["sts.amazonaws.com"], "iss": "https://oidc.example/id/1"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "AWS_DEFAULT_REGION": "us-west-2"}
LAUNCH_ENV = {
    "_MLFLOW_SERVER_FILE_STORE": "postgresql://x",
    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "s3://artifacts/mlflow-artifacts",
}
URI = "s3://artifacts/mlflow-artifacts"


class Aws:
    """STS and S3: each refuses what it is told to."""

    def __init__(self, **refusals: tuple[str, str]) -> None:
        self.refusals = refusals

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**_request: Any) -> dict[str, Any]:
            if operation in self.refusals:
                code, message = self.refusals[operation]
                answer: Any = {
                    "Error": {"Code": code, "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 403},
                }
                raise ClientError(answer, "".join(word.title() for word in operation.split("_")))
            return {"Body": self}

        return call

    def read(self) -> bytes:
        return b"probe"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    body = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=")
    (tmp_path / "token").write_text(f"e30.{body}.signature")
    return {**POD, "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}


def explained(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], uri: str = URI, **refusals: Any) -> str:
    monkeypatch.setattr(boto3, "client", lambda *_names, **_options: Aws(**refusals))
    return identity.explain(uri, environ)


def test_an_account_without_its_annotation_is_named_with_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, POD)
    assert "lacks the annotation eks.amazonaws.com/role-arn" in said
    assert "mlflow_server_service_account_annotations" in said and "restart.yml" in said


def test_a_subject_that_the_role_does_not_trust_is_named(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    refused = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    said = explained(monkeypatch, environ, assume_role_with_web_identity=refused)
    for words in (ROLE, refused[1], SUBJECT, "sts.amazonaws.com", "https://oidc.example/id/1", "eks_storage_namespace"):
        assert words in said, words
    assert "signature" not in said, "no part of the token itself"


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        ("list_objects_v2", "s3:ListBucket on resource: arn:aws:s3:::artifacts"),
        ("put_object", "kms:GenerateDataKey on resource: arn:aws:kms:us-west-2:123456789012:key/k"),
        ("get_object", "s3:GetObject on resource: arn:aws:s3:::artifacts/mlflow-artifacts/x"),
    ],
)
def test_the_right_that_is_missing_is_named_with_bucket_or_key(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], operation: str, right: str
) -> None:
    refused = ("AccessDenied", f"User: {ROLE} is not authorized to perform: {right}")
    refusals: dict[str, Any] = {operation: refused}
    said = explained(monkeypatch, environ, **refusals)
    assert said.startswith(f"The pod has the role {ROLE}, and: The bucket artifacts at AWS") and right in said


def test_a_token_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    said = explained(monkeypatch, {**environ, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"})
    assert "no token for it: AWS_WEB_IDENTITY_TOKEN_FILE is '/nowhere'" in said


def test_nothing_is_said_where_all_of_it_works_or_keys_are_no_roles(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    refused = ("AccessDenied", "no")
    assert explained(monkeypatch, environ) == ""
    assert explained(monkeypatch, {**POD, "AWS_ACCESS_KEY_ID": "key"}, put_object=refused) == ""
    assert explained(monkeypatch, {}, put_object=refused) == "", "no pod"
    assert explained(monkeypatch, environ, "/mnt/artifacts", put_object=refused) == ""


def test_a_token_that_is_none_does_not_end_the_explanation(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for text in ("", "x", "a.!.b", "e30.W10.x"):
        Path(environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).write_text(text)
        said = explained(monkeypatch, environ, assume_role_with_web_identity=("InvalidIdentityToken", "bad"))
        assert "of nobody for nobody" in said


def test_health_says_it_with_the_check_that_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health, trial

    failed = Report("deep", [Check("artifacts", False, 0.1, "500 Internal Server Error.")])
    monkeypatch.setattr(health, "wait", lambda *_arguments: failed)
    call = operations.Call({"level": "deep"}, env=POD)
    assert "annotation" not in operations.health(call)["msg"], "no pod's launch here"
    (tmp_path / "launch.json").write_text(json.dumps({"env": LAUNCH_ENV}))
    monkeypatch.setattr(trial, "LAUNCH", tmp_path / "launch.json")
    said = operations.health(call)
    assert "artifacts: 500 Internal Server Error. The pod has no role of IAM" in said["msg"]
    assert said["failed"] and not said["healthy"]


def test_the_proof_of_a_bucket_says_it_before_any_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "client", lambda *_names, **_options: Aws(put_object=("AccessDenied", "no")))
    with pytest.raises(bucket.BucketError, match="The pod has no role of IAM"):
        operations.bucket(operations.Call({"uri": URI}, env=POD))
