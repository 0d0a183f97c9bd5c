# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asks Azure: a service principal with its secret or a federated token, or whoever is logged in to Azure CLI.

The environment says it, by the names of Azure's SDKs and of azure.azcollection; no variable of a playbook holds a
secret.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from ..errors import BadInput, one_line
from ..tokens import claims
from . import web

AUTHORITY = "https://login.microsoftonline.com"
_TENANT = ("AZURE_TENANT_ID", "AZURE_TENANT")
_SECRET = ("AZURE_CLIENT_SECRET", "AZURE_SECRET")
_FILE = "AZURE_FEDERATED_TOKEN_FILE"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Token:
    """C(until) is when it ends, in seconds since 1970; C(principal) and C(tenant) are of who asks, by their object
    ids.
    """

    text: str = field(repr=False)
    until: float
    principal: str
    tenant: str


def log_in(resource: str, environ: Mapping[str, str]) -> Token:
    """A token for a resource, such as C(https://management.azure.com).

    :raises BadInput: nobody is logged in, or the environment says half of it.
    :raises web.AzureError: the login was refused.
    """
    client = environ.get("AZURE_CLIENT_ID", "")
    secret, file = _first(environ, _SECRET), environ.get(_FILE, "")
    if not client or not (secret or file):
        return _of_azure_cli(resource, environ)
    tenant = _first(environ, _TENANT)
    if not tenant:
        raise BadInput("AZURE_CLIENT_ID is set and AZURE_TENANT_ID is not: set it to the id of its tenant.")
    proof = (
        {"client_secret": secret} if secret else {"client_assertion_type": _ASSERTION, "client_assertion": _read(file)}
    )
    asked = {
        "grant_type": "client_credentials",
        "client_id": client,
        "scope": f"{resource.rstrip('/')}/.default",
        **proof,
    }
    host = environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY
    url = f"{web.checked(host, 'AZURE_AUTHORITY_HOST')}/{tenant}/oauth2/v2.0/token"
    answer = web.send("POST", url, urlencode(asked).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    if answer.status != 200:
        said = one_line(answer.body.get("error_description", answer.body.get("error", "")))
        raise web.AzureError(
            f"Azure refused the login of {client} in the tenant {tenant}: {said[:300] or answer.status}. Check "
            f"AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or {_FILE}.",
            str(answer.body.get("error", "")),
        )
    return _token(str(answer.body.get("access_token", "")), time.time() + float(answer.body.get("expires_in", 0)))


def _of_azure_cli(resource: str, environ: Mapping[str, str]) -> Token:
    command = ["az", "account", "get-access-token", "--resource", resource, "--output", "json"]
    advice = (
        "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal, or log in to Azure CLI "
        "(az login)."
    )
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(
            f"Nobody is logged in to Azure, and Azure CLI does not answer: {_reason(error)}. {advice}"
        ) from error
    try:
        found = json.loads(done.stdout)
        return _token(found["accessToken"], float(found.get("expires_on", time.time() + 300)))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"Azure CLI gives no token: {one_line(done.stderr, 300)}. {advice}") from error


def _reason(error: Exception) -> str:
    return "there is no program az" if isinstance(error, FileNotFoundError) else one_line(error, 200)


def _token(text: str, until: float) -> Token:
    said = claims(text)
    return Token(text, until, str(said.get("oid", "")), str(said.get("tid", "")))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _read(file: str) -> str:
    try:
        with Path(file).open(encoding="ascii") as opened:
            return opened.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{_FILE} is {file}, which cannot be read: {error}.") from error
