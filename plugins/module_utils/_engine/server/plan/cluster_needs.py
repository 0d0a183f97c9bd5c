# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deployment needs of a cluster beside its own objects: permissions, groups of the API, Secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ... import trust
from . import common, tls_inside

_GROUPS_OF_EXPOSED = {"httproute": "gateway.networking.k8s.io", "route": "route.openshift.io"}
_GROUP_OF_CLOUDNATIVE_PG = "postgresql.cnpg.io"
GROUP_OF_KNATIVE = "serving.knative.dev"
# These lend a volume to the file system of one node at a time, whatever is asked of them.
_DISKS = re.compile(
    r"ebs\.csi\.aws\.com|disk\.csi\.azure\.com|pd\.csi\.storage\.gke\.io|cinder\.csi\.openstack\.org|csi\.hetzner\.cloud"
    r"|dobs\.csi\.digitalocean\.com|linodebs\.csi\.linode\.com|(.+\.)?rbd\.csi\.ceph\.com"
    r"|kubernetes\.io/(aws-ebs|azure-disk|gce-pd|cinder)"
)
_PERMISSIONS = (
    "get namespaces",
    "create secrets",
    "patch configmaps",
    "patch services",
    "patch serviceaccounts",
    "patch persistentvolumeclaims",
    "patch deployments.apps",
    "patch statefulsets.apps",
    "patch jobs.batch",
    "patch cronjobs.batch",
    "create jobs.batch",
    "create configmaps",
    "delete jobs.batch",
    "patch horizontalpodautoscalers.autoscaling",
    "patch poddisruptionbudgets.policy",
    "patch networkpolicies.networking.k8s.io",
    "get pods",
    "create pods/exec",
    "create pods/attach",
)
_PERMISSIONS_OF_KNATIVE = (
    "patch services.serving.knative.dev",
    "delete services.serving.knative.dev",
)


def permissions(request: common.Request, knative: bool) -> list[str]:
    """What whoever deploys must be allowed, each as verb and resource."""
    # Certificates are renewed in the Secrets that hold them.
    trusted = trust.places(request.database, request.store, tls_inside.authority(request))
    renewing = ["update secrets"] if trusted else []
    return [*_PERMISSIONS, *(_PERMISSIONS_OF_KNATIVE if knative else ()), *renewing]


def groups(request: common.Request, knative: bool) -> list[str]:
    """Of the API, beyond Kubernetes' own."""
    exposed = _GROUPS_OF_EXPOSED.get(request.settings.text("expose"))
    operator = request.database.get("type") == "cloudnative_pg"
    verified = request.settings.text("expose") == "httproute" and tls_inside.wanted(request)
    return [
        *([exposed] if exposed else []),
        *([f"{exposed}/v1/BackendTLSPolicy"] if verified else []),
        *([_GROUP_OF_CLOUDNATIVE_PG] if operator else []),
        *([GROUP_OF_KNATIVE] if knative else []),
    ]


def classes_of_disks(classes: Iterable[str], observed: Mapping[str, Any]) -> list[str]:
    """Those of these storage classes that lend a volume to one node alone, each with what makes its volumes.

    :param classes: empty for the default one. What is not known to be one is taken for a shared file system.
    """
    makers = observed.get("storage_provisioners") or {}
    names = common.unique(one or str(observed.get("default_storage_class") or "") for one in classes)
    return [f"{one} ({makers[one]})" for one in names if _DISKS.fullmatch(str(makers.get(one) or ""))]


def secrets_of(one: Mapping[str, Any]) -> dict[str, Any]:
    return dict(one.get("secrets") or {})


def _places(request: common.Request, *, external: bool) -> list[Mapping[str, Any]]:
    """Of secrets that components have, or only those that somebody else must create."""

    def is_meant(one: Mapping[str, Any]) -> bool:
        return not external or (str(one.get("type")).startswith("external") and not common.flag(one, "creates_secret"))

    places: list[Mapping[str, Any]] = []
    if is_meant(request.database):
        places += [*secrets_of(request.database).values(), *secrets_of(request.database.get("owner") or {}).values()]
    if is_meant(request.store):
        places += secrets_of(request.store).values()
    headers = request.settings.mapping("opentelemetry_headers")
    given = [*request.settings.mapping("secret_env").values(), *([headers] if headers else [])]
    return [place for place in [*places, *given] if isinstance(place, Mapping)]


def external_places(request: common.Request) -> list[dict[str, Any]]:
    return [dict(place) for place in _places(request, external=True)]


def secret_names(request: common.Request, own: str) -> list[str]:
    """All that the deployment knows of, so that one inspection serves every role."""
    named = (str(place.get("secret") or "") for place in _places(request, external=False))
    return common.unique([*filter(None, named), own])


def missing_keys(places: Iterable[Mapping[str, Any]], found: Mapping[str, Any]) -> list[str]:
    return common.unique(
        f"{place.get('secret')}/{place.get('key')}"
        for place in places
        if place.get("key") not in (found.get(str(place.get("secret"))) or [])
    )
