# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One request to Azure: JSON, TLS unless it is this machine, the environment's proxies, and no redirect.

A redirect would carry the token to wherever it leads.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput, EngineError, one_line

# A list of all sizes of machines that a region has is some 20 MiB.
_LONGEST = 64 << 20
_SECONDS = 60.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class AzureError(EngineError):
    """Azure refused something, could not be reached, or did not get it done. C(code) is Azure's, if it gave one."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Unreachable(AzureError):
    """Nobody answered, or nobody whom to trust."""


@dataclass(frozen=True)
class Answer:
    """C(headers) by their names in lower case; C(body) is {} where there is none."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


def checked(url: str, name: str) -> str:
    """A URL of a service that may be given a secret, without a slash at its end.

    :raises BadInput: others could read along.
    """
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise BadInput(f"{name} is '{url}': give a URL that begins with https://, because logins are sent there.")
    return url.rstrip("/")


def send(method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """
    :raises Unreachable: nobody answered.
    :raises AzureError: the answer is no JSON.
    """
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)  # noqa: S310
    parts = urlsplit(url)
    opener = urllib.request.build_opener(
        _NoRedirect, *([urllib.request.ProxyHandler({})] if parts.hostname in _LOOPBACK else [])
    )
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            return _answer(response, parts.hostname)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error, parts.hostname)
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"Azure could not be asked at {parts.hostname}: {one_line(reason)}. Check whether the host where the "
            f"module runs reaches it (HTTPS_PROXY), and believes its certificate (SSL_CERT_FILE)."
        ) from error


def _answer(response: Any, host: str | None) -> Answer:
    body = response.read(_LONGEST + 1)
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    try:
        found = json.loads(body) if body and len(body) <= _LONGEST else {}
    except (ValueError, RecursionError):
        found = {"error": {"code": "", "message": one_line(body[:200].decode("utf-8", "replace"))}}
    if len(body) > _LONGEST or not isinstance(found, dict):
        raise AzureError(f"{host} answered with more than {_LONGEST >> 20} MiB, or no JSON object: that is not Azure.")
    return Answer(response.status, headers, found)
