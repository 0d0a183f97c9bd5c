# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest of a snapshot: written last, and named by its own hash, so that a snapshot is whole or is not there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Set
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from ..database import kinds
from ..errors import BadInput, SnapshotError
from ..storage.base import Gone, Store, is_inside
from . import layout

FORMAT = "mlops.mlflow snapshot"
VERSION = 1
# So many of what is not in a snapshot are named.
_LEFT_OUT = 10_000
_ID = re.compile(r"(\d{8}T\d{6}\.\d{3}Z)-([0-9a-f]{16})", re.ASCII)


@dataclass(frozen=True)
class DumpFile:
    """One file of a dump. C(chunks) is the key of its list of chunks."""

    path: str
    size: int
    chunks: str


@dataclass(frozen=True)
class Database:
    """One database at one point in time. C(kind) is one of C(kinds.KINDS); C(rows) per table."""

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
    if (more := len(manifest.left_out) - _LEFT_OUT) > 0:
        body["left_out"] = [*manifest.left_out[:_LEFT_OUT], {"what": f"{more} more", "why": "they are too many"}]
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
        return parse(snapshot, store.get(manifest_key, layout.SMALL), store.where)
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
    try:
        body = json.loads(text, object_pairs_hook=_once)
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise SnapshotError(f"{snapshot} in {where} is no manifest of a snapshot.")
        if body.get("version") != VERSION:
            raise SnapshotError(
                f"The snapshot {snapshot} has format version {str(body.get('version'))[:20]}, and this collection "
                f"reads version {VERSION}: use the collection that wrote it, or a newer one."
            )
        return Manifest(**_values(Manifest, {**body, "id": snapshot}, {"format", "version"}))
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError(
            f"The manifest of the snapshot {snapshot} in {where} is none that a backup writes: {str(error)[:200]}. Use "
            f"another snapshot."
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """
    :raises ValueError: something is said twice, of which another reader would take the first.
    """
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("it says something twice")
    return found


def _values(kind: type, body: Any, known: Set[str] = frozenset()) -> dict[str, Any]:
    """The fields of one of the classes here, each checked.

    :raises ValueError: what a backup does not write; the field is named.
    """
    names = {one.name for one in fields(kind)}
    if not isinstance(body, dict) or set(body) - set(known) != names:
        raise ValueError(f"it is no {kind.__name__.lower()}")
    return {name: _value(name, body[name]) for name in names}


def _value(name: str, value: Any) -> Any:
    try:
        if name == "databases":
            if set(value) - {"tracking", "auth"}:
                raise ValueError
            return {what: Database(**_values(Database, one)) for what, one in value.items()}
        if name == "files":
            files = [DumpFile(**_values(DumpFile, one)) for one in value]
            if not files or len({file.path for file in files}) != len(files):
                raise ValueError
            return files
        if name == "artifacts":
            return Artifacts(**_values(Artifacts, value)) if value else None
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(str(error) or f"its {name} cannot be") from error
    if not _CHECKS[name](value):
        raise ValueError(f"its {name} cannot be {str(value)[:60]!r}")
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_line(value: Any) -> bool:
    """A text that is told to people as it is."""
    return isinstance(value, str) and value.isprintable()


def _is_time(value: Any) -> bool:
    return _is_text(value) and _TIME.fullmatch(value) is not None and datetime.fromisoformat(value) is not None


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(one) for one in value.values())


_TIME = re.compile(r"(19[789]|2\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", re.ASCII)
_PRINT = re.compile(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}")
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "name": _is_line,
    "uri": _is_line,
    "created": _is_time,
    "finished": _is_time,
    "taken": _is_time,
    "mlflow_version": lambda value: value is None or _is_line(value),
    "revision": lambda value: value is None or _is_line(value),
    "kind": lambda value: _is_text(value) and value in kinds.KINDS,
    "server_version": lambda value: _is_line(value) and re.match(r"[0-9]{1,4}(?![0-9])", value) is not None,
    "left_out": lambda value: isinstance(value, list) and all(_is_texts(one) for one in value),
    "secrets": lambda value: _is_texts(value) and all(_PRINT.fullmatch(one) for one in value.values()),
    "rows": lambda value: isinstance(value, dict) and all(layout.is_number(one) for one in value.values()),
    "seconds": lambda value: type(value) in (int, float) and 0 <= value < 1 << 40,
    "count": layout.is_number,
    "size": layout.is_number,
    "new_bytes": layout.is_number,
    # A dump is a flat folder.
    "path": lambda value: is_inside(value) and "/" not in value,
    "chunks": lambda value: layout.is_key(layout.LISTS, value),
    "list": lambda value: layout.is_key(layout.LISTS, value),
}
