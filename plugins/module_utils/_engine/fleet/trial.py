# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A trial: whether Knative takes such instances at all, asked with the sample before anything is changed.

Which fields a pod may have is decided by the version of Knative, by its feature flags, and by whatever else admits
objects in a cluster. The API server asks them all, and keeps nothing. What is wrong with one instance is not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..errors import BadInput
from ..kubernetes import kinds, manifests
from ..kubernetes.client import Cluster, ClusterError, Unavailable
from .declaration import Instance
from .existing import Key
from .patience import Patience
from .rendering import Rendering

_KEY = (kinds.KNATIVE, "Service")


def check(
    cluster: Cluster, rendering: Rendering, sample: str, namespace: str, paths: Mapping[Key, str], patience: Patience
) -> None:
    """Have the API server say what it would do with the servers of the sample. Says nothing where the namespace is yet
    to be made.

    :raises BadInput: they are refused.
    :raises ClusterError: no answer.
    """
    instance = Instance(sample)
    for template in rendering.templates(instance):
        if template.key != _KEY:
            continue
        item, path = template.item(instance), f"{paths[_KEY]}/{template.name(instance)}"
        # Knative has the pod tried as well, and the account of a sample is nowhere.
        item["spec"]["template"]["spec"].pop("serviceAccountName", None)
        try:
            patience.run(partial(cluster.apply, path, item, manifests.MANAGER, dry_run=True))
        except Unavailable:
            raise
        except ClusterError as error:
            if cluster.get(f"/api/v1/namespaces/{namespace}") is None:
                return
            raise BadInput(
                f"Servers of such instances are refused: {error} Where Knative does not take a field, its feature flag "
                f"is off (config-features; knative_features of the role knative), or its version does not have it. "
                f"Nothing was changed."
            ) from error
