# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest of a snapshot: written last, and named by its own hash, so that a snapshot is whole or is not there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..errors import BadInput, SnapshotError
from ..storage.base import Gone, Store
from . import layout

FORMAT = "mlops.mlflow snapshot"
VERSION = 1
_ID = re.compile(r"(\d{8}T\d{6}\.\d{3}Z)-([0-9a-f]{16})")


@dataclass(frozen=True)
class DumpFile:
    """One file of a dump. C(chunks) is the key of its list of chunks."""

    path: str
    size: int
    chunks: str


@dataclass(frozen=True)
class Database:
    """One database at one point in time. C(kind) is C(sqlite) or C(postgresql); C(rows) per table."""

    kind: str
    server_version: str
    revision: str | None
    taken: str
    rows: dict[str, int]
    files: list[DumpFile]
    seconds: float

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Artifacts:
    """All artifacts. C(list) is the key of the list with path, size, SHA-256, mtime or ETag, and object of each."""

    uri: str
    count: int
    size: int
    list: str
    seconds: float


@dataclass(frozen=True)
class Manifest:
    """One snapshot. Times are UTC, ISO 8601; sizes bytes; durations seconds."""

    name: str
    created: str
    finished: str
    mlflow_version: str | None
    databases: dict[str, Database]
    artifacts: Artifacts | None
    left_out: list[dict[str, str]]
    secrets: dict[str, str]
    new_bytes: int
    id: str = field(default="", compare=False)

    @property
    def size(self) -> int:
        """What a restore writes."""
        return sum(database.size for database in self.databases.values()) + (
            self.artifacts.size if self.artifacts else 0
        )

    @property
    def age_from(self) -> float:
        """When it was begun, in seconds since 1970."""
        return datetime.fromisoformat(self.created).timestamp()

    def summary(self) -> dict[str, Any]:
        """What modules and commands return of it."""
        return {
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "finished": self.finished,
            "mlflow_version": self.mlflow_version,
            "databases": {
                what: {
                    "kind": database.kind,
                    "server_version": database.server_version,
                    "revision": database.revision,
                    "taken": database.taken,
                    "rows": database.rows,
                    "size": database.size,
                    "seconds": database.seconds,
                }
                for what, database in self.databases.items()
            },
            "artifacts": {
                "uri": self.artifacts.uri,
                "count": self.artifacts.count,
                "size": self.artifacts.size,
                "seconds": self.artifacts.seconds,
            }
            if self.artifacts
            else None,
            "left_out": self.left_out,
            "secrets": sorted(self.secrets),
            "size": self.size,
            "new_bytes": self.new_bytes,
        }

    def lists(self) -> list[str]:
        """Keys of every list that it needs."""
        found = [file.chunks for database in self.databases.values() for file in database.files]
        return found + ([self.artifacts.list] if self.artifacts else [])


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write(store: Store, manifest: Manifest) -> Manifest:
    """Make the snapshot exist. Everything that it names must be in the store for good."""
    body = asdict(manifest)
    del body["id"]
    text = json.dumps({"format": FORMAT, "version": VERSION, **body}, indent=1, sort_keys=True).encode()
    # 2026-11-21T15:37:46.123+00:00 without what a file's name had better not have; ids sort by time.
    when = manifest.created.replace("-", "").replace(":", "").partition("+")[0]
    snapshot = f"{when}Z-{hashlib.sha256(text).hexdigest()[:16]}"
    store.put(f"{layout.MANIFESTS}{snapshot}.json", text)
    store.settle()
    return parse(snapshot, text, store.where)


def ids(store: Store) -> list[str]:
    """All snapshots, the newest first."""
    names = [layout.name(found.key) for found in store.list(layout.MANIFESTS)]
    return sorted((name[:-5] for name in names if name.endswith(".json") and _ID.fullmatch(name[:-5])), reverse=True)


def find(store: Store, wanted: str) -> Manifest:
    """Read a snapshot's manifest: an id, the unique beginning of one, or C(latest).

    :raises BadInput: there is none of that name.
    """
    known = ids(store)
    if not known:
        raise BadInput(f"There is no snapshot in {store.where}.")
    matching = known[:1] if wanted == "latest" else [name for name in known if name.startswith(wanted)]
    if len(matching) != 1:
        raise BadInput(
            f"{'No snapshot' if not matching else 'More than one snapshot'} in {store.where} is called '{wanted}'. "
            f"The newest are: {', '.join(known[:5])}."
        )
    return load(store, matching[0])


def load(store: Store, snapshot: str) -> Manifest:
    """Read one manifest.

    :raises SnapshotError: it is damaged, or of a newer format.
    """
    manifest_key = f"{layout.MANIFESTS}{snapshot}.json"
    try:
        return parse(snapshot, store.get(manifest_key), store.where)
    except Gone as error:
        raise BadInput(f"There is no snapshot '{snapshot}' in {store.where}.") from error


def parse(snapshot: str, text: bytes, where: str) -> Manifest:
    """Check a manifest against its name and its format."""
    match = _ID.fullmatch(snapshot)
    if not match or hashlib.sha256(text).hexdigest()[:16] != match[2]:
        raise SnapshotError(
            f"The manifest of the snapshot {snapshot} in {where} is damaged or was changed: it does not match its "
            f"name. Use another snapshot."
        )
    body = json.loads(text)
    if body.get("format") != FORMAT:
        raise SnapshotError(f"{snapshot} in {where} is no manifest of a snapshot.")
    if body.get("version") != VERSION:
        raise SnapshotError(
            f"The snapshot {snapshot} has format version {body.get('version')}, and this collection reads version "
            f"{VERSION}: use the collection that wrote it, or a newer one."
        )
    return Manifest(
        **{name: body[name] for name in ("name", "created", "finished", "mlflow_version", "left_out", "secrets")},
        new_bytes=body["new_bytes"],
        databases={what: _database(value) for what, value in body["databases"].items()},
        artifacts=Artifacts(**body["artifacts"]) if body["artifacts"] else None,
        id=snapshot,
    )


def _database(value: Mapping[str, Any]) -> Database:
    return Database(**{**value, "files": [DumpFile(**file) for file in value["files"]]})
