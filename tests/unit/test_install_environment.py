"""Behind TLS inspection one word is enough: what pip is told of the authority, uv is told, too."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jinja2 import nativetypes
from support.playbooks import REPOSITORY

# The variable that whoever deploys sets, by the role that installs with pip first and with uv then.
ROLES = {"mlflow_server": "vars/main/host.yml", "benchmark": "vars/main.yml"}


def environment(role: str, given: dict[str, str], **found: Any) -> dict[str, str]:
    """What commands of the installation get."""
    variables = yaml.safe_load((REPOSITORY / "roles" / role / ROLES[role]).read_text())
    jinja = nativetypes.NativeEnvironment()
    told: dict[str, Any] = {f"{role}_install_environment": given, **found}
    certificate = variables.get(f"_{role}_pip_cert")
    told[f"_{role}_pip_cert"] = jinja.from_string(certificate).render(told).strip() if certificate else ""
    made: Any = jinja.from_string(variables[f"_{role}_uv_environment"].strip()).render(told)
    return dict(made)


@pytest.mark.parametrize("role", ROLES)
def test_all_commands_that_install_get_it(role: str) -> None:
    tasks = [
        task
        for file in (REPOSITORY / "roles" / role / "tasks").rglob("*.yml")
        for task in yaml.safe_load(file.read_text()) or []
        if "install" in str(task.get("ansible.builtin.command", {}).get("argv", ""))
    ]
    assert len(tasks) >= 2
    assert {task["environment"] for task in tasks} == {f"{{{{ _{role}_uv_environment }}}}"}


@pytest.mark.parametrize("role", ROLES)
def test_uv_verifies_by_what_pip_is_told(role: str) -> None:
    given = {"PIP_CERT": "/etc/ssl/company.pem", "HTTPS_PROXY": "http://proxy:3128"}
    assert environment(role, given) == {**given, "SSL_CERT_FILE": "/etc/ssl/company.pem"}
    assert environment(role, {**given, "SSL_CERT_FILE": "/other.pem"})["SSL_CERT_FILE"] == "/other.pem"
    assert environment(role, {}) == {}


def test_so_it_does_by_what_the_hosts_environment_tells_pip() -> None:
    host = {"pip_cert": "/etc/ssl/host.pem"}
    assert environment("mlflow_server", {}, __mlflow_server_host=host) == {"SSL_CERT_FILE": "/etc/ssl/host.pem"}
    assert environment("mlflow_server", {}, __mlflow_server_host={"pip_cert": ""}) == {}
