# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Azure Resource Manager: resources by their ids, waited for, with what it says word by word and what helps against
it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from .. import patience
from ..errors import one_line, with_remedy
from . import web
from .login import Token, log_in
from .web import Answer, AzureError

ENDPOINT = "https://management.azure.com"
_AGAIN = frozenset({429, 500, 502, 503, 504})
# A principal that was made a moment ago is not known everywhere in Azure yet.
_NOT_YET = ("PrincipalNotFound",)
_ATTEMPTS = 6
_ENDED = ("Succeeded", "Failed", "Canceled")
_REMEDIES = (
    (
        ("AuthorizationFailed", "Forbidden", "LinkedAuthorizationFailed", "DoesNotHaveAuthorization"),
        "Log in as somebody who may do this, or let an owner of the subscription assign the role that allows it.",
    ),
    (("AuthenticationToken", "AuthenticationFailed"), "Log in again: az login, or the variables AZURE_*."),
    (("SubscriptionNotFound", "InvalidSubscription"), "Check the subscription, and that who asks has a role in it."),
    (("Quota",), "Ask Azure for a higher quota in this region (Usage + quotas), or take a smaller or another size."),
    (("MissingSubscriptionRegistration",), "Register it once: az provider register --namespace with that name."),
    (("SkuNotAvailable", "NotAvailableForSubscription"), "Choose another size or region."),
    (("OperationNotAllowed", "AnotherOperationInProgress", "Conflict"), "Run it again when what goes on has ended."),
    (("ScopeLocked",), "Somebody has locked it: an owner removes the lock."),
)


class Patience(patience.Patience):
    """That of Azure."""

    service, error = "Azure", AzureError


class Arm:
    """Azure Resource Manager, as one principal sees it. Ids are paths, such as
    C(/subscriptions/ID/resourceGroups/NAME).
    """

    def __init__(
        self, endpoint: str = "", environ: Mapping[str, str] | None = None, patience: Patience | None = None
    ) -> None:
        self._endpoint = web.checked(endpoint or ENDPOINT, "endpoint_url")
        self._environ = os.environ if environ is None else environ
        self._patience = patience or Patience(600)
        self._token: Token | None = None

    @property
    def principal(self) -> Token:
        """Who asks, with a token that is good for another minute."""
        if self._token is None or self._token.until < time.time() + 60:
            self._token = log_in(self._endpoint, self._environ)
        return self._token

    def find(self, id: str, version: str) -> dict[str, Any] | None:
        """A resource; None where there is none."""
        answer = self._send("GET", id, version)
        return None if answer.status == 404 else self._done("GET", id, answer).body

    def get(self, id: str, version: str, **query: str) -> dict[str, Any]:
        """What is surely there.

        :raises AzureError: it is not, or may not be seen.
        """
        return self._done("GET", id, self._send("GET", id, version, None, **query)).body

    def post(self, id: str, version: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something that changes nothing, such as a list of credentials."""
        return self._done("POST", id, self._send("POST", id, version, body or {})).body

    def pages(self, id: str, version: str, **query: str) -> list[dict[str, Any]]:
        """All that a list holds, however many answers that takes."""
        found, body = [], self.get(id, version, **query)
        while True:
            found += body.get("value", [])
            # Only of this very service: elsewhere the token has no business.
            following = str(body.get("nextLink") or "").partition(self._endpoint)
            if not following[1] or following[0]:
                return found
            body = self._done("GET", id, self._ask("GET", following[2], None)).body

    def put(self, id: str, version: str, body: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Create a resource or change it, and wait until that has ended.

        :raises AzureError: it was refused or failed, with Azure's reason.
        """
        answer = self._done("PUT", id, self._send("PUT", id, version, body))
        # Some kinds answer 202 before there is anything to see; databases never say of themselves what goes on.
        found: dict[str, Any] | None = None if answer.status == 202 else answer.body
        while found is None or state_of(found) not in ("", *_ENDED) or self._goes_on(answer, found, what):
            self._patience.wait(state_of(found or {}) or "requested", what, _pause(answer))
            found = self.find(id, version)
        if state_of(found) in ("Failed", "Canceled"):
            raise AzureError(f"{what} is {state_of(found)}: {self._reason(answer)}")
        return found

    def settle(self, id: str, version: str, what: str) -> dict[str, Any] | None:
        """A resource that takes a change: whatever changes it now has ended."""
        while (found := self.find(id, version)) and (state := state_of(found)) not in ("", *_ENDED):
            self._patience.wait(state, what)
        return found

    def _goes_on(self, answer: Answer, found: Mapping[str, Any], what: str) -> bool:
        """Whether a change goes on that only its operation tells of.

        :raises AzureError: it failed.
        """
        operation = "" if state_of(found) else self._operation(answer)
        if not operation:
            return False
        state = str(self._done("GET", operation, self._ask("GET", operation, None)).body.get("status") or "")
        if state in ("Failed", "Canceled"):
            raise AzureError(f"{what} is {state}: {self._reason(answer)}")
        return state not in ("", *_ENDED)

    def delete(self, id: str, version: str, what: str) -> None:
        """Remove a resource, and wait until it is gone."""
        answer = self._send("DELETE", id, version)
        if answer.status == 404:
            return
        self._done("DELETE", id, answer)
        while found := self.find(id, version):
            if state_of(found) == "Failed":
                raise AzureError(f"{what} could not be removed: {self._reason(answer)}")
            self._patience.wait("being removed", what, _pause(answer))

    def _send(self, method: str, id: str, version: str, body: Mapping[str, Any] | None = None, **query: str) -> Answer:
        path = f"{id}?{urlencode({'api-version': version, **query})}"
        return self._ask(method, path, None if body is None else json.dumps(body).encode())

    def _ask(self, method: str, path: str, data: bytes | None) -> Answer:
        """All that is sent may be sent again: a PUT and a DELETE mean the same the second time."""
        for attempt in range(_ATTEMPTS):
            headers = {"Authorization": f"Bearer {self.principal.text}", "Content-Type": "application/json"}
            answer = web.send(method, self._endpoint + path, data, headers)
            again = answer.status in _AGAIN or _said(answer)[0] in _NOT_YET
            if not again or attempt == _ATTEMPTS - 1:
                break
            time.sleep(_pause(answer, random.uniform(0.5, 2.0**attempt)))  # noqa: S311
        return answer

    def _done(self, method: str, id: str, answer: Answer) -> Answer:
        if answer.status < 300:
            return answer
        code, message = _said(answer)
        text = f"Azure refused {method} {id}: {code or answer.status}: {message}"
        raise AzureError(with_remedy(text, code, _REMEDIES), code, answer.status)

    def _reason(self, answer: Answer) -> str:
        """Why a long operation failed: it stands in the operation, not in the resource."""
        operation = self._operation(answer)
        if not operation:
            return "Azure gives no reason."
        code, message = _said(self._ask("GET", operation, None))
        return with_remedy(f"{code}: {message}", code, _REMEDIES)

    def _operation(self, answer: Answer) -> str:
        """Where a long operation is asked after; only of this very service: elsewhere the token has no business."""
        url = answer.headers.get("azure-asyncoperation", "")
        return url.removeprefix(self._endpoint) if url.startswith(f"{self._endpoint}/") else ""


def state_of(resource: Mapping[str, Any]) -> str:
    """What goes on with a resource; empty where Azure says nothing of the kind."""
    properties = resource.get("properties")
    return str(properties.get("provisioningState") or "") if isinstance(properties, Mapping) else ""


def asking(endpoint: str, seconds: float, say: Callable[[str], None]) -> Arm:
    """Azure as the environment says who asks."""
    return Arm(endpoint, patience=Patience(seconds, say))


def _said(answer: Answer) -> tuple[str, str]:
    """Code and message of an error, as Azure has them."""
    error = answer.body.get("error")
    if not isinstance(error, Mapping):
        error = answer.body
    return one_line(error.get("code") or ""), one_line(error.get("message") or "", 1000)


def _pause(answer: Answer, otherwise: float = patience.EVERY) -> float:
    try:
        return min(max(float(answer.headers["retry-after"]), 0.0), 60.0)
    except (KeyError, ValueError):
        return otherwise
