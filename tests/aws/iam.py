"""IAM for pods: STS believes the subject that a role trusts, and rights hold for who has assumed a role. Runs in moto's
environment.

moto gives any role for any token, and asks for no rights. It does not evaluate conditions of policies, so that of the
prefix on ListBucket is tested as text only; and the issuer of a token is not compared: the test cluster is its own.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlparse

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.sts.exceptions import STSClientError
from moto.sts.responses import TokenResponse

_assume = TokenResponse.assume_role_with_web_identity


def assume_role_with_web_identity(response: TokenResponse) -> ActionResult:
    role = iam_backends[response.current_account]["aws"].get_role_by_arn(response._get_param("RoleArn"))
    claims = claims_of(response._get_param("WebIdentityToken"))
    [statement] = json.loads(role.assume_role_policy_document)["Statement"]
    trusted = {key.rpartition(":")[2]: value for key, value in statement["Condition"]["StringEquals"].items()}
    for name, value in trusted.items():
        if not set(as_list(claims.get(name))) & set(as_list(value)):
            raise STSClientError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    return _assume(response)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def authorize(response: Any, iam_request: Any, resource: str = "*") -> None:
    """Keys of a role begin with ASIA; those of the test itself are an administrator's."""
    if "Credential=ASIA" not in str(response.headers.get("Authorization")):
        return
    url = urlparse(response.uri)
    asked = iam_request(
        account_id=response.current_account,
        method=response.method,
        path=f"{response.raw_path}?{url.query}",
        data=response.data,
        body=response.raw_body,
        headers=response.headers,
        action=response.data.get("Action") or response._get_action(),
    )
    for one in removed(response, resource) if "delete" in parse_qs(url.query, keep_blank_values=True) else [resource]:
        asked.check_action_permitted(one)


def removed(response: Any, bucket: str) -> list[str]:
    """Of a request that removes several objects of a bucket, each object, as S3 has it; moto asks for the bucket."""
    body = response.body.decode() if isinstance(response.body, bytes) else response.body
    return [f"{bucket}/{key}" for key in re.findall("<Key>([^<]*)</Key>", body)]


def install() -> None:
    TokenResponse.assume_role_with_web_identity = assume_role_with_web_identity
    ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize
