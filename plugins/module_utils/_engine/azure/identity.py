# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity that a pod reaches a container of Azure Blob with, and at which step it fails; or the key of the
account.

Asked when artifacts could not be reached: the server itself only says that something went wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from ..errors import EngineError
from ..tokens import whose
from . import web
from .login import log_in

_URI = re.compile(r"wasbs://([a-z0-9-]+)@([a-z0-9]+)\.(blob\.[a-z0-9.-]+)(/.*)?")
_CLIENT, _FILE, _KEY = "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_ACCESS_KEY"
_STORAGE = "https://storage.azure.com"
_API = "2023-11-03"
_LIST = {"comp": "list", "maxresults": "1", "restype": "container"}
_LONGEST = 16384
_REMEDIES = {
    "AuthorizationPermissionMismatch": "It needs the role Storage Blob Data Contributor on the container, which the "
    "role aks_storage assigns; a new one may take some minutes.",
    "AuthorizationFailure": "The account lets nobody in from there: check its networks.",
    "KeyBasedAuthenticationNotPermitted": "The keys of the account are switched off: let pods have an identity "
    "(mlflow_artifact_store_use_keys: false), or switch them on (allowSharedKeyAccess).",
    "AuthenticationFailed": "Check the key: another one is in use when somebody has rotated it.",
    "ContainerNotFound": "The role aks_storage creates it.",
}


def explain(uri: str, environ: Mapping[str, str]) -> str:
    """Why a pod is refused a container: it has no identity, Azure does not believe it, or it has no right.

    :param uri: C(wasbs://container@account.blob.core.windows.net/prefix); of another store nothing is said.
    :returns: a sentence or more; empty where all of it works now, or somebody else gave the login.
    """
    place = _URI.fullmatch(uri)
    if not place or environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        return ""
    container, account, domain = place.group(1, 2, 3)
    headers = {"x-ms-version": _API, "x-ms-date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    if key := environ.get(_KEY):
        who = f"the key of the account {account}"
        headers["Authorization"] = _signed(account, container, key, headers)
    elif environ.get(_CLIENT) and environ.get(_FILE):
        who = f"the identity {environ[_CLIENT]}"
        try:
            headers["Authorization"] = f"Bearer {log_in(_STORAGE, environ).text}"
        except web.Unreachable as error:
            return f"The pod has {who}, and: {error}"
        except EngineError as error:
            return _not_believed(str(error).partition(" Check AZURE_")[0], environ)
    else:
        return _MISSING if "KUBERNETES_SERVICE_HOST" in environ else ""
    try:
        answer = web.send("GET", f"https://{account}.{domain}/{container}?{urlencode(_LIST)}", None, headers)
    except EngineError as error:
        return f"The pod has {who}, and: {error}"
    code = answer.headers.get("x-ms-error-code", str(answer.status))
    if answer.status == 200:
        return ""
    return f"The pod has {who}, and Azure refuses it the container {container} of {account}: {code}. " + _REMEDIES.get(
        code, ""
    )


_MISSING = (
    "The pod has no identity of Azure: it lacks the label azure.workload.identity/use (mlflow_server_labels; of "
    "backups mlflow_backup_labels), or its ServiceAccount the annotation azure.workload.identity/client-id "
    "(mlflow_server_service_account_annotations, mlflow_backup_service_account_annotations), or it is older than "
    "these: deploy, and where they were there already, run playbooks/restart.yml."
)


def _not_believed(reason: str, environ: Mapping[str, str]) -> str:
    try:
        with Path(environ[_FILE]).open(encoding="ascii") as file:
            token = whose(file.read(_LONGEST))
    except (OSError, UnicodeDecodeError) as error:
        return (
            f"The pod has the identity {environ[_CLIENT]}, but no token for it: {_FILE} is '{environ[_FILE]}': {error}."
        )
    return (
        f"Azure does not believe that the pod is the identity {environ[_CLIENT]}. {reason} Its token is of "
        f"{token['sub']} for {token['aud']}, by {token['iss']}: a federated credential of the identity must name "
        f"exactly these (aks_storage_namespace, aks_storage_server_account, aks_storage_backup_account)."
    )


def _signed(account: str, container: str, key: str, headers: Mapping[str, str]) -> str:
    """The Authorization of a request with the key of an account, as Azure's documentation of Shared Key has it."""
    said = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    asked = "".join(f"\n{name}:{value}" for name, value in sorted(_LIST.items()))
    text = "GET" + "\n" * 12 + said + f"/{account}/{container}" + asked
    try:
        secret = base64.b64decode(key, validate=True)
    except ValueError:
        secret = b""  # Azure says what is wrong with it
    return f"SharedKey {account}:{base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()}"
