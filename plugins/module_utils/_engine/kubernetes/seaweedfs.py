# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SeaweedFS in parts: what a template says of one part, for the master and each volume server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .manifests import PART

# The part that the template renders, and what stands in it for what is another one's.
SAMPLE = "sample-part"
_ROLE, _SIZE, _HEALTH = "sample-role", "sample-size", "/sample-health"


def parts(
    objects: Iterable[Mapping[str, Any]], servers: int, metadata_size: str, storage_size: str
) -> list[dict[str, Any]]:
    """Put a master and volume servers where the objects have the part SAMPLE; nothing without volume servers.

    :param metadata_size: of the master's volume; C(storage_size) is that of each volume server's.
    """
    named = {"master": ("master", metadata_size, "/cluster/status")} if servers else {}
    named |= {f"volume-{number}": ("volume", storage_size, "/healthz") for number in range(servers)}
    result: list[dict[str, Any]] = []
    for item in objects:
        if item["metadata"]["labels"].get(PART) != SAMPLE:
            result.append(dict(item))
            continue
        for part, (role, size, health) in named.items():
            text = json.dumps(item)
            for sample, value in ((SAMPLE, part), (_ROLE, role), (_SIZE, size), (_HEALTH, health)):
                text = text.replace(sample, json.dumps(value)[1:-1])
            result.append(json.loads(text))
    return result
