# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection of a bucket or a container, from what a role says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import trust
from ..connection import without_secret
from ..errors import BadInput
from ..names import host_of_url

_AWS = "https://s3.amazonaws.com"
# A bucket, and a prefix that no reader takes for something else.
_URI = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9](/[^?#\x00-\x1f]*)?")
# A container of Azure Blob, as MLflow wants it: it believes no other host names.
_BLOB = re.compile(
    r"wasbs://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])@([a-z0-9]{3,24})\.blob\.core\.windows\.net(/[^?#\x00-\x1f]*)?"
)
_PORTS = {"http": 80, "https": 443}
# Of Azure Blob, by the key in a Secret, the environment that MLflow reads it from.
_LOGINS = {"account-key": "AZURE_STORAGE_ACCESS_KEY", "connection-string": "AZURE_STORAGE_CONNECTION_STRING"}
# By the environment that holds it, the key in a Secret.
_KEYS = {"AWS_ACCESS_KEY_ID": "access-key", "AWS_SECRET_ACCESS_KEY": "secret-key"}


def bucket(
    uri: str,
    region: str,
    endpoint: str = "",
    create: bool = False,
    secret: str = "",
    access_key_file: str = "",
    secret_key_file: str = "",
    authority: str = "",
    type: str = "external_s3",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How a bucket is reached. Keys are in a Secret or in files; without either, whoever asks has an identity.

    :param endpoint: URL of the store; empty for AWS.
    :param create: whether a bucket that is missing is to be created.
    :param secret: Kubernetes Secret with C(access-key) and C(secret-key).
    :param authority: the deployment in a cluster by whose own authority the store is verified; empty for nobody's.
    :param more: what else the connection says.
    :raises BadInput: it is no bucket, or the endpoint is no URL or holds keys.
    """
    if not _URI.fullmatch(without_secret(uri, "mlflow_artifact_store_uri")):
        raise BadInput(f"mlflow_artifact_store_uri is '{uri}'; it must be s3://bucket/prefix.")
    if endpoint:
        host_of_url(endpoint, "mlflow_artifact_store_endpoint")
    place = urlsplit(endpoint or _AWS)
    keys: dict[str, Any] = {}
    if secret:
        keys = {name: {"secret": secret, "key": key} for name, key in _KEYS.items()}
    elif access_key_file:
        files = (access_key_file, secret_key_file)
        keys = {name: {"file": file} for name, file in zip(_KEYS, files, strict=True)}
    env = {"AWS_DEFAULT_REGION": region, **({"MLFLOW_S3_ENDPOINT_URL": endpoint} if endpoint else {})}
    if authority:
        env["AWS_CA_BUNDLE"] = trust.file("artifacts")
    return {
        "type": type,
        "uri": uri,
        "host": place.hostname,
        "port": place.port or _PORTS.get(place.scheme, 443),
        "create_bucket": create,
        "env": env,
        "secrets": keys,
        **({"ca": trust.authority_of(authority)} if authority else {}),
        **(more or {}),
    }


def container(uri: str, secret: str = "", key: str = "account-key") -> dict[str, Any]:
    """How a container of Azure Blob is reached: by the pod's identity, or with the key of its account.

    :param secret: Kubernetes Secret with the key; empty where the pod has an identity.
    :param key: C(account-key), or C(connection-string), which may hold a SAS token in place of the key.
    :raises BadInput: it is no container, or the URI holds a key.
    """
    found = _BLOB.fullmatch(without_secret(uri, "mlflow_artifact_store_uri"))
    if not found:
        raise BadInput(
            f"mlflow_artifact_store_uri is '{uri}'; it must be wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/prefix."
        )
    if key not in _LOGINS:
        raise BadInput(f"mlflow_artifact_store_blob_login is '{key}'; offered are {', '.join(_LOGINS)}.")
    keys = {_LOGINS[key]: {"secret": secret, "key": key}} if secret else {}
    return {
        "type": "azure_blob",
        "uri": uri,
        "host": f"{found.group(2)}.blob.core.windows.net",
        "port": 443,
        "env": {"AZURE_STORAGE_ACCOUNT": found.group(2)},
        "secrets": keys,
    }
