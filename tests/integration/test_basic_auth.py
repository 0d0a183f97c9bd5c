"""Basic authentication as the playbook deploys it."""

from __future__ import annotations

import configparser
import os
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health
from support.databases import ADMIN, ADMIN_PASSWORD
from support.host.deployment import Deployment
from support.ports import listeners
from support.postgresql import OWNER_PASSWORD, SERVER_PASSWORD
from support.servers import API

pytestmark = pytest.mark.ci

SECRETS = (ADMIN_PASSWORD, OWNER_PASSWORD, SERVER_PASSWORD)
SEARCH = {"max_results": 1}


def test_the_anonymous_get_401_and_the_administrator_gets_in(team: Deployment) -> None:
    search = f"{API}/experiments/search"
    assert team.client().post(search, SEARCH, expect=None).status == 401
    assert team.client(username=ADMIN, password="not the password").post(search, SEARCH, expect=None).status == 401
    assert team.client(username=ADMIN, password=ADMIN_PASSWORD).post(search, SEARCH).json()["experiments"]


def test_a_new_user_logs_in_with_the_default_permission(team: Deployment) -> None:
    administrator = team.client(username=ADMIN, password=ADMIN_PASSWORD)
    administrator.post(f"{API}/users/create", {"username": "dana", "password": "a long password"})
    dana = team.client(username="dana", password="a long password")
    assert dana.get(f"{API}/experiments/get", {"experiment_id": "0"}).json()["experiment"]  # READ is the default
    with pytest.raises(ServerError) as refused:
        dana.post(f"{API}/experiments/delete", {"experiment_id": "0"})
    assert refused.value.status == 403


def test_health_catches_wrong_credentials_at_once_while_plain_health_says_200(team: Deployment) -> None:
    wrong = team.server(username=ADMIN, password="not the password")
    tries: list[health.Report] = []
    report = health.wait(wrong, health.Wanted("ready"), 3600, 0.1, tries.append)
    assert not report.healthy and "wants credentials, or refused those it got" in report.verdict
    assert tries == [], "a wrong password does not get better by waiting"
    assert team.client().get("/health").status == 200

    right = team.server(username=ADMIN, password=ADMIN_PASSWORD)
    assert health.check(right, health.Wanted("deep")).healthy


def test_the_password_cache_is_configured(team: Deployment) -> None:
    configuration = configparser.ConfigParser()
    configuration.read(team.home / "auth.ini")
    assert configuration["mlflow"]["auth_cache_ttl_seconds"] == "60"
    assert "password" not in (team.home / "auth.ini").read_text()


def test_no_password_is_in_a_command_line_a_log_or_a_file_that_others_can_read(team: Deployment) -> None:
    running = sorted(listeners(team.port))
    assert running
    command_lines = subprocess.run(["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert f"127.0.0.1:{team.port}" in command_lines, "ps does not show the server"
    files = [path for path in team.home.iterdir() if path.is_file()]
    assert {"launch.json", "server.log", "supervisord.log", "supervisord.conf"} <= {path.name for path in files}
    for secret in SECRETS:
        assert secret not in command_lines
        assert [path.name for path in files if secret in path.read_text(errors="replace")] == []
    readable = [path for path in _secret_files(team) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert readable == []


def test_a_second_deployment_changes_nothing_and_neither_prints_a_password(team: Deployment) -> None:
    before = team.group
    again = team.deploy().succeeded()
    assert again.stats["changed"] == 0, [name for name, result in again.results if result.get("changed")]
    assert "PLAY" in team.output or '"plays"' in team.output
    assert [secret for secret in SECRETS if secret in team.output] == []
    assert team.group == before, "the server was restarted"


def _secret_files(team: Deployment) -> list[Path]:
    found = [Path(folder, name) for folder, _folders, names in os.walk(team.data / "secrets") for name in names]
    assert found, "no secret was generated"
    return found
