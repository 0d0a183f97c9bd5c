"""Files that somebody named, and that no role wrote: a removal leaves them, and nothing is written over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.playbooks import LOCAL_HOST, REPOSITORY, WITHOUT_FORKS, PlayResult, run_playbook

ALL_DATA = {"mlflow_remove_data": True, "mlflow_name": "mlflow"}


def play(folder: Path, role: str, entry: str, variables: Mapping[str, Any]) -> PlayResult:
    """A role's entry point on a host whose engine has nothing of anybody."""
    docker = folder / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    task = {"ansible.builtin.include_role": {"name": f"mlops.mlflow.{role}", "tasks_from": entry}}
    environment = {"PATH": f"{docker.parent}:/usr/local/bin:/usr/bin:/bin"}
    playbook = [{"hosts": "all", "gather_facts": False, "environment": environment, "tasks": [task]}]
    (folder / "play.yml").write_text(json.dumps(playbook))
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"here": {**LOCAL_HOST, **variables}}}}))
    return run_playbook(folder / "play.yml", folder / "hosts.json", program=WITHOUT_FORKS)


@pytest.mark.parametrize(
    ("role", "variables", "names"),
    [
        (
            "mlflow_database",
            {"mlflow_database_type": "external_postgresql", "mlflow_database_uri": "postgresql://mlflow@db/mlflow"},
            {"mlflow_database_password_file": "password", "mlflow_database_owner_password_file": "owner-password"},
        ),
        (
            "mlflow_artifact_store",
            {"mlflow_artifact_store_type": "external_s3", "mlflow_artifact_store_uri": "s3://models/mlflow"},
            {"mlflow_artifact_store_access_key_file": "access", "mlflow_artifact_store_secret_key_file": "secret"},
        ),
    ],
)
@pytest.mark.parametrize("platform", ["compose", "host"])
def test_a_removal_with_all_data_leaves_secrets_that_somebody_else_put_there(
    tmp_path: Path, role: str, variables: dict[str, Any], names: dict[str, str], platform: str
) -> None:
    files = {variable: tmp_path / name for variable, name in names.items()}
    for file in files.values():
        file.write_text("of somebody")
    told = {variable: str(file) for variable, file in files.items()}
    place = {"mlflow_platform": platform, "mlflow_data_dir": str(tmp_path / "data")}
    play(tmp_path, role, "remove", {**ALL_DATA, **place, **variables, **told}).succeeded()
    assert [file.read_text() for file in files.values()] == ["of somebody"] * 2


def test_a_removal_leaves_the_folders_of_another_compose_project(tmp_path: Path) -> None:
    """As where the data folder is a typo, or another user's home."""
    shop = tmp_path / "data" / "compose" / "database"
    shop.mkdir(parents=True)
    (shop / "compose.yaml").write_text("name: shop-database\nservices: {}\n")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "compose.yaml").write_text("name: mlflow-database\nservices: {}\n")
    place = {
        "mlflow_platform": "compose",
        "mlflow_data_dir": str(tmp_path / "data"),
        "mlflow_database_type": "postgresql",
    }
    play(tmp_path, "mlflow_database", "remove", {**ALL_DATA, **place}).succeeded()
    assert (shop / "compose.yaml").exists()
    play(
        tmp_path, "mlflow_database", "remove", {**ALL_DATA, **place, "mlflow_database_project_dir": str(ours)}
    ).succeeded()
    assert not ours.exists()


@pytest.mark.parametrize("given", [True, False])
def test_reports_in_a_folder_that_somebody_named_stay(tmp_path: Path, given: bool) -> None:
    reports = tmp_path / ("documents" if given else "load-test")
    reports.mkdir()
    (reports / "thesis.tex").write_text("of somebody")
    told = {"locust_report_dir": str(reports)} if given else {}
    place = {"mlflow_platform": "host", "locust_dir": str(tmp_path / "locust"), "locust_remove_data": True}
    play(tmp_path, "locust", "remove", {**ALL_DATA, **place, **told}).succeeded()
    assert reports.exists() is given


@pytest.mark.parametrize("entry", ["main", "connection", "remove"])
def test_a_kubeconfig_of_other_clusters_is_refused_before_aws_is_asked(tmp_path: Path, entry: str) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\ncurrent-context: production\n")
    told = {
        "eks_cluster_name": "mlflow",
        "eks_cluster_account": "123456789012",
        "eks_cluster_region": "eu-central-1",
        "eks_cluster_zones": ["eu-central-1a", "eu-central-1b"],
        "eks_cluster_kubeconfig": str(kubeconfig),
    }
    refused = play(tmp_path, "eks_cluster", entry, told)
    assert refused.message.startswith(f"{kubeconfig} was not written for the cluster mlflow"), refused.message
    assert "production" in kubeconfig.read_text()
    kubeconfig.write_text(
        "# Written by mlops.mlflow.eks_cluster. It holds no secret: x\nkind: Config\ncurrent-context: mlflow\n"
    )
    assert "was not written for" not in play(tmp_path, "eks_cluster", entry, told).message


@pytest.mark.parametrize(
    ("role", "entry", "variables"),
    [
        (
            "mlflow_database",
            "external_postgresql/any",
            {"mlflow_database_type": "external_postgresql", "mlflow_database_password": "a password"},
        ),
        (
            "mlflow_artifact_store",
            "external_s3/any",
            {
                "mlflow_artifact_store_type": "external_s3",
                "mlflow_artifact_store_access_key": "key",
                "mlflow_artifact_store_secret_key": "secret",
            },
        ),
    ],
)
def test_a_folder_into_which_a_secret_is_put_keeps_its_mode_and_a_new_one_is_closed(
    tmp_path: Path, role: str, entry: str, variables: dict[str, Any]
) -> None:
    theirs, new = tmp_path / "theirs", tmp_path / "new"
    theirs.mkdir(mode=0o755)
    theirs.chmod(0o755)
    for folder in (theirs, new):
        files = ["mlflow_database_password_file"]
        files += [f"mlflow_artifact_store_{name}_key_file" for name in ("access", "secret")]
        told = {file: f"{folder}/{file}" for file in files if file.startswith(role)}
        place = {"mlflow_platform": "compose", "mlflow_data_dir": str(tmp_path / "data")}
        play(tmp_path, role, entry, {**place, **variables, **told}).succeeded()
        assert all(Path(file).stat().st_mode & 0o777 == 0o600 for file in told.values())
    assert [folder.stat().st_mode & 0o777 for folder in (theirs, new)] == [0o755, 0o700]


# Of a folder that is there: what others may do with it stays as it is.
KEPT = "u+rwx"


def test_no_task_gives_a_mode_to_a_folder_that_may_be_there_already() -> None:
    """But where it has looked: a folder that somebody named is somebody's."""
    given = []
    for file in sorted(REPOSITORY.glob("roles/*/tasks/**/*.yml")):
        for task in yaml.safe_load(file.read_text()) or []:
            for one in [*task.get("block", []), task]:
                options = one.get("ansible.builtin.file", {})
                looked = "is directory" in str(one.get("when")) or "stat.exists" in str(one.get("loop"))
                if options.get("state") == "directory" and options.get("mode", KEPT) != KEPT and not looked:
                    given.append((file.name, options["path"]))
    # Below the folder of the programs, which the role has made.
    plugins = "{{ _mlflow_server_plugins }}/{{ item }}"
    assert given == [("install.yml", plugins), ("install.yml", "{{ item }}")]
