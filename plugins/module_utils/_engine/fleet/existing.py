# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a namespace holds of the kinds of a fleet, by one list of metadata alone for each kind.

Whether an object is as it was applied is told by two things that are there without another request or write: its
checksum, an annotation that is applied with it, and the fields that are ours (C(managedFields)). Whoever edits a field
that we applied takes it over, whatever way he takes, so that an edit is seen. The generation would not tell as much:
what it will be is known only after an object is applied, so that to write it down costs a second write for each;
Secrets, ConfigMaps and volumes have none; and it moves as well when somebody adds a field that is not ours, such as the
annotation of a restart, which applying again would not take back.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..kubernetes import kinds, manifests
from ..kubernetes.apply import owned_fields
from ..kubernetes.client import METADATA_ONLY, Cluster, ClusterError, Gone
from ..kubernetes.workload import STOPPED
from .patience import Patience
from .rendering import CHECKSUM, FLEET, INSTANCE

Key = tuple[str, str]
# A list that takes longer than the API server remembers is begun anew.
_TRIES = 3
# Of 10,000 objects nearly all have the same fields: those are kept once.
_KEPT_FIELDS = 16
_FIELDS = b'"fieldsV1":'


class Found(NamedTuple):
    """One object. C(fleet) and C(instance) are empty where it has not our marks; C(fields) are those that are ours."""

    key: Key
    name: str
    uid: str
    fleet: str
    instance: str
    checksum: str
    fields: Mapping[str, Any] | None
    stopped: bool
    leaving: bool

    @property
    def kind(self) -> str:
        return self.key[1]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def collections(cluster: Cluster, keys: Iterable[Key], namespace: str) -> dict[Key, str]:
    """The path of the objects of each kind.

    :raises ClusterError: the cluster does not serve one of them.
    """
    paths = {key: kinds.collection(cluster, *key, namespace) for key in keys}
    if missing := [f"{kind} of {api_version}" for (api_version, kind), path in paths.items() if not path]:
        raise ClusterError(f"The cluster at {cluster.address} does not serve {', '.join(missing)}: install it first.")
    return paths


def read(cluster: Cluster, paths: Mapping[Key, str], patience: Patience) -> dict[Key, dict[str, Found]]:
    """What there is of each kind by name, whoever made it.

    :raises ClusterError: no answer, or a refusal.
    """
    with _without_collector():
        return {key: _objects(cluster, key, path, patience) for key, path in paths.items()}


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing that is read refers to itself: to search all of it for that again and again takes a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # What is there by now stays until the end.
        gc.freeze()
        if was_on:
            gc.enable()


def _objects(cluster: Cluster, key: Key, path: str, patience: Patience) -> dict[str, Found]:
    for _anew in range(_TRIES - 1):
        with contextlib.suppress(Gone):
            return _listed(cluster, key, path, patience)
    return _listed(cluster, key, path, patience)


def _listed(cluster: Cluster, key: Key, path: str, patience: Patience) -> dict[str, Found]:
    pages = cluster.pages(path, accept=METADATA_ONLY, attempt=patience.run, read=_Reader())
    return {one["metadata"]["name"]: _found(key, one["metadata"]) for page in pages for one in page.get("items") or []}


class _Reader:
    """Reads lists of metadata. Their C(fieldsV1) are most of the text, and nearly all objects of a fleet have the same:
    those that were seen are taken out before the text is parsed, and are one object afterwards."""

    def __init__(self) -> None:
        self._seen: list[dict[str, Any]] = []
        self._texts: list[bytes] = []

    def __call__(self, data: bytes) -> dict[str, Any]:
        # Nothing but a key looks like that: within a text its marks would be escaped.
        page: dict[str, Any] = json.loads(_FIELDS.join(map(self._without, data.split(_FIELDS))))
        for item in page.get("items") or []:
            for entry in item["metadata"].get("managedFields") or []:
                entry["fieldsV1"] = self._shared(entry.get("fieldsV1"))
        return page

    def _without(self, part: bytes) -> bytes:
        """What stands behind the key, with a number instead of fields that were seen."""
        for number, text in enumerate(self._texts):
            if part.startswith(text):
                return b"%d%b" % (number, part[len(text) :])
        return part

    def _shared(self, fields: Any) -> Any:
        if isinstance(fields, int):
            return self._seen[fields]
        known = next((one for one in self._seen if one == fields), None)
        if known is None and fields and len(self._seen) < _KEPT_FIELDS:
            self._seen.append(fields)
            self._texts.append(json.dumps(fields, separators=(",", ":")).encode())
        return known or fields


def _found(key: Key, metadata: Mapping[str, Any]) -> Found:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = labels.get(manifests.MANAGED_BY) == manifests.MANAGER
    return Found(
        key=key,
        name=metadata["name"],
        uid=metadata["uid"],
        fleet=labels.get(FLEET, "") if ours else "",
        instance=labels.get(INSTANCE, "") if ours else "",
        checksum=annotations.get(CHECKSUM, ""),
        fields=owned_fields(metadata, key[0]),
        stopped=bool(annotations.get(STOPPED)),
        leaving="deletionTimestamp" in metadata,
    )
