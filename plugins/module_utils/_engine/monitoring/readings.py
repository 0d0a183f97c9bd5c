# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts that are measured of a deployment, each by what operations use: health, schema, lock, snapshots, stores."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import certificates
from ..database import revisions
from ..database import schema as database_schema
from ..database.base import Database
from ..errors import BadInput, CannotRead, EngineError, LockHeld, MissingLibrary, NotAllowed, SnapshotError
from ..server import health
from ..snapshot import commands, results
from ..storage.cloud import Place, connect
from . import counts
from .cache import Part, verdict_of
from .fleet import Fleet
from .metrics import BROKEN, NOT_ALLOWED, UNSEEN, Reading, Sample
from .settings import Settings

# Snapshots and stores are listed; what is there changes slowly.
_SLOW_SECONDS = 300.0
_BYTES_SECONDS = 3600.0
# What listing all artifacts may take, in objects and in seconds.
_MOST_ARTIFACTS, _LONGEST_LISTING = 1_000_000, 120.0
# What one statement may take.
STATEMENT_SECONDS = 5.0
_CERTIFICATE = 1 << 20
_RESTORE = "restore"
# Several read the database: one after the other, so that it has one connection more at most.
_one_reader = threading.Lock()


def parts(settings: Settings) -> list[Part]:
    """What can be measured of this deployment."""
    readers: dict[str, tuple[bool, float, Callable[[], Reading]]] = {
        "health": (bool(settings.server), 1, lambda: _health(settings)),
        "lock": (bool(settings.database), 1, lambda: _lock(settings)),
        "database": (bool(settings.database), 1, lambda: _database(settings)),
        "counts": (bool(settings.database), 1, lambda: _counts(settings)),
        "schema": (bool(settings.database), 1, lambda: _schema(settings)),
        "snapshots": (bool(settings.snapshots), _SLOW_SECONDS, lambda: _snapshots(settings)),
        "drill": (bool(settings.snapshots), _SLOW_SECONDS, lambda: _drill(settings)),
        "artifacts": (bool(settings.artifacts), _SLOW_SECONDS, _Artifacts(settings)),
        "disks": (bool(settings.disks), 1, lambda: _disks(settings)),
        "certificates": (bool(settings.certificates), _SLOW_SECONDS, lambda: _certificates(settings)),
    }
    if settings.fleet:
        readers["fleet"] = (True, 1, Fleet(settings))
    return [Part(name, max(settings.interval, least), read) for name, (there, least, read) in readers.items() if there]


def _health(settings: Settings) -> Reading:
    wanted = health.Wanted("full", settings.version or None, settings.database.get("uri") or None, settings.password())
    report = health.check(settings.asked(), wanted)
    failed = [check for check in report.checks if not check.ok]
    refused = bool(failed) and all(check.refused for check in failed)
    samples = [
        sample
        for check in report.checks
        if not check.refused
        for sample in (
            Sample("check_up", float(check.ok), (check.name,)),
            Sample("check_seconds", check.seconds, (check.name,)),
        )
    ]
    if not failed:
        return Reading(samples)
    return Reading(samples, NOT_ALLOWED if refused else BROKEN, report.verdict, measured=not refused)


def _lock(settings: Settings) -> Reading:
    with _one_reader:
        return Reading([Sample("lock_held", float(bool(settings.opened().lock_holders())))])


def _database(settings: Settings) -> Reading:
    with _Open(settings) as database:
        size = database.space().size
        with database.bounded(STATEMENT_SECONDS) as ask:
            usage = database.usage(ask)
    known = {
        "database_bytes": size,
        "database_dead_rows_ratio": usage.dead_rows,
        "database_connections": usage.connections,
        "database_connections_budget": usage.budget,
    }
    return Reading([Sample(name, float(value)) for name, value in known.items() if value is not None])


def _counts(settings: Settings) -> Reading:
    with _Open(settings) as database:
        found = counts.of_tracking(database, STATEMENT_SECONDS)
        if settings.database.get("auth_uri"):
            found += counts.of_users(settings.opened("auth_uri"), STATEMENT_SECONDS)
    return Reading(found)


def _schema(settings: Settings) -> Reading:
    with _Open(settings):
        kinds = {"uri": revisions.TRACKING, "auth_uri": revisions.AUTH}
        found = {
            uri: database_schema.read(str(uri), settings.password(), kind)
            for which, kind in kinds.items()
            if (uri := settings.database.get(which))
        }
    others = [f"{one.state} ({one.revision}, not {one.expected})" for one in found.values() if one.state != "current"]
    sample = Sample("schema_matches", float(not others))
    return Reading([sample], BROKEN, f"the schema is {', '.join(others)}") if others else Reading([sample])


class _Open:
    """The database, unless a restore is about to exchange it: whoever has it open would hold that up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> Database:
        _one_reader.acquire()
        try:
            database = self._settings.opened()
            restoring = [words for words in database.lock_holders() if words.startswith(_RESTORE)]
            if restoring:
                raise LockHeld(f"A {restoring[0]} works on the database, which is not read meanwhile.")
        except BaseException:
            _one_reader.release()
            raise
        return database

    def __exit__(self, *_error: object) -> None:
        _one_reader.release()


def _snapshots(settings: Settings) -> Reading:
    found = commands.describe(settings.snapshots)
    if found["verdict"].startswith(("not allowed", "could not")):
        verdict = NOT_ALLOWED if found["verdict"].startswith("not allowed") else UNSEEN
        return Reading([], verdict, found["verdict"], measured=False)
    newest = next(iter(found["snapshots"]), None)
    ended = _seconds(newest["finished"]) if newest else 0.0
    last = found["last_run"]
    failures = [_seconds(last["finished"])] if last.get("failed_run") else []
    if noted := results.newest(settings.snapshots, "backup"):
        failures += [] if noted.succeeded else [noted.ended]
    failed = ["a backup failed since"] if failures and max(failures) > ended else []
    failed += [one["problem"] for one in found["damaged"] if newest is None or one["id"] > newest["id"]]
    samples = [
        Sample("snapshot_timestamp_seconds", _seconds(newest["created"]) if newest else 0.0),
        Sample("snapshot_success", float(newest is not None and not failed)),
        *_promised("snapshot_expected_seconds", settings.snapshot_seconds),
    ]
    wrong = failed or ([] if newest else ["there is no snapshot"])
    return Reading(samples, BROKEN, "; ".join(wrong)) if wrong else Reading(samples)


def _drill(settings: Settings) -> Reading:
    last = results.newest(settings.snapshots, "drill")
    samples = [
        Sample("drill_timestamp_seconds", last.ended if last else 0.0),
        *([Sample("drill_success", float(last.succeeded))] if last else []),
        *_promised("drill_expected_seconds", settings.drill_seconds),
    ]
    failed = last is not None and not last.succeeded
    return Reading(samples, BROKEN, "the last drill failed") if failed else Reading(samples)


def _promised(name: str, seconds: float) -> Iterator[Sample]:
    if seconds:
        yield Sample(name, seconds)


def _seconds(moment: Any) -> float:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError as error:
        raise CannotRead(f"{str(moment)[:40]!r} is no moment.") from error


class _Artifacts:
    """Whether the store can be read; and once an hour how much there is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counted: tuple[float, float | None] | None = None

    def __call__(self) -> Reading:
        if not (place := commands.artifacts(self._settings.artifacts)):
            raise BadInput("artifacts of the settings lacks artifacts_uri.")
        try:
            next(iter(connect(place, create=False).list("")), None)
            if self._counted is None or time.monotonic() - self._counted[0] > _BYTES_SECONDS:
                self._counted = time.monotonic(), _bytes(place)
        except NotAllowed:
            raise
        except SnapshotError as error:  # also one that cannot be reached: that is what this tells
            return Reading([Sample("artifact_store_up", 0.0)], BROKEN, str(error))
        size = self._counted[1]
        return Reading([Sample("artifact_store_up", 1.0), *([] if size is None else [Sample("artifact_bytes", size)])])


def _bytes(place: Place) -> float | None:
    """What all artifacts take; None where there are too many to look at each."""
    total, end = 0, time.monotonic() + _LONGEST_LISTING
    for number, found in enumerate(connect(place, create=False).list("")):
        if number >= _MOST_ARTIFACTS or time.monotonic() > end:
            return None
        total += found.size
    return float(total)


def _disks(settings: Settings) -> Reading:
    return _each(settings.disks, _disk)


def _disk(volume: str, folder: str) -> list[Sample]:
    try:
        found = shutil.disk_usage(folder)
    except OSError as error:
        kind = NotAllowed if isinstance(error, PermissionError) else CannotRead
        raise kind(f"The volume {volume}, {folder}, cannot be looked at: {error.strerror}.") from error
    return [
        Sample("disk_free_bytes", float(found.free), (volume,)),
        Sample("disk_size_bytes", float(found.total), (volume,)),
    ]


def _certificates(settings: Settings) -> Reading:
    return _each(settings.certificates, _certificate)


def _certificate(name: str, place: str) -> list[Sample]:
    try:
        if place.startswith("https:"):
            text = next(iter(certificates.served(place).values()))
        else:
            with Path(place).open(encoding="utf-8", errors="replace") as file:
                text = file.read(_CERTIFICATE)
        end = certificates.end_of(text)
    except OSError as error:
        kind = NotAllowed if isinstance(error, PermissionError) else CannotRead
        raise kind(f"The certificate {name}, {place}, cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise EngineError(f"The certificate {name}, {place}, is none.") from error
    return [Sample("certificate_expiry_timestamp_seconds", end.timestamp(), (name,))]


def _each(places: Any, read: Callable[[str, str], list[Sample]]) -> Reading:
    """Several of a kind: one that cannot be read hides no other."""
    samples: list[Sample] = []
    errors: list[EngineError] = []
    for name, place in places.items():
        try:
            samples += read(str(name), str(place))
        except MissingLibrary:
            raise
        except EngineError as error:
            errors.append(error)
    if not errors:
        return Reading(samples)
    return Reading(samples, verdict_of(errors[0]), " ".join(map(str, errors)), measured=False)
