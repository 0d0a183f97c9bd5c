"""The webhook of EKS that gives pods the role of their service account: a stand-in (pod_webhook.py), which also tells
them where the emulator of AWS is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import pod_webhook
from .kubernetes.kubectl import Kubectl

ANNOTATION = "eks.amazonaws.com/role-arn"
_TOKEN = pod_webhook.Token(
    "aws-iam-token", "/var/run/secrets/eks.amazonaws.com/serviceaccount", "token", "sts.amazonaws.com"
)
# Where pods find the authority of the emulator.
AUTHORITY_FILE = f"{_TOKEN.folder}/authority.pem"


def webhook(
    kubectl: Kubectl, namespace: str, address: str, endpoint: str, emulated: Path, folder: Path
) -> AbstractContextManager[None]:
    """
    :param address: of this machine, at which the API server reaches it.
    :param endpoint: of the emulator, as pods reach it.
    :param emulated: file with the authority of the emulator.
    """

    def patch(pod: dict[str, Any], annotations: Mapping[str, str]) -> list[dict[str, Any]]:
        role = annotations.get(ANNOTATION)
        values = {
            "AWS_ROLE_ARN": role or "",
            "AWS_WEB_IDENTITY_TOKEN_FILE": f"{_TOKEN.folder}/{_TOKEN.file}",
            "AWS_REGION": "us-west-2",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_STS": endpoint,
            "AWS_CA_BUNDLE": AUTHORITY_FILE,
        }
        return pod_webhook.with_token(pod, _TOKEN, values, emulated.read_text()) if role else []

    return pod_webhook.serving(kubectl, "mlops-test-irsa", namespace, address, folder, patch)
