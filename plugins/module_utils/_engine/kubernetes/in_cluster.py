# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as a pod reads it that runs in it, as its own ServiceAccount.

The image has not the library of Kubernetes, which brings 800 models and logins of all kinds; of those a pod needs none.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..errors import BadInput
from .client import Cluster

# Where the kubelet puts what a pod logs in with, and keeps it fresh.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class _Refused(Exception):
    """An answer that is none, as C(Cluster) reads it."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers


class _Api:
    """Stands for C(kubernetes.client.ApiClient), for what C(Cluster) reads with it."""

    def __init__(self, address: str, account: Path) -> None:
        import urllib3

        self.configuration = SimpleNamespace(host=address)
        self._timeout = urllib3.Timeout
        self._token = (account / "token").read_text(encoding="ascii").strip()
        # By no proxy: urllib3 asks none that it is not told of.
        self._pool = urllib3.PoolManager(ssl_context=_trusting(account / "ca.crt"), retries=False)

    def call_api(
        self,
        path: str,
        method: str,
        *,
        query_params: Sequence[tuple[str, str]],
        header_params: Mapping[str, str],
        _request_timeout: float,
        **_others: Any,
    ) -> Any:
        answer = self._pool.request(
            method,
            f"{self.configuration.host}{path}",
            fields=dict(query_params),
            headers={**header_params, "Authorization": f"Bearer {self._token}"},
            timeout=self._timeout(_request_timeout),
        )
        if answer.status != 200:
            raise _Refused(answer.status, answer.data.decode("utf-8", "replace"), dict(answer.headers))
        return answer


def _trusting(authority: Path) -> ssl.SSLContext:
    """As clusters need it: authorities of many lack extensions that Python asks for since 3.13."""
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def connect() -> Cluster:
    """The cluster of this pod. Token and authority are read now: both are exchanged while it runs.

    :raises BadInput: this is no pod, or one that gets no token.
    """
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host or not port:
        raise BadInput("This is no pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set.")
    try:
        return Cluster(_Api(f"https://{f'[{host}]' if ':' in host else host}:{port}", ACCOUNT))
    except OSError as error:
        raise BadInput(f"This pod has no token of a ServiceAccount: {error}.") from error
