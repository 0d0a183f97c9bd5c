"""S3 as it tells a lock, in days or in years, of which moto tells both; and a policy that asks for TLS, which the
emulator does not speak, and its clients would be refused for. Runs in moto's environment.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy
from moto.s3.models import FakeBucket, S3Backend

_get = S3Backend.get_object_lock_configuration
_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def get_object_lock_configuration(backend: S3Backend, bucket_name: str) -> tuple[Any, ...]:
    enabled, mode, days, years = _get(backend, bucket_name)
    return enabled, mode, days or None, years or None


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """By the policy as if requests came by TLS."""
    policy = json.loads(bucket.policy or '{"Statement": []}')
    policy["Statement"] = [one for one in policy["Statement"] if one.get("Condition") != _TLS]
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


def install() -> None:
    S3Backend.get_object_lock_configuration = get_object_lock_configuration
    FakeBucket.get_permission = get_permission
