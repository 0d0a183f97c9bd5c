"""The playbook of each role's README, run from the installed tarball as it stands there.

What it names of somebody's own (an inventory, a manifest) is put beside it; where it would need a cluster, an engine or
root, what it does is written to files, or said in check mode.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.elsewhere import Elsewhere, installed

ROLES = sorted(path.name for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\ndata: {a: b}\n"
COMPOSE = """\
services:
  mine:
    image: docker.io/library/busybox:1
    user: "10001"
    limits: {cpu: "1", memory: 64Mi}
    healthcheck: {test: [CMD, "true"]}
"""
# As much of one as the role insists on.
RELEASE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: knative-serving
  labels: {app.kubernetes.io/version: 1.21.0}
""" + "".join(
    f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config-{name}, namespace: knative-serving}}\n"
    for name in ("autoscaler", "deployment", "domain", "features", "network")
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    yield installed(tmp_path_factory.mktemp("readmes"))


def play(place: Elsewhere, role: str, *options: str, **variables: object) -> str:
    """Runs the README's playbook of a role."""
    given = json.dumps({"mlflow_data_dir": str(place.data), "mlflow_name": "readmes", **variables})
    return place.run("ansible-playbook", "-i", place.inventory(), place.readme_playbook(role), "-e", given, *options)


def database(place: Elsewhere) -> None:
    play(place, "mlflow_database", vault_mlflow_password="a password of a vault")
    assert (place.data / "secrets/database-password").read_text() == "a password of a vault"


def artifact_store(place: Elsewhere) -> None:
    play(place, "mlflow_artifact_store", vault_s3_access_key="an id", vault_s3_secret_key="a key of a vault")
    assert (place.data / "secrets/s3-secret-key").read_text() == "a key of a vault"


def backup(place: Elsewhere) -> None:
    play(place, "mlflow_backup", mlflow_backup_scheduler="none")
    settings = json.loads((place.data / "operations/settings.json").read_text())
    assert settings["destination"] == "s3://backups/mlflow"


def compose_project(place: Elsewhere) -> None:
    (place.folder / "extra.yaml").write_text(COMPOSE)
    play(place, "compose_project", mlflow_render_dir=str(place.folder / "rendered"))
    assert "image: docker.io/library/busybox:1" in (place.folder / "rendered/extra/compose.yaml").read_text()


def knative(place: Elsewhere) -> None:
    files = {"serving-crds": "", "serving-core": RELEASE, "kourier": ""}
    for name, text in files.items():
        (place.folder / f"{name}.yaml").write_text(text)
        (place.folder / f"{name}.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    play(place, "knative", mlflow_render_dir=str(place.folder / "knative"))
    assert "mlflow.example.com: ''" in (place.folder / "knative/objects.yaml").read_text()


def manifests(place: Elsewhere) -> None:
    (place.folder / "mine.yaml").write_text(MANIFEST)
    folder = place.folder / "manifests"
    play(place, "kubernetes_manifests", kubernetes_manifests_render_dir=str(folder))
    assert "app.kubernetes.io/component: extra" in "".join(file.read_text() for file in folder.iterdir())


def prerequisites(place: Elsewhere) -> None:
    play(place, "cluster_prerequisites", mlflow_render_dir=str(place.folder / "namespace"))
    assert "kind: ResourceQuota" in (place.folder / "namespace/prerequisites.yaml").read_text()


def monitoring(place: Elsewhere) -> None:
    folder = place.folder / "monitored"
    cluster = {"mlflow_platform": "kubernetes", "mlflow_image": "registry.example.com/mlflow:1"}
    play(place, "mlflow_monitoring", mlflow_render_dir=str(folder), **cluster)
    assert "MlflowServerDown" in "".join(file.read_text() for file in folder.rglob("*.yaml"))


def host(place: Elsewhere) -> None:
    shown = play(place, "host_prerequisites", "--check", host_prerequisites_packages=[], ansible_become=False)
    assert "Create the system user" in shown


def benchmark(place: Elsewhere) -> None:
    collection = place.folder / "collections/ansible_collections/mlops/mlflow"
    for name in ("local", "team"):
        shutil.copytree(collection / "inventories/local", place.folder / "inventories" / name)
    folder = place.folder / "benchmark"
    shown = play(place, "benchmark", "--check", benchmark_project=str(collection), benchmark_dir=str(folder))
    assert "local, team: each is deployed" in shown and not folder.exists()


# Those are run on a server, below.
WITH_A_SERVER = ("locust", "mlflow_experiments", "mlflow_server")
# There is nothing of it without a cluster; playbooks/fleet.yml, which does the same, is run by tests/cluster.
WITH_A_CLUSTER = ("mlflow_fleet",)
# Nor of these without an account of AWS; playbooks/eks_cluster.yml, which does the same, is run by tests/aws.
WITH_AWS = ("efs_csi", "eks_cluster", "eks_storage", "rds_postgresql")
# Nor of these without a subscription of Azure; playbooks/aks_cluster.yml, which does the same, is run by tests/azure.
WITH_AZURE = ("aks_cluster", "aks_postgresql", "aks_storage")
CHECKS: dict[str, Callable[[Elsewhere], None]] = {
    "benchmark": benchmark,
    "cluster_prerequisites": prerequisites,
    "compose_project": compose_project,
    "host_prerequisites": host,
    "knative": knative,
    "kubernetes_manifests": manifests,
    "mlflow_artifact_store": artifact_store,
    "mlflow_backup": backup,
    "mlflow_database": database,
    "mlflow_monitoring": monitoring,
}


def test_every_role_is_here() -> None:
    assert sorted([*CHECKS, *WITH_A_SERVER, *WITH_A_CLUSTER, *WITH_AWS, *WITH_AZURE]) == ROLES


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_playbook_of_the_readme_does_what_it_is_there_for(place: Elsewhere, check: Callable[..., None]) -> None:
    check(place)


def test_the_playbook_of_the_servers_readme_finds_its_work_done(deployed: Elsewhere) -> None:
    """Every task of the three roles runs, also those that check health; installing once is enough for the tests."""
    words = deployed.words
    shown = deployed.run(
        "ansible-playbook", "-i", deployed.inventory(), deployed.readme_playbook("mlflow_server"), *words
    )
    assert "changed=0 " in shown and "mlflow_server : Check" in shown


def test_the_playbook_of_locusts_readme_says_what_it_would_do_to_that_server(deployed: Elsewhere) -> None:
    words = [*deployed.words, "--check", "-e", "locust_users=1"]
    shown = deployed.run("ansible-playbook", "-i", deployed.inventory(), deployed.readme_playbook("locust"), *words)
    assert "would" in shown and "failed=0" in shown


def test_the_playbook_of_the_experiments_readme_runs_them_on_that_server(deployed: Elsewhere) -> None:
    words = deployed.words
    playbook = deployed.readme_playbook("mlflow_experiments")
    assert "failed=0" in deployed.run("ansible-playbook", "-i", deployed.inventory(), playbook, *words)
