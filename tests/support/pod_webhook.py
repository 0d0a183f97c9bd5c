"""What clouds put into the pods of their clusters by a webhook, which the test cluster lacks: a stand-in.

As theirs it reads the annotations of the pod's service account, and gives the pod a token that the cluster signs.
Besides, it tells the pod by which authority the emulator of the cloud is known: the cloud's own everybody believes.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates

from .kubernetes.kubectl import Kubectl

# From a pod, and the annotations of its service account; an empty patch leaves the pod as it is.
Patch = Callable[[dict[str, Any], Mapping[str, str]], list[dict[str, Any]]]
_AUTHORITY = "mlops-test.local/authority"


@contextmanager
def serving(kubectl: Kubectl, name: str, namespace: str, address: str, folder: Path, patch: Patch) -> Iterator[None]:
    """For the pods of one namespace.

    :param address: of this machine, at which the API server reaches it.
    """
    authority = certificates.new_authority(name)
    pair = certificates.issue(authority, [address])
    (folder / "webhook.pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "webhook.pem")
    server = ThreadingHTTPServer((address, 0), _handler(kubectl.within(namespace), patch))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://{address}:{server.server_address[1]}"
    try:
        kubectl.apply(_configuration(name, namespace, url, authority.certificate))
        yield
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", name, "--ignore-not-found", check=False)
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Token:
    """A token of the pod's service account for a cloud, in a folder of the pod; C(authority.pem) lies beside it."""

    volume: str
    folder: str
    file: str
    audience: str


def with_token(pod: Mapping[str, Any], token: Token, env: Mapping[str, str], authority: str) -> list[dict[str, Any]]:
    """A JSON patch that replaces the parts of a pod that grow."""
    more = [{"name": name, "value": value} for name, value in env.items()]
    mount = {"name": token.volume, "mountPath": token.folder, "readOnly": True}
    signed = {"serviceAccountToken": {"audience": token.audience, "expirationSeconds": 86400, "path": token.file}}
    field = {"fieldPath": f"metadata.annotations['{_AUTHORITY}']"}
    trusted = {"downwardAPI": {"items": [{"path": "authority.pem", "fieldRef": field}]}}
    annotations = {**(pod["metadata"].get("annotations") or {}), _AUTHORITY: authority}
    volume = {"name": token.volume, "projected": {"sources": [signed, trusted]}}
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "add", "path": "/spec/volumes", "value": [*(pod["spec"].get("volumes") or []), volume]},
    ]
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(pod["spec"].get(kind) or []):
            for part, added in (("env", more), ("volumeMounts", [mount])):
                value = [*(container.get(part) or []), *added]
                patch.append({"op": "add", "path": f"/spec/{kind}/{number}/{part}", "value": value})
    return patch


def _configuration(name: str, namespace: str, url: str, authority: str) -> dict[str, Any]:
    hook = {
        "name": f"{name}.example.com",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.encode()).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }


def _handler(kubectl: Kubectl, patch: Patch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            pod = request["object"]
            account = kubectl.json("get", "serviceaccount", pod["spec"].get("serviceAccountName", "default"))
            answer: dict[str, Any] = {"uid": request["uid"], "allowed": True}
            if changes := patch(pod, account["metadata"].get("annotations") or {}):
                text = base64.b64encode(json.dumps(changes).encode()).decode()
                answer |= {"patchType": "JSONPatch", "patch": text}
            body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
