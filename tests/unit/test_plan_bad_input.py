"""Bad input: one clear error for each mistake, all mistakes at once, before anything is changed.

A row says what is changed, of which kind the mistake is, and what the errors say: all of them, one text each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.intents import BUCKET, CRATEDB, POSTGRESQL
from support.plans import PLATFORMS, planned


@dataclass(frozen=True)
class Row:
    """C(errors): a part of each error, in any order. C(options): other input than settings, see support.plans."""

    kind: str
    platform: str
    change: Mapping[str, Any]
    errors: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changed = {**self.change, **self.options}
        return f"{self.platform} {self.kind} {' '.join(f'{name}={value}' for name, value in changed.items())}"[:110]


def _numbers() -> Iterator[Row]:
    shared = ["port", "auth_cache_seconds", "health_timeout", "migration_timeout", "workers", "threads", "pool_size"]
    compose = ["replicas", "drain_seconds", "rollout_timeout", "reserved_connections", "run_as"]
    for platform, names in (("host", shared), ("compose", shared + compose)):
        for name in names:
            for value in ("many", "1.5", "1_000", "٣", "1e3", "nan"):
                error = f"mlflow_server_{name} must be a whole number, and is '{value}'."
                yield Row("not a number", platform, {name: value}, (error,))


def _ranges() -> Iterator[Row]:
    for platform, name, value, limit in (
        ("host", "port", 0, "between 1 and 65535"),
        ("host", "port", 65536, "between 1 and 65535"),
        ("host", "port", "-1", "between 1 and 65535"),
        ("compose", "port", "70000", "between 1 and 65535"),
        ("host", "auth_cache_seconds", -1, "at least 0"),
        ("compose", "threads", -1, "at least 0"),
        ("host", "pool_size", -1, "at least 0"),
        ("host", "max_overflow", "-3", "at least 0"),
        ("host", "health_timeout", 0, "at least 1"),
        ("compose", "migration_timeout", 0, "at least 1"),
        ("compose", "replicas", 0, "between 1 and 100"),
        ("compose", "replicas", "-2", "between 1 and 100"),
        ("compose", "replicas", 1_000_000, "between 1 and 100"),
        ("compose", "drain_seconds", -1, "at least 0"),
        ("compose", "rollout_timeout", 0, "at least 1"),
        ("compose", "reserved_connections", -1, "at least 0"),
        ("compose", "run_as", 0, "at least 1"),
        ("compose", "load_balancer_run_as", 0, "at least 1"),
    ):
        yield Row("out of range", platform, {name: value}, (f"mlflow_server_{name} is {value}; it must be {limit}.",))


def _flags() -> Iterator[Row]:
    for platform in PLATFORMS:
        for name in ("direct_artifacts", "signed_artifacts", "otlp", "access_log", "telemetry", "smoke_test"):
            yield Row("neither true nor false", platform, {name: "perhaps"}, (f"mlflow_server_{name} must be true or",))


def _choices() -> Iterator[Row]:
    for platform in PLATFORMS:
        for name, value in (
            ("auth", "oidc"),
            ("auth", "Basic"),
            ("install", "tiny"),
            ("supervision", "runit"),
            ("auth_default_permission", "read"),
        ):
            yield Row("not offered", platform, {name: value}, (f"mlflow_server_{name} is '{value}'; offered are",))
        yield Row("not offered", platform, {"profile": "fast"}, ("mlflow_server_profile is 'fast'; offered are",))


def _paths() -> Iterator[Row]:
    for platform in PLATFORMS:
        for name in ("dir", "secrets_dir", "metrics_dir", "auth_password_file"):
            error = f"mlflow_server_{name} is 'srv/mlflow'; it must be an absolute path, and ~ is none."
            yield Row("relative path", platform, {name: "srv/mlflow"}, (error,))
    for value in ("~/mlflow", "-x", ".", "$HOME/mlflow"):
        yield Row("relative path", "host", {"dir": value}, ("it must be an absolute path",))
    for value in (
        '/srv/a"b',
        "/srv/a\nUser=root",
        "/srv/50%",
        "/srv/$x",
        "/srv/a'b",
        "/srv/a ;b",
        "/a\\b",
        "/a\0",
        "/a?b",
    ):
        yield Row("path that is read in another way", "host", {"dir": value}, ("would take that for their own",))


def _texts() -> Iterator[Row]:
    for value in ("two words", "a:b", "50%", "admin\ndatabase_uri = x", "[x]"):
        yield Row("no name", "host", {"auth_admin": value}, (f"mlflow_server_auth_admin is '{value}'; it must be",))
    for value in ("mlflow.example.com", "ftp://mlflow", "https://", "http://a b"):
        yield Row("no URL", "host", {"url": value}, (f"mlflow_server_url is '{value}'; it must be a URL",))
    for value in ("admin\u202e", "a\0b", "x" * 256):
        yield Row("no name", "host", {"auth_admin": value}, (f"mlflow_server_auth_admin is '{value}'; it must be",))
    for value in ("latest", "3", "3.17.2\n", "3.x", "-r", "3.17.2 mlflow-evil"):
        yield Row("no version", "host", {"version": value}, (f"mlflow_version is '{value}'; it must be a release",))
    for value in ("localhost", "mlflow.example.com", "fe80::1%eth0", "10.0.0.1:80", "http://10.0.0.1", "*"):
        yield Row("no address", "compose", {"host": value}, (f"mlflow_server_host is '{value}'",))
    for value in ("fe80::1%e 0", "10.0.0.1%x", "::1%"):
        yield Row("no address", "host", {"host": value}, (f"mlflow_server_host is '{value}', which has a zone",))
    for value in ("two words", "a/b", "-x", "a;b", "a\nb", "x" * 65):
        yield Row("no name", "host", {"name": value}, ("mlflow_name is",))
    for value in ("Root", "two words", "a/b", "0x", "x" * 33):
        yield Row("no name", "host", {"user": value}, (f"mlflow_server_user is '{value}'",))
    for value in ("MLflow", "a.b", "two words", "x" * 41, "-a"):
        yield Row("no name", "compose", {"name": value}, ("mlflow_name is",))
    for value in ("A", "zone one", "a/b"):
        change = {"zones": {value: ""}}
        yield Row("no name", "compose", change, (f"A zone of mlflow_zones is '{value}'",))
    for value in ("10.0.0.0/33", "10.0.0.1/24", "here"):
        yield Row("no network", "compose", {"zones": {"a": value}}, ("The subnet of the zone a in mlflow_zones is",))


def _limits() -> Iterator[Row]:
    for value in ("lots", "4 G", "4Gi", "-1", "0", "101%", "4G\nUser=root", "infinite"):
        yield Row(
            "no limit", "host", {"memory_max": value}, (f"mlflow_server_memory_max is '{value}'; it must be empty",)
        )
    for value in ("1.5", "150", "50 %", "0%", "half", "50%\nExecStartPre=/x"):
        yield Row(
            "no limit", "host", {"cpu_quota": value}, (f"mlflow_server_cpu_quota is '{value}'; it must be empty",)
        )


def _metrics() -> Iterator[Row]:
    """Who starts empties the folder of counters, which have the ending of databases."""
    for value in ("/srv/mlflow", "/srv", "/", "/srv/mlflow/artifacts", "/srv/mlflow/server", "/srv/mlflow/secrets/"):
        yield Row("not its own", "host", {"metrics_dir": value}, (f"mlflow_server_metrics_dir is {value}, where /srv",))
    for value in ("/var/metrics", "/tmp", "/mnt/artifacts/metrics"):
        error = f"mlflow_server_metrics_dir is {value}, but the container can write below /tmp only"
        yield Row("not its own", "compose", {"metrics_dir": value}, (error,))


def _prefixes() -> Iterator[Row]:
    for platform in PLATFORMS:
        for value in ("mlflow", "/mlflow/", "/ml flow", "/{x}"):
            yield Row("no prefix", platform, {"static_prefix": value}, ("mlflow_server_static_prefix",))


def _contradictions() -> Iterator[Row]:
    pair = "mlflow_server_tls_certificate and mlflow_server_tls_key must be given together."
    for platform in PLATFORMS:
        yield Row("half a pair", platform, {"tls_certificate": "/c.pem"}, (pair,))
        yield Row("half a pair", platform, {"tls_key": "/k.pem"}, (pair,))
        yield Row("too short", platform, {"auth_password_length": 11}, ("mlflow_server_auth_password is too short",))
        yield Row("no dict", platform, {"env": ["A=1"]}, ("mlflow_server_env must be a dict.",))
        yield Row(
            "not ours to set", platform, {"env": {"_MLFLOW_X": "1"}}, ("mlflow_server_env may not set _MLFLOW_X",)
        )
    for platform in ("host", "compose"):
        yield Row("contradiction", platform, {"tls_inside": "true"}, ("TLS inside (mlflow_tls_inside) is for Kube",))
    yield Row("contradiction", "host", {"workers": 2}, ("the profile light is one process",))
    yield Row("contradiction", "host", {"threads": 8}, ("mlflow_server_threads can only be set",))
    yield Row(
        "contradiction", "host", {"profile": "full", "install": "slim"}, ("mlflow_server_install may not be slim",)
    )
    full = {"profile": "full", "tls_certificate": "/c.pem", "tls_key": "/k.pem"}
    yield Row("contradiction", "host", full, ("In the profile full, jobs of MLflow ask the gateway",))
    yield Row("contradiction", "compose", {"otlp": True}, ("mlflow_server_otlp is true",))
    yield Row("contradiction", "compose", {"direct_artifacts": True}, ("Clients cannot reach a volume",))
    yield Row("contradiction", "compose", {"zones": {"a": "", "b": "", "c": ""}}, ("there are 3 zones",))
    yield Row("too old", "host", {"version": "2.22.5"}, ("needs MLflow 3.3 or newer",))
    yield Row("too old", "compose", {"version": "3.12.0", "auth": "basic"}, ("needs MLflow 3.16 or newer",))
    yield Row("empty", "compose", {"image": ""}, ("Set mlflow_image: it is empty.",))
    for name in ("image", "load_balancer_image"):
        for text in ("mlflow@sha256:abc", "https://registry.example.com/mlflow:1", "MLflow:1"):
            yield Row("no image", "compose", {name: text}, (f"{name} is '{text}', and no image can be called so",))
    for name in ("run_as", "load_balancer_run_as"):
        for value in ("", None):
            yield Row("empty", "compose", {name: value}, (f"mlflow_server_{name} is empty",))
    small = {"profile": "full", "replicas": 1, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    yield Row("too small", "compose", small, ("The database allows", "The profile full needs at least 2Gi"))


def _quantities() -> Iterator[Row]:
    for name in ("resources", "load_balancer_resources"):
        for value in ("much", "1 Gi", "2gb", "", "-1", "1Gi\n", " 1Gi", "1e999999999", "٣Gi"):
            limits = {"limits": {"cpu": "1", "memory": value}}
            yield Row("no quantity", "compose", {name: limits}, (f"mlflow_server_{name} limits memory:",))
        for kind, value in (("memory", "0"), ("memory", "1m"), ("memory", "5"), ("cpu", "0"), ("cpu", "1e-9")):
            limits = {"limits": {"cpu": "1", "memory": "2Gi", kind: value}}
            yield Row("no quantity", "compose", {name: limits}, (f"mlflow_server_{name} limits {kind} to {value}",))
        yield Row("no quantity", "compose", {name: {}}, (f"mlflow_server_{name} must hold limits",))


def _databases() -> Iterator[Row]:
    at_home = {**POSTGRESQL, "host": "localhost", "uri": "postgresql+psycopg://mlflow@localhost:5432/mlflow"}
    few = {**POSTGRESQL, "max_connections": 16}
    sqlite = {"type": "sqlite", "uri": "sqlite:////srv/mlflow.db"}
    yield Row("database", "compose", {}, ("which in a container is the container itself",), {"database": at_home})
    yield Row("database", "compose", {}, ("must be a PostgreSQL on the platform compose",), {"database": sqlite})
    yield Row("database", "compose", {}, ("The database allows",), {"database": few})
    many = {**POSTGRESQL, "max_connections": "many"}
    yield Row("database", "compose", {}, ("mlflow_database_max_connections must be a",), {"database": many})
    for platform in PLATFORMS:
        yield Row("connection", platform, {}, ("mlflow_server_database lacks type",), {"database": {}})
        yield Row("connection", platform, {}, ("mlflow_server_artifact_store lacks type",), {"store": {}})
    cratedb = {"database": CRATEDB, "store": BUCKET}
    one = {"version": "3.12.0", "profile": "light", "replicas": 1, "max_replicas": 1}
    alone = "On CrateDB exactly one server may run"
    yield Row("one server", "kubernetes", {**one, "replicas": 2, "max_replicas": 2}, (f"{alone}: two",), cratedb)
    yield Row("one server", "kubernetes", {**one, "max_replicas": 2}, (f"{alone}: two",), cratedb)
    yield Row("one server", "kubernetes", {**one, "workload": "KnativeService"}, (f"{alone}, and Knative",), cratedb)
    relative = {"type": "sqlite", "uri": "sqlite:///mlflow.db"}
    yield Row("database", "host", {}, ("absolute path",), {"database": relative})


def _objects() -> Iterator[Row]:
    for name, value in (
        ("tls_secret", "Certificate"),
        ("tls_secret", "cert\n"),
        ("tls_secret", "-cert"),
        ("tls_secret", "a" * 254),
        ("ingress_class", "nginx class"),
        ("allowed_namespaces", ["notebooks", "Team_A"]),
        ("allowed_namespaces", "*"),
    ):
        error = f"mlflow_server_{name} is '{(value[-1] if isinstance(value, list) else value)[:80]}"
        yield Row("name of an object", "kubernetes", {name: value}, (error,))
    published = {"expose": "httproute", "hostname": "mlflow.example.com"}
    for gateway, error in (
        ({}, "mlflow_server_gateway must name the Gateway"),
        ({"namespace": "gateways"}, "mlflow_server_gateway must name the Gateway"),
        ({"name": "Main"}, "mlflow_server_gateway name is 'Main'"),
        ({"name": "main", "namespace": "a/b"}, "mlflow_server_gateway namespace is 'a/b'"),
    ):
        yield Row("name of an object", "kubernetes", {**published, "gateway": gateway}, (error,))


def _too_large() -> Iterator[Row]:
    for platform, name in (("host", "health_timeout"), ("compose", "drain_seconds"), ("host", "auth_cache_seconds")):
        for value in (10**10, "9" * 500):
            yield Row("out of range", platform, {name: value}, (f"mlflow_server_{name} is ",))


def _types() -> Iterator[Row]:
    for name in ("host", "image", "name", "version", "dir", "url", "auth_admin"):
        for value in (["a"], {"a": 1}):
            error = f"mlflow_server_{name} must be a text, not a {type(value).__name__}."
            yield Row("no text", "compose", {name: value}, (error, *(("Set mlflow_image",) if name == "image" else ())))
    items: tuple[Any, ...] = ([None], [True], [["a"]], [{"a": 1}], '["a", null]', {"a": 1}, 5, '["a", ', "['a'")
    for item in items:
        for name in ("allowed_hosts", "cors_origins"):
            yield Row("no list", "host", {name: item}, (f"mlflow_server_{name} ",))


def _variables() -> Iterator[Row]:
    for name in ("A=B", "", "A B", "1A", "../x", "Ä", "A\n"):
        for variable, value in (("env", {name: "x"}), ("secret_env", {name: {"file": "/x"}})):
            error = f"mlflow_server_{variable} names '{name}', which is no name"
            yield Row("no variable", "host", {variable: value}, (error,))
    for text in (None, ["a"], {"a": 1}, "a\0b"):
        yield Row("no variable", "host", {"env": {"A": text}}, ("mlflow_server_env: A must be a text",))
    for place in ({"file": ["/x"]}, {"file": "/x", "secret": "y"}, {"random_bytes": 3, "file": "/x"}):
        yield Row("no variable", "host", {"secret_env": {"A": place}}, ("A of mlflow_server_secret_env must be",))
    yield Row("no variable", "host", {"env": {"PYTHONPATH": "/x"}}, ("mlflow_server_env may not set PYTHONPATH",))


def _opentelemetry() -> Iterator[Row]:
    there: dict[str, Any] = {"opentelemetry_endpoint": "http://collector:4318"}
    for endpoint, error in (
        ("collector:4318", " must look like http"),
        ("grpc://collector:4317", " must look like http"),
        ("http://me:hunter2@collector:4318", " holds credentials"),
        ("http://collector:4318?token=hunter2", " must look like http"),
        ("http://collector:99999", " must look like http"),
        ("http://coll ector", " holds a space"),
        ("http://", " must look like http"),
    ):
        yield Row(
            "no receiver",
            "host",
            {"opentelemetry_endpoint": endpoint},
            (f"mlflow_server_opentelemetry_endpoint{error}",),
        )
    for name, value, error in (
        ("sample_ratio", "2", " is 2; it must be a number from 0"),
        ("sample_ratio", "-0.1", " is -0.1; it must be a number from 0"),
        ("sample_ratio", "nan", " is nan; it must be a number from 0"),
        ("sample_ratio", "all", " is all; it must be a number from 0"),
        ("interval", 0, " is 0; it must be between 1 and 3600"),
        ("interval", "often", " must be a whole number"),
        ("signals", ["logs"], " names logs; offered are metrics and traces"),
        ("attributes", ["a"], " must be a dict"),
        ("attributes", {"a": ["b"]}, ": a must be a text of at most 255 characters"),
        ("attributes", {"a": "b" * 256}, ": a must be a text of at most 255 characters"),
        ("headers", "Authorization=hunter2", " must be a dict"),
        ("headers", {"Authorization": "hunter2"}, " must name a file on the host that holds it"),
    ):
        change = {**there, f"opentelemetry_{name}": value}
        yield Row("no receiver", "host", change, (f"mlflow_server_opentelemetry_{name}{error}",))
    alone = {"opentelemetry_headers": {"file": "/x"}}
    yield Row("no receiver", "host", alone, ("mlflow_server_opentelemetry_endpoint is empty",))


ROWS = [
    row
    for table in (
        _types, _too_large, _variables, _numbers, _ranges, _flags, _choices, _paths, _texts, _limits, _metrics,
        _prefixes, _contradictions, _quantities, _databases, _objects, _opentelemetry,
    )
    for row in table()
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_mistake_has_one_error_that_names_the_variable(row: Row) -> None:
    errors = planned(row.platform, row.change, **row.options)["errors"]
    assert len(errors) == len(row.errors), errors
    for part in row.errors:
        assert [error for error in errors if part in error], errors


def test_there_are_enough_of_them_of_enough_kinds() -> None:
    assert len({str(row) for row in ROWS}) >= 150
    assert len({row.kind for row in ROWS}) >= 12


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {"port": 0, "auth": "oidc", "replicas": 0, "image": "", "telemetry": "perhaps", "tls_key": "/k.pem"}
    errors = planned("compose", wrong)["errors"]
    for word in ("port", "auth", "replicas", "image", "telemetry", "tls_key"):
        assert [error for error in errors if word in error], f"nothing about {word}: {errors}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_right_has_no_error(platform: str) -> None:
    assert planned(platform)["errors"] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_text_from_a_survey_means_what_numbers_and_flags_mean(platform: str) -> None:
    given, _database, _store = PLATFORMS[platform]
    simple = {name: value for name, value in given.items() if isinstance(value, (int, bool))}
    assert simple
    assert planned(platform, {name: str(value) for name, value in simple.items()}) == planned(platform)
