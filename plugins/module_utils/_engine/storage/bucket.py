# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bucket: an S3 bucket of artifacts, created where that is wanted, and proven by writing, reading and removing."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput, EngineError, MissingLibrary, one_line
from ..http import ask_directly

_PROBE = ".mlops-mlflow-probe-"
# Of a store that is starting, is being replaced or has too much to do, or of a gateway before one that is away.
_PASSING = frozenset({429, 500, 502, 503, 504})


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

    :param wait_seconds: how long an endpoint is tried again that does not answer, or with an error of its own. What it
        refuses, it would refuse again.
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
    ask_directly(keys.endpoint)
    where = f"bucket {parts.hostname} at {keys.endpoint or 'AWS'}"
    client = boto3.client(
        "s3",
        endpoint_url=keys.endpoint or None,
        region_name=keys.region,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=botocore.config.Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2}),
    )
    refusals = botocore.exceptions
    end, created = time.monotonic() + wait_seconds, False
    prefix = parts.path.strip("/")
    # The same one each time: what a failed try left, the next removes.
    probe = f"{prefix}{'/' if prefix else ''}{_PROBE}{uuid.uuid4().hex}"
    while True:
        try:
            created = _created(client, refusals.ClientError, parts.hostname, prefix, create, check) or created
            if not check:
                _prove(client, parts.hostname, probe)
            return {"bucket": parts.hostname, "changed": created}
        except (refusals.ClientError, refusals.BotoCoreError) as error:
            passing, words = _judged(error, refusals)
            if not passing or time.monotonic() > end:
                raise BucketError(f"The {where} {words}") from error
        time.sleep(1)


def _judged(error: Exception, kinds: Any) -> tuple[bool, str]:
    """Whether another try may end otherwise, and what went wrong.

    :param kinds: the errors of botocore.
    """
    if isinstance(error, kinds.ClientError):
        return _status(error) in _PASSING, f"cannot be used: {_reason(error)}"
    if isinstance(error, kinds.NoCredentialsError):
        return False, "cannot be used: no keys were given, and no cloud identity."
    if isinstance(error, (kinds.ParamValidationError, kinds.PartialCredentialsError)):
        return False, f"cannot be used: {error}"
    return True, f"cannot be reached: {error}"


def _created(client: Any, refusal: type[Exception], bucket: str, prefix: str, create: bool, check: bool) -> bool:
    try:
        # Not HeadBucket: who may list his prefix alone, as servers on EKS, is refused that.
        client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1)
    except refusal as error:
        if not create or _status(error) != 404:
            raise
        if not check:
            _create(client, refusal, bucket)
        return True
    return False


def _create(client: Any, refusal: type[Exception], bucket: str) -> None:
    try:
        client.create_bucket(Bucket=bucket)
    except refusal as error:
        # The answer to an earlier try was lost.
        if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":  # type: ignore[attr-defined]
            raise


def _prove(client: Any, bucket: str, key: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=b"probe")
    try:
        if client.get_object(Bucket=bucket, Key=key)["Body"].read() != b"probe":
            raise BucketError(f"The bucket {bucket} gave back something else than was written.")
    finally:
        client.delete_object(Bucket=bucket, Key=key)


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _reason(error: Any) -> str:
    code, operation = str(error.response["Error"].get("Code")), error.operation_name
    remedy = {
        "NoSuchBucket": "it does not exist. Create it, or set mlflow_artifact_store_create_bucket to true.",
        "InvalidAccessKeyId": "the access key is unknown there.",
        "SignatureDoesNotMatch": "the secret key is wrong.",
    }.get(code, one_line(error.response["Error"].get("Message") or code, 400))
    if code == "AccessDenied":
        # AWS says which right of whom is missing, for a bucket or for the key that encrypts it.
        remedy = f"the keys may not do this ({remedy})."
    return f"{operation} was refused ({code}): {remedy}"
