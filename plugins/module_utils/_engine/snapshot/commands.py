# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules and commands have in common: the same settings in, the same results out.

Settings are the options of the modules. The commands read them from a JSON file; a secret is in a file that an option
names, or in the environment: C(PGPASSWORD), C(MLFLOW_BACKUP_ACCESS_KEY) and C(MLFLOW_BACKUP_SECRET_KEY),
C(MLFLOW_BACKUP_ACCOUNT_KEY), and for the artifacts C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import progress, protocol, quantities, secrets
from ..database import kinds, revisions
from ..errors import BadInput, CannotRead, EngineError, MissingLibrary, NotAllowed, SnapshotError
from ..storage.cloud import Place, connect
from . import backup, manifest, prune, restore
from . import verify as verification

# Options that name the file of a secret, and the variable that may hold it instead.
SECRET_FILES = {
    "access_key_file": "MLFLOW_BACKUP_ACCESS_KEY",
    "secret_key_file": "MLFLOW_BACKUP_SECRET_KEY",
    "account_key_file": "MLFLOW_BACKUP_ACCOUNT_KEY",
    "database_password_file": "PGPASSWORD",
    "artifacts_access_key_file": "AWS_ACCESS_KEY_ID",
    "artifacts_secret_key_file": "AWS_SECRET_ACCESS_KEY",
    "artifacts_account_key_file": "AZURE_STORAGE_ACCESS_KEY",
}
# What holds the key of the artifacts in its place.
_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
Settings = Mapping[str, Any]
# More than what a backup says of itself has.
_LONGEST_RUN = 1 << 20


def read(path: str) -> dict[str, Any]:
    """Settings from a file.

    :raises BadInput: it cannot be read, or has a key that nobody knows.
    """
    try:
        settings: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The settings {path} cannot be read: {error}.") from error
    check_keys(settings, path)
    return settings


def check_keys(settings: Settings, path: str = "") -> None:
    """
    :raises BadInput: a key that nobody knows.
    """
    if unknown := sorted(set(settings) - protocol.SETTINGS):
        raise BadInput(f"The settings {path} have unknown keys: {', '.join(unknown)}.")


def create_backup(
    settings: Settings, *, check: bool, low_priority: bool = False, say: progress.Say = progress.silent
) -> dict[str, Any]:
    """What C(mlflow_backup) with C(state=present) returns."""
    source, options = _source(settings), replace(_options(settings), low_priority=low_priority)
    backup.check(source, destination(settings), options)
    if check:
        return {"changed": True}
    taken = backup.create(source, destination(settings), options, say)
    return {"changed": True, "snapshot": taken.summary()}


def recent(settings: Settings) -> dict[str, Any] | None:
    """The newest snapshot, where it is younger than C(min_age_hours); None where another is due."""
    hours = _number(settings, "min_age_hours", 0)
    if not hours:
        return None
    found = _described(
        {name: value for name, value in settings.items() if name != "max_age_hours"}, "none", 0, progress.silent
    )
    newest = next(iter(found["snapshots"]), None)
    return None if verification.overdue(newest, hours) else newest


def prune_snapshots(settings: Settings, *, check: bool, say: progress.Say = progress.silent) -> dict[str, Any]:
    """What C(mlflow_backup) with C(state=pruned) returns."""
    result = prune.prune(
        connect(destination(settings), create=False),
        name=settings.get("name") or "mlflow",
        keep_days=_number(settings, "keep_days", 30),
        keep_count=_whole(settings, "keep_count", 7),
        max_seconds=_number(settings, "max_hours", 24) * 3600,
        check=check,
        say=say,
    )
    return {
        "changed": result.changed,
        "pruned": {
            "removed": result.removed,
            "kept": result.kept,
            "marked": result.marked,
            "deleted": result.deleted,
            "freed": result.freed,
        },
    }


def describe(
    settings: Settings,
    *,
    verify: str = "none",
    sample_percent: float = 10,
    say: progress.Say = progress.silent,
) -> dict[str, Any]:
    """What C(mlflow_backup_info) returns. What cannot be looked at is not called broken."""
    try:
        found = _described(settings, verify, sample_percent, say)
    except NotAllowed as error:
        return _unseen(settings, f"not allowed to look: {error}")
    except (CannotRead, MissingLibrary) as error:
        return _unseen(settings, f"could not look: {error}")
    return found | {"verdict": f"broken: {'; '.join(found['problems'])}" if found["problems"] else "healthy"}


def _unseen(settings: Settings, verdict: str) -> dict[str, Any]:
    return {
        "changed": False,
        "snapshots": [],
        "damaged": [],
        "verified": {},
        "last_run": _last_run(settings.get("result_file")),
        "problems": [verdict],
        "healthy": False,
        "verdict": verdict,
    }


def _described(settings: Settings, verify: str, sample_percent: float, say: progress.Say) -> dict[str, Any]:
    try:
        good, bad = verification.snapshots(destination(settings), settings.get("name") or None)
    except SnapshotError as error:
        if "nothing was ever backed up there" not in str(error):
            raise
        good, bad = [], []
    newest = good[0] if good else None
    verified: dict[str, Any] = {}
    if verify != "none" and (wanted := settings.get("snapshot") or (newest["id"] if newest else None)):
        share = 1.0 if verify == "all" else quantities.number(sample_percent, "sample_percent", 0) / 100
        found = verification.verify(destination(settings), wanted, share=share, say=say)
        verified = {
            "snapshot": found.snapshot,
            "objects": found.objects,
            "size": found.size,
            "problems": found.problems,
        }
    last = _last_run(settings.get("result_file"))
    hours = _number(settings, "max_age_hours", 0)
    problems = [one["problem"] for one in bad] + verified.get("problems", [])
    if hours and (due := verification.overdue(newest, hours)):
        problems.append(due)
    if last.get("failed_run") and (newest is None or newest["finished"] < last["finished"]):
        problems.append(f"the last backup failed at {last['finished']}: {last['message']}")
    return {
        "changed": False,
        "snapshots": good,
        "damaged": bad,
        "verified": verified,
        "last_run": last,
        "problems": problems,
        "healthy": not problems,
    }


def restore_snapshot(settings: Settings, *, check: bool, say: progress.Say = progress.silent) -> dict[str, Any]:
    """What C(mlflow_restore) returns."""
    source = _source(settings)
    drill = bool(settings.get("drill"))
    target = restore.Target(
        source.databases, source.password, source.artifacts, source.secrets, settings.get("grantee") or None
    )
    options = restore.Options(
        pg_bindir=settings.get("pg_bindir") or None,
        jobs=_whole(settings, "jobs", 2),
        scratch_dir=settings.get("scratch_dir") or None,
        keep_replaced=bool(settings.get("keep_replaced", True)),
        journal_dir=settings.get("journal_dir") or None,
    )
    if settings.get("state") == "cleaned":
        removed = restore.remove_replaced(target, list(settings.get("replaced") or []), check=check)
        return {"changed": bool(removed), "removed": removed}
    wanted = settings.get("snapshot") or "latest"
    if check:
        report = restore.check(destination(settings), wanted, target, options, drill=drill)
    else:
        report = restore.run(destination(settings), wanted, target, options, drill=drill, say=say)
    return {"changed": not drill, **report.as_dict()}


def record_result(settings: Settings, result: Mapping[str, Any]) -> None:
    """Write down how a backup ended, for who asks later."""
    path = settings.get("result_file")
    # By hand there may be nothing set up that asks later.
    if path and Path(path).parent.is_dir():
        text = json.dumps(
            {
                "failed_run": bool(result.get("failed")),
                "message": result.get("msg", ""),
                "finished": manifest.now(),
                "snapshot": result.get("snapshot", {}).get("id", ""),
            }
        )
        new = Path(f"{path}.new")
        new.write_text(text)
        new.replace(path)


def database(settings: Settings) -> tuple[str, str | None]:
    """The database by which a deployment is known, and its password; no URI where none is named."""
    uri = settings.get("database_uri") or settings.get("auth_uri")
    return str(uri or ""), _secret(settings, "database_password_file")


def revision(settings: Settings) -> str:
    """The revisions of all schemas of a deployment, as one word that changes when one of them does."""
    password = _secret(settings, "database_password_file")
    found = [
        ",".join(kinds.database(uri, password).contents(table).revisions) or "none"
        for option, (_scripts, table) in (("database_uri", revisions.TRACKING), ("auth_uri", revisions.AUTH))
        if (uri := settings.get(option))
    ]
    return " ".join(found)


def destination(settings: Settings) -> Place:
    if not settings.get("destination"):
        raise BadInput("destination is empty: say where snapshots are kept.")
    return Place(
        uri=str(settings["destination"]),
        endpoint=settings.get("endpoint") or None,
        region=settings.get("region") or None,
        access_key=_secret(settings, "access_key_file"),
        secret_key=_secret(settings, "secret_key_file"),
        encryption=settings.get("encryption") or None,
        kms_key=settings.get("kms_key") or None,
        account=settings.get("account") or None,
        account_key=_secret(settings, "account_key_file"),
    )


def _source(settings: Settings) -> backup.Source:
    uris = {backup.TRACKING: settings.get("database_uri"), backup.AUTH: settings.get("auth_uri")}
    databases = {what: str(uri) for what, uri in uris.items() if uri}
    if not databases and not settings.get("artifacts_uri"):
        raise BadInput("Neither database_uri nor auth_uri nor artifacts_uri is given: there is nothing to do.")
    return backup.Source(
        name=settings.get("name") or "mlflow",
        databases=databases,
        password=_secret(settings, "database_password_file"),
        artifacts=artifacts(settings),
        secrets={name: secrets.read_bytes(path, "secrets") for name, path in (settings.get("secrets") or {}).items()},
        mlflow_version=settings.get("version") or None,
    )


def artifacts(settings: Settings) -> Place | None:
    """Where artifacts are, as C(artifacts_uri) and its neighbours say; None where they do not."""
    uri = str(settings.get("artifacts_uri") or "")
    if not uri:
        return None
    if uri.startswith("file://"):
        uri = uri.removeprefix("file://")
    return Place(
        uri=uri.rstrip("/") if uri != "/" else uri,
        endpoint=settings.get("artifacts_endpoint") or None,
        region=settings.get("artifacts_region") or None,
        access_key=_secret(settings, "artifacts_access_key_file"),
        secret_key=_secret(settings, "artifacts_secret_key_file"),
        account=settings.get("artifacts_account") or None,
        account_key=_secret(settings, "artifacts_account_key_file") or os.environ.get(_CONNECTION_STRING),
    )


def _options(settings: Settings) -> backup.Options:
    return backup.Options(
        pg_bindir=settings.get("pg_bindir") or None,
        jobs=_whole(settings, "jobs", 2),
        reread=bool(settings.get("reread")),
        max_seconds=_number(settings, "max_hours", 24) * 3600,
        scratch_dir=settings.get("scratch_dir") or None,
    )


def _number(settings: Settings, name: str, default: float) -> float:
    value = settings.get(name)
    return quantities.number(default if value in (None, "") else value, name, 0)


def _whole(settings: Settings, name: str, default: int) -> int:
    value = settings.get(name)
    return quantities.whole(default if value in (None, "") else value, name, 1)


def _secret(settings: Settings, option: str) -> str | None:
    if path := settings.get(option):
        return secrets.read(path, option)
    return os.environ.get(SECRET_FILES[option]) or None


def _last_run(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.loads(file.read(_LONGEST_RUN)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise EngineError(f"The result of the last backup, {path}, cannot be read: {error}.") from error
