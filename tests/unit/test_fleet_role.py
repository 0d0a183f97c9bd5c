"""The playbook's part of a fleet: the roles' own objects of a sample, and what each instance gets of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import Instance
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.rendering import Rendering
from support.playbooks import LOCAL_HOST, REPOSITORY, run_play, run_playbook

SAMPLE = "mlflow-fleet-sample"
VARIABLES = {
    "mlflow_platform": "kubernetes",
    "mlflow_namespace": "tenants",
    "mlflow_image": "mlops-mlflow:3.17.2",
    "mlflow_database_type": "external_postgresql",
    "mlflow_database_uri": "postgresql+psycopg://mlflow@db.example.com:5432/{{ mlflow_name }}",
    "mlflow_database_secret": "tenants-database",
    "mlflow_database_max_connections": 200,
    "mlflow_artifact_store_type": "volume",
    "mlflow_artifact_store_access_mode": "ReadWriteMany",
    "mlflow_server_workload": "KnativeService",
    "mlflow_server_profile": "light",
    "mlflow_server_replicas": 0,
    "mlflow_server_max_replicas": 1,
    # The cluster is not looked at.
    "mlflow_server_render_dir": "nowhere",
}


def tasks_of_the_playbook() -> list[dict[str, Any]]:
    """Those that collect the objects of the sample."""
    plays = yaml.safe_load((REPOSITORY / "playbooks/fleet.yml").read_text())
    assert plays[-1]["vars"] == {"mlflow_name": SAMPLE}
    *collecting, deploying = plays[-1]["tasks"]
    assert deploying["ansible.builtin.include_role"]["name"] == "mlops.mlflow.mlflow_fleet"
    return collecting


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    file = tmp_path_factory.mktemp("fleet") / "objects.json"
    content = "{{ kubernetes_manifests_collected | mlops.mlflow.manifest_files | to_json }}"
    write = {"name": "write", "ansible.builtin.copy": {"dest": str(file), "content": content, "mode": "0600"}}
    run_play([*tasks_of_the_playbook(), write], variables={**VARIABLES, "mlflow_name": SAMPLE}).succeeded()
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def of(objects: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    rendering = Rendering(objects, SAMPLE, "fleet", "tenants")
    items = [template.item(Instance(name)) for template in rendering.templates(Instance(name))]
    assert rendering.errors([Instance("a" * 40)]) == [], "all legal names have room"
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def test_an_instance_is_a_deployment_by_its_own_name(objects: list[dict[str, Any]]) -> None:
    found = of(objects, "vision")
    job = next(name for name in found if name.startswith("Job/"))
    assert job.startswith("Job/vision-setup-")
    assert set(found) - {job} == {
        "PersistentVolumeClaim/vision-artifacts", "Secret/vision-auth", "ServiceAccount/vision", "ConfigMap/vision",
        "Service/vision", "CronJob/vision-schema", "CronJob/vision-trial",
        "NetworkPolicy/vision", "NetworkPolicy/vision-setup", "NetworkPolicy/vision-upgrade",
    }  # fmt: skip
    assert SAMPLE not in json.dumps(found)
    launch = json.loads(found["ConfigMap/vision"]["data"]["launch.json"])
    assert "db.example.com:5432/vision" in json.dumps(launch)
    assert "vision.tenants.svc.cluster.local" in json.dumps(launch)
    selector = found["NetworkPolicy/vision"]["spec"]["podSelector"]["matchLabels"]
    pods = found["Service/vision"]["spec"]["template"]
    assert selector.items() <= pods["metadata"]["labels"].items(), "a tenant's pods are chosen by its own policy"
    assert found[job]["spec"]["template"]["spec"]["containers"][0]["args"][1].partition("?")[0].endswith("/vision")


def pods_of(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The labels of all pods that objects of an instance make."""
    specs = {name: item["spec"] for name, item in found.items() if "spec" in item}
    templates = {name: spec.get("jobTemplate", {}).get("spec", spec).get("template") for name, spec in specs.items()}
    return {name: template["metadata"]["labels"] for name, template in templates.items() if template}


def test_no_pod_of_a_tenant_can_be_reached_by_another_tenants(objects: list[dict[str, Any]]) -> None:
    found = of(objects, "vision")
    policies = [item["spec"] for name, item in found.items() if name.startswith("NetworkPolicy/")]
    others = pods_of(of(objects, "speech"))
    pods = pods_of(found)
    assert len(pods) == 4
    for name, labels in pods.items():
        chosen = [one for one in policies if one["podSelector"]["matchLabels"].items() <= labels.items()]
        assert chosen, f"{name}: nobody guards it"
        senders = [sender for one in chosen for rule in one.get("ingress") or [] for sender in rule["from"]]
        assert all(set(sender) == {"namespaceSelector"} for sender in senders), f"{name}: pods of this namespace may"
        spaces = {sender["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for sender in senders}
        assert spaces <= {"knative-serving", "kourier-system"}
    for labels in others.values():
        assert not [one for one in policies if one["podSelector"]["matchLabels"].items() <= labels.items()]


def test_the_secret_of_an_instance_is_generated(objects: list[dict[str, Any]]) -> None:
    first, second = (of(objects, name)[f"Secret/{name}-auth"]["stringData"] for name in ("vision", "speech"))
    assert set(first) >= {"gateway-passphrase", "webhook-key"}
    assert all(first[key] and first[key] != second[key] for key in first)
    assert all(not value for one in objects if one["kind"] == "Secret" for value in one["stringData"].values())


@pytest.mark.parametrize(
    ("place", "uri"),
    [("database", "postgresql+psycopg://mlflow@db/shared"), ("artifact_store", "s3://bucket/shared")],
)
def test_instances_that_would_share_their_data_are_refused(place: str, uri: str) -> None:
    own = {"uri": f"s3://bucket/{SAMPLE}"}
    places = {f"mlflow_fleet_{name}": own for name in ("database", "artifact_store")}
    role = {"name": "deploy", "ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_fleet"}}
    done = run_play([role], variables={**places, f"mlflow_fleet_{place}": {"uri": uri}})
    assert done.code != 0 and f"would share the data at '{uri}'" in done.output


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"mlflow_fleet_instances": [{"name": name} for name in ("a", "B", "a", "c-")]},
            "These instances are listed more than once: a. These names of instances are none for objects of "
            "Kubernetes: 'B', 'c-'.",
        ),
        ({"mlflow_fleet_count": "1001"}, "set mlflow_fleet_confirmed_count to 1001"),
        ({"mlflow_fleet_count": "3", "mlflow_fleet_pattern": "t"}, "the place of the number is to be marked once"),
    ],
    ids=["names", "number", "pattern"],
)
def test_wrong_instances_are_said_before_knative_is_installed(tmp_path: Path, own: dict[str, Any], said: str) -> None:
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"local": LOCAL_HOST}}}))
    done = run_playbook(REPOSITORY / "playbooks/fleet.yml", inventory, own)
    assert done.code != 0 and said in done.message
    assert done.results[-1][0].endswith("Check the names and the number of the instances")
