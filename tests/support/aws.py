"""Services of AWS that answer what a test says; each request and answer is held against boto3's description of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import Service
from botocore.stub import Stubber

from .playbooks import PlayResult

REGION = "us-west-2"
ACCOUNT = "123456789012"
SECRET = f"secret-{uuid.uuid4()}"
Play = Callable[..., PlayResult]
# One call: its operation, its request, and what it answers. (code, message) instead of an answer refuses it.
Call = tuple[str, dict[str, Any], "dict[str, Any] | tuple[str, str]"]


@contextmanager
def answering(name: str, *calls: Call) -> Iterator[Service]:
    """A service that gets exactly these calls, in this order."""
    client = boto3.client(name, region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret")
    with Stubber(client) as stubber:
        for operation, request, answer in calls:
            if isinstance(answer, tuple):
                stubber.add_client_error(operation, *answer, expected_params=request)
            else:
                stubber.add_response(operation, answer, request)
        yield Service(client, name)
        stubber.assert_no_pending_responses()
