"""The plan of a host: what is installed where, and what is wrong with the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.intents import BUCKET, POSTGRESQL
from support.plans import planned

FOUND = {
    "python": "3.12.1",
    "python_supported": True,
    "systemd": False,
    "port": "free",
    "unwritable": {},
    "out_of_reach": {},
    "socket_too_long": False,
    "deployed": "",
}


def misfits(change: dict[str, Any] | None = None, **found: Any) -> list[str]:
    answer: list[str] = planned("host", change, observed={"host": {**FOUND, **found}})["misfits"]
    return answer


def test_an_environment_is_named_by_what_is_in_it() -> None:
    def environment(**change: Any) -> str:
        return str(planned("host", change)["host"]["environment"])

    assert environment() == environment(port=5001)
    assert environment().startswith("/srv/mlflow/server/environments/3.17.2-")
    others = {environment(), environment(auth="basic"), environment(metrics_dir="/m"), environment(install="full")}
    assert len(others) == 4


def test_another_environment_can_be_given() -> None:
    plan = planned("host", {"environment": "/cache/slim"})
    assert plan["launch"]["argv"][0] == plan["host"]["interpreter"] == "/cache/slim/bin/python"


@pytest.mark.parametrize(
    ("database", "package"), [("postgresql+psycopg", "psycopg[binary]"), ("postgresql+psycopg2", "psycopg2-binary")]
)
def test_the_driver_of_the_database_is_installed(database: str, package: str) -> None:
    uri = POSTGRESQL["uri"].replace("postgresql+psycopg", database)  # type: ignore[attr-defined]
    assert package in planned("host", database={**POSTGRESQL, "uri": uri})["host"]["requirements"]


def test_only_what_is_reached_over_the_network_is_an_endpoint() -> None:
    assert planned("host")["host"]["endpoints"] == []
    assert planned("host", database=POSTGRESQL)["host"]["endpoints"] == ["db.example.com:5432"]
    socket = {**POSTGRESQL, "host": "/run/postgresql"}
    assert planned("host", database=socket)["host"]["endpoints"] == []


def test_the_folders_of_the_data_are_those_of_the_database_and_of_the_artifacts() -> None:
    expected = ["/srv/mlflow/server/run", "/srv/mlflow/artifacts", "/srv/mlflow"]
    assert planned("host")["host"]["data_dirs"] == expected


def test_a_folder_of_metrics_is_made_for_the_server_which_may_write_there() -> None:
    own = planned("host", {"metrics_dir": "/srv/mlflow/metrics"})["host"]
    assert own["server_dirs"] == ["/srv/mlflow/server/run", "/srv/mlflow/metrics"]
    assert set(own["server_dirs"]) < set(own["data_dirs"]), "which systemd lets it write to"


def test_systemd_supervises_where_the_host_has_it_or_it_was_asked_for() -> None:
    def file(change: dict[str, Any], systemd: bool) -> str:
        return str(planned("host", change, observed={"host": {"systemd": systemd}})["host"]["supervision_file"])

    assert file({}, systemd=True) == "/etc/systemd/system/mlflow.service"
    assert file({}, systemd=False) == "/srv/mlflow/server/supervisord.conf"
    assert file({"supervision": "supervisor"}, systemd=True) == "/srv/mlflow/server/supervisord.conf"
    assert file({"supervision": "systemd"}, systemd=False) == "/etc/systemd/system/mlflow.service"


def test_connections_are_limited_once_the_database_said_how_many_it_offers() -> None:
    change = {"profile": "full"}
    assert planned("host", change, database=POSTGRESQL)["errors"] == []
    [error] = planned("host", change, database=POSTGRESQL, observed={"max_connections": 50})["errors"]
    assert "allows 50 connections" in error


def test_an_address_of_ipv6_is_written_in_brackets_in_urls() -> None:
    assert planned("host", {"host": "::1"})["urls"]["local"] == "http://[::1]:5000"


@pytest.mark.parametrize(("host", "loopback"), [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_what_listens_everywhere_is_asked_on_loopback(host: str, loopback: str) -> None:
    assert planned("host", {"host": host, "port": "5401"})["urls"]["local"] == f"http://{loopback}:5401"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"python": "3.9.2", "python_supported": False}, "Python 3.9.2 is not supported on laptop"),
        ({"port": "taken"}, "Port 5000 on 127.0.0.1 is held by another program"),
        (
            {"port": "impossible", "port_problem": "it is no address of this host"},
            "Nothing can listen on port 5000 of 127.0.0.1 (it is no address of this host): set mlflow_server_host",
        ),
        (
            {"units": {"mlflow.service": "/etc/systemd/system/mlflow.service"}},
            "were made by others, and are not touched: /etc/systemd/system/mlflow.service. Set mlflow_name",
        ),
        ({"unwritable": {"/srv/x": "read-only"}}, "A folder cannot be used: /srv/x (read-only)."),
        ({"out_of_reach": {"db:5432": "refused"}}, "Cannot reach db:5432 (refused)."),
        ({"socket_too_long": True}, "too long for supervisor's socket"),
    ],
)
def test_what_is_wrong_with_the_host_is_said_with_the_remedy(found: dict[str, Any], words: str) -> None:
    [error] = misfits(**found)
    assert words in error


def test_a_host_that_fits_has_no_misfits_and_one_that_was_not_seen_has_none_yet() -> None:
    assert misfits(port="ours", units={"mlflow.service": "ours", "mlflow-backup.service": "absent"}) == []
    assert planned("host")["misfits"] == []


def test_systemd_needs_no_socket() -> None:
    assert misfits({"supervision": "systemd"}, socket_too_long=True) == []


def test_everything_that_is_wrong_with_the_host_is_said_at_once() -> None:
    assert len(misfits(port="taken", unwritable={"/x": "y"}, out_of_reach={"db:1": "z"}, python_supported=False)) == 4


def test_the_fast_store_is_installed_where_it_serves_and_missed_where_it_is_not_there_yet() -> None:
    without, having = (planned("host", {"fast_store": asked}, database=POSTGRESQL) for asked in ("off", "auto"))
    assert without["host"]["plugin_files"] == []
    assert without["launch"]["env"]["PYTHONPATH"] == "/srv/mlflow/server/plugins"
    assert having["launch"]["env"]["PYTHONPATH"] == "/srv/mlflow/server/plugins:/srv/mlflow/server/plugins/fast_store"
    files = {file["dest"]: file for file in having["host"]["plugin_files"]}
    assert files["fast_store/mlops_mlflow_fast/store.py"]["src"] == "fast_store/store.py"
    named = files["fast_store/mlops_mlflow_fast-1.dist-info/entry_points.txt"]["content"]
    assert named == "[mlflow.tracking_store]\npostgresql = mlops_mlflow_fast:postgresql\n"
    missed = set(having["host"]["expects"]) - set(without["host"]["expects"])
    assert "/srv/mlflow/server/plugins/fast_store/mlops_mlflow_fast-1.dist-info/entry_points.txt" in missed
    assert {str(Path(name).parent) for name in files} == set(having["host"]["plugin_folders"])


def test_with_a_bucket_the_plugin_that_keeps_artifacts_on_their_way_is_installed() -> None:
    files = [file["dest"] for file in planned("host", store=BUCKET)["host"]["plugin_files"]]
    assert files == [
        "mlops_mlflow_proxied.py",
        "mlops_mlflow_proxied-1.dist-info/METADATA",
        "mlops_mlflow_proxied-1.dist-info/entry_points.txt",
    ]
