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
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .errors import BadInput

# Names, in the query of a URI, of what is a secret or says where one is; dsn and conninfo may hold any of them.
_SECRET_NAMES = re.compile(
    r"pass|pwd|secret|token|credential|scram|signature|^sig$|^(dsn|conninfo)$|^(account|access|storage|shared|api)?_?key$"
)

# A password with a / or ? in it, as keys of S3 have: some readers end the user there. Not the port of a host.
_ODD_PASSWORD = re.compile(r"[^/?#@\[]*:(?![0-9]{1,5}(?:[/?#]|$))[^@]*@")

# What a connection may tell beside that, for others than the launch.
_FOR_OTHERS = (
    "access_mode",  # of the volume
    "ca",  # where the certificate lies of who vouches for it, for pods: C(trust.py)
    "being_created",  # whether somebody else, such as an operator, makes databases and roles meanwhile
    "claim",  # the volume that holds the artifacts
    "create_bucket",  # whether a missing bucket is to be created
    "creates_secret",  # whether the component's role puts the secrets where they are said to be
    "requirements",  # what the component takes of a cluster at its most
    "containers",  # in a Docker Engine, by name
    "images",  # that its containers run
    "max_connections",  # that the database offers
    "objects",  # that are applied to a cluster for it, each with its kind and name
    "repository",  # through which the database's own snapshots pass
    "projects",  # of compose, by name
    "secret_places",  # of what the component itself reads, beside what its users do
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
            given = set(value) if all(isinstance(part, str) and part for part in value.values()) else set()
            if given == {"file"}:
                return cls(file=str(value["file"]))
            if given == {"secret", "key"}:
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
        if port not in (None, "") and not re.fullmatch("[0-9]{1,5}", str(port)):
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
    rest = uri.partition("://")[2]
    authority = rest.partition("/")[0].partition("?")[0]
    userinfo = unquote(authority.rpartition("@")[0])
    if ":" in userinfo or _ODD_PASSWORD.match(rest):
        return "a password"
    query = re.split(r"[?#]", uri, maxsplit=1)[1] if re.search(r"[?#]", uri) else ""
    for part in re.split(r"[&;?#]", query):
        name = unquote(part.partition("=")[0].replace("+", " ")).strip().lower()
        if _SECRET_NAMES.search(name):
            return f"a password, or where one is, as {name}"
    return ""


def without_secret(uri: str, what: str) -> str:
    """A URI of a store, or the URL of its server: both are told to others and stand in messages.

    :param what: how messages call it, such as the variable.
    :raises BadInput: it holds a secret, which the message does not repeat, or what some readers drop.
    """
    if found := secret_in(uri):
        raise BadInput(f"{what} holds {found}. Take it out, and give files or Secrets with the keys.")
    if "://" in uri and re.search(r"[\x00-\x1f\x7f]", uri):
        raise BadInput(f"{what} holds a line break or another character that cannot be seen. Take it out.")
    return uri


@dataclass(frozen=True)
class DatabaseUri:
    """A checked SQLAlchemy URI of a backend store. What its parts mean, its kind knows: C(database.kinds) completes it.

    :param uri: as SQLAlchemy and MLflow read it.
    :param user, host, database: decoded, for SQL and for people; C(path) of a database that is a file.
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
        return None

    @property
    def place(self) -> tuple[Any, ...]:
        """Equal for URIs of one database, whoever uses it with whichever driver and options."""
        if self.path is not None:
            return (self.dialect, posixpath.normpath(self.path))
        return (self.dialect, (self.host or "").lower(), self.port, self.database)

    def limited(self) -> DatabaseUri:
        """The same, so that a connection that was cut is noticed within seconds. What the URI itself says stays."""
        return self

    @classmethod
    def read(cls, uri: str, name: str = "the database uri") -> DatabaseUri:
        """Take a URI of any kind apart.

        :raises BadInput: it is no URI of a database, holds a password, or is not what it seems to some reader.
        """
        scheme, separator, _rest = uri.partition("://")
        if not separator or scheme == "file":
            if scheme.partition(":")[0] == "file" or "/" in uri.partition(":")[0]:
                raise BadInput(
                    f"{name} names a file store. MLflow 3 refuses those. Move the data into a database with "
                    f"'mlflow migrate-filestore', then give that database here."
                )
            raise BadInput(f"{name} must be a database URI such as sqlite:////srv/mlflow/mlflow.db.")
        if re.search(r"[\x00-\x1f\x7f]", uri):
            # Some readers drop them, others take them for a part of a name.
            raise BadInput(f"{name} holds a line break or another character that cannot be seen. Take it out.")
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
        return cls(
            uri,
            dialect,
            driver or None,
            unquote(parts.username or "") or None,
            parts.hostname,
            port,
            unquote(parts.path.removeprefix("/")) or None,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        )


# What the connection of a server says of where operations run; what only one platform has is below its type.
_RUNNER_KEYS = {
    "host": {"name", "directory", "supervision", "python", "user"},
    "compose": {"name", "project", "docker_host", "image"},
    "kubernetes": {"name", "namespace", "login", "image", "workload", "inside", "certificates"},
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
