"""How roles say where a bucket is, and where its keys lie."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import cloud
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.connection import bucket, container


def test_a_bucket_of_aws_has_no_endpoint_and_an_identity_needs_no_keys() -> None:
    found = bucket("s3://models/prefix", "eu-central-1")
    assert (found["host"], found["port"]) == ("s3.amazonaws.com", 443)
    assert found["env"] == {"AWS_DEFAULT_REGION": "eu-central-1"} and found["secrets"] == {}
    Connection.parse(found, "mlflow_server_artifact_store")


def test_keys_are_in_a_secret_or_in_files_and_an_endpoint_says_its_port() -> None:
    found = bucket(
        "s3://models", "r", "http://gateway:7070", create=True, secret="keys", type="s3", more={"claim": "c"}
    )
    assert (found["type"], found["host"], found["port"], found["create_bucket"]) == ("s3", "gateway", 7070, True)
    assert found["env"]["MLFLOW_S3_ENDPOINT_URL"] == "http://gateway:7070" and found["claim"] == "c"
    assert found["secrets"] == {
        "AWS_ACCESS_KEY_ID": {"secret": "keys", "key": "access-key"},
        "AWS_SECRET_ACCESS_KEY": {"secret": "keys", "key": "secret-key"},
    }
    files = bucket("s3://models", "r", "http://gateway", access_key_file="/a", secret_key_file="/s")
    assert files["port"] == 80
    assert files["secrets"] == {"AWS_ACCESS_KEY_ID": {"file": "/a"}, "AWS_SECRET_ACCESS_KEY": {"file": "/s"}}


def test_a_container_of_azure_is_reached_by_an_identity_or_with_the_key_of_its_account() -> None:
    uri = "wasbs://artifactroot@mlflow0aa3981a.blob.core.windows.net/prefix"
    found = container(uri)
    assert (found["type"], found["uri"], found["secrets"]) == ("azure_blob", uri, {})
    assert (found["host"], found["port"]) == ("mlflow0aa3981a.blob.core.windows.net", 443)
    Connection.parse(found, "mlflow_server_artifact_store")
    keys = container(uri, "keys")["secrets"]
    assert keys == {"AZURE_STORAGE_ACCESS_KEY": {"secret": "keys", "key": "account-key"}}
    keys = container(uri, "keys", "connection-string")["secrets"]
    assert keys == {"AZURE_STORAGE_CONNECTION_STRING": {"secret": "keys", "key": "connection-string"}}
    with pytest.raises(BadInput, match="offered are account-key, connection-string"):
        container(uri, "keys", "password")


@pytest.mark.parametrize(
    ("given", "login"),
    [
        ("a2V5Cg==", {"account_key": "a2V5Cg=="}),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5Cg==;", {"account_key": "a2V5Cg=="}),
        ("BlobEndpoint=https://a/;SharedAccessSignature=sv=1&sig=x%3D", {"sas_key": "sv=1&sig=x%3D"}),
        ("?sv=1&sig=x%3D", {"sas_key": "sv=1&sig=x%3D"}),
    ],
)
def test_an_account_is_opened_by_a_key_a_sas_token_or_a_connection_string(given: str, login: dict[str, str]) -> None:
    assert cloud._azure_login(given) == login


@pytest.mark.parametrize(
    ("region", "env", "s3", "sts"),
    [
        (
            "cn-north-1",
            {},
            "https://s3.cn-north-1.amazonaws.com.cn",
            "https://sts.cn-north-1.amazonaws.com.cn",
        ),
        (
            None,
            {"AWS_REGION": "cn-northwest-1", "AWS_ENDPOINT_URL_STS": "https://sts.private"},
            "https://s3.cn-northwest-1.amazonaws.com.cn",
            "https://sts.private",
        ),
        ("eu-central-1", {}, None, None),
    ],
)
def test_buckets_and_roles_of_china_are_asked_for_below_its_own_domain(
    region: str | None, env: dict[str, str], s3: str | None, sts: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    config = cloud._s3(cloud.Place("s3://models", region=region)).config
    found = {name.lower().removeprefix("aws_"): value for name, value in config.items()}
    told = [value for name, value in found.items() if name in ("endpoint_url_sts", "sts_endpoint")]
    assert (found.get("endpoint") or found.get("endpoint_url"), told) == (s3, [sts] if sts else [])
