# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: how its modules log in to AWS, with the options of amazon.aws, whose code is not needed.

Matches the doc fragments aws and tags.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ._engine.aws.client import Login, Service, connect

AWS_ARGS: dict[str, Any] = {
    "region": {"type": "str", "aliases": ["aws_region"], "fallback": (env_fallback, ["AWS_REGION"])},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": False},
    "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
    "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
    "aws_ca_bundle": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "aws_config": {"type": "dict"},
}
TAGS_ARGS: dict[str, Any] = {
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
EXCLUSIVE = [("profile", "access_key"), ("profile", "secret_key"), ("profile", "session_token")]
TOGETHER = [("access_key", "secret_key")]


def service_of(module: AnsibleModule, name: str) -> Service:
    """A service of the AWS that a module's options describe."""
    params = module.params
    login = Login(
        region=params["region"] or None,
        profile=params["profile"] or None,
        access_key=params["access_key"] or None,
        secret_key=params["secret_key"] or None,
        session_token=params["session_token"] or None,
        endpoint_url=params["endpoint_url"] or None,
        ca_bundle=params["aws_ca_bundle"],
        validate_certs=params["validate_certs"],
        config=params["aws_config"] or {},
    )
    return connect(name, login)
