"""What a stranger does: install the built tarball somewhere else, and use it by its full names."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Elsewhere:
    """A folder outside the clone that holds nothing but the installed collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"

    def run(self, *command: str) -> str:
        hidden = ("ANSIBLE_", "PYTHONPATH")
        env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        env |= {"ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def readme_playbook(self, role: str) -> str:
        """The playbook of a role's README, as it stands there."""
        collection = self.folder / "collections/ansible_collections/mlops/mlflow"
        text = re.search(r"```yaml\n(- hosts:.*?)```", (collection / f"roles/{role}/README.md").read_text(), re.DOTALL)
        assert text, "the README has no playbook"
        playbook = self.folder / f"{role}.yml"
        playbook.write_text(text[1])
        return str(playbook)

    def inventory(self) -> str:
        path = self.folder / "hosts.yml"
        host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        path.write_text(json.dumps({"mlflow": {"hosts": {"elsewhere": host}}}))
        return str(path)


def installed(folder: Path) -> Elsewhere:
    place = Elsewhere(folder)
    tarball = max((ROOT / "build").glob("mlops-mlflow-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    place.run("ansible-galaxy", "collection", "install", str(tarball), "-p", "collections", "--offline", "--force")
    return place


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return installed(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def deployed(elsewhere: Elsewhere) -> Iterator[Elsewhere]:
    # key=value passes every value as a string, as an AWX survey does.
    settings = (
        "-e mlflow_name=reuse",
        f"-e mlflow_data_dir={elsewhere.data}",
        f"-e mlflow_server_port={elsewhere.port}",
        "-e mlflow_server_otlp=true -e mlflow_server_access_log=false -e mlflow_server_telemetry=false",
        "-e mlflow_server_workers=1 -e mlflow_server_threads=0 -e mlflow_server_health_timeout=180",
        "-e mlflow_server_smoke_test=true -e mlflow_server_auth=basic -e mlflow_server_auth_cache_seconds=30",
    )
    words = [word for wish in settings for word in wish.split(" ")]
    inventory = elsewhere.inventory()
    try:
        elsewhere.run("ansible-playbook", "-i", inventory, "mlops.mlflow.local", *words)
        elsewhere.words = words  # type: ignore[attr-defined]
        yield elsewhere
    finally:
        destroy = ["-e", "mlflow_destroy=true", "-e", "mlflow_remove_data=true"]
        elsewhere.run("ansible-playbook", "-i", inventory, "mlops.mlflow.destroy", *words, *destroy)
        assert not any(elsewhere.data.glob("*/*")), "destroy left something behind"


def test_the_tarball_deploys_by_full_names_with_every_variable_as_a_string(deployed: Elsewhere) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{deployed.port}/health", timeout=10) as answer:
        assert answer.status == 200


def test_the_generated_password_lets_the_administrator_in_and_nobody_else_reads_it(deployed: Elsewhere) -> None:
    secret = deployed.data / "secrets/admin-password"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) >= 12
    for path in (deployed.data / "server").glob("*"):
        if path.is_file():
            assert secret.read_text() not in path.read_text(errors="replace"), f"{path.name} holds the password"


def test_a_second_deployment_with_strings_changes_nothing(deployed: Elsewhere) -> None:
    words = deployed.words  # type: ignore[attr-defined]
    shown = deployed.run("ansible-playbook", "-i", deployed.inventory(), "mlops.mlflow.local", *words)
    assert "changed=0 " in shown
    assert "Nothing was changed." in shown


def test_the_playbook_of_the_servers_readme_finds_its_work_done(deployed: Elsewhere) -> None:
    """Every task of the three roles runs, also those that check health; installing once is enough for the tests."""
    words = deployed.words  # type: ignore[attr-defined]
    shown = deployed.run(
        "ansible-playbook", "-i", deployed.inventory(), deployed.readme_playbook("mlflow_server"), *words
    )
    assert "changed=0 " in shown and "mlflow_server : Check" in shown


def test_the_playbook_of_locusts_readme_says_what_it_would_do_to_that_server(deployed: Elsewhere) -> None:
    words = [*deployed.words, "--check", "-e", "locust_users=1"]  # type: ignore[attr-defined]
    shown = deployed.run("ansible-playbook", "-i", deployed.inventory(), deployed.readme_playbook("locust"), *words)
    assert "would" in shown and "failed=0" in shown


def test_the_playbook_of_the_experiments_readme_runs_them_on_that_server(deployed: Elsewhere) -> None:
    words = deployed.words  # type: ignore[attr-defined]
    playbook = deployed.readme_playbook("mlflow_experiments")
    assert "failed=0" in deployed.run("ansible-playbook", "-i", deployed.inventory(), playbook, *words)


def test_one_role_serves_alone_in_a_ten_line_playbook(elsewhere: Elsewhere) -> None:
    folder = elsewhere.folder / "alone"
    (elsewhere.folder / "alone.yml").write_text(
        f"""\
- hosts: mlflow
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: mlops.mlflow.mlflow_artifact_store
      vars:
        mlflow_artifact_store_dir: {folder}
    - ansible.builtin.assert:
        that: mlflow_artifact_store_connection.uri == '{folder}'
"""
    )
    elsewhere.run("ansible-playbook", "-i", elsewhere.inventory(), "alone.yml")
    assert folder.is_dir()
