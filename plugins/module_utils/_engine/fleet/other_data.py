# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Other data: whether instances that serve would go on without what they have, which looks like success.

Of all instances alike is what the sample says, so that a few are asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadInput
from ..kubernetes.client import Cluster
from ..server.moved import moved
from .comparison import Work
from .existing import Key

_ACCEPTING = "mlflow_fleet_accept_other_data"
_ASKED = 3


def refuse(cluster: Cluster, updated: Sequence[Work], paths: Mapping[Key, str]) -> None:
    """
    :raises BadInput: an instance would have another database or artifact store.
    :raises ClusterError: no answer.
    """
    asked = 0
    for work in updated:
        for template, there in work.objects:
            wanted = _launch(template.item(work.instance)) if there and template.kind == "ConfigMap" else {}
            if not wanted:
                continue
            found = _launch(cluster.get(f"{paths[template.key]}/{template.name(work.instance)}") or {})
            if said := moved(found, wanted, _ACCEPTING):
                raise BadInput(f"{work.instance.name}: {' '.join(said)} No instance was changed.")
            asked += 1
        if asked >= _ASKED:
            return


def _launch(item: Mapping[str, Any]) -> dict[str, Any]:
    """What servers are started with; {} where an object does not say, or somebody made something else of it."""
    try:
        launch = json.loads((item.get("data") or {}).get("launch.json") or "")
    except (ValueError, RecursionError):
        return {}
    return launch if isinstance(launch, dict) and isinstance(launch.get("env"), dict) else {}
