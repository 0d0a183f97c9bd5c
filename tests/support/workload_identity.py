"""The webhook of Azure's workload identity, which gives pods the identity of their service account: a stand-in
(pod_webhook.py), which also tells them where the emulators of login and Blob are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import arm, pod_webhook
from .kubernetes.kubectl import Kubectl

ANNOTATION, LABEL = "azure.workload.identity/client-id", "azure.workload.identity/use"
TOKEN = pod_webhook.Token(
    "azure-identity-token", "/var/run/secrets/azure/tokens", "azure-identity-token", "api://AzureADTokenExchange"
)
# Where pods find the authority of the emulators, and the variables by which Azure's SDK and Python's own library know.
AUTHORITY_FILE = f"{TOKEN.folder}/authority.pem"
TRUST = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), AUTHORITY_FILE)


def webhook(
    kubectl: Kubectl, namespace: str, address: str, hosts: Sequence[str], emulated: Path, folder: Path
) -> AbstractContextManager[None]:
    """
    :param address: of this machine, at which the API server reaches it, and pods the emulators.
    :param hosts: the names of these.
    :param emulated: file with their authority.
    """

    def patch(pod: dict[str, Any], annotations: Mapping[str, str]) -> list[dict[str, Any]]:
        if (pod["metadata"].get("labels") or {}).get(LABEL) != "true":
            return []
        values = {
            "AZURE_CLIENT_ID": annotations.get(ANNOTATION, ""),
            "AZURE_TENANT_ID": arm.TENANT,
            "AZURE_FEDERATED_TOKEN_FILE": f"{TOKEN.folder}/{TOKEN.file}",
            "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
            **TRUST,
        }
        aliases = [{"ip": address, "hostnames": [*hosts]}]
        return [
            *pod_webhook.with_token(pod, TOKEN, values, emulated.read_text()),
            {"op": "add", "path": "/spec/hostAliases", "value": aliases},
        ]

    return pod_webhook.serving(kubectl, "mlops-test-workload-identity", namespace, address, folder, patch)
