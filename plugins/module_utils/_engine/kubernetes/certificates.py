# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of a deployment's own servers, in Secrets that are made and renewed here.

C(NAME-authority) signs and is read by no pod; C(NAME-ca) is what clients trust; what a server has is C(SERVICE-tls).
MLflow's have C(NAME-server-tls), because their Service has the deployment's own name. The last two may be somebody
else's, such as cert-manager's: without the deployment's marks they are left as they are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache

from .. import certificates, trust
from ..certificates import Pair
from ..errors import BadInput
from . import manifests
from . import secrets as reading
from .client import Cluster
from .secrets import ensure_secret, is_of

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
_TYPE = "kubernetes.io/tls"
# The component of the authority: it goes with the data of the servers.
_SERVER = "server"


def ensure_certificate(
    cluster: Cluster,
    namespace: str,
    deployment: str,
    component: str,
    service: str,
    *,
    secret: str = "",
    others: Sequence[str] = (),
    dry_run: bool = False,
) -> list[str]:
    """See that a Service has a certificate that its clients trust for some time yet.

    :param secret: which holds it; empty for the Service's name with C(-tls) behind it.
    :param others: names and addresses that it is for besides those of the Service.
    :returns: C(SECRET/KEY) of what was (or would be) made or renewed, never what it holds.
    :raises BadInput: a Secret is somebody else's and lacks what only they can put there.
    """
    signing, trusted, held = (
        _Held(cluster, namespace, deployment, name)
        for name in (f"{deployment}-authority", _trusted(deployment), secret or f"{service}-tls")
    )
    if held.foreign or trusted.foreign:
        _check_somebody_elses(namespace, trusted, held)
        return []
    names = [*service_names(service, namespace), *others]
    known = signing.pair if signing.pair and certificates.belong_together(signing.pair) else None
    another = known is None or (certificates.is_due(known.certificate) and not signing.foreign)

    @cache
    def signer() -> Pair:
        if known is None:
            return certificates.new_authority(f"{deployment} authority")
        return certificates.renewed(known) if another else known

    @cache
    def issued() -> Pair:
        return certificates.issue(signer(), names)

    good = bool(known and held.pair and certificates.is_good(held.pair, known, names))
    same = known is not None and trusted.data.get(trust.KEY) == known.certificate
    # In this order: a run that ends in its midst leaves what the next one completes.
    wanted: tuple[tuple[_Held, str, str, dict[str, Callable[[], str]], bool], ...] = (
        (signing, _SERVER, _TYPE, _parts(signer), another),
        (trusted, _SERVER, "Opaque", {trust.KEY: lambda: signer().certificate}, another or not same),
        (held, component, _TYPE, _parts(issued), not good),
    )
    return [
        f"{secret.name}/{key}"
        for secret, of, kind, values, stale in wanted
        for key in ensure_secret(
            cluster,
            namespace,
            secret.name,
            values,
            manifests.marks(deployment, of),
            kind=kind,
            replaces=values if stale else (),
            dry_run=dry_run,
        )
    ]


def authority(cluster: Cluster, namespace: str, deployment: str) -> str:
    """The certificate that clients of a deployment's servers trust, which is no secret; empty where there is none."""
    return _Held(cluster, namespace, deployment, _trusted(deployment)).data.get(trust.KEY, "")


def of_secrets(cluster: Cluster, namespace: str, deployment: str, names: Sequence[str]) -> dict[str, str]:
    """The certificates in these Secrets, whoever made them. One that is not there is another check's business."""
    found = reading.of(cluster, namespace, deployment, names)
    held = {name: data.get(trust.KEY) or data.get(_CERTIFICATE) for name, data in found.items()}
    return {f"the Secret {namespace}/{name}": _text(encoded) for name, encoded in held.items() if encoded}


def _trusted(deployment: str) -> str:
    return trust.authority_of(deployment)["secret"]


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "replace")


def service_names(service: str, namespace: str) -> list[str]:
    """Every name by which pods of a cluster reach a Service."""
    return [service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local"]


def _parts(pair: Callable[[], Pair]) -> dict[str, Callable[[], str]]:
    return {_CERTIFICATE: lambda: pair().certificate, _KEY: lambda: pair().key}


class _Held:
    """What a Secret holds, and whether somebody else made it."""

    def __init__(self, cluster: Cluster, namespace: str, deployment: str, name: str) -> None:
        found = cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        encoded = (found or {}).get("data") or {}
        self.name = name
        self.data = {key: _text(value) for key, value in encoded.items()}
        self.foreign = found is not None and not is_of(found, deployment)

    @property
    def pair(self) -> Pair | None:
        if not (self.data.get(_CERTIFICATE) and self.data.get(_KEY)):
            return None
        return Pair(self.data[_CERTIFICATE], self.data[_KEY])


def _check_somebody_elses(namespace: str, trusted: _Held, held: _Held) -> None:
    lacking = [
        *([] if trusted.data.get(trust.KEY) else [f"{trusted.name}/{trust.KEY}"]),
        *([] if held.pair else [f"{held.name}/{_CERTIFICATE}", f"{held.name}/{_KEY}"]),
    ]
    if lacking:
        raise BadInput(
            f"The Secret {namespace}/{(trusted if trusted.foreign else held).name} was not made by this deployment,"
            f" which therefore makes no certificates, and {', '.join(lacking)} (secret/key) is missing: provide that"
            f" as well, or remove the Secret."
        )
