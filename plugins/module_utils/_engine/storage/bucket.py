# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bucket: an S3 bucket of artifacts, created where that is wanted, and proven by writing, reading and removing."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput, EngineError, MissingLibrary

_PROBE = ".mlops-mlflow-probe-"


class BucketError(EngineError):
    """A bucket cannot be used; the message says at which step and why."""


@dataclass(frozen=True)
class Keys:
    """How an endpoint is used. What is None comes from where the cloud's library looks itself; no endpoint is AWS."""

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


def ensure(
    uri: str, keys: Keys, *, create: bool = False, wait_seconds: float = 0.0, check: bool = False
) -> dict[str, Any]:
    """Prove that a bucket can be used, and create it first where it is missing and C(create) is true.

    :param wait_seconds: how long an endpoint that does not answer is tried again.
    :param check: look only whether it is there.
    :returns: C(bucket) and C(changed) (whether it was created, or would be).
    :raises BucketError: it is missing, unreachable, or refuses one of the three.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.hostname:
        raise BadInput(f"'{uri}' is no bucket: write s3://bucket/prefix.")
    try:
        import boto3
        import botocore.config
        import botocore.exceptions
    except ImportError as error:
        raise MissingLibrary("boto3", "look at the bucket") from error
    where = f"bucket {parts.hostname} at {keys.endpoint or 'AWS'}"
    client = boto3.client(
        "s3",
        endpoint_url=keys.endpoint or None,
        region_name=keys.region,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=botocore.config.Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2}),
    )
    end = time.monotonic() + wait_seconds
    while True:
        try:
            created = _created(client, botocore.exceptions.ClientError, parts.hostname, create, check)
            if not check:
                _prove(client, parts.hostname, parts.path.strip("/"))
            return {"bucket": parts.hostname, "changed": created}
        except botocore.exceptions.ClientError as error:
            raise BucketError(f"The {where} cannot be used: {_reason(error)}") from error
        except botocore.exceptions.NoCredentialsError as error:
            raise BucketError(f"The {where} cannot be used: no keys were given, and no cloud identity.") from error
        except botocore.exceptions.BotoCoreError as error:
            if time.monotonic() > end:
                raise BucketError(f"The {where} cannot be reached: {error}") from error
            time.sleep(1)


def _created(client: Any, refusal: type[Exception], bucket: str, create: bool, check: bool) -> bool:
    try:
        client.head_bucket(Bucket=bucket)
    except refusal as error:
        if not create or error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # type: ignore[attr-defined]
            raise
        if not check:
            client.create_bucket(Bucket=bucket)
        return True
    return False


def _prove(client: Any, bucket: str, prefix: str) -> None:
    key = "/".join(part for part in (prefix, _PROBE + uuid.uuid4().hex) if part)
    client.put_object(Bucket=bucket, Key=key, Body=b"probe")
    try:
        if client.get_object(Bucket=bucket, Key=key)["Body"].read() != b"probe":
            raise BucketError(f"The bucket {bucket} gave back something else than was written.")
    finally:
        client.delete_object(Bucket=bucket, Key=key)


def _reason(error: Any) -> str:
    code, operation = str(error.response["Error"].get("Code")), error.operation_name
    remedy = {
        "404": "it does not exist. Create it, or set mlflow_artifact_store_create_bucket to true.",
        "403": "the keys are wrong, or may not use it.",
        "InvalidAccessKeyId": "the access key is unknown there.",
        "SignatureDoesNotMatch": "the secret key is wrong.",
        "AccessDenied": "the keys may not do this.",
    }.get(code, str(error.response["Error"].get("Message") or code))
    return f"{operation} was refused ({code}): {remedy}"
