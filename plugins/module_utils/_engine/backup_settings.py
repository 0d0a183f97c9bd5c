# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup is told, made from the variables of its role and the connections of what it backs up.

The one place where a setting is named for the schedule of every platform; C(protocol.SETTINGS) has their names.
Secrets are never here, only where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import data_settings, trust
from .connection import without_secret
from .names import host_of_url
from .paths import absolute_path
from .quantities import number, whole
from .schedule import Schedule
from .secrets import IN_CONTAINERS, in_pods

# Where pods find the secrets that a restored server needs, each under its name.
_RESTORED = f"{IN_CONTAINERS}/mlflow"
# Of the destination, by variables of the same names.
_DESTINATION = (
    "destination",
    "endpoint",
    "region",
    "encryption",
    "kms_key",
    "account",
    "access_key_file",
    "secret_key_file",
    "account_key_file",
    "name",
)
# Variables that name files and folders, as they are or not at all.
_PATHS = ("access_key_file", "secret_key_file", "account_key_file", "pg_bindir", "scratch_dir")


@dataclass(frozen=True)
class BackupSettings:
    """C(settings) as mlflow-ops takes them, C(inside) the same for a container, which finds the files of C(copies)
    below C(/run/secrets), and of a cluster C(places): environment from Secrets, C(mounted): the sources of the volume
    with those that are files, C(trusted): whom it trusts (C(trust.places)), C(env): the environment of its container,
    and C(pinned): with which pods it shares a node, because they share a volume.
    C(cron): the five fields of the schedule, C(calendar): the same for systemd."""

    settings: dict[str, Any]
    inside: dict[str, Any]
    copies: dict[str, str]
    places: dict[str, dict[str, str]]
    mounted: list[dict[str, Any]]
    pinned: list[dict[str, Any]]
    trusted: dict[str, dict[str, str]]
    env: list[dict[str, Any]]
    cron: list[str]
    calendar: str

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def compute(
    options: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    server: Mapping[str, Any],
    platform: str,
) -> BackupSettings:
    """
    :param options: the variables of the role mlflow_backup without its prefix; numbers may be strings.
    :param database: connection of the database. The role that owns it, where one is named, reads and restores it.
    :param store: connection of the artifact store.
    :param server: connection of the server, whose further secrets are fingerprinted.
    :param platform: C(host), C(compose) or C(kubernetes).
    :raises BadInput: what backups could not run with.
    """
    _check_paths(options)
    for name in ("destination", "endpoint"):
        without_secret(str(options[name] or ""), f"mlflow_backup_{name}")
    if options["endpoint"]:
        host_of_url(str(options["endpoint"]), "mlflow_backup_endpoint")
    schedule = Schedule.parse(options["schedule"], "mlflow_backup_schedule")
    owner = database.get("owner") or database
    restored = server.get("restored_secrets") or {}
    if platform == "kubernetes":
        fixed = {name: f"{_RESTORED}/{name}" for name in restored}
    else:
        fixed = {**{name: place["file"] for name, place in restored.items()}, **(options["secrets"] or {})}
    told = {
        **{name: options[name] for name in _DESTINATION},
        **data_settings.compute(owner, store, server),
        "secrets": fixed,
        "pg_bindir": options["pg_bindir"],
        "jobs": whole(options["jobs"], "mlflow_backup_jobs", 1),
        "scratch_dir": options["scratch_dir"],
    }
    told = {name: value for name, value in told.items() if value}
    # What only the schedule knows.
    further = {
        "max_age_hours": number(options["max_age_hours"], "mlflow_backup_max_age_hours", 0),
        "version": server.get("version"),
        "grantee": urlsplit(str(database.get("uri") or "")).username if database.get("owner") else "",
        "result_file": options["result_file"] if platform == "host" else "",
    }
    settings = {
        **told,
        "keep_days": number(options["keep_days"], "mlflow_backup_keep_days", 0),
        # The last snapshot is never pruned.
        "keep_count": whole(options["keep_count"], "mlflow_backup_keep_count", 1),
        "max_hours": number(options["max_hours"], "mlflow_backup_max_hours", 0),
        **{name: value for name, value in further.items() if value},
    }
    files = {name: path for name, path in told.items() if name.endswith("_file")}
    further_secrets = told.get("secrets", {})
    inside = settings | {name: f"{IN_CONTAINERS}/{name}" for name in files}
    if further_secrets:
        inside["secrets"] = {name: f"{IN_CONTAINERS}/{name}" for name in further_secrets}
    copies = {f"secrets/{name}": path for name, path in {**files, **further_secrets}.items()}
    mounted = [
        {"secret": {"name": place["secret"], "items": [{"key": place["key"], "path": name}]}}
        for name, place in restored.items()
        if "secret" in place
    ]
    pinned = _pinned(str(options["name"]), database, store, server)
    repository = database.get("repository") or {}
    places = _places(options, owner, store, repository)
    trusted = trust.places(database, store)
    values = {name: value for name, value in (store.get("env") or {}).items() if name == "AWS_CA_BUNDLE"}
    # What snapshots of the database's own pass through.
    values |= repository.get("env") or {}
    env = [
        *in_pods(places),
        *({"name": name, "value": value} for name, value in {**values, "TMPDIR": "/scratch"}.items()),
    ]
    return BackupSettings(
        settings, inside, copies, places, mounted, pinned, trusted, env, schedule.cron, schedule.calendar
    )


def _check_paths(options: Mapping[str, Any]) -> None:
    """That every program which a schedule goes through finds the same files."""
    paths = {name: options[name] for name in _PATHS}
    if "://" not in str(options["destination"]):
        paths["destination"] = options["destination"]
    paths |= {f"secrets {name}": path for name, path in (options["secrets"] or {}).items()}
    for name, path in paths.items():
        if path:
            absolute_path(str(path), f"mlflow_backup_{name}")


def _pinned(
    name: str, database: Mapping[str, Any], store: Mapping[str, Any], server: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Terms of an affinity to pods whose volume only one node can mount. A server that sleeps is on none."""
    sleeps = (server.get("workload") or {}).get("kind") == "KnativeService"
    volumes = {"server": {} if sleeps else store, "database": database.get("repository") or {}}
    return [
        {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {
                "matchLabels": {"app.kubernetes.io/instance": name, "app.kubernetes.io/component": component}
            },
        }
        for component, volume in volumes.items()
        if volume.get("access_mode") == "ReadWriteOnce"
    ]


def _places(options: Mapping[str, Any], *connections: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Environment from Secrets, under the names that mlflow-ops reads."""
    secret = options["secret"]
    keys = {"ACCESS_KEY": "access-key", "SECRET_KEY": "secret-key"}
    if str(options["destination"]).startswith(("az:", "wasbs:")):
        keys = {"ACCOUNT_KEY": "account-key"}
    own = {f"MLFLOW_BACKUP_{name}": {"secret": secret, "key": key} for name, key in keys.items()} if secret else {}
    places = [*(one.get("secrets") or {} for one in connections), own]
    return {name: dict(place) for one in places for name, place in one.items() if place.get("secret")}
