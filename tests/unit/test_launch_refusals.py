"""Launch: what contradicts itself is refused, and the error names the variables and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.intents import AUTH, CRATEDB, POSTGRESQL, computed

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"profile": "fast"}, ["mlflow_server_profile", "'fast'", "light, throughput, full"]),
    ({"fast_store": "on"}, ["mlflow_server_fast_store", "PostgreSQL"]),
    ({"fast_store": True, "database": CRATEDB}, ["mlflow_server_fast_store", "PostgreSQL"]),
    ({"fast_store": "always"}, ["mlflow_server_fast_store", "'always'", "auto, on, off"]),
    ({"profile": "throughput", "otlp": True}, ["mlflow_server_otlp", "/v1/traces", "light, full"]),
    ({"profile": "light", "workers": 2}, ["mlflow_server_workers", "2", "throughput or full"]),
    ({"profile": "full", "workers": -1}, ["mlflow_server_workers", "-1"]),
    ({"profile": "light", "threads": 8}, ["mlflow_server_threads", "throughput"]),
    ({"workers": "many"}, ["mlflow_server_workers", "whole number"]),
    ({"port": 0}, ["mlflow_server_port", "65535"]),
    ({"port": "70000"}, ["mlflow_server_port", "70000"]),
    ({"otlp": "perhaps"}, ["mlflow_server_otlp", "true or false"]),
    ({"static_prefix": "mlflow"}, ["mlflow_server_static_prefix", "/mlflow"]),
    ({"static_prefix": "/mlflow/"}, ["mlflow_server_static_prefix", "must not end with /"]),
    ({"static_prefix": "/pa b"}, ["mlflow_server_static_prefix", "has a space"]),
    ({"static_prefix": "/<path:x>"}, ["mlflow_server_static_prefix", "holds : < >"]),
    ({"static_prefix": "/a//b"}, ["mlflow_server_static_prefix", "empty"]),
    ({"static_prefix": "/a/../b"}, ["mlflow_server_static_prefix", ".."]),
    ({"allowed_hosts": ["https://mlflow.example.com/"]}, ["mlflow_server_allowed_hosts", "is a URL", "the name alone"]),
    ({"allowed_hosts": "a.example b.example"}, ["mlflow_server_allowed_hosts", "space", "commas"]),
    ({"allowed_hosts": ["mlflow.example.com:http"]}, ["mlflow_server_allowed_hosts", "no number"]),
    ({"allowed_hosts": ["mlflow.example.com:99999"]}, ["mlflow_server_allowed_hosts", "65535"]),
    ({"allowed_hosts": ["10.0.0.256"]}, ["mlflow_server_allowed_hosts", "IPv4"]),
    ({"allowed_hosts": ["[fd00::1"]}, ["mlflow_server_allowed_hosts", "IPv6"]),
    ({"allowed_hosts": ["fd00::zz"]}, ["mlflow_server_allowed_hosts", "IPv6"]),
    ({"allowed_hosts": ["me@mlflow.example.com"]}, ["mlflow_server_allowed_hosts", "without a user"]),
    ({"allowed_hosts": ["mlflow..example.com"]}, ["mlflow_server_allowed_hosts", "no name of a host"]),
    ({"allowed_hosts": ["-mlflow.example.com"]}, ["mlflow_server_allowed_hosts", "no name of a host"]),
    ({"allowed_hosts": ["mlflow?.example.com"]}, ["mlflow_server_allowed_hosts", "no name of a host"]),
    ({"allowed_hosts": {"a": "b"}}, ["mlflow_server_allowed_hosts", "must be a list"]),
    ({"allowed_hosts": '["a.example"'}, ["mlflow_server_allowed_hosts", "JSON"]),
    ({"hostname": "http://mlflow.example.com"}, ["mlflow_server_hostname", "is a URL"]),
    ({"url": "mlflow.example.com"}, ["mlflow_server_url", "must look like"]),
    ({"url": "https://me:hunter2@mlflow.example.com"}, ["mlflow_server_url", "credentials"]),
    ({"cors_origins": ["notebooks.example.com"]}, ["mlflow_server_cors_origins", "http:// or https://"]),
    ({"cors_origins": ["https://notebooks.example.com/"]}, ["mlflow_server_cors_origins", "no path"]),
    ({"cors_origins": ["https://*.example.com"]}, ["mlflow_server_cors_origins", "every origin"]),
    ({"host": "0.0.0.0:5000"}, ["mlflow_server_host", "mlflow_server_port"]),
    ({"host": "[::1]:5000"}, ["mlflow_server_host", "an address with a port"]),
    ({"host": "http://0.0.0.0"}, ["mlflow_server_host", "is a URL"]),
    ({"host": "*"}, ["mlflow_server_host", "0.0.0.0"]),
    ({"host": "::g"}, ["mlflow_server_host", "IPv6"]),
    ({"tls_certificate": "/c.pem"}, ["mlflow_server_tls_certificate", "mlflow_server_tls_key"]),
    (
        {"profile": "full", "database": POSTGRESQL, "tls_certificate": "/c.pem", "tls_key": "/k.pem"},
        ["profile full", "gateway", "throughput", "proxy"],
    ),
    ({"env": {"_MLFLOW_SERVER_FILE_STORE": "x"}}, ["mlflow_server_env", "_MLFLOW_SERVER_FILE_STORE"]),
    ({"database": POSTGRESQL, "env": {"PGPASSWORD": "x"}}, ["mlflow_server_env", "PGPASSWORD"]),
    ({"database": None}, ["mlflow_server_database", "dict with type and uri"]),
    ({"artifact_store": {"type": "local"}}, ["mlflow_server_artifact_store", "lacks uri"]),
    ({"version": "2.22.5", "profile": "light"}, ["profile light", "3.3", "2.22.5", "throughput"]),
    ({"version": "3.12.0", "auth": AUTH}, ["Basic authentication", "3.16", "3.12.0", "mlflow_server_auth"]),
    (
        {"version": "3.12.0", "profile": "throughput", "database": POSTGRESQL},
        ["3.12.0", "psycopg", "mlflow_database_uri", "psycopg2"],
    ),
    (
        {"version": "3.17.2", "database": CRATEDB},
        ["mlflow-cratedb", "CrateDB", "is for MLflow 3.12", "mlflow_version is 3.17.2"],
    ),
    (
        {"version": "3.12.0", "database": CRATEDB, "auth": AUTH},
        ["basic authentication does not know CrateDB", "mlflow_server_auth to none", "a proxy"],
    ),
    ({"version": "3.12.0", "database": CRATEDB, "profile": "throughput"}, ["several processes", "CrateDB", "light"]),
    ({"version": "3.12.0", "database": CRATEDB, "profile": "full"}, ["several processes", "CrateDB", "light"]),
    ({"version": "3.12.0", "database": CRATEDB, "workers": 2}, ["mlflow_server_workers is 2", "one process"]),
    (
        {"database": {"type": "cratedb", "uri": "crate://mlflow@db"}},
        ["mlflow_server_database", "name user, host and schema"],
    ),
    ({"database": {"type": "cratedb", "uri": "crate://mlflow@db/?schema=sys"}}, ["schema sys", "a word of its own"]),
    ({"database": {"type": "cratedb", "uri": "crate://me@db/?schema=a&timeout=1"}}, ["has the option timeout"]),
    ({"auth": {"config": "/auth.ini"}}, ["secret_key of auth", "never the secret itself"]),
]


@pytest.mark.parametrize(("settings", "words"), CASES, ids=[" ".join(case[1][:2]) for case in CASES])
def test_it_is_refused_by_name(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        computed(**settings)
    assert [word for word in words if word not in str(refused.value)] == []


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "settings",
    [
        {"database": {**POSTGRESQL, "secrets": {"PGPASSWORD": SECRET}}},
        {"database": {**POSTGRESQL, "secrets": {"PGPASSWORD": {"value": SECRET}}}},
        {"database": {**POSTGRESQL, "secrets": SECRET}},
        {"database": {**POSTGRESQL, "uri": f"postgresql+psycopg://mlflow:{SECRET}@db/mlflow"}},
        {"database": SECRET},
        {"artifact_store": {"type": "external_s3", "uri": f"https://key:{SECRET}@s3.example.com/bucket"}},
        {"auth": {"config": "/auth.ini", "secret_key": SECRET}},
        {"env": {"HTTPS_PROXY": f"http://me:{SECRET}@proxy.example.com:3128"}},
        {"env": {"NO_MATTER": f"a, https://me:x/{SECRET}@b.example"}},
        {"env": {"WEBHOOK": f"https://a.example/?%74oken={SECRET}"}},
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_without_being_repeated(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as refused:
        computed(**settings)
    assert SECRET not in str(refused.value)
