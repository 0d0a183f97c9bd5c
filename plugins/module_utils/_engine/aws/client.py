# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service of AWS, asked through boto3: the one place that imports it, and where its errors become ours.

What a service says is kept word by word, because quotas and rights are told nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput, EngineError, MissingLibrary, one_line, sentence, with_remedy

# What a user can do about it, by words of the error's code.
_REMEDIES = (
    (
        ("AccessDenied", "UnauthorizedOperation"),
        "Log in as somebody who may do this, or allow it to who is logged in.",
    ),
    (
        ("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "Signature", "AuthFailure"),
        "Check the credentials: access_key, secret_key and session_token, profile, or what the environment says.",
    ),
    (
        ("LimitExceeded", "QuotaExceeded"),
        "Remove what is not needed any more, or ask AWS for a higher quota (Service Quotas).",
    ),
    (("ResourceInUse",), "Run it again when whatever changes it now has ended."),
)


class AwsError(EngineError):
    """AWS refused something, could not be reached, or did not get it done. C(code) is the service's, if it gave one."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Login:
    """Where AWS is and who asks. What is empty, boto3 looks up in the environment, its files and the machine's role."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    validate_certs: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)


def connect(service: str, login: Login) -> Service:
    """A service, such as C(eks).

    :raises BadInput: the login lacks something, or contradicts itself. Nothing has been sent.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise MissingLibrary(
            "boto3",
            "reach AWS",
            "Install it there (requirements-aws.txt), or name an interpreter that has it (ansible_python_interpreter).",
        ) from error
    settings = {"retries": {"mode": "standard", "max_attempts": 8}, "connect_timeout": 10, **login.config}
    try:
        session = boto3.Session(
            profile_name=login.profile,
            region_name=login.region,
            aws_access_key_id=login.access_key,
            aws_secret_access_key=login.secret_key,
            aws_session_token=login.session_token,
        )
        client = session.client(
            service,
            endpoint_url=login.endpoint_url,
            verify=(login.ca_bundle or None) if login.validate_certs else False,
            config=Config(**settings),
        )
    except (BotoCoreError, ValueError, TypeError) as error:
        raise BadInput(sentence(f"AWS cannot be asked ({service}): {one_line(error)}", _login_remedy(error))) from error
    return Service(client, service)


class Service:
    """One service; every call goes through here."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    @property
    def region(self) -> str:
        """Which one is asked; of those services that are of no region, another word."""
        return str(self._client.meta.region_name)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call an operation, named as boto3 does; what is None is left out.

        :raises AwsError: it was refused, or nobody answered.
        """
        given = {name: value for name, value in request.items() if value is not None}
        with self._asking(operation):
            return dict(getattr(self._client, operation)(**given))

    def find(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """Call an operation that reads something; None where there is no such thing."""
        try:
            return self.call(operation, **request)
        except AwsError as error:
            if "NotFound" in error.code or error.code.startswith("NoSuch"):
                return None
            raise

    def pages(self, operation: str, key: str, **request: Any) -> list[Any]:
        """All that a list holds, however many answers that takes."""
        with self._asking(operation):
            pages = self._client.get_paginator(operation).paginate(**request)
            return [one for page in pages for one in page.get(key, [])]

    @contextmanager
    def _asking(self, operation: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            code = str(said.get("Code", ""))
            text = f"AWS refused {self._what(operation)}: {code}: {one_line(said.get('Message', ''))}"
            raise AwsError(with_remedy(text, code, _REMEDIES), code) from error
        except BotoCoreError as error:
            text = f"AWS could not be asked for {self._what(operation)}: {one_line(error)}"
            raise AwsError(sentence(text, _login_remedy(error))) from error

    def _what(self, operation: str) -> str:
        return f"{self._name}:{''.join(word.title() for word in operation.split('_'))}"


def _login_remedy(error: Exception) -> str:
    kind = type(error).__name__
    if "Region" in kind:
        return "Give region, or set AWS_REGION."
    if "Credential" in kind or "Token" in kind:
        return (
            "Give access_key and secret_key, or a profile, or let the environment or the machine's role say who asks."
        )
    if "Profile" in kind:
        return "Check profile and AWS_PROFILE, and that the file of credentials is on the host where the module runs."
    if "Connect" in kind or "SSL" in kind or "Timeout" in kind or "Endpoint" in kind:
        return "Check region and endpoint_url, and whether the host where the module runs reaches it."
    return ""
