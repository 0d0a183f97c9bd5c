# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all platforms share: URLs, the schema's owner, the connection, errors of settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ... import image_names, names
from ...connection import DatabaseUri
from ...database import kinds
from ...database.base import Adapter
from ...errors import BadInput
from ...paths import absolute_path
from ...quantities import quantity, whole
from .. import launch
from ..settings import Errors, Settings

# The port on which a server listens in its container; hosts have mlflow_server_port itself.
CONTAINER_PORT = 5000
CONTAINER_PYTHON = "/opt/mlflow/bin/python"
CONTAINER_AUTH_FILE = "/etc/mlflow/auth.ini"
FLASK_KEY = "flask-secret-key"
# How long whoever changes the schema waits for a database that comes up.
SCHEMA_SECONDS = 180
# How long whoever proves the bucket waits for a store that comes up.
_BUCKET_SECONDS = 120
# The application of the profile throughput, as the role and the image install it.
_TRANSFERS = "mlops_mlflow_transfers"
# The folder with standalone/fast_store, as the image has it.
_FAST_STORE_DIR = "/opt/mlflow/fast_store"
_PASSWORD_LENGTH = 12
_POSTGRESQL_KEEPS = 3
_POSTGRESQL_OFFERS = 100
_FULL_NEEDS = "2Gi"
# Less than that Docker refuses of memory, and Kubernetes of a processor.
_LEAST = {"cpu": quantity("1m"), "memory": quantity("6Mi")}

# What launch takes as it is; where things are on a platform is added to it.
_OF_LAUNCH = (
    "version", "profile", "direct_artifacts", "signed_artifacts", "workers", "threads", "otlp", "cors_origins",
    "hostname", "url", "static_prefix", "pool_size", "max_overflow", "metrics_dir", "access_log", "telemetry", "env",
    "fast_store", "name", "opentelemetry_endpoint", "opentelemetry_headers", "opentelemetry_signals",
    "opentelemetry_sample_ratio", "opentelemetry_interval", "opentelemetry_attributes",
)  # fmt: skip
PERMISSIONS = ("READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS")
_CHOICES = {
    "auth": ("none", "basic"),
    "install": ("", "slim", "full"),
    "supervision": ("auto", "systemd", "supervisor"),
    "auth_default_permission": PERMISSIONS,
}
_FLAGS = ("accept_other_data", "direct_artifacts", "signed_artifacts", "otlp", "access_log", "telemetry", "smoke_test")
# Of a unit of systemd, to which another value means none at all.
_LIMITS = {
    "memory_max": (re.compile(r"[1-9][0-9]{0,14}[KMGT]?|[1-9][0-9]?%"), "such as 4G"),
    "cpu_quota": (re.compile(r"[1-9][0-9]{0,4}%"), "such as 150%, where 100% is one processor"),
}
_FOLDERS_AND_FILES = ("dir", "secrets_dir", "auth_password_file", "tls_certificate", "tls_key", "metrics_dir")
# It becomes a line of a file of MLflow, which takes % for its own.
_ADMIN = re.compile(r"[^\s:%=;#\[\]]{1,255}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){1,2}((a|b|rc|\.?dev|\.post)[0-9]+)?")
_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*")
# Smallest and largest of whole numbers that every platform knows.
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "port": (1, 65535),
    "auth_cache_seconds": (0, None),
    "threads": (0, None),
    "pool_size": (0, None),
    "max_overflow": (0, None),
    "health_timeout": (1, None),
    "migration_timeout": (1, None),
}


@dataclass(frozen=True)
class Request:
    """What one plan is made from, see C(plan.plan).

    :param found: what the platform's own module returned, {} before it did.
    :param max_connections: that the database itself said it offers; 0 before.
    :param staged: whether it is prepared in a folder of its own, beside that which runs.
    """

    settings: Settings
    database: Mapping[str, Any]
    store: Mapping[str, Any]
    found: Mapping[str, Any]
    max_connections: int
    staged: bool = False
    errors: Errors = field(default_factory=Errors)

    @property
    def name(self) -> str:
        return self.settings.text("name", "mlflow")

    @property
    def folder(self) -> str:
        """Where programs and files of the servers are on the host."""
        return self.settings.text("staged_dir" if self.staged else "dir")

    @property
    def auth(self) -> bool:
        """Whether clients log in."""
        return self.settings.text("auth") == "basic"

    @property
    def owner(self) -> Mapping[str, Any]:
        """The role that may change the schema: the owner where one was named, else the server's own."""
        owner = self.database.get("owner")
        return owner if isinstance(owner, Mapping) and owner else self.database

    @property
    def grantee(self) -> str:
        """The server's own role, where it needs rights from another that owns the tables."""
        if not self.database.get("owner"):
            return ""
        try:
            return unquote(urlsplit(str(self.database.get("uri") or "")).username or "")
        except ValueError:
            # Launch says what is wrong with it.
            return ""

    @property
    def uses_bucket(self) -> bool:
        return str(self.store.get("uri") or "").startswith("s3:")

    @property
    def database_folders(self) -> list[str]:
        """Of a database that only processes of its own host reach; empty where it is reached over the network."""
        try:
            return kinds.database(str(self.database.get("uri") or "")).folders()
        except BadInput:
            return []  # launch says what is wrong with it

    @property
    def adapter(self) -> Adapter | None:
        """What lets MLflow work on the database, where it needs something."""
        try:
            return kinds.kind_of(DatabaseUri.read(str(self.database.get("uri") or ""))).adapter
        except BadInput:
            return None  # launch says what is wrong with it

    @property
    def database_packages(self) -> list[str]:
        """What brings the driver of the database; nothing where Python itself does."""
        try:
            package = kinds.parse(str(self.database.get("uri") or "")).package
        except BadInput:
            return []  # launch says what is wrong with it
        return [package] if package else []

    @property
    def offered_connections(self) -> int:
        """What the database has for all roles: it keeps some for superusers."""
        told = self.database.get("max_connections") or _POSTGRESQL_OFFERS
        try:
            return whole(told, "mlflow_database_max_connections", 1) - _POSTGRESQL_KEEPS
        except BadInput as error:
            self.errors.add(str(error))
            return _POSTGRESQL_OFFERS - _POSTGRESQL_KEEPS


def check(request: Request) -> None:
    """Errors that do not depend on the platform."""
    settings, errors = request.settings, request.errors
    for name, offered in _CHOICES.items():
        value = settings.text(name)
        listed = ", ".join(one or "empty" for one in offered)
        errors.add(
            f"mlflow_server_{name} is '{value}'; offered are {listed}.",
            settings.get(name) is not None and value not in offered,
        )
    for name in _FLAGS:
        settings.flag(name)
    for name, (least, most) in _NUMBERS.items():
        check_range(request, name, least, most)
    settings.number("workers")
    settings.mapping("env")
    settings.mapping("secret_env")
    for name in _FOLDERS_AND_FILES:
        if path := settings.text(name):
            try:
                absolute_path(path, f"mlflow_server_{name}")
            except BadInput as error:
                settings.reject(name, str(error))
    for name, shape, example in (
        ("auth_admin", _ADMIN, "a name such as admin"),
        ("url", _URL, "a URL such as https://mlflow.example.com"),
    ):
        text = settings.text(name)
        if text and not (shape.fullmatch(text) and text.isprintable()):
            settings.reject(name, f"mlflow_server_{name} is '{text}'; it must be {example}.")
    for name, (shape, example) in _LIMITS.items():
        if (text := settings.text(name)) and not shape.fullmatch(text):
            settings.reject(name, f"mlflow_server_{name} is '{text}'; it must be empty for no limit, or {example}.")
    length = settings.number("auth_password_length")
    errors.add(
        f"mlflow_server_auth_password is too short: MLflow wants at least {_PASSWORD_LENGTH} characters. Leave it empty"
        f" to have one generated.",
        0 < length < _PASSWORD_LENGTH,
    )
    if (version := settings.text("version")) and not _VERSION.fullmatch(version):
        settings.reject("version", f"mlflow_version is '{version}'; it must be a release such as 3.17.2.")
    check_tls_pair(request)


def check_range(request: Request, name: str, least: int, most: int | None = None) -> None:
    """That a whole number, where one is given, is within its limits."""
    value, text = request.settings.number(name, least), request.settings.text(name)
    if most is not None and not least <= value <= most:
        request.settings.reject(name, f"mlflow_server_{name} is {text}; it must be between {least} and {most}.")
    elif value < least:
        request.settings.reject(name, f"mlflow_server_{name} is {text}; it must be at least {least}.")


def check_tls_pair(request: Request) -> None:
    request.errors.add(
        "mlflow_server_tls_certificate and mlflow_server_tls_key must be given together.",
        bool(request.settings.text("tls_certificate")) != bool(request.settings.text("tls_key")),
    )


def check_image(request: Request) -> None:
    """Of platforms whose servers are containers."""
    request.errors.add(
        "Set mlflow_image: it is empty. The playbook images builds the image.", not request.settings.text("image")
    )
    for setting, variable in (("image", "mlflow_image"), ("load_balancer_image", "mlflow_server_load_balancer_image")):
        if text := request.settings.text(setting):
            try:
                image_names.checked(text, variable)
            except BadInput as error:
                request.errors.add(str(error))


def check_no_tls_inside(request: Request) -> None:
    """Of platforms that have none: nobody shall believe that there is."""
    request.errors.add(
        "TLS inside (mlflow_tls_inside) is for Kubernetes: leave it false. What servers say to a database elsewhere,"
        " its URI decides (?sslmode=verify-full).",
        request.settings.flag("tls_inside"),
    )


def check_metrics_dir(request: Request, scratch: str) -> None:
    """Of platforms whose servers are containers."""
    folder = request.settings.text("metrics_dir")
    request.errors.add(
        f"mlflow_server_metrics_dir is {folder}, but the container can write below {scratch} only: set it to"
        f" {scratch}/metrics.",
        bool(folder) and re.match(f"{scratch}/.", folder) is None,
    )


def check_volume(request: Request) -> None:
    """Clients can have a bucket's keys; no client mounts a volume of ours."""
    request.errors.add(
        "Clients cannot reach a volume: mlflow_server_direct_artifacts needs a bucket.",
        request.settings.flag("direct_artifacts") and not request.uses_bucket,
    )


def check_resources(request: Request, name: str) -> None:
    """That the limits of containers can be read."""
    limits = request.settings.mapping(name).get("limits")
    if not isinstance(limits, Mapping):
        request.errors.add(f"mlflow_server_{name} must hold limits, with cpu and memory.")
        return
    for kind in ("cpu", "memory"):
        try:
            # To Docker, nothing is no limit.
            empty = quantity(limits.get(kind, "")) < _LEAST[kind]
        except BadInput as error:
            request.errors.add(f"mlflow_server_{name} limits {kind}: {error}")
            continue
        request.errors.add(
            f"mlflow_server_{name} limits {kind} to {limits[kind]}, with which nothing runs: give at least"
            f" {_LEAST[kind]:f}.",
            empty,
        )


def check_profile_fits(request: Request) -> None:
    """That the profile fits into the memory that a server may use."""
    limits = request.settings.mapping("resources").get("limits")
    if request.settings.text("profile") != "full" or not isinstance(limits, Mapping):
        return
    try:
        too_small = quantity(limits.get("memory", "")) < quantity(_FULL_NEEDS)
    except BadInput:
        return
    request.errors.add(
        f"The profile full needs at least {_FULL_NEEDS} of memory for each server, and mlflow_server_resources limits"
        f" it to {limits['memory']}: raise it, or choose the profile throughput.",
        too_small,
    )


def check_database_is_postgresql(request: Request, where: str) -> None:
    request.errors.add(f"The database must be a PostgreSQL on {where}.", bool(request.database_folders))


def check_one_server(request: Request, workload: str) -> None:
    """That an adapter's database has one server, also while another one comes."""
    if not request.adapter:
        return
    request.errors.add(
        f"On {request.adapter.name} exactly one server may run: two make experiments of the same name, which no client"
        f" can use then. Set mlflow_server_replicas and mlflow_server_max_replicas to 1.",
        (request.settings.number("replicas", 1), request.settings.number("max_replicas", 1)) != (1, 1),
    )
    request.errors.add(
        f"On {request.adapter.name} exactly one server may run, and Knative starts another before it ends one: set"
        f" mlflow_server_workload to Deployment.",
        workload != "Deployment",
    )


def compute_launch(request: Request, place: Mapping[str, Any]) -> dict[str, Any]:
    """The launch with the keys C(argv), C(env), C(secrets) and C(jobs); {} where the settings contradict themselves.

    :param place: where things are on the platform: C(python), C(host), C(port), C(scratch_dir), C(auth), …
    """
    intent = {name: request.settings.get(name) for name in _OF_LAUNCH}
    intent |= {"database": request.database, "artifact_store": request.store, "transfers": _TRANSFERS}
    intent |= {"fast_store_dir": _FAST_STORE_DIR, **place}
    intent |= {name: request.settings.mapping(name) for name in ("env", "secret_env")}
    try:
        return launch.compute(intent).as_dict()
    except BadInput as error:
        request.errors.add(str(error))
        return {}


def schema_options(
    request: Request, reads: Mapping[str, Any] | None = None, writes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Options of the modules that read and change the schema, under the owner's role.

    :param reads: what the platform adds for both, and C(writes): what it adds for a change.
    """
    users = {"auth_uri": str(request.owner.get("auth_uri") or "")} if request.auth else {}
    shared = {"uri": str(request.owner.get("uri") or ""), **users, **(reads or {})}
    grantee = {"grantee": request.grantee} if request.grantee else {}
    return {"reads": shared, "writes": {**shared, **grantee, **(writes or {})}}


def schema_options_of_containers(request: Request) -> dict[str, Any]:
    """Where the database comes up together with what asks it."""
    return schema_options(
        request,
        writes={
            "admin_username": request.settings.text("auth_admin", "admin"),
            "connections": request.offered_connections,
            "wait_timeout": SCHEMA_SECONDS,
        },
    )


def bucket_options(request: Request) -> dict[str, Any]:
    """Options of the module that proves the bucket before a server is given it; {} without a bucket."""
    if not request.uses_bucket:
        return {}
    create = flag(request.store, "create_bucket")
    return {"uri": request.store.get("uri"), "create": create, "wait_timeout": _BUCKET_SECONDS}


def flag(one: Mapping[str, Any], name: str) -> bool:
    """Whether a connection says yes to something, as Ansible writes it."""
    return str(one.get(name) or "").lower() in ("true", "yes", "on", "1")


def launch_files(computed: Mapping[str, Any]) -> dict[str, str]:
    """The file launch.json, in the order of launch's own keys; none where there is no launch: nobody starts nothing."""
    return {"launch.json": json.dumps(computed, indent=4)} if computed else {}


def stored_places(request: Request, place: Callable[[str], dict[str, str]]) -> dict[str, dict[str, str]]:
    """Secrets without which a restored database is of no use, by name: each is made where it is missing. Keys that the
    user gave by hand are not among them: C(mlflow_backup_secrets) can name those.

    :param place: where the platform keeps a secret of that name.
    """
    given = {**request.settings.mapping("env"), **request.settings.mapping("secret_env")}
    keys = [name for name, variable in launch.STORED_KEYS.items() if variable not in given]
    return {name: place(name) for name in [*([FLASK_KEY] if request.auth else []), *keys]}


def key_places(stored: Mapping[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Those of them that launch takes as keys of what is stored, by variable."""
    return {variable: stored[name] for name, variable in launch.STORED_KEYS.items() if name in stored}


def check_secret_env(request: Request, example: str, *keys: str) -> None:
    """That each secret of the user is a place as the platform has it."""
    for name, place in request.settings.mapping("secret_env").items():
        if not (isinstance(place, Mapping) and all(place.get(key) for key in keys)):
            request.settings.reject("secret_env", f"mlflow_server_secret_env: {name} must name {example}.")
    headers = request.settings.mapping("opentelemetry_headers")
    if headers and not all(headers.get(key) for key in keys):
        request.settings.reject("opentelemetry_headers", f"mlflow_server_opentelemetry_headers must name {example}.")


def check_secret_files(request: Request) -> None:
    check_secret_env(request, "a file on the host that holds it: {file: /PATH}", "file")


def auth_place(request: Request, config: str, secret_key: Mapping[str, Any]) -> dict[str, Any]:
    """What launch is told of basic authentication; {} where nobody logs in."""
    users = str(request.database.get("auth_uri") or "")
    return {"config": config, "secret_key": secret_key, "database": users} if request.auth else {}


def listens(request: Request) -> str:
    """The address to listen on as all readers write it, without brackets and spaces; empty for every one."""
    text = request.settings.text("host")
    try:
        return names.ListenAddress.parse(text, "mlflow_server_host").name if text else ""
    except BadInput as error:
        request.settings.reject("host", str(error))
        return ""


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that listens there."""
    return names.ListenAddress(host.strip("[]") or "0.0.0.0").local  # noqa: S104


def literal(host: str) -> str:
    """A host as URLs and published ports have it: an IPv6 address in brackets."""
    return names.Host(host.strip("[]")).in_url()


def named(request: Request) -> str:
    """What clients call a server that listens on every address: the first name that it was told; empty for none."""
    try:
        if not names.ListenAddress.parse(request.settings.text("host"), "mlflow_server_host").everywhere:
            return ""
        told = [names.Host.parse(one, "allowed_hosts") for one in request.settings.items("allowed_hosts")]
    except BadInput:
        return ""  # launch says what is wrong with it
    return next((host.in_url() for host in told if "*" not in host.name), "")


def artifacts_folder(request: Request) -> str:
    """Where artifacts are files, as who operates the servers sees them; empty for a bucket."""
    uri = str(request.store.get("uri") or "").removeprefix("file://")
    return uri if uri.startswith("/") else ""


def url(host: str, port: int | None, prefix: str = "", tls: bool = False) -> str:
    """
    :param port: None leaves it to the scheme.
    """
    return f"{'https' if tls else 'http'}://{literal(host)}{'' if port is None else f':{port}'}{prefix}"


def connection(
    request: Request,
    *,
    uri: str,
    host: str,
    password: Mapping[str, Any],
    restored: Mapping[str, Any],
    runner: Mapping[str, Any],
    workload: Mapping[str, Any],
    scalable: bool = True,
    port: int | None = None,
) -> dict[str, Any]:
    """How others reach the server: the same keys on every platform.

    :param uri: URL that clients use.
    :param password: place of the administrator's.
    :param restored: what C(stored_places) gave.
    :param runner: where operations run, see C(connection.RunnerConnection).
    :param workload: what only one platform has.
    :param scalable: whether there can be another number of servers.
    :param port: at which clients connect; None for the setting.
    """
    user = request.settings.text("auth_admin", "admin")
    return {
        "type": "mlflow",
        "uri": uri,
        "host": host,
        "port": request.settings.number("port", CONTAINER_PORT) if port is None else port,
        "env": {"MLFLOW_TRACKING_URI": uri, **({"MLFLOW_TRACKING_USERNAME": user} if request.auth else {})},
        "secrets": {"MLFLOW_TRACKING_PASSWORD": dict(password)} if request.auth else {},
        "version": request.settings.text("version"),
        "profile": request.settings.text("profile"),
        "scalable": scalable,
        "database": {name: str(request.database.get(name) or "") for name in ("type", "uri")},
        "restored_secrets": dict(restored),
        "runner": dict(runner),
        "workload": dict(workload),
    }


def port_misfit(planned: Mapping[str, Any], observed: Mapping[str, Any]) -> str:
    """Why nothing can be published at our address; empty where something can."""
    port, listens = planned["ports"]["publish"], planned["listens"] or "every address"
    if observed.get("port") == "taken":
        return (
            f"Port {port} on {listens} is held by another program. Stop it, or set mlflow_server_port to a free port."
        )
    if observed.get("port") == "impossible":
        return (
            f"Nothing can listen on port {port} of {listens} ({observed.get('port_problem')}): set mlflow_server_host"
            f" and mlflow_server_port to what {planned['target']} has."
        )
    return ""


def listed(one: Mapping[str, Any], name: str) -> list[Any]:
    """A list that a connection may hold."""
    return list(one.get(name) or [])


def joined(reasons: Mapping[str, Any]) -> str:
    """Things with the reason of each, for a sentence."""
    return ", ".join(f"{thing} ({reason})" for thing, reason in sorted(reasons.items()))


def unique(values: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    for value in values:
        if value not in result:
            result.append(value)
    return result
