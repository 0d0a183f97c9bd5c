"""What a stranger does: install the built tarball somewhere else, and use it by its full names."""

from __future__ import annotations

import urllib.request

from support.elsewhere import Elsewhere


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
    words = deployed.words
    shown = deployed.run("ansible-playbook", "-i", deployed.inventory(), "mlops.mlflow.local", *words)
    assert "changed=0 " in shown
    assert "Nothing was changed." in shown


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
