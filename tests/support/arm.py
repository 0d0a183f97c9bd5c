"""A stand-in for Azure Resource Manager and its login on loopback: no emulator of them can be had here.

It is no Azure. It says only what is documented of the kinds that the collection uses: a PUT returns what was put with
what Azure adds, long operations end later, what is missing is 404, and errors have Azure's form.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SUBSCRIPTION, TENANT, CLIENT, PRINCIPAL, KUBELET = (str(uuid.UUID(int=number)) for number in range(1, 6))
SECRET = f"secret-{uuid.uuid4()}"
TOKEN = "token." + base64.urlsafe_b64encode(json.dumps({"oid": PRINCIPAL, "tid": TENANT}).encode()).decode() + ".s"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
KUBECONFIG = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: QUJD
    server: https://mlflow-dns.hcp.centralindia.azmk8s.io:443
  name: mlflow
"""
# How often a resource is asked for before it is there or gone, by its kind.
_TAKES = {"managedclusters": 3, "storageaccounts": 2}
# Kinds that never say what goes on with them: their operation does, as often as it is asked.
_OPERATIONS = {"flexibleservers": 2, "databases": 1}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Azure:
    """What a subscription holds. Tests read and change C(resources), by their ids in lower case."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.changes: list[str] = []
        self.actions = ["*"]
        self.sizes = {"Standard_D4s_v5": [], "Standard_D8s_v5": [{"type": "Location"}]}
        self.taken = {"taken"}
        # What was sent and is never told, by the id of the resource.
        self.passwords: dict[str, str] = {}
        # Of clusters' tokens, where a test has a cluster that signs them.
        self.issuer = ""
        self._waits: dict[str, int] = {}
        self._going: dict[str, int] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """What there is, without the ids of others in it."""
        return sorted(
            one["id"].rpartition("/providers/")[2].removeprefix(f"{ROOT}/") for one in self.resources.values()
        )

    def of(self, kind: str, inside: str = "") -> dict[str, dict[str, Any]]:
        """All of a kind (in lower case), by their ids."""
        found = list(self.resources.items())
        return {id: one for id, one in found if id.split("/")[-2] == kind and id.startswith(inside)}

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        with self._lock:
            if not path.lower().startswith(ROOT):
                raise Refused(
                    404, "SubscriptionNotFound", f"The subscription '{path.split('/')[2]}' could not be found."
                )
            if method == "POST":
                return 200, self._asked(path, body)
            if method == "GET" and (listed := self._listed(path, query)) is not None:
                return 200, listed
            return {"GET": self._get, "PUT": self._put, "DELETE": self._delete}[method](path, body)

    def operation_of(self, path: str) -> str:
        """Where to ask after what goes on with a resource; empty where that says so itself."""
        return f"{path}/operations/1" if path.split("/")[-2].lower() in _OPERATIONS else ""

    def _asked(self, path: str, body: Any) -> Any:
        if path.endswith("/checkNameAvailability"):
            free = body["name"] not in self.taken
            message = f"The name {body['name']} is already taken."
            return {"nameAvailable": free} | ({} if free else {"reason": "AlreadyExists", "message": message})
        assert path.endswith("/listClusterUserCredential"), path
        return {"kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(KUBECONFIG.encode()).decode()}]}

    def _listed(self, path: str, query: dict[str, str]) -> Any:
        if path == ROOT:
            return {"id": ROOT, "subscriptionId": SUBSCRIPTION, "state": "Enabled"}
        if path == f"{ROOT}/locations":
            return {"value": [{"name": "centralindia"}, {"name": "eastus"}]}
        if path.endswith("/Microsoft.Authorization/permissions"):
            return {"value": [{"actions": self.actions, "notActions": []}]}
        if path.endswith("/Microsoft.Compute/skus"):
            return {
                "value": [
                    {"name": name, "resourceType": "virtualMachines", "restrictions": limits}
                    for name, limits in self.sizes.items()
                ]
            }
        if path.endswith("/kubernetesVersions"):
            return {"values": [{"version": "1.33"}, {"version": "1.34"}, {"version": "1.36", "isPreview": True}]}
        if path.endswith("/operations/1"):
            left = self._going[path.lower().removesuffix("/operations/1")]
            self._going[path.lower().removesuffix("/operations/1")] = max(left - 1, 0)
            return {"status": "InProgress" if left else "Succeeded"}
        if path.endswith("/resources"):
            inside = path.removesuffix("/resources").lower() + "/providers/"
            kind = query.get("$filter", "").partition("'")[2].rstrip("'").lower()
            found = [one for id, one in self.resources.items() if id.startswith(inside) and id.count("/") == 8]
            return {"value": [one for one in found if kind in one["id"].lower()]}
        return None

    def _get(self, path: str, _body: Any) -> tuple[int, Any]:
        found = self.resources.get(path.lower())
        waits = self._waits.get(path.lower(), 0)
        if found is None:
            raise Refused(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        if waits:
            self._waits[path.lower()] = waits - 1
            return 200, found
        if found["properties"].get("provisioningState") == "Deleting":
            self._drop(path)
            raise Refused(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        if "provisioningState" in found["properties"]:
            found["properties"]["provisioningState"] = "Succeeded"
        return 200, found

    def _put(self, path: str, body: Any) -> tuple[int, Any]:
        self._check(path, body)
        self.changes.append(f"PUT {path}")
        new = path.lower() not in self.resources
        kind = path.split("/")[-2].lower()
        body = json.loads(json.dumps(body))
        body["location"] = str(body.get("location", "")).replace(" ", "").lower()
        made = {**body, "id": path, "name": path.rpartition("/")[2], "properties": {**body.get("properties", {})}}
        self._add(kind, made, self.resources.get(path.lower(), {}).get("properties", {}))
        self.resources[path.lower()] = made
        self._waits[path.lower()] = _TAKES.get(kind, 0)
        if kind in _OPERATIONS:
            self._going[path.lower()] = _OPERATIONS[kind]
            return 202, None
        # A storage account answers before there is anything to see.
        return (202, None) if new and kind == "storageaccounts" else (201 if new else 200, made)

    def _add(self, kind: str, made: dict[str, Any], before: dict[str, Any]) -> None:
        """What Azure says of a resource besides, and keeps."""
        properties, name = made["properties"], made["name"]
        if kind == "managedclusters":
            issuer = self.issuer or f"https://centralindia.oic.prod-aks.azure.com/{TENANT}/{name}/"
            properties["oidcIssuerProfile"] = {**properties["oidcIssuerProfile"], "issuerURL": issuer}
            properties["currentKubernetesVersion"] = f"{properties['kubernetesVersion']}.2"
            properties |= {"provisioningState": "Creating", "nodeResourceGroup": f"MC_{name}"}
            properties["identityProfile"] = {"kubeletidentity": {"objectId": KUBELET}}
            for pool in properties["agentPoolProfiles"]:
                pool["provisioningState"] = "Succeeded"
        elif kind == "storageaccounts":
            properties |= {
                "provisioningState": "ResolvingDNS",
                "primaryEndpoints": {"blob": f"https://{name}.blob.core.windows.net/"},
            }
        elif kind == "flexibleservers":
            if password := properties.pop("administratorLoginPassword", ""):
                self.passwords[made["id"].lower()] = password
            properties |= {"state": "Ready", "fullyQualifiedDomainName": f"{name}.postgres.database.azure.com"}
        elif kind == "userassignedidentities":
            for part in ("principalId", "clientId"):
                properties[part] = before.get(part) or str(uuid.uuid4())
        elif kind == "resourcegroups":
            properties["provisioningState"] = "Succeeded"

    def _check(self, path: str, body: Any) -> None:
        parts = path.split("/")
        group = "/".join(parts[:5])
        if len(parts) > 5 and group.lower() not in self.resources:
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{parts[4]}' could not be found.")
        if parts[-2] == "roleAssignments":
            principals = [one["properties"].get("principalId") for one in self.resources.values()] + [
                PRINCIPAL,
                KUBELET,
            ]
            if body["properties"]["principalId"] not in principals:
                raise Refused(400, "PrincipalNotFound", "Principal does not exist in the directory.")
            scope = path.rpartition("/providers/")[0].lower()
            if scope not in self.resources or path.lower() in self.resources:
                raise Refused(409, "RoleAssignmentUpdateNotPermitted", "It cannot be changed, or its scope is missing.")
        elif len(parts) > 9 and "/".join(parts[:9]).lower() not in self.resources:
            raise Refused(404, "ParentResourceNotFound", f"Can not perform requested operation on '{path}'.")
        if parts[-2] == "federatedIdentityCredentials" and not body["properties"]["issuer"].startswith("https://"):
            raise Refused(400, "BadRequest", "The issuer must be a URL.")

    def _delete(self, path: str, _body: Any) -> tuple[int, Any]:
        found = self.resources.get(path.lower())
        if found is None:
            return 204, None
        self.changes.append(f"DELETE {path}")
        if waits := _TAKES.get(path.split("/")[-2].lower(), 0):
            found["properties"]["provisioningState"] = "Deleting"
            self._waits[path.lower()] = waits
            return 202, None
        self._drop(path)
        return 200, None

    def _drop(self, path: str) -> None:
        """With all that is in it, and assignments at its scope."""
        for id in [one for one in self.resources if one == path.lower() or one.startswith(f"{path.lower()}/")]:
            del self.resources[id]


class _Handler(BaseHTTPRequestHandler):
    azure: Azure

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if parts.path == f"/{TENANT}/oauth2/v2.0/token":
                return self._send(*self._log_in(parse_qs(data.decode())))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                raise Refused(401, "InvalidAuthenticationToken", "The access token is invalid.")
            if "api-version" not in query:
                raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
            status, body = self.azure.answer(self.command, parts.path, query, json.loads(data) if data else None)
            operation = self.azure.operation_of(parts.path) if self.command == "PUT" else ""
            base = f"http://127.0.0.1:{self.connection.getsockname()[1]}"
            self._send(status, body, f"{base}{operation}?api-version=1" if operation else "")
        except Refused as refused:
            self._send(refused.status, {"error": {"code": refused.code, "message": str(refused)}})

    do_GET = do_PUT = do_POST = do_DELETE = _handle

    def _log_in(self, asked: dict[str, list[str]]) -> tuple[int, Any]:
        if asked.get("client_secret") != [SECRET] or asked.get("client_id") != [CLIENT]:
            return 401, {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided.",
            }
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}

    def _send(self, status: int, body: Any, operation: str = "") -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After", "0")
        if operation:
            self.send_header("Azure-AsyncOperation", operation)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[Azure, dict[str, str]]]:
    """A subscription with nothing in it, and the environment by which programs are logged in there."""
    azure = Azure()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"azure": azure}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield (
            azure,
            {
                "AZURE_RESOURCE_MANAGER_ENDPOINT": url,
                "AZURE_AUTHORITY_HOST": url,
                "AZURE_TENANT_ID": TENANT,
                "AZURE_CLIENT_ID": CLIENT,
                "AZURE_CLIENT_SECRET": SECRET,
            },
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
