"""Which engine, project and file docker works on is said by variables of ours, never by the user's environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shlex import quote

import jinja2
import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import client
from support.playbooks import REPOSITORY

# What decided about deployments before, and others like it.
LEAKS = {
    "COMPOSE_PROJECT_NAME": "foo",
    "COMPOSE_PROFILES": "ops",
    "COMPOSE_FILE": "/tmp/other.yaml",
    "COMPOSE_ENV_FILES": "/tmp/other.env",
    "COMPOSE_REMOVE_ORPHANS": "1",
    "DOCKER_CONTEXT": "elsewhere",
    "DOCKER_HOST": "tcp://elsewhere:2375",
    "DOCKER_TLS_VERIFY": "1",
    "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    "MLFLOW_TRACKING_URI": "http://elsewhere",
}
YAML = [path for top in ("roles", "playbooks") for path in (REPOSITORY / top).rglob("*.yml")]
PYTHON = list((REPOSITORY / "plugins").rglob("*.py"))
# Says itself which program builds, podman and buildah among them.
BUILDS = "playbooks/images.yml"


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment that a docker before the real one was called with."""
    file = tmp_path / "environment"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nenv > {file}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("LC_ALL", "C.UTF-8 with a blank")
    for name, value in LEAKS.items():
        monkeypatch.setenv(name, value)
    return file


def read(file: Path) -> dict[str, str]:
    """But for what a shell sets by itself."""
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    return {name: value for name, value in lines.items() if name not in ("PWD", "OLDPWD", "SHLVL", "_")}


def expected(host: str) -> dict[str, str]:
    return {name: os.environ[name] for name in client.PASSED_ON if name in os.environ} | {"DOCKER_HOST": host}


@pytest.mark.parametrize(
    ("host", "used"),
    [("", "unix:///var/run/docker.sock"), ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock")],
)
def test_docker_gets_the_engine_of_the_variable_and_nothing_else_that_decides(said: Path, host: str, used: str) -> None:
    try:
        client.use(host)
        client.call("version")
    finally:
        client.use("")
    assert read(said) == expected(used)
    assert client.environment() == client.compose_command(__file__, "ps")[1]
    assert not set(client.PASSED_ON) & set(LEAKS)


def test_the_schedule_of_backups_calls_docker_in_the_same_environment(said: Path, tmp_path: Path) -> None:
    environment = jinja2.Environment()  # noqa: S701
    environment.filters["quote"] = quote
    template = REPOSITORY / "roles/mlflow_backup/templates/mlflow-ops-compose.j2"
    values = {"mlflow_backup_docker_host": "unix:///run/it's.sock", "_mlflow_backup_compose_file": "/x/compose.yaml"}
    script = tmp_path / "mlflow-ops"
    script.write_text(environment.from_string(template.read_text()).render(ansible_managed="ours", **values))
    subprocess.run(["/bin/sh", str(script), "backup-info"], check=True)
    assert read(said) == expected("unix:///run/it's.sock")


def test_no_task_calls_docker_in_another_way() -> None:
    def calls(path: Path) -> list[str]:
        return re.findall(r"community\.docker\.\w+|\bargv: *\[? *(?:-\s*)?docker\b|\bcmd: *docker\b", path.read_text())

    found = {str(path.relative_to(REPOSITORY)): calls(path) for path in YAML}
    assert {name: called for name, called in found.items() if called} == {}
    assert len(found) > 100
    assert [path for path in YAML if "mlflow_image_builder" in path.read_text()] == [REPOSITORY / BUILDS]


def test_no_container_is_sent_a_signal_through_the_engine() -> None:
    """The engine notes that as a stop by hand, whichever signal it is, and starts it no more after a crash."""
    kills = re.compile(r"""call\(\s*["']kill["']|docker kill -|argv: .*\bkill\b.*docker""")
    files = [*PYTHON, *YAML, *REPOSITORY.glob("roles/*/templates/**/*")]
    said = {path.name: kills.findall(path.read_text()) for path in files if path.is_file()}
    assert {name: found for name, found in said.items() if found} == {}
    assert (
        'call("exec", name, "bash", "-c", "kill -USR2 1")'
        in (REPOSITORY / "plugins/module_utils/_engine/compose/load_balancer.py").read_text()
    )


def test_one_file_starts_the_program() -> None:
    starts = re.compile(r"[\[(]\s*[\"']docker[\"']|= [\"']docker[\"']")
    assert [path.name for path in PYTHON if starts.search(path.read_text())] == ["client.py"]


def _roles_of(play: object) -> set[str]:
    return set(re.findall(r"'name': '(mlops\.mlflow\.\w+)'", str(play)))


def test_every_module_that_calls_docker_can_be_told_the_engine_and_playbooks_tell_it() -> None:
    modules = {
        path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py") if "run_with_docker" in path.read_text()
    }
    imports = re.compile(r"_engine\.compose(\.\w+)? import (?!files\b)|_engine\.load import compose")
    direct = {path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py") if imports.search(path.read_text())}
    groups = yaml.safe_load((REPOSITORY / "meta/runtime.yml").read_text())["action_groups"]
    assert direct <= modules == set(groups["compose"])
    plays = {path.name: yaml.safe_load(path.read_text()) for path in (REPOSITORY / "playbooks").glob("*.yml")}
    uses = re.compile("include_role|include_tasks|mlops.mlflow.mlflow_compose")
    silent = [
        name
        for name, listed in plays.items()
        for play in listed
        if play.get("hosts") == "mlflow"
        and uses.search(str(play))
        # These have to do with a cluster alone.
        and not play.get("vars", {}).get("locust_fleet")
        and not {f"mlops.mlflow.{role}" for role in ("knative", "mlflow_fleet", "eks_cluster", "aks_cluster")}
        & _roles_of(play)
        and "group/mlops.mlflow.compose" not in play.get("module_defaults", {})
    ]
    assert silent == []
