# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pods carry a fingerprint of the Secrets that they read: one that somebody changed makes new pods at the next deploy.

Kubernetes starts no pod anew for it, and what a pod has in its environment stays what it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from .. import fingerprint
from . import kinds, manifests, secrets
from .client import Cluster

ANNOTATION = "mlops.mlflow/secrets"
# Whose pods stay; a Job's are made when it begins, and it cannot be changed.
_KINDS = ("Deployment", "StatefulSet", kinds.KNATIVE_SERVICE)
Object = Mapping[str, Any]
Found = Mapping[tuple[str, str, str, str], Object]


def marked(cluster: Cluster, objects: Sequence[Object], live: Found) -> list[Object]:
    """The objects, with the fingerprint in the pods of each that stays.

    :param live: what the cluster has of them, by C(kinds.key).
    """
    keeping = [one for one in objects if kinds.name_of(one) in _KINDS]
    read = {kinds.key(one): _read_by(one) for one in keeping}
    metadata: Mapping[str, Any] = keeping[0]["metadata"] if keeping else {}
    deployment = str((metadata.get("labels") or {}).get(manifests.PREFIX + "instance", ""))
    held = secrets.of(cluster, str(metadata.get("namespace", "")), deployment, set().union(*read.values()))
    return [
        _marked(one, live.get(key), {name: held[name] for name in read[key]})
        if (key := kinds.key(one)) in read
        else one
        for one in objects
    ]


def _marked(item: Object, live: Object | None, held: Mapping[str, Mapping[str, str]]) -> Object:
    if not held or not all(held.values()):
        return item  # without a Secret that it needs no pod starts, and there is nothing that it could have read
    text = json.dumps(held, sort_keys=True).encode()
    known = (_template(live).get("metadata", {}).get("annotations") or {}).get(ANNOTATION, "") if live else ""
    result = deepcopy(dict(item))
    annotations = result["spec"]["template"].setdefault("metadata", {}).setdefault("annotations", {})
    annotations[ANNOTATION] = known if known and fingerprint.matches(text, known) else fingerprint.fingerprint(text)
    return result


def _template(item: Object) -> Mapping[str, Any]:
    template: Mapping[str, Any] = item["spec"]["template"]
    return template


def _read_by(item: Object) -> set[str]:
    """The names of all Secrets in a pod's variables and volumes."""
    spec = _template(item)["spec"]
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    variables = [one.get("valueFrom") or {} for container in containers for one in container.get("env") or []]
    volumes = spec.get("volumes") or []
    sources = [one for volume in volumes for one in (volume.get("projected") or {}).get("sources") or []]
    return {
        *(one["secretKeyRef"]["name"] for one in variables if "secretKeyRef" in one),
        *(one["secret"]["secretName"] for one in volumes if "secret" in one),
        *(one["secret"]["name"] for one in sources if "secret" in one),
    }
