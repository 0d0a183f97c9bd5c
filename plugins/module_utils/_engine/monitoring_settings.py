# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the exporter of a deployment, or of a fleet, is told, made from the variables of its role and the connections.

What it cannot see from where it is, is left out, so that nothing is called broken for ever: see C(docs/monitoring.md).
Secrets are never here, only where they lie.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import data_settings, trust
from .errors import BadInput
from .paths import absolute_path
from .quantities import number, whole
from .schedule import Schedule
from .secrets import IN_CONTAINERS, in_pods

# The port within a container; on a host it is that of the settings.
_PORT = 9500
_DAY = 86400.0
# Of a connection's runner, what says how servers are asked.
_SERVER = ("url", "username", "password_file", "ca_path", "validate_certs")
# Of the settings of backups, what says where snapshots are.
_DESTINATION = (
    "destination", "endpoint", "region", "account", "access_key_file", "secret_key_file", "account_key_file", "name",
    "result_file",
)  # fmt: skip
_KNATIVE = "KnativeService"
# MLflow tells its maker of nothing that happens here.
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True)
class MonitoringSettings:
    """C(settings) as C(mlflow-ops export) takes them where it will run. C(copies): files of the host by the names under
    which its container finds them below C(/run/secrets). Its environment is C(env) in a container, C(env_of_pod) in a
    cluster, where it holds secrets by reference, C(env_of_unit) of systemd and C(env_of_program) of supervisor.
    C(trusted): whom it trusts (C(trust.places)). What it mounts besides: C(binds) of a container, C(mounts) and
    C(volumes) of a pod. C(target): the address at which Prometheus on the same host finds it."""

    settings: dict[str, Any]
    copies: dict[str, str]
    env: dict[str, str]
    env_of_pod: list[dict[str, Any]]
    env_of_unit: str
    env_of_program: str
    trusted: dict[str, dict[str, str]]
    binds: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    target: str

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def compute(
    options: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    server: Mapping[str, Any],
    backup: Mapping[str, Any],
    platform: str,
) -> MonitoringSettings:
    """
    :param options: the variables of the role mlflow_monitoring without its prefix; numbers may be strings.
    :param database: connection of the database. :param store: of the artifact store. :param server: of the server.
    :param backup: of the backups; {} where there are none.
    :param platform: C(host), C(compose) or C(kubernetes).
    :raises BadInput: what the exporter could not run with.
    """
    if options.get("fleet"):
        return _of_fleet(options, platform)
    runner = server.get("runner") or {}
    if not runner:
        raise BadInput("The server to measure is not known: deploy first, or give mlflow_monitoring_server.")
    port = whole(options["port"], "mlflow_monitoring_port", 1)
    days = number(options["drill_days"], "mlflow_monitoring_drill_days", 0)
    host = str(options["host"])
    _check_host(host, bool(options.get("public")))
    if options.get("prometheus_dir"):
        absolute_path(str(options["prometheus_dir"]), "mlflow_monitoring_prometheus_dir")
    contained = platform != "host"
    secrets = {**(database.get("secrets") or {}), **(store.get("secrets") or {})}
    data = data_settings.compute(database, store, server)
    snapshots = _snapshots(backup, platform)
    volumes = _volumes(store, backup if snapshots else {}, platform)
    settings: dict[str, Any] = {
        "name": str(options["name"]),
        "platform": platform,
        "profile": str(server.get("profile") or ""),
        "version": str(server.get("version") or ""),
        # In a container every address of it: who may connect, a NetworkPolicy or the published port says.
        "listen": "0.0.0.0" if contained else host,  # noqa: S104
        "port": _PORT if contained else port,
        "interval": number(options["interval"], "mlflow_monitoring_interval", 5),
        "server": _server(server),
        "database": _database(data),
        "artifacts": _artifacts(data, volumes, platform),
        "snapshots": snapshots,
        "snapshot_seconds": _promised(backup) if snapshots else 0.0,
        "drill_seconds": days * _DAY if snapshots else 0.0,
        "disks": _disks(options, database, store, snapshots, volumes, platform),
        "certificates": _certificates(server, platform),
    }
    files = _files(settings)
    if contained:
        settings = _inside(settings)
    env = _env(options, store.get("env") or {})
    places = {name: place for name, place in secrets.items() if "secret" in place}
    login = runner.get("login") or {}
    if "secret" in login:
        places["MLFLOW_TRACKING_PASSWORD"] = {name: login[name] for name in ("secret", "key")}
    if snapshots:
        places |= {name: place for name, place in (backup.get("places") or {}).items() if name.startswith("MLFLOW_")}
    of_server = (server.get("workload") or {}).get("trusted") or {}
    return MonitoringSettings(
        settings=settings,
        copies={f"secrets/{name}": path for name, path in files.items()} if contained else {},
        env=env,
        env_of_pod=[*in_pods(places), *_variables(env)],
        env_of_unit="\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in env.items()),
        env_of_program=",".join(f"{name}={_quoted(value)}" for name, value in env.items()),
        trusted={**trust.places(database, store), **of_server},
        binds=[{"type": "volume", "read_only": True, **volume} for volume in volumes.values()],
        mounts=[{"name": name, "mountPath": volume["target"], "readOnly": True} for name, volume in volumes.items()],
        volumes=[
            {"name": name, "persistentVolumeClaim": {"claimName": volume["source"]}} for name, volume in volumes.items()
        ],
        target=f"{f'[{host}]' if ':' in host else host}:{port}",
    )


def _of_fleet(options: Mapping[str, Any], platform: str) -> MonitoringSettings:
    """Of a fleet, which is measured by what its cluster tells: it has neither data nor a server of its own."""
    if platform != "kubernetes":
        raise BadInput(f"A fleet is measured on the platform kubernetes alone, and this is '{platform}'.")
    fleet = options["fleet"]
    if lacking := [name for name in ("namespace", "instances", "count", "pattern") if name not in fleet]:
        raise BadInput(f"mlflow_monitoring_fleet lacks {', '.join(lacking)}: the role mlflow_fleet sets it.")
    settings = {
        "name": str(options["name"]),
        "platform": platform,
        "profile": "fleet",
        "listen": "0.0.0.0",  # noqa: S104
        "port": _PORT,
        "interval": number(options["interval"], "mlflow_monitoring_interval", 5),
        "fleet": {
            "namespace": str(fleet["namespace"]),
            "instances": [str(one.get("name") or "") for one in fleet["instances"]],
            "count": whole(fleet["count"], "mlflow_fleet_count", 0),
            "pattern": str(fleet["pattern"]),
        },
    }
    env = _env(options, {})
    return MonitoringSettings(
        settings, copies={}, env=env, env_of_pod=_variables(env), env_of_unit="", env_of_program="", trusted={},
        binds=[], mounts=[], volumes=[], target="",
    )  # fmt: skip


def _env(options: Mapping[str, Any], of_store: Mapping[str, Any]) -> dict[str, str]:
    given = options.get("env") or {}
    if not isinstance(given, Mapping):
        raise BadInput("mlflow_monitoring_env must be a dict of variables and values.")
    return {**_QUIET, **{name: str(value) for name, value in [*of_store.items(), *given.items()]}}


def _variables(env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of a container in a cluster."""
    return [{"name": name, "value": value} for name, value in env.items()]


def _quoted(text: str) -> str:
    """As systemd and supervisor read it; % is a mark of both.

    :raises BadInput: neither could be told.
    """
    if not text.isprintable():
        raise BadInput("mlflow_monitoring_env holds a line break or another character that cannot be seen.")
    return json.dumps(text.replace("%", "%%"), ensure_ascii=False)


def _check_host(host: str, public: bool) -> None:
    """What is measured is for operators: it is told to this host alone, unless somebody says that a wall is there."""
    if not _is_loopback(host) and not public:
        raise BadInput(
            f"mlflow_monitoring_host is '{host}', where others than this host could read the metrics: they need no "
            f"login. Set it to 127.0.0.1, or mlflow_monitoring_public to true where a firewall lets only Prometheus in."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _server(server: Mapping[str, Any]) -> dict[str, Any]:
    """How servers are asked; {} where none is, because a request would wake one that sleeps."""
    runner, workload = server["runner"], server.get("workload") or {}
    if workload.get("kind") == _KNATIVE:
        return {}
    asked = {name: value for name, value in (runner.get("options") or {}).items() if name in _SERVER and value != ""}
    if inside := runner.get("inside") or (workload.get("inside_uri") if runner["type"] == "kubernetes" else ""):
        asked["url"] = inside  # pods of others are not at its loopback
    if username := (runner.get("login") or {}).get("username"):
        asked["username"] = username
    return asked


def _database(data: Mapping[str, Any]) -> dict[str, Any]:
    found = {"uri": data["database_uri"], "auth_uri": data["auth_uri"], "password_file": data["database_password_file"]}
    return {name: value for name, value in found.items() if value}


def _snapshots(backup: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """Where snapshots are, if they can be seen from where the exporter is.

    Not in a cluster on a volume, which an exporter that runs all the time would hold on its node; nor in a bucket that
    only the identity of backups may enter: a pod has one identity, and that is of the servers.
    """
    given = backup.get("settings") or {}
    found = {name: given[name] for name in _DESTINATION if given.get(name)}
    if not found.get("destination"):
        return {}
    is_folder = "://" not in str(found["destination"])
    keys = [name for name in backup.get("places") or {} if name.startswith("MLFLOW_BACKUP_")]
    if platform == "kubernetes" and (is_folder or not keys):
        return {}
    return found


def _promised(backup: Mapping[str, Any]) -> float:
    schedule = str(backup.get("schedule") or "")
    return Schedule.parse(schedule, "mlflow_backup_schedule").longest_gap if schedule else 0.0


def _volumes(store: Mapping[str, Any], backup: Mapping[str, Any], platform: str) -> dict[str, dict[str, str]]:
    """Of containers. A volume that one node alone can mount is the servers': an exporter could keep it from them."""
    found = {}
    if store.get("claim") and (platform == "compose" or store.get("access_mode") == "ReadWriteMany"):
        found["artifacts"] = {"source": str(store["claim"]), "target": str(store["uri"])}
    destination = str((backup.get("settings") or {}).get("destination") or "")
    if platform == "compose" and destination and "://" not in destination:
        found["backup"] = {"source": str(backup.get("object") or ""), "target": destination}
    return found


def _artifacts(data: Mapping[str, Any], volumes: Mapping[str, Any], platform: str) -> dict[str, Any]:
    uri = str(data["artifacts_uri"] or "")
    if not uri or ("://" not in uri and platform != "host" and "artifacts" not in volumes):
        return {}
    found = {name: value for name, value in data.items() if name.startswith("artifacts_") and value}
    return found | {"artifacts_uri": uri.removeprefix("file://")}


def _disks(
    options: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    snapshots: Mapping[str, Any],
    volumes: Mapping[str, Any],
    platform: str,
) -> dict[str, str]:
    """Folders whose file systems can run full, by what they hold."""
    if platform != "host":
        return {name: volume["target"] for name, volume in volumes.items()}
    found = {"data": str(options.get("data_dir") or "")}
    uri = str(database.get("uri") or "")
    if uri.startswith("sqlite:///"):
        found["data"] = uri.removeprefix("sqlite:///").rpartition("/")[0]
    for name, place in (("artifacts", store.get("uri")), ("backup", snapshots.get("destination"))):
        path = str(place or "").removeprefix("file://")
        if path and "://" not in path:
            found[name] = path
    return {name: path for name, path in found.items() if path}


def _certificates(server: Mapping[str, Any], platform: str) -> dict[str, str]:
    runner, workload = server["runner"], server.get("workload") or {}
    found: dict[str, str] = {}
    if platform == "kubernetes":
        trusted = workload.get("trusted") or {}
        url = str(runner.get("inside") or "")
        found |= {"authority": trust.file("server")} if trusted else {}
    else:
        url = str(runner.get("published") or "") if platform == "host" else ""
    if url.startswith("https:"):
        found["server"] = url
    return found


def _files(settings: Mapping[str, Any]) -> dict[str, str]:
    """The files with secrets that the settings name, each under a name of its own."""
    groups = ("server", "database", "artifacts", "snapshots")
    return {
        f"{group}_{name}": str(path)
        for group in groups
        for name, path in settings[group].items()
        if name.endswith("_file") and name != "result_file"
    }


def _inside(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a container, which finds those files elsewhere."""
    found = dict(settings)
    for group in ("server", "database", "artifacts", "snapshots"):
        found[group] = {
            name: f"{IN_CONTAINERS}/{group}_{name}" if name.endswith("_file") else value
            for name, value in settings[group].items()
            if name != "result_file"
        }
    return found
