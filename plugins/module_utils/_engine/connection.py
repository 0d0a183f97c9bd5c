# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections: how others reach what a component role deployed.

A connection never holds a secret, only where it lies. Errors name keys, not values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .errors import BadInput

# SQLAlchemy's driver names that MLflow's PostgreSQL store runs on, and the package that brings each.
POSTGRESQL_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}

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
        if urlsplit(uri).password is not None:
            raise BadInput(f"The uri of {name} holds a password. Take it out, and say in secrets where it lies.")
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


@dataclass(frozen=True)
class DatabaseUri:
    """A checked SQLAlchemy URI of a backend store. C(path) is set for SQLite, the other fields for PostgreSQL."""

    uri: str
    dialect: str
    driver: str | None = None
    user: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    path: str | None = None

    @property
    def package(self) -> str | None:
        """The package that brings the driver; None where Python itself does."""
        return POSTGRESQL_DRIVERS.get(self.driver or "")

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
        if parts.password is not None:
            raise BadInput(f"{name} holds a password. Take it out and give mlflow_database_password_file instead.")
        if dialect == "sqlite":
            if not parts.path.startswith("//"):
                raise BadInput(f"{name} must hold an absolute path: sqlite:////absolute/path/mlflow.db (four slashes).")
            return cls(uri=uri, dialect=dialect, path=parts.path[1:])
        if dialect in ("postgresql", "postgres"):
            offered = ", ".join(f"postgresql+{name}" for name in POSTGRESQL_DRIVERS)
            if not driver:
                raise BadInput(
                    f"{name} names no driver, and which one '{scheme}://' means depends on the version of SQLAlchemy. "
                    f"Write one of: {offered}."
                )
            if dialect == "postgres" or driver not in POSTGRESQL_DRIVERS:
                raise BadInput(f"{name} starts with '{scheme}', which is not offered. Write one of: {offered}.")
            database = parts.path.lstrip("/")
            host = parts.hostname or next(iter(parse_qs(parts.query).get("host", [])), None)
            if not (host and parts.username and database):
                raise BadInput(f"{name} must name user, host and database: {scheme}://USER@HOST:5432/DATABASE.")
            return cls(uri, dialect, driver, parts.username, host, port or 5432, database)
        # Whether there is such a kind of database is known by database/kinds.py alone.
        return cls(uri, dialect, driver or None, parts.username, parts.hostname, port, parts.path.lstrip("/") or None)

    def replace(self, *, user: str | None = None, database: str | None = None) -> DatabaseUri:
        """The same server with another user or database. PostgreSQL only."""
        parts = urlsplit(self.uri)
        netloc = parts.netloc
        if user:
            netloc = f"{user}@{netloc.rpartition('@')[2]}"
        path = f"/{database}" if database else parts.path
        return DatabaseUri.parse(parts._replace(netloc=netloc, path=path).geturl())


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
) -> dict[str, Any]:
    """The connection of a PostgreSQL, from what an inventory says of it.

    :param secret: Kubernetes Secret with the key C(password); passwords are in files otherwise.
    :param owner_secret: Secret with the owner's password under C(owner_key), where it is another.
    """
    database = DatabaseUri.parse(uri, "mlflow_database_uri")
    if database.dialect != "postgresql":
        raise BadInput("mlflow_database_uri must be a PostgreSQL URI for the type external_postgresql.")
    auth = auth_uri or database.replace(database=f"{database.database}_auth").uri
    connection: dict[str, Any] = {
        "type": "external_postgresql",
        "uri": uri,
        "host": database.host,
        "port": database.port,
        "auth_uri": DatabaseUri.parse(auth, "mlflow_database_auth_uri").uri,
        "secrets": {"PGPASSWORD": {"secret": secret, "key": "password"} if secret else {"file": password_file}},
    }
    if max_connections:
        connection["max_connections"] = int(max_connections)
    if owner and owner != database.user:
        place = {"secret": owner_secret or secret, "key": owner_key} if secret else {"file": owner_password_file}
        connection["owner"] = {
            "uri": database.replace(user=owner).uri,
            "auth_uri": DatabaseUri.parse(auth).replace(user=owner).uri,
            "secrets": {"PGPASSWORD": place},
        }
    return connection


# What the connection of a server says of where operations run; what only one platform has is below its type.
_RUNNER_KEYS = {
    "host": {"name", "directory", "supervision", "python", "user"},
    "compose": {"name", "project", "docker_host"},
    "kubernetes": {"name", "namespace", "login"},
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
