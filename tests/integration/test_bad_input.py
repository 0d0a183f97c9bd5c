"""Bad input through the playbook: one clear error, and nothing was created."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.host.deployment import Deployment
from support.playbooks import REPOSITORY, PlayResult, run_playbook
from support.ports import free_port

HEART = pytest.mark.heart

PASSWORD = "s3cr3t-p4ssword"
POSTGRESQL: dict[str, Any] = {"mlflow_database_type": "external_postgresql"}


@dataclass(frozen=True)
class Case:
    """What is asked for, and the words that the one error must hold."""

    variables: dict[str, Any]
    words: list[str]
    never: list[str] = field(default_factory=list)


NOBODY = free_port()
CASES = {
    "unknown profile": Case({"mlflow_server_profile": "fast"}, ["mlflow_server_profile", "light, throughput, full"]),
    "unknown type of database": Case({"mlflow_database_type": "oracle"}, ["oracle", "external_postgresql, sqlite"]),
    "unknown type of artifact store": Case({"mlflow_artifact_store_type": "ftp"}, ["ftp", "external_s3, local"]),
    "unknown platform": Case({"mlflow_server_platform": "mainframe"}, ["mainframe", "offered are host"]),
    "short password": Case(
        {"mlflow_server_auth": "basic", "mlflow_server_auth_password": "short-pw"},
        ["mlflow_server_auth_password", "at least 12 characters"],
        never=["short-pw"],
    ),
    "uri without driver": Case(
        POSTGRESQL | {"mlflow_database_uri": "postgresql://mlflow@127.0.0.1/mlflow"},
        ["mlflow_database_uri", "names no driver", "postgresql+psycopg"],
    ),
    "uri with an unknown driver": Case(
        POSTGRESQL | {"mlflow_database_uri": "postgresql+asyncpg://mlflow@127.0.0.1/mlflow"},
        ["postgresql+asyncpg", "not offered", "postgresql+psycopg"],
    ),
    "uri with a password": Case(
        POSTGRESQL | {"mlflow_database_uri": f"postgresql+psycopg://mlflow:{PASSWORD}@127.0.0.1/mlflow"},
        ["mlflow_database_uri", "holds a password", "mlflow_database_password_file"],
    ),
    "file store": Case(
        POSTGRESQL | {"mlflow_database_uri": "file:///srv/mlruns"}, ["file store", "mlflow migrate-filestore"]
    ),
    "unreachable database": Case(
        POSTGRESQL | {"mlflow_database_uri": f"postgresql+psycopg://mlflow@127.0.0.1:{NOBODY}/mlflow"},
        [f"127.0.0.1:{NOBODY}", "Connection refused"],
    ),
    "otlp from a profile without it": Case(
        {"mlflow_server_profile": "throughput", "mlflow_server_otlp": "true"}, ["mlflow_server_otlp", "light, full"]
    ),
    "workers for the profile of one process": Case(
        {"mlflow_server_workers": "4"}, ["mlflow_server_workers is 4", "throughput or full"]
    ),
    "threads where they cannot be set": Case({"mlflow_server_threads": "8"}, ["mlflow_server_threads", "throughput"]),
    "slim for the profile with jobs": Case(
        {"mlflow_server_profile": "full", "mlflow_server_install": "slim"}, ["mlflow_server_install", "slim"]
    ),
    "a certificate without its key": Case(
        {"mlflow_server_tls_certificate": "/etc/cert.pem"}, ["mlflow_server_tls_key", "together"]
    ),
    "workers that are no number": Case({"mlflow_server_workers": "many"}, ["mlflow_server_workers", "int"]),
    "pool below the threads": Case(
        POSTGRESQL
        | {
            "mlflow_database_uri": "postgresql+psycopg://mlflow@127.0.0.1/mlflow",
            "mlflow_server_pool_size": "5",
            "mlflow_server_max_overflow": "10",
        },
        ["mlflow_server_pool_size", "15", "40 threads"],
    ),
    "private variable": Case(
        {"mlflow_server_env": {"_MLFLOW_SERVER_FILE_STORE": "x"}}, ["mlflow_server_env", "_MLFLOW_SERVER_FILE_STORE"]
    ),
}

# One for each that refuses: the specification of arguments, the plan, the database's role, and who asks the host.
AT_EACH_STEP = {"workers that are no number", "pool below the threads", "uri with a password", "unreachable database"}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below with its size and time of change."""
    found = sorted([folder, *folder.rglob("*")])
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


def deploy(folder: Path, variables: dict[str, Any]) -> PlayResult:
    wanted = {
        "mlflow_data_dir": str(folder / "data"),
        "mlflow_server_port": str(free_port()),
        "mlflow_server_supervision": "supervisor",
        **variables,
    }
    return run_playbook(REPOSITORY / "playbooks/local.yml", REPOSITORY / "inventories/local", wanted)


def assert_one_clear_error(result: PlayResult, words: list[str]) -> None:
    assert result.code != 0, "the deployment was not refused"
    assert len(result.failures) == 1, [failure.get("msg") for failure in result.failures]
    missing = [word for word in words if word not in result.message]
    assert missing == [], f"the error lacks {missing}: {result.message}"
    assert "Traceback" not in result.message
    # A filter's failure begins with words about the filter.
    assert "filter plugin" not in result.message and not result.message.startswith("Task failed")
    assert result.stats["changed"] == 0


@pytest.mark.parametrize("name", [pytest.param(name, marks=HEART if name in AT_EACH_STEP else ()) for name in CASES])
def test_it_is_refused_with_one_clear_error_and_nothing_is_created(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    result = deploy(tmp_path, case.variables)
    assert_one_clear_error(result, case.words)
    assert list(tmp_path.iterdir()) == [], "something was created"
    assert [word for word in case.never if word in result.output] == []
    # Only the user's own command line may repeat a password that was put into a URI.
    assert PASSWORD not in result.message


@pytest.mark.parametrize("target", ["compose_single_az", "kubernetes", "kubernetes_knative"])
def test_settings_that_contradict_each_other_are_named_before_engine_or_cluster_is_asked(target: str) -> None:
    wrong = {"mlflow_server_profile": "light", "mlflow_server_workers": 9999}
    result = run_playbook(REPOSITORY / f"playbooks/{target}.yml", REPOSITORY / "inventories" / target, wrong)
    assert_one_clear_error(result, ["mlflow_server_workers is 9999", "the profile light is one process"])


@HEART
def test_a_port_in_use_is_refused_and_nothing_is_created(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = deploy(tmp_path, {"mlflow_server_port": str(port)})
    assert_one_clear_error(result, [f"Port {port}", "held by another program", "mlflow_server_port"])
    assert list(tmp_path.iterdir()) == []


@HEART
def test_a_data_folder_that_cannot_be_written_is_refused_and_nothing_is_created(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in its place, which not even root can write into")
    before = tree(tmp_path)
    result = deploy(tmp_path, {})
    assert_one_clear_error(result, [f"{tmp_path}/data", "not a folder", "mlflow_data_dir"])
    assert tree(tmp_path) == before


@pytest.mark.ci
@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("ffffffffffff", ["newer than MLflow", "Nothing was changed", "mlflow_version"]),
        ("451aebb31d03", ["older (revision 451aebb31d03)", "Nothing was changed", "Upgrade it: ansible-playbook "]),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_and_the_running_server_is_left_alone(
    laptop: Deployment, revision: str, words: list[str]
) -> None:
    database = laptop.data / "database" / "mlflow.db"
    with sqlite3.connect(database) as connection:
        (current,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    try:
        group, before = laptop.group, tree(laptop.data)
        result = laptop.deploy(mlflow_server_access_log="true")
        after = tree(laptop.data)
        assert_one_clear_error(result, words)
        logs = {str(laptop.home / "server.log"), str(laptop.home / "supervisord.log")}
        assert {path: state for path, state in after.items() if path not in logs} == {
            path: state for path, state in before.items() if path not in logs
        }
        assert laptop.group == group and "RUNNING" in laptop.supervisorctl("status")
        with sqlite3.connect(database) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)
    finally:
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (current,))
    laptop.wait_until_healthy()
