# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections: how others reach what a component role deployed.

A connection never holds a secret, only where it lies. Errors name keys, not values.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_changed
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from .errors import BadInput

# SQLAlchemy's driver names that MLflow's PostgreSQL store runs on, and the package that brings each.
POSTGRESQL_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}

# How long a connection that nobody answers is held for alive: without these, a request after a firewall has cut an idle
# one without a word waits for a quarter of an hour. Seconds; tcp_user_timeout is in milliseconds.
_LIMITS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "15000",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# Names, in the query of a URI, of what is a secret or says where one is; dsn and conninfo may hold any of them.
_SECRET_NAMES = re.compile(
    r"pass|pwd|secret|token|credential|scram|^sig$|^(dsn|conninfo)$|^(account|access|storage|shared|api)?_?key$"
)

# What a connection may tell beside that, for others than the launch.
_FOR_OTHERS = (
    "access_mode",  # of the volume
    "being_created",  # whether somebody else, such as an operator, makes databases and roles meanwhile
    "claim",  # the volume that holds the artifacts
    "create_bucket",  # whether a missing bucket is to be created
    "creates_secret",  # whether the component's role puts the secrets where they are said to be
    "requirements",  # what the component takes of a cluster at its most
    "containers",  # in a Docker Engine, by name
    "images",  # that its containers run
    "max_connections",  # that the database offers
    "objects",  # that are applied to a cluster for it, each with its kind and name
    "projects",  # of compose, by name
    "storage_class",  # of its volumes; empty for the default one
    "volumes",  # that hold its data
    "workloads",  # to wait for
)


@dataclass(frozen=True)
class Secret:
    """Where a secret lies: a file on the host, a key of a Kubernetes Secret; or nowhere, made anew at each start."""

    file: str | None = None
    secret: str | None = None
    key: str | None = None
    random_bytes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def parse(cls, value: Any, where: str) -> Secret:
        if isinstance(value, Mapping):
            if set(value) == {"file"}:
                return cls(file=str(value["file"]))
            if set(value) == {"secret", "key"}:
                return cls(secret=str(value["secret"]), key=str(value["key"]))
        raise BadInput(f"{where} must be {{file: PATH}} or {{secret: NAME, key: KEY}}, never the secret itself.")


@dataclass(frozen=True)
class Connection:
    """One component as its users see it.

    C(env) and C(secrets) are what a process that uses the component must find in its environment. A database may have
    an C(auth_uri) (users and permissions) and an C(owner) (C(uri) and C(secrets) of the role that may change schemas).
    """

    type: str
    uri: str
    host: str | None = None
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    auth_uri: str | None = None
    owner: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, value: Any, name: str) -> Connection:
        """Check a connection dict once, where it enters the engine.

        :param name: the variable it came from, for the error.
        :raises BadInput: a key is missing, unknown or of the wrong kind.
        """
        if not isinstance(value, Mapping):
            raise BadInput(f"{name} must be a connection (a dict with type and uri), not a {type(value).__name__}.")
        known = {"type", "uri", "host", "port", "env", "secrets", "auth_uri", "owner", *_FOR_OTHERS}
        if unknown := sorted(set(value) - known):
            raise BadInput(f"{name} has unknown keys: {', '.join(unknown)}. Known are {', '.join(sorted(known))}.")
        if missing := [key for key in ("type", "uri") if not value.get(key)]:
            raise BadInput(f"{name} lacks {' and '.join(missing)}.")
        env = value.get("env") or {}
        secrets = value.get("secrets") or {}
        if not isinstance(env, Mapping) or not isinstance(secrets, Mapping):
            raise BadInput(f"env and secrets of {name} must be dicts.")
        uri = str(value["uri"])
        if found := secret_in(uri):
            raise BadInput(f"The uri of {name} holds {found}. Take it out, and say in secrets where it lies.")
        port = value.get("port")
        if port not in (None, "") and not str(port).isdigit():
            raise BadInput(f"port of {name} must be a whole number.")
        return cls(
            type=str(value["type"]),
            uri=uri,
            host=str(value["host"]) if value.get("host") else None,
            port=int(port) if port not in (None, "") else None,
            env={str(k): str(v) for k, v in env.items()},
            secrets={str(k): Secret.parse(v, f"secrets.{k} of {name}") for k, v in secrets.items()},
            auth_uri=value.get("auth_uri") or None,
            owner=value.get("owner") or None,
        )


def secret_in(uri: str) -> str:
    """What is secret in a URI, in words and without its value, wherever and however encoded; empty for nothing."""
    if "://" not in uri:
        return ""  # a path
    authority = uri.partition("://")[2].partition("/")[0].partition("?")[0]
    userinfo = unquote(authority.rpartition("@")[0])
    if ":" in userinfo:
        return "a password"
    query = re.split(r"[?#]", uri, maxsplit=1)[1] if re.search(r"[?#]", uri) else ""
    for part in re.split(r"[&;?#]", query):
        name = unquote(part.partition("=")[0].replace("+", " ")).strip().lower()
        if _SECRET_NAMES.search(name):
            return f"a password, or where one is, as {name}"
    return ""


@dataclass(frozen=True)
class DatabaseUri:
    """A checked SQLAlchemy URI of a backend store. C(path) is set for SQLite, the other fields for PostgreSQL.

    :param uri: as SQLAlchemy and MLflow read it.
    :param user, host, database, path: decoded, for SQL and for people.
    :param query: options of the driver in their order, decoded.
    """

    uri: str
    dialect: str
    driver: str | None = None
    user: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    path: str | None = None
    query: tuple[tuple[str, str], ...] = ()

    @property
    def package(self) -> str | None:
        """The package that brings the driver; None where Python itself does."""
        return POSTGRESQL_DRIVERS.get(self.driver or "")

    @property
    def place(self) -> tuple[Any, ...]:
        """Equal for URIs of one database, whoever uses it with whichever driver and options."""
        if self.path is not None:
            return (self.dialect, posixpath.normpath(self.path))
        return (self.dialect, (self.host or "").lower(), self.port, self.database)

    @classmethod
    def parse(cls, uri: str, name: str = "the database uri") -> DatabaseUri:
        """Accept exactly the URIs that MLflow runs on without a surprise.

        :raises BadInput: no driver or an unknown one, a file store, a password inside, a relative SQLite path. Dialects
            that no kind of database has are refused by C(database.kinds).
        """
        scheme, separator, _rest = uri.partition("://")
        if not separator or scheme == "file":
            if scheme.partition(":")[0] == "file" or "/" in uri.partition(":")[0]:
                raise BadInput(
                    f"{name} names a file store. MLflow 3 refuses those. Move the data into a database with "
                    f"'mlflow migrate-filestore', then give that database here."
                )
            raise BadInput(f"{name} must be a database URI such as sqlite:////srv/mlflow/mlflow.db.")
        dialect, _plus, driver = scheme.partition("+")
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise BadInput(f"{name} is not a valid URI: its port or host cannot be read.") from error
        if found := secret_in(uri):
            raise BadInput(f"{name} holds {found}. Take it out and give mlflow_database_password_file instead.")
        if "#" in uri:
            raise BadInput(f"{name} holds a #, which ends a URI for some and not for others: write %23.")
        if re.search(r"%(?![0-9A-Fa-f]{2})", uri):
            raise BadInput(f"{name} holds a % that encodes nothing: write %25.")
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        if dialect == "sqlite":
            if not parts.path.startswith("//"):
                raise BadInput(f"{name} must hold an absolute path: sqlite:////absolute/path/mlflow.db (four slashes).")
            return cls(uri=uri, dialect=dialect, path=unquote(parts.path[1:]), query=query)
        if dialect in ("postgresql", "postgres"):
            offered = ", ".join(f"postgresql+{name}" for name in POSTGRESQL_DRIVERS)
            if not driver:
                raise BadInput(
                    f"{name} names no driver, and which one '{scheme}://' means depends on the version of SQLAlchemy. "
                    f"Write one of: {offered}."
                )
            if dialect == "postgres" or driver not in POSTGRESQL_DRIVERS:
                raise BadInput(f"{name} starts with '{scheme}', which is not offered. Write one of: {offered}.")
            database, user = unquote(parts.path.removeprefix("/")), unquote(parts.username or "")
            if twice := sorted({key for key, _value in query} & {"user", "dbname", "hostaddr"}):
                raise BadInput(
                    f"{name} names {twice[0]} as an option; it has a place of its own: {scheme}://USER@HOST/DB."
                )
            if "%" in parts.netloc.rpartition("@")[2]:
                raise BadInput(
                    f"{name} holds an encoded host. The folder of a socket is an option: ?host=/run/postgresql."
                )
            hosts = _hosts(query)
            first, its_port = hosts[0] if hosts else (None, None)
            host, port = parts.hostname or first, port or (int(its_port) if its_port else None)
            if not (host and user and database):
                raise BadInput(f"{name} must name user, host and database: {scheme}://USER@HOST:5432/DATABASE.")
            if "\0" in user + database:
                raise BadInput(f"{name} holds a character that no name of PostgreSQL has.")
            return cls(uri, dialect, driver, user, host, port or 5432, database, None, query)
        # Whether there is such a kind of database is known by database/kinds.py alone.
        user, database = unquote(parts.username or ""), unquote(parts.path.removeprefix("/"))
        return cls(uri, dialect, driver or None, user or None, parts.hostname, port, database or None, None, query)

    def replace(self, *, user: str | None = None, database: str | None = None) -> DatabaseUri:
        """The same server with another user or database, given as they are and not encoded. PostgreSQL only."""
        changed = with_changed(self, user=user or self.user, database=database or self.database)
        return with_changed(changed, uri=changed._written(urlsplit(self.uri).scheme))

    def limited(self) -> DatabaseUri:
        """The same, so that a connection that was cut is noticed within seconds. What the URI itself says stays."""
        if self.dialect != "postgresql":
            return self
        given = dict(self.query)
        unset = {
            name: value
            for name, value in _LIMITS.items()
            if name not in given and not (name.startswith("keepalives_") and given.get("keepalives") == "0")
        }
        if not unset:
            return self
        changed = with_changed(self, query=(*self.query, *unset.items()))
        return with_changed(changed, uri=changed._written(urlsplit(self.uri).scheme))

    @property
    def libpq(self) -> str:
        """As libpq and its programs want it, with those limits. PostgreSQL only."""
        limited = self.limited()
        if (hosts := _hosts(self.query)) and any(port for _host, port in hosts):
            # SQLAlchemy has a port with each host, libpq two lists.
            lists = (
                ("host", ",".join(host for host, _port in hosts)),
                ("port", ",".join(port or "5432" for _host, port in hosts)),
            )
            others = tuple(pair for pair in limited.query if pair[0] not in ("host", "port"))
            limited = with_changed(limited, query=(*others, *lists))
        return limited._written("postgresql")

    def _written(self, scheme: str) -> str:
        """A URI of PostgreSQL from its parts, each encoded once."""
        authority = urlsplit(self.uri).netloc.rpartition("@")[2]
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='/:,')}" for name, value in self.query)
        user, database = (quote(str(part), safe="") for part in (self.user, self.database))
        return f"{scheme}://{user}@{authority}/{database}" + (f"?{query}" if query else "")


def _hosts(query: tuple[tuple[str, str], ...]) -> list[tuple[str, str | None]]:
    """The hosts that a query names, each with its port where it says one."""
    names = [name for key, value in query if key == "host" for name in value.split(",")]
    ports = [port for key, value in query if key == "port" for port in value.split(",")]
    found: list[tuple[str, str | None]] = []
    for number, name in enumerate(names):
        match = re.fullmatch(r"([A-Za-z0-9.-]+):(\d+)", name)
        later = ports[number] if number < len(ports) else ports[0] if len(ports) == 1 else None
        found.append((match[1], match[2]) if match else (name, later or None))
    return found


def postgresql_connection(
    uri: str,
    password_file: str = "",
    secret: str = "",
    owner: str = "",
    owner_password_file: str = "",
    owner_secret: str = "",
    owner_key: str = "owner-password",
    auth_uri: str = "",
    max_connections: str | int = "",
    type: str = "external_postgresql",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The connection of a PostgreSQL, from what an inventory says of it.

    :param secret: Kubernetes Secret with the key C(password); passwords are in files otherwise.
    :param owner_secret: Secret with the owner's password under C(owner_key), where it is another.
    :param more: what else the connection says.
    """
    database = DatabaseUri.parse(uri, "mlflow_database_uri").limited()
    if database.dialect != "postgresql":
        raise BadInput("mlflow_database_uri must be a PostgreSQL URI for the type external_postgresql.")
    users = DatabaseUri.parse(auth_uri, "mlflow_database_auth_uri").limited() if auth_uri else None
    if users and users.dialect != "postgresql":
        raise BadInput("mlflow_database_auth_uri must be a PostgreSQL URI for the type external_postgresql.")
    users = users or database.replace(database=f"{database.database}_auth")
    connection: dict[str, Any] = {
        "type": type,
        "uri": database.uri,
        "host": database.host,
        "port": database.port,
        "auth_uri": users.uri,
        "secrets": {"PGPASSWORD": {"secret": secret, "key": "password"} if secret else {"file": password_file}},
    }
    if max_connections:
        connection["max_connections"] = int(max_connections)
    if owner and owner != database.user:
        place = {"secret": owner_secret or secret, "key": owner_key} if secret else {"file": owner_password_file}
        connection["owner"] = {
            "uri": database.replace(user=owner).uri,
            "auth_uri": users.replace(user=owner).uri,
            "secrets": {"PGPASSWORD": place},
        }
    return connection | dict(more or {})


# What the connection of a server says of where operations run; what only one platform has is below its type.
_RUNNER_KEYS = {
    "host": {"name", "directory", "supervision", "python", "user"},
    "compose": {"name", "project", "docker_host"},
    "kubernetes": {"name", "namespace", "login", "image"},
}


@dataclass(frozen=True)
class RunnerConnection:
    """Where operations of a deployment run, and what they are told unless the caller says otherwise.

    :param options: of operations, such as C(url) as it is reached from there, C(username) and C(database_uri).
    :param published: address at which this host finds the server; empty where only the platform can look.
    :param place: what the platform needs to find it.
    """

    type: str
    options: Mapping[str, Any]
    published: str
    place: Mapping[str, Any]

    @classmethod
    def parse(cls, value: Any, name: str = "runner") -> RunnerConnection:
        """
        :raises BadInput: it is not what the connection of a server holds.
        """
        if not isinstance(value, Mapping) or value.get("type") not in _RUNNER_KEYS:
            raise BadInput(f"{name} must be what a server's connection holds, of type {', '.join(_RUNNER_KEYS)}.")
        kind = str(value["type"])
        place = {key: given for key, given in value.items() if key not in ("type", "options", "published")}
        if unknown := sorted(set(place) - _RUNNER_KEYS[kind]):
            raise BadInput(f"{name} of type {kind} has unknown keys: {', '.join(unknown)}.")
        if not place.get("name"):
            raise BadInput(f"{name} lacks name, the deployment's.")
        return cls(kind, dict(value.get("options") or {}), str(value.get("published") or ""), place)
