"""What pods reach of Azure, over TLS under its own names: the login, and Blob with its rights. No emulator has both.

The login believes a token of a service account where the stand-in for Resource Manager (arm.py) has a credential for
it, and Blob lets in whom a role of it allows what they ask; what is allowed is Azurite's to do.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.tokens import claims

from . import arm

LOGIN = "login.microsoftonline.com"
# What URLs without one mean.
PORT = 443
_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@contextmanager
def serving(
    address: str, azure: arm.Azure, blob_port: int, certificate: Path, key: Path, port: int = PORT
) -> Iterator[int]:
    """The port that it listens on.

    :param blob_port: of Azurite on loopback.
    :param port: 0 for any that is free.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = type("Handler", (_Handler,), {"azure": azure, "blob_port": blob_port})
    server = ThreadingHTTPServer((address, port), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure: arm.Azure
    blob_port: int

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host = self.headers["Host"].partition(":")[0]
        if host == LOGIN:
            self._log_in(body)
        elif refused := self._refused(host.partition(".")[0]):
            self._send(403, {"x-ms-error-code": refused}, f"<Error><Code>{refused}</Code></Error>".encode())
        else:
            self._pass_on(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle

    def _log_in(self, body: bytes) -> None:
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        said = claims(asked.get("client_assertion", ""))
        for id, identity in self.azure.of("userassignedidentities").items():
            if identity["properties"]["clientId"] == asked.get("client_id"):
                believed = self.azure.of("federatedidentitycredentials", id).values()
                if any(_believes(one["properties"], said) for one in believed):
                    self._tell(200, {"expires_in": 3599, "access_token": _token(identity["properties"]["principalId"])})
                    return
        subject, issuer = said.get("sub"), said.get("iss")
        message = (
            f"AADSTS700213: No matching federated identity record found for presented assertion subject '{subject}'. "
            f"Issuer '{issuer}'."
        )
        self._tell(401, {"error": "invalid_client", "error_description": message})

    def _refused(self, account: str) -> str:
        """With which of Azure's words somebody is not let in; empty where they may."""
        [storage] = [one for id, one in self.azure.of("storageaccounts").items() if id.endswith(f"/{account}")]
        kind, _space, credentials = (self.headers.get("Authorization") or "").partition(" ")
        if kind == "SharedKey":
            allowed = storage["properties"].get("allowSharedKeyAccess", True)
            return "" if allowed else "KeyBasedAuthenticationNotPermitted"
        place = urlsplit(self.path)
        query = parse_qs(place.query)
        # A signed URL is of whoever had the key by which it is signed; whether it is, Azurite says.
        signer = query.get("skoid", [""])[0] if "sig" in query else ""
        if kind != "Bearer" and not signer:
            return "NoAuthenticationInformation"
        delegating = "userdelegationkey" in query.get("comp", [])
        role = kinds.BLOB_DELEGATOR if delegating else kinds.BLOB_CONTRIBUTOR
        scope = storage["id"].lower() + (
            "" if delegating else f"/blobservices/default/containers/{place.path.split('/')[1]}"
        )
        held = [
            one["properties"]
            for id, one in self.azure.of("roleassignments").items()
            if f"{scope}/".startswith(id.rpartition("/providers/")[0] + "/")
        ]
        principal = signer or claims(credentials).get("oid")
        may = any(one["principalId"] == principal and one["roleDefinitionId"].endswith(role) for one in held)
        return "" if may else "AuthorizationPermissionMismatch"

    def _pass_on(self, body: bytes) -> None:
        upstream = http.client.HTTPSConnection(
            "127.0.0.1",
            self.blob_port,
            timeout=60,
            context=ssl._create_unverified_context(),  # noqa: S323 (Azurite's, on loopback, has the names of Azure)
        )
        upstream.request(self.command, self.path, body, dict(self.headers.items()))
        answer = upstream.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._send(answer.status, headers, content, length)
        upstream.close()

    def _tell(self, status: int, body: Mapping[str, Any]) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def _believes(credential: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    known = credential["subject"] == said.get("sub") and credential["issuer"] == said.get("iss")
    return known and bool(set(credential["audiences"]) & set(said.get("aud", [])))


def _token(principal: str) -> str:
    """As Entra ID's for storage; signed by nobody: Azurite looks at what it claims."""
    now = int(time.time())
    body = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{arm.TENANT}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3599,
        "oid": principal,
        "tid": arm.TENANT,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, body)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), "c2ln"]
    )
