# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bucket: an S3 bucket of artifacts, created where that is wanted, and proven by writing, reading and removing."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput, EngineError, MissingLibrary

_PROBE = ".mlops-mlflow-probe-"


class BucketError(EngineError):
    """A bucket cannot be used; the message says at which step and why."""


def ensure(uri: str, *, create: bool = False, wait_seconds: float = 0.0) -> dict[str, Any]:
    """Prove that a bucket can be used, and create it first where it is missing and C(create) is true.

    Keys, region and endpoint come from the environment that MLflow itself reads.

    :param wait_seconds: how long an endpoint that does not answer is tried again.
    :returns: C(bucket) and C(changed) (whether it was created).
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
    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
    where = f"bucket {parts.hostname} at {endpoint or 'AWS'}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        config=botocore.config.Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2}),
    )
    end = time.monotonic() + wait_seconds
    while True:
        try:
            return _prove(client, botocore.exceptions.ClientError, parts.hostname, parts.path.strip("/"), create)
        except botocore.exceptions.ClientError as error:
            raise BucketError(f"The {where} cannot be used: {_reason(error)}") from error
        except botocore.exceptions.NoCredentialsError as error:
            raise BucketError(f"The {where} cannot be used: no keys were given, and no cloud identity.") from error
        except botocore.exceptions.BotoCoreError as error:
            if time.monotonic() > end:
                raise BucketError(f"The {where} cannot be reached: {error}") from error
            time.sleep(1)


def _prove(client: Any, refusal: type[Exception], bucket: str, prefix: str, create: bool) -> dict[str, Any]:
    created = False
    try:
        client.head_bucket(Bucket=bucket)
    except refusal as error:
        if not create or error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # type: ignore[attr-defined]
            raise
        client.create_bucket(Bucket=bucket)
        created = True
    key = "/".join(part for part in (prefix, _PROBE + uuid.uuid4().hex) if part)
    client.put_object(Bucket=bucket, Key=key, Body=b"probe")
    try:
        if client.get_object(Bucket=bucket, Key=key)["Body"].read() != b"probe":
            raise BucketError(f"The bucket {bucket} gave back something else than was written.")
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    return {"bucket": bucket, "changed": created}


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
