"""Launch: what each profile is started with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from support.intents import AUTH, BUCKET, CRATEDB, POSTGRESQL, SQLITE, computed, option, pool


def test_light_is_one_uvicorn_process_without_jobs() -> None:
    started = computed(profile="light", python="/env/bin/python")
    assert started.argv[:3] == ["/env/bin/python", "-m", "uvicorn"]
    assert started.argv[-1] == "mlflow.server.fastapi_app:app"
    assert "--workers" not in started.argv, "with one worker uvicorn runs the application itself"
    assert started.jobs is None
    assert started.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_on_cratedb_its_adapters_application_is_served_and_the_password_stays_a_place() -> None:
    keys = {"MLFLOW_CRYPTO_KEK_PASSPHRASE": {"secret": "auth", "key": "gateway-passphrase"}}
    started = computed(profile="light", version="3.12.0", database=CRATEDB, keys=keys)
    assert started.argv[-1] == "mlops_mlflow_cratedb:app"
    assert started.env["_MLFLOW_SERVER_FILE_STORE"] == CRATEDB["uri"], "which the application completes"
    assert started.secrets["PGPASSWORD"].as_dict() == {"secret": "mlflow-database", "key": "password"}
    assert "MLFLOW_CRYPTO_KEK_PASSPHRASE" in started.secrets and not started.keys, "nothing older is in it"


def test_throughput_is_gunicorn_with_threads() -> None:
    started = computed(profile="throughput", database=POSTGRESQL)
    assert started.argv[1:3] == ["-m", "gunicorn"]
    assert started.argv[-1] == "mlflow.server:app"
    assert (option(started, "--workers"), option(started, "--threads")) == ("2", "2")
    assert option(started, "--worker-class") == "gthread"
    assert started.jobs is None


def test_transfers_get_threads_of_their_own_and_the_api_keeps_what_it_is_fastest_with() -> None:
    for auth, served in (
        (None, "'mlflow.server', 'app', 2, 64"),
        (AUTH, "'mlflow.server.auth', 'create_app()', 2, 64"),
    ):
        started = computed(profile="throughput", database=POSTGRESQL, auth=auth, transfers="transfers")
        assert started.argv[-1] == f"transfers:application({served})"
        assert option(started, "--worker-class") == "transfers.Worker"
        assert int(option(started, "--threads") or 0) >= 100
        assert pool(started) == pool(computed(profile="throughput", database=POSTGRESQL, auth=auth)), (
            "not for transfers"
        )


@pytest.mark.parametrize(("version", "known"), [("2.22.5", False), ("3.9.0", False), ("3.10.0", True), ("", True)])
def test_an_old_gunicorn_is_not_told_of_a_control_socket(version: str, known: bool) -> None:
    started = computed(profile="throughput", version=version)
    assert ("--no-control-socket" in started.argv) == known


def test_full_is_several_uvicorn_workers_with_the_job_runner() -> None:
    started = computed(profile="full", database=POSTGRESQL, port=5001, scratch_dir="/srv/scratch")
    assert option(started, "--workers") == "2"
    assert started.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "true"
    assert started.env["_MLFLOW_HUEY_STORAGE_PATH"] == "/srv/scratch/jobs"
    assert started.jobs is not None
    assert started.jobs.argv[-1] == "mlflow.server.jobs._job_runner"
    assert started.jobs.env["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5001"
    assert started.jobs.env["MLFLOW_SERVER_PID"] == "{pid}", "the starter fills it in"


def test_the_default_is_light_on_loopback_port_5000() -> None:
    assert computed() == computed(profile="light", host="127.0.0.1", port=5000)


@pytest.mark.parametrize("profile", launch.PROFILES)
def test_every_profile_gets_its_stores_from_the_connections(profile: str) -> None:
    env = computed(profile=profile, database=POSTGRESQL, artifact_store=BUCKET).env
    assert env["_MLFLOW_SERVER_FILE_STORE"] == env["_MLFLOW_SERVER_REGISTRY_STORE"]
    assert env["_MLFLOW_SERVER_FILE_STORE"].startswith(f"{POSTGRESQL['uri']}?connect_timeout=")
    assert env["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == "s3://bucket/prefix"
    assert env["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "mlflow-artifacts:/"
    assert env["AWS_DEFAULT_REGION"] == "eu-west-1"


@pytest.mark.parametrize("profile", launch.PROFILES)
def test_secrets_of_all_connections_are_merged_as_places(profile: str) -> None:
    secrets = computed(profile=profile, database=POSTGRESQL, artifact_store=BUCKET).as_dict()["secrets"]
    assert secrets["PGPASSWORD"] == {"file": "/etc/mlflow/password"}
    assert secrets["AWS_SECRET_ACCESS_KEY"] == {"secret": "s3", "key": "secret-key"}


def allowed_hosts(**settings: Any) -> list[str]:
    return computed(**settings).env["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")


def test_every_name_is_allowed_with_and_without_a_port() -> None:
    hosts = allowed_hosts(host="10.0.0.5", allowed_hosts=["mlflow.example.com", "mlflow.ns.svc:5000", "any:*"])
    assert {"mlflow.example.com", "mlflow.example.com:*", "10.0.0.5", "10.0.0.5:*"} <= set(hosts)
    assert {"localhost:*", "127.0.0.1:*", "[::1]", "[[]::1]:*"} <= set(hosts), "the host itself is always let in"
    assert "mlflow.ns.svc:5000:*" not in hosts and "any:*:*" not in hosts
    assert len(hosts) == len(set(hosts))


def test_only_an_explicit_star_allows_every_host() -> None:
    assert "*" not in allowed_hosts(host="0.0.0.0")
    assert "0.0.0.0" not in allowed_hosts(host="0.0.0.0")
    assert "*" in allowed_hosts(allowed_hosts=["*"])


def test_names_of_the_deployment_and_of_its_url_are_names_of_the_server() -> None:
    started = computed(hostname="lb.example.com", url="https://mlflow.example.com/tracking")
    hosts = started.env["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    origins = started.env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert {"lb.example.com", "mlflow.example.com:*"} <= set(hosts)
    assert {"http://lb.example.com", "https://mlflow.example.com"} <= set(origins)


def test_on_loopback_alone_no_origin_needs_to_be_named() -> None:
    for host in ("", "127.0.0.1", "::1", "localhost", "0.0.0.0", "::"):
        assert "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS" not in computed(host=host).env


def test_an_ipv6_address_is_bound_in_brackets_by_gunicorn() -> None:
    assert option(computed(profile="throughput", host="::1"), "--bind") == "[::1]:5000"
    assert option(computed(profile="light", host="::1"), "--host") == "::1"
    assert option(computed(profile="light", host="[FD00:0::5]"), "--host") == "fd00::5"
    assert option(computed(profile="throughput", host="[::]"), "--bind") == "[::]:5000"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("", "http://127.0.0.1:5000/p"),
        ("0.0.0.0", "http://127.0.0.1:5000/p"),
        ("10.99.5.1", "http://10.99.5.1:5000/p"),
        ("mlflow.example.com", "http://mlflow.example.com:5000/p"),
        ("::", "http://[::1]:5000/p"),
        ("fd00::5", "http://[fd00::5]:5000/p"),
    ],
)
def test_jobs_are_told_an_address_at_which_their_server_listens(host: str, told: str) -> None:
    jobs = computed(profile="full", database=POSTGRESQL, host=host, static_prefix="/p").jobs
    assert jobs and jobs.env["MLFLOW_TRACKING_URI"] == jobs.env["MLFLOW_GATEWAY_URI"] == told


def test_no_worker_is_killed_for_being_slow() -> None:
    """uvicorn's own limit of 5 s was seen to kill healthy workers on a busy host."""
    assert int(computed(profile="full", database=POSTGRESQL).env["UVICORN_TIMEOUT_WORKER_HEALTHCHECK"]) >= 60
    for profile in ("light", "throughput"):
        assert "UVICORN_TIMEOUT_WORKER_HEALTHCHECK" not in computed(profile=profile).env, "nobody supervises it so"


def test_authentication_starts_its_own_application_without_the_administrators_password() -> None:
    for profile, application in (("light", "mlflow.server.auth:create_app"), ("throughput", "create_app()")):
        started = computed(profile=profile, auth=AUTH)
        assert started.argv[-1].endswith(application)
        assert started.env["MLFLOW_AUTH_CONFIG_PATH"] == "/srv/auth.ini"
        assert started.as_dict()["secrets"]["MLFLOW_FLASK_SERVER_SECRET_KEY"] == {"file": "/srv/flask-secret-key"}
        assert not [name for name in {**started.env, **started.secrets} if "ADMIN_PASSWORD" in name]
    assert "--factory" in computed(profile="light", auth=AUTH).argv


def test_jobs_under_authentication_get_a_token_of_their_own() -> None:
    started = computed(profile="full", auth=AUTH, database=POSTGRESQL)
    assert "random_bytes" in started.as_dict()["secrets"]["_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"]


def test_prefix_origins_metrics_and_log_reach_the_server() -> None:
    started = computed(
        static_prefix="/mlflow", cors_origins=["https://a.example", "https://b.example"], metrics_dir="/m",
        access_log=True, telemetry=True, env={"TZ": "UTC"},
    )  # fmt: skip
    assert started.env["_MLFLOW_STATIC_PREFIX"] == "/mlflow"
    assert started.env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "https://a.example,https://b.example"
    assert started.env["prometheus_multiproc_dir"] == "/m"
    assert started.env["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert started.env["TZ"] == "UTC"
    assert "--no-access-log" not in started.argv and "--no-access-log" in computed().argv


def test_a_certificate_is_given_to_either_server() -> None:
    tls = {"tls_certificate": "/c.pem", "tls_key": "/k.pem"}
    assert option(computed(**tls), "--ssl-keyfile") == "/k.pem"
    assert option(computed(profile="throughput", **tls), "--keyfile") == "/k.pem"


@pytest.mark.parametrize("profile", launch.PROFILES)
def test_strings_as_a_survey_passes_them_mean_the_same_as_numbers_and_booleans(profile: str) -> None:
    typed = {
        "port": 5001, "max_connections": 300, "pool_size": 30, "max_overflow": 20, "otlp": False, "access_log": True,
        "telemetry": False, "allowed_hosts": ["a", "b"], "cors_origins": ["https://c"],
        "workers": launch.PROFILES[profile].workers,
    }  # fmt: skip
    strings = {
        "port": "5001", "max_connections": "300", "pool_size": "30", "max_overflow": "20", "otlp": "false",
        "access_log": "True", "telemetry": "no", "allowed_hosts": "a, b", "cors_origins": "https://c",
        "workers": str(launch.PROFILES[profile].workers),
    }  # fmt: skip
    assert set(typed) == set(strings)
    assert computed(profile=profile, **strings) == computed(profile=profile, **typed)


def test_empty_strings_mean_not_given() -> None:
    empty = dict.fromkeys(("workers", "threads", "pool_size", "max_overflow", "static_prefix", "host", "otlp"), "")
    assert computed(**empty) == computed()


def test_a_launch_survives_being_written_as_json() -> None:
    started = computed(profile="full", database=POSTGRESQL, artifact_store=BUCKET, auth=AUTH).as_dict()
    assert json.loads(json.dumps(started)) == started


def test_a_launch_is_the_same_each_time_it_is_computed() -> None:
    assert computed(profile="full", database=POSTGRESQL, auth=AUTH) == computed(
        profile="full", database=POSTGRESQL, auth=AUTH
    )


def test_a_cut_connection_to_the_database_is_noticed_by_the_server_and_by_its_jobs() -> None:
    started = computed(profile="full", database=POSTGRESQL)
    assert started.jobs and started.jobs.env["MLFLOW_BACKEND_STORE_URI"] == started.env["_MLFLOW_SERVER_FILE_STORE"]
    for option_of_libpq in ("connect_timeout", "tcp_user_timeout", "keepalives_idle"):
        assert f"{option_of_libpq}=" in started.env["_MLFLOW_SERVER_FILE_STORE"]
    assert computed(database=SQLITE).env["_MLFLOW_SERVER_FILE_STORE"] == SQLITE["uri"]


def test_sqlite_needs_no_secret_of_the_database() -> None:
    assert "PGPASSWORD" not in computed(database=SQLITE).secrets


@pytest.mark.parametrize("direct", [True, "true", "yes"])
def test_direct_artifacts_are_read_and_written_in_the_store_itself(direct: bool | str) -> None:
    env = computed(database=POSTGRESQL, artifact_store=BUCKET, direct_artifacts=direct).env
    assert env["_MLFLOW_SERVER_ARTIFACT_ROOT"] == env["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == "s3://bucket/prefix"
    assert env["_MLFLOW_SERVER_SERVE_ARTIFACTS"] == "false"


@pytest.mark.parametrize("direct", [False, "", None])
def test_artifacts_go_through_the_server_otherwise(direct: bool | str | None) -> None:
    env = computed(database=POSTGRESQL, artifact_store=BUCKET, direct_artifacts=direct).env
    assert env["_MLFLOW_SERVER_SERVE_ARTIFACTS"] == "true"


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, True), ({"signed_artifacts": "true"}, False), ({"direct_artifacts": True}, False)],
    ids=["by default", "signed", "direct"],
)
def test_the_server_keeps_clients_away_from_the_bucket(settings: dict[str, Any], kept: bool) -> None:
    env = computed(database=POSTGRESQL, artifact_store=BUCKET, plugins_dir="/srv/plugins", **settings).env
    assert env.get("MLOPS_MLFLOW_PROXIED") == ("true" if kept else None)
    assert env["PYTHONPATH"] == "/srv/plugins"


@pytest.mark.parametrize("direct", [False, True])
def test_jobs_put_artifacts_where_the_server_says_that_they_are(direct: bool) -> None:
    started = computed(profile="full", database=POSTGRESQL, artifact_store=BUCKET, direct_artifacts=direct)
    assert started.jobs is not None
    assert started.jobs.env["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == started.env["_MLFLOW_SERVER_ARTIFACT_ROOT"]


@pytest.mark.parametrize("asked", ["auto", "on", True, "True"])
def test_the_fast_store_is_a_folder_that_the_server_finds_besides_other_plugins(asked: bool | str) -> None:
    place = {"plugins_dir": "/srv/plugins", "fast_store_dir": "/srv/fast"}
    started = computed(database=POSTGRESQL, fast_store=asked, **place)
    assert started.env["PYTHONPATH"] == "/srv/plugins:/srv/fast"


@pytest.mark.parametrize(
    ("asked", "database"),
    [("off", POSTGRESQL), (False, POSTGRESQL), ("", POSTGRESQL), (None, POSTGRESQL), ("auto", SQLITE)],
)
def test_no_other_server_gets_it(asked: bool | str | None, database: dict[str, Any]) -> None:
    started = computed(database=database, fast_store=asked, plugins_dir="/srv/plugins", fast_store_dir="/srv/fast")
    assert started.env["PYTHONPATH"] == "/srv/plugins"
