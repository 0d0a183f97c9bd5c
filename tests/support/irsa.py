"""The webhook of EKS that gives pods the role of their service account, which the test cluster lacks: a stand-in.

As EKS's it reads the annotation of the service account, and gives the pod the role's name and a token for AWS that the
cluster signs. Besides, it tells the pod where the emulator of AWS is, and by which authority it is known: AWS's own
everybody believes.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates

from .kubernetes.kubectl import Kubectl

ANNOTATION = "eks.amazonaws.com/role-arn"
_NAME = "mlops-test-irsa"
_FOLDER = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
_AUDIENCE = "sts.amazonaws.com"
_AUTHORITY = "mlops-test.local/authority"
# Where pods find the authority of the emulator.
AUTHORITY_FILE = f"{_FOLDER}/authority.pem"


@contextmanager
def webhook(
    kubectl: Kubectl, namespace: str, address: str, endpoint: str, emulated: Path, folder: Path
) -> Iterator[None]:
    """For the pods of one namespace.

    :param address: of this machine, at which the API server reaches it.
    :param endpoint: of the emulator, as pods reach it.
    :param emulated: file with the authority of the emulator.
    """
    authority = certificates.new_authority(_NAME)
    pair = certificates.issue(authority, [address])
    (folder / "webhook.pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "webhook.pem")
    server = ThreadingHTTPServer((address, 0), _handler(kubectl.within(namespace), endpoint, emulated.read_text()))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://{address}:{server.server_address[1]}"
    try:
        kubectl.apply(_configuration(namespace, url, authority.certificate))
        yield
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", _NAME, "--ignore-not-found", check=False)
        server.shutdown()
        server.server_close()


def _configuration(namespace: str, url: str, authority: str) -> dict[str, Any]:
    hook = {
        "name": f"{_NAME}.example.com",
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
        "metadata": {"name": _NAME},
        "webhooks": [hook],
    }


def _handler(kubectl: Kubectl, endpoint: str, authority: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            pod = request["object"]
            account = kubectl.json("get", "serviceaccount", pod["spec"].get("serviceAccountName", "default"))
            role = (account["metadata"].get("annotations") or {}).get(ANNOTATION)
            answer: dict[str, Any] = {"uid": request["uid"], "allowed": True}
            if role:
                patch = json.dumps(patch_of(pod, role, endpoint, authority))
                answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch.encode()).decode()}
            body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


def patch_of(pod: dict[str, Any], role: str, endpoint: str, authority: str) -> list[dict[str, Any]]:
    """What the role's pod gets: a JSON patch that replaces the parts that grow."""
    values = {
        "AWS_ROLE_ARN": role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{_FOLDER}/token",
        "AWS_REGION": "us-west-2",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
        "AWS_CA_BUNDLE": AUTHORITY_FILE,
    }
    more = [{"name": name, "value": value} for name, value in values.items()]
    mount = {"name": "aws-iam-token", "mountPath": _FOLDER, "readOnly": True}
    token = {"serviceAccountToken": {"audience": _AUDIENCE, "expirationSeconds": 86400, "path": "token"}}
    trusted = {
        "path": Path(AUTHORITY_FILE).name,
        "fieldRef": {"fieldPath": f"metadata.annotations['{_AUTHORITY}']"},
    }
    annotations = {**(pod["metadata"].get("annotations") or {}), _AUTHORITY: authority}
    volume = {"name": "aws-iam-token", "projected": {"sources": [token, {"downwardAPI": {"items": [trusted]}}]}}
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
