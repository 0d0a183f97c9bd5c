# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Launch: what an MLflow server is started with, computed here for every platform.

The one place that knows MLflow's private C(_MLFLOW_*) variables. They replace C(mlflow server): when that command is
killed, its orphaned workers keep the port and go on answering. A test holds them against the pinned MLflow.

Launch never sees a secret's value, only where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import names
from ..connection import Connection, DatabaseUri, Secret, secret_in
from ..database import kinds
from ..database.base import Adapter
from ..errors import BadInput
from ..names import Host, ListenAddress, Origin
from . import opentelemetry
from .settings import Settings

# Threads of one uvicorn worker: AnyIO's default limit, which nothing outside the program can change.
_UVICORN_THREADS = 40
_KEPT_CONNECTIONS = 20
# Uploads and downloads that a worker of gunicorn has under way at most, apart from the API, and requests that may wait
# for their turn or for a slow line besides.
_TRANSFERS, _WAITING = 64, 64
# A worker that gives no sign for so long hangs.
_HANGING_SECONDS = 120
# MLflow has an ASGI application since the first, lets gunicorn be one with a control socket since the second, and does
# without the administrator's password in a file since the third.
_ASGI_SINCE, _CONTROL_SOCKET_SINCE, _AUTH_SINCE = (3, 3), (3, 10), (3, 16)
# What MLflow encrypts keys of its gateway and secrets of webhooks with, by the name of the file or key that holds it.
STORED_KEYS = {
    "gateway-passphrase": "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    "webhook-key": "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
}
# standalone/stored_keys.py, as the role and the image install it.
_KEYS_MODULE = "mlops_mlflow_keys"
_ALLOWED_HOSTS, _ALLOWED_ORIGINS = "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"
_UNKNOWN = (9999, 0)
# What a survey, or YAML without quotes, makes of on and off.
_FAST_STORE = {"auto": True, "on": True, "true": True, "off": False, "false": False}
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Older ones compare numbers with text, which this driver does not do: 2.22 and 3.12 were seen to fail.
_PSYCOPG_SINCE = (3, 17)


@dataclass(frozen=True)
class Profile:
    """A way to run MLflow, named by what it is good at."""

    name: str
    server: str
    workers: int
    jobs: bool
    otlp: bool
    install: str
    single_process: bool = False


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("light", "uvicorn", workers=1, jobs=False, otlp=True, install="slim", single_process=True),
        Profile("throughput", "gunicorn", workers=2, jobs=False, otlp=False, install="full"),
        Profile("full", "uvicorn", workers=2, jobs=True, otlp=True, install="full"),
    )
}


@dataclass(frozen=True)
class Jobs:
    """The job runner that lives and dies with the server. C(env) is added to the server's."""

    argv: list[str]
    env: dict[str, str]


@dataclass(frozen=True)
class Launch:
    """What a platform needs to start the server.

    C(argv) is the server itself, C(env) is clear text, C(secrets) says where the rest lies, C(inherits) which variables
    of its surroundings it gets besides those that every program has. C(keys) is the program that says which of the
    secrets it must do without (C(standalone/stored_keys.py)); empty where all were given by hand. C(users) is where
    those who log in are, for whoever compares launches; the server reads it in its configuration.
    """

    argv: list[str]
    env: dict[str, str]
    secrets: dict[str, Secret]
    jobs: Jobs | None = None
    inherits: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    users: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "argv": self.argv,
            "env": self.env,
            "secrets": {name: secret.as_dict() for name, secret in self.secrets.items()},
            "jobs": {"argv": self.jobs.argv, "env": self.jobs.env} if self.jobs else None,
            "inherits": self.inherits,
            "keys": self.keys,
            **({"users": self.users} if self.users else {}),
        }


def compute(intent: Mapping[str, Any]) -> Launch:
    """Turn what the user wants into one launch.

    :param intent: C(profile), C(database) and C(artifact_store) (connections), and optionally C(version) of MLflow,
        C(host), C(port), C(python), C(workers), C(threads), C(direct_artifacts),
        C(signed_artifacts), C(plugins_dir), C(fast_store) (auto, on, off), C(fast_store_dir) (the folder in
        which it is), C(allowed_hosts), C(hostname), C(url) (that others are told),
        C(cors_origins), C(static_prefix),
        C(transfers) (name of the module C(standalone/transfers.py) where the server runs; empty where it is not there),
        C(otlp), C(auth) (C(config) file, C(secret_key), and C(database) of those who log in),
        C(keys) (places by variable of STORED_KEYS), C(metrics_dir), C(access_log), C(telemetry), C(pool_size),
        C(max_overflow), C(max_connections) (for C(servers) of them together), C(scratch_dir), C(tls_certificate),
        C(tls_key), C(env), C(secret_env) (places of secrets), C(inherits), those of C(opentelemetry.py).
        Strings are accepted for numbers and booleans, because surveys and C(-e) pass nothing else.
    :raises BadInput: unknown or contradictory settings; the message names the variables.
    """
    settings = Settings(intent)
    profile = profile_named(settings.text("profile", "light"))
    database = Connection.parse(intent.get("database"), "mlflow_server_database")
    store = Connection.parse(intent.get("artifact_store"), "mlflow_server_artifact_store")
    uri = kinds.parse(database.uri, "uri of mlflow_server_database").limited()
    kind = kinds.kind_of(uri, "uri of mlflow_server_database")
    auth = intent.get("auth") or None
    workers, threads = _concurrency(settings, profile, uri)
    direct = settings.flag("direct_artifacts", False)
    version = release(settings.text("version"))
    listen, hosts = _listen(settings), _hosts(settings)
    prefix = names.static_prefix(settings.text("static_prefix"), "mlflow_server_static_prefix")
    if kind.adapter:
        _refuse_with_adapter(settings, profile, bool(auth), version, kind.adapter)
    _refuse_contradictions(settings, profile, bool(auth), version, uri)
    fast = _fast_store(settings, kind.fast_store)
    # Of the tracking store, the registry and the users; the fast store has further ones, of tracking and of users.
    engines = (3 if auth else 2) + ((2 if auth else 1) if fast else 0)

    env = {
        # What `mlflow server` hands to its workers.
        "_MLFLOW_SERVER_FILE_STORE": uri.uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri.uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": store.uri if direct else "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": store.uri,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": _flag(not direct),
        "_MLFLOW_SGI_NAME": profile.server,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": _flag(profile.jobs),
        _ALLOWED_HOSTS: ",".join(allowed_hosts(listen, hosts)),
        "MLFLOW_DISABLE_TELEMETRY": _flag(not settings.flag("telemetry", False)),
        **_pool(settings, workers, threads, engines, limited=kind.limits_connections),
        **database.env,
        **store.env,
    }
    secrets = {
        # Tells this start's sandbox containers from those of an earlier one.
        "_MLFLOW_SERVER_BOOT_ID": Secret(random_bytes=16),
        **database.secrets,
        **store.secrets,
    }
    if not direct and not settings.flag("signed_artifacts", False):
        # Read by proxied.py: without it, the server sends clients to the bucket with signed URLs.
        env["MLOPS_MLFLOW_PROXIED"] = "true"
    if folders := [folder for folder in (settings.text("plugins_dir"), fast) if folder]:
        env["PYTHONPATH"] = ":".join(folders)
    if origins := allowed_origins(listen, hosts, settings.items("cors_origins")):
        env[_ALLOWED_ORIGINS] = ",".join(origins)
    if prefix:
        env["_MLFLOW_STATIC_PREFIX"] = prefix
    if metrics := settings.text("metrics_dir"):
        env["prometheus_multiproc_dir"] = metrics
    if auth:
        # The schema step has made the tables and the administrator: the server needs neither the administrator's
        # password nor the right to change the schema.
        env |= {"MLFLOW_AUTH_CONFIG_PATH": str(auth["config"]), "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true"}
        secrets["MLFLOW_FLASK_SERVER_SECRET_KEY"] = Secret.parse(auth.get("secret_key"), "secret_key of auth")
    if folder := settings.text("temporary_dir"):
        env["TMPDIR"] = folder  # where uploads pass through
    argv = _argv(settings, profile, workers, threads, bool(auth), version, kind.adapter)
    if measured := opentelemetry.settings_of(settings, argv):
        env[opentelemetry.SETTINGS], argv = measured, opentelemetry.served(argv)
        if headers := settings.mapping("opentelemetry_headers"):
            secrets[opentelemetry.HEADERS] = Secret.parse(headers, "mlflow_server_opentelemetry_headers")
    jobs = None
    if profile.server == "uvicorn" and workers > 1:
        # Its supervisor kills a worker that does not answer within 5 s, which healthy ones do on a busy host. Told by
        # the environment, which versions without the option ignore. A stop waits as long for one that really hangs.
        env["UVICORN_TIMEOUT_WORKER_HEALTHCHECK"] = str(_HANGING_SECONDS)
    if profile.jobs:
        env["_MLFLOW_HUEY_STORAGE_PATH"] = f"{settings.text('scratch_dir', '/tmp')}/jobs"  # noqa: S108
        own_url = listen.url("http", settings.number("port", 5000), prefix)
        jobs = _jobs(settings, own_url, uri, env["_MLFLOW_SERVER_ARTIFACT_ROOT"])
        if auth:
            secrets["_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"] = Secret(random_bytes=32)
    extra, further = dict(intent.get("env") or {}), dict(intent.get("secret_env") or {})
    # Where the programs are that run as a part of the server, and what they are told.
    programs = {name: env[name] for name in ("PYTHONPATH", opentelemetry.SETTINGS) if name in env}
    for variable, given, others in (
        ("mlflow_server_env", extra, {**secrets, **programs}),
        ("mlflow_server_secret_env", further, {**secrets, **env, **extra}),
    ):
        if taken := sorted(str(name) for name in given if str(name).startswith("_MLFLOW_") or name in others):
            raise BadInput(f"{variable} may not set {', '.join(taken)}: launch sets them from other variables.")
        _check_variables(variable, given)
    env |= {str(name): _flag(value) if isinstance(value, bool) else str(value) for name, value in extra.items()}
    secrets |= {
        str(name): Secret.parse(place, f"{name} of mlflow_server_secret_env") for name, place in further.items()
    }
    # One that was given by hand is the deployment's.
    keys = {name: place for name, place in (intent.get("keys") or {}).items() if name not in {**env, **secrets}}
    # Nobody had stored anything with an adapter before there were keys.
    judged = [] if kind.adapter else list(keys)
    secrets |= {name: Secret.parse(place, f"{name} of keys") for name, place in keys.items()}
    return Launch(
        argv=argv,
        env=env,
        secrets=secrets,
        jobs=jobs,
        inherits=[str(name) for name in intent.get("inherits") or []],
        keys=[settings.text("python", "python"), "-m", _KEYS_MODULE, *judged] if judged else [],
        users=str(auth.get("database") or "") if auth else "",
    )


def profile_named(name: str) -> Profile:
    try:
        return PROFILES[name]
    except KeyError:
        raise BadInput(f"mlflow_server_profile is '{name}'; offered are {', '.join(PROFILES)}.") from None


def allowed_hosts(listen: ListenAddress, hosts: list[Host]) -> list[str]:
    """Every Host header that the server answers to: each name with and without a port, loopback always."""
    named = [*(Host(name) for name in names.LOOPBACK), *_of_the_address(listen), *hosts]
    return list(dict.fromkeys(entry for host in named for entry in host.allowed()))


def allowed_origins(listen: ListenAddress, hosts: list[Host], others: list[str]) -> list[str]:
    """Every origin whose requests the server takes: its own web page under each of its names, and C(others).

    MLflow compares the origin of a request neither with its Host header nor with the allowed hosts: a browser under a
    name of the server's own could read and change nothing.
    """
    if "*" in others:
        return ["*"]
    entries = [entry for host in [*_of_the_address(listen), *hosts] for entry in host.origins()]
    given = [str(Origin.parse(text, "mlflow_server_cors_origins")) for text in others]
    return list(dict.fromkeys([*given, *entries]))


def with_hosts(env: Mapping[str, str], further: list[Host]) -> dict[str, str]:
    """The environment of a launch whose server answers to further names, and whose web page works under them."""
    changed = dict(env)
    for name, entries_of in ((_ALLOWED_HOSTS, Host.allowed), (_ALLOWED_ORIGINS, Host.origins)):
        there = [entry for entry in env.get(name, "").split(",") if entry]
        if "*" not in there:
            further_entries = [entry for host in further for entry in entries_of(host)]
            changed[name] = ",".join(dict.fromkeys([*there, *further_entries]))
    return changed


def _of_the_address(listen: ListenAddress) -> list[Host]:
    return [] if listen.everywhere else [Host(listen.name.partition("%")[0])]


def connections_needed(workers: int, threads: int, kept: int, engines: int) -> int:
    """How many database connections a server may open at most.

    A thread holds one and may open a second, so C(threads) + 1 keep it from waiting for itself; each further engine
    (registry, auth) may keep its idle ones.
    """
    return workers * (_per_worker(threads) + kept * (engines - 1))


def _per_worker(threads: int) -> int:
    return threads + max(2, threads // 10)


def _pool(settings: Settings, workers: int, threads: int, engines: int, limited: bool) -> dict[str, str]:
    """A pool in which threads cannot deadlock, and that fits into what the database allows."""
    total = _per_worker(threads)
    kept = settings.number("pool_size", 0)
    overflow = settings.number("max_overflow", 0)
    if not kept:
        kept = min(_KEPT_CONNECTIONS, total - 1)
        offered, servers = settings.number("max_connections", 0), settings.number("servers", 1)
        if offered and limited:
            # Beside its workers, the readiness probe of a server connects for a moment.
            available = offered // servers - (1 if servers > 1 else 0)
            kept = min(kept, (available // workers - total) // (engines - 1))
            if kept < 1:
                share = f" ({offered} for {servers} servers at most)" if servers > 1 else ""
                raise BadInput(
                    f"The database allows {available} connections to this server{share}, but {workers} workers with "
                    f"{threads} threads and {engines} engines need {connections_needed(workers, threads, 1, engines)}. "
                    f"Lower {'mlflow_server_max_replicas, ' if servers > 1 else ''}mlflow_server_workers or "
                    f"mlflow_server_threads, choose the profile throughput, or raise max_connections of the database "
                    f"(mlflow_database_max_connections)."
                )
    overflow = overflow or max(1, total - kept)
    if limited and kept + overflow <= threads:
        raise BadInput(
            f"mlflow_server_pool_size + mlflow_server_max_overflow is {kept + overflow}, but {threads} threads can "
            f"wait for each other below {threads + 1}. Raise one of them, or leave both empty."
        )
    # MLflow takes a value of 0 for "not set".
    return {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(kept), "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(overflow)}


def _concurrency(settings: Settings, profile: Profile, uri: DatabaseUri) -> tuple[int, int]:
    workers = settings.number("workers", 0) or profile.workers
    if workers < 1:
        raise BadInput(f"mlflow_server_workers is {workers}; at least 1 is needed.")
    if profile.single_process and workers > 1:
        raise BadInput(
            f"mlflow_server_workers is {workers}, but the profile {profile.name} is one process. "
            f"Choose the profile throughput or full for several."
        )
    threads = settings.number("threads", 0)
    if profile.server == "gunicorn":
        # More threads of one worker only wait for the interpreter lock (docs/benchmarks.md).
        return workers, threads or 2
    if threads:
        raise BadInput(
            f"mlflow_server_threads can only be set with the profile throughput; {profile.name} runs "
            f"{_UVICORN_THREADS} threads per worker."
        )
    return workers, _UVICORN_THREADS


def release(version: str) -> tuple[int, int]:
    """Major and minor of a version of MLflow; far ahead where it cannot be read, or nobody says which."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else _UNKNOWN


def _refuse_contradictions(
    settings: Settings, profile: Profile, auth: bool, version: tuple[int, int], uri: DatabaseUri
) -> None:
    if profile.server == "uvicorn" and version < _ASGI_SINCE:
        raise BadInput(
            f"The profile {profile.name} needs MLflow {'.'.join(map(str, _ASGI_SINCE))} or newer, and mlflow_version "
            f"is {settings.text('version')}: choose the profile throughput for it."
        )
    if auth and version < _AUTH_SINCE:
        raise BadInput(
            f"Basic authentication needs MLflow {'.'.join(map(str, _AUTH_SINCE))} or newer here, and mlflow_version is "
            f"{settings.text('version')}, which wants the administrator's password in a file: set mlflow_server_auth "
            f"to none, or mlflow_version to a newer one."
        )
    if uri.driver == "psycopg" and version < _PSYCOPG_SINCE:
        raise BadInput(
            f"MLflow {settings.text('version')} does not work with the driver psycopg: let mlflow_database_uri begin "
            f"with postgresql+psycopg2://."
        )
    if settings.flag("otlp", False) and not profile.otlp:
        offered = ", ".join(name for name, other in PROFILES.items() if other.otlp)
        raise BadInput(
            f"mlflow_server_otlp is true, but the profile {profile.name} does not serve POST /v1/traces. "
            f"Choose one of: {offered}."
        )
    if bool(settings.text("tls_certificate")) != bool(settings.text("tls_key")):
        raise BadInput("mlflow_server_tls_certificate and mlflow_server_tls_key must be given together.")
    if profile.jobs and settings.text("tls_certificate"):
        raise BadInput(
            "In the profile full, jobs of MLflow ask the gateway of their own server, and know public authorities "
            "alone, whatever they are told: choose the profile throughput, or let a proxy in front of the server speak "
            "TLS (on Kubernetes with mlflow_server_tls_inside: false)."
        )
    port = settings.number("port", 5000)
    if not 0 < port < 65536:
        raise BadInput(f"mlflow_server_port is {port}; it must be between 1 and 65535.")


def _refuse_with_adapter(
    settings: Settings, profile: Profile, auth: bool, version: tuple[int, int], adapter: Adapter
) -> None:
    """What an adapter of a database does not do."""
    release = ".".join(map(str, adapter.release))
    if version not in (adapter.release, _UNKNOWN):
        raise BadInput(
            f"{adapter.package}, which lets MLflow work on {adapter.name}, is for MLflow {release}, and mlflow_version "
            f"is {settings.text('version')}: set it to the {release} of an image that has the package."
        )
    if auth:
        raise BadInput(
            f"MLflow's basic authentication does not know {adapter.name}: its users would have no database. Set "
            f"mlflow_server_auth to none, and let a proxy in front of the server ask who somebody is."
        )
    if not profile.single_process:
        offered = ", ".join(name for name, other in PROFILES.items() if other.single_process)
        raise BadInput(
            f"The profile {profile.name} runs several processes, and on {adapter.name} two of them make experiments of "
            f"the same name, which no client can use then. Choose the profile {offered}."
        )


def _argv(
    settings: Settings,
    profile: Profile,
    workers: int,
    threads: int,
    auth: bool,
    version: tuple[int, int],
    adapter: Adapter | None,
) -> list[str]:
    listen, port = _listen(settings), settings.number("port", 5000)
    certificate, key = settings.text("tls_certificate"), settings.text("tls_key")
    argv = [settings.text("python", "python"), "-m", profile.server]
    if profile.server == "gunicorn":
        # The heartbeat of a threaded worker is its main thread's, so the time-out bounds a hang, not an upload.
        module, name = ("mlflow.server.auth", "create_app()") if auth else ("mlflow.server", "app")
        application = f"{module}:{name}"
        most, worker = threads, "gthread"
        if apart := settings.text("transfers"):
            worker = f"{apart}.Worker"
            application = f"{apart}:application({module!r}, {name!r}, {threads}, {_TRANSFERS})"
            most += _TRANSFERS + _WAITING
        argv += ["--worker-class", worker, "--threads", str(most), "--workers", str(workers)]
        argv += ["--bind", listen.with_port(port)]
        argv += ["--timeout", "120", "--graceful-timeout", "30", "--keep-alive", "75"]
        argv += ["--no-control-socket"] if version >= _CONTROL_SOCKET_SINCE else []
        argv += ["--access-logfile", "-"] if settings.flag("access_log", False) else []
        argv += ["--certfile", certificate, "--keyfile", key] if certificate else []
        return [*argv, application]
    argv += [
        "--host",
        listen.name,
        "--port",
        str(port),
        "--timeout-graceful-shutdown",
        "30",
        "--timeout-keep-alive",
        "75",
    ]
    argv += ["--no-server-header"]
    # With one worker uvicorn runs the application itself: no second process.
    argv += ["--workers", str(workers)] if workers > 1 else []
    argv += [] if settings.flag("access_log", False) else ["--no-access-log"]
    argv += ["--ssl-certfile", certificate, "--ssl-keyfile", key] if certificate else []
    if adapter:
        return [*argv, f"{adapter.application}:app"]
    return [*argv, *(["--factory", "mlflow.server.auth:create_app"] if auth else ["mlflow.server.fastapi_app:app"])]


def _fast_store(settings: Settings, served: bool) -> str:
    """The folder that brings the plugin C(standalone/fast_store); empty where MLflow's own store serves alone."""
    asked = settings.text("fast_store", "off").lower()
    if asked not in _FAST_STORE:
        raise BadInput(f"mlflow_server_fast_store is '{asked}'; offered are auto, on, off.")
    if asked in ("on", "true") and not served:
        raise BadInput("mlflow_server_fast_store is on, which is for PostgreSQL alone: set it to auto or off.")
    return settings.text("fast_store_dir") if _FAST_STORE[asked] and served else ""


def _jobs(settings: Settings, own_url: str, database: DatabaseUri, artifact_root: str) -> Jobs:
    return Jobs(
        argv=[settings.text("python", "python"), "-m", "mlflow.server.jobs._job_runner"],
        env={
            "MLFLOW_BACKEND_STORE_URI": database.uri,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifact_root,
            "MLFLOW_TRACKING_URI": own_url,
            "MLFLOW_GATEWAY_URI": own_url,
            # The runner ends when the server does, and takes up what was unfinished before it came up. The starter
            # knows both values.
            "MLFLOW_SERVER_PID": "{pid}",
            "_MLFLOW_SERVER_UP_TIME": "{milliseconds}",
        },
    )


def _check_variables(variable: str, given: Mapping[str, Any]) -> None:
    """That a program can be started with them."""
    for name, value in given.items():
        if not _ENVIRONMENT.fullmatch(str(name)):
            raise BadInput(
                f"{variable} names '{name}', which is no name of an environment variable: letters, digits and _, a "
                f"letter or _ first."
            )
        if variable == "mlflow_server_env" and (not isinstance(value, (str, int, float)) or "\0" in str(value)):
            raise BadInput(f"{variable}: {name} must be a text, without characters that no program takes.")
        if variable == "mlflow_server_env" and (found := secret_in(str(value))):
            raise BadInput(
                f"{variable}: {name} holds {found}: give it in mlflow_server_secret_env, whose values lie apart."
            )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _listen(settings: Settings) -> ListenAddress:
    return ListenAddress.parse(settings.text("host", "127.0.0.1"), "mlflow_server_host")


def _hosts(settings: Settings) -> list[Host]:
    """What clients call the server, besides its address."""
    hosts = [Host.parse(text, "mlflow_server_allowed_hosts") for text in settings.items("allowed_hosts")]
    if hostname := settings.text("hostname"):
        hosts.append(Host.parse(hostname, "mlflow_server_hostname"))
    if url := settings.text("url"):
        hosts.append(names.host_of_url(url, "mlflow_server_url"))
    return hosts
