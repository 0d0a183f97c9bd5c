"""The playbook's part of a fleet: the roles' own objects of a sample, and what each instance gets of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import overrides
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import Instance
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.rendering import NAME, Rendering
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.shares import Shares
from support.playbooks import LOCAL_HOST, REPOSITORY, WITHOUT_FORKS, run_play, run_playbook

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


PUBLIC = {"name": "mlops.mlflow.mlflow_fleet", "tasks_from": "preflight", "public": True}


def tasks_of_the_playbook(name: str = "fleet") -> list[dict[str, Any]]:
    """Those that collect the objects of the sample."""
    plays = yaml.safe_load((REPOSITORY / f"playbooks/{name}.yml").read_text())
    assert plays[-1]["vars"] == {"mlflow_name": SAMPLE}
    tasks = plays[-1]["tasks"]
    [(collecting, deploying)] = [pair for pair in pairwise(tasks) if "ansible.builtin.include_tasks" in pair[0]]
    assert deploying["ansible.builtin.include_role"]["name"] == "mlops.mlflow.mlflow_fleet"
    found: list[dict[str, Any]] = yaml.safe_load(
        (REPOSITORY / "playbooks" / collecting["ansible.builtin.include_tasks"]).read_text()
    )
    return found


def rendered(folder: Path, texts: dict[str, str], **more: Any) -> dict[str, Any]:
    """What these templates say, when the objects of the sample are collected and the role's own variables are there."""
    files = {name: folder / f"{name}.json" for name in texts}
    writes = [
        {"name": f"write {name}", "ansible.builtin.copy": {"dest": str(files[name]), "content": text, "mode": "0600"}}
        for name, text in texts.items()
    ]
    role = {"name": "have its variables", "ansible.builtin.include_role": PUBLIC}
    variables = {**VARIABLES, "mlflow_name": SAMPLE, **more}
    tasks = [*tasks_of_the_playbook("fleet_operate"), role, *writes]
    run_play(tasks, variables=variables, program=WITHOUT_FORKS).succeeded()
    return {name: json.loads(file.read_text()) for name, file in files.items()}


OBJECTS = "{{ kubernetes_manifests_collected | mlops.mlflow.manifest_files | to_json }}"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    assert tasks_of_the_playbook() == tasks_of_the_playbook("fleet_operate")
    found: list[dict[str, Any]] = rendered(tmp_path_factory.mktemp("fleet"), {"objects": OBJECTS})["objects"]
    return found


def test_the_exporter_of_a_fleet_is_checked_before_set_up_after_and_removed_before_the_instances() -> None:
    tasks = yaml.safe_load((REPOSITORY / "playbooks/fleet.yml").read_text())[-1]["tasks"]
    roles = [task.get("ansible.builtin.include_role", {}) for task in tasks]
    order = [role.get("name", "").removeprefix("mlops.mlflow.") for role in roles]
    assert order == ["mlflow_fleet", "mlflow_monitoring", "", "mlflow_fleet", "mlflow_monitoring"]
    assert roles[0]["tasks_from"] == "connection", "which the exporter takes its name from"
    assert "'remove' if" in roles[1]["tasks_from"] and "else 'preflight'" in roles[1]["tasks_from"]
    assert "tasks_from" not in roles[-1]


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
    done = run_play([role], variables={**places, f"mlflow_fleet_{place}": {"uri": uri}}, program=WITHOUT_FORKS)
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
    done = run_playbook(REPOSITORY / "playbooks/fleet.yml", inventory, own, program=WITHOUT_FORKS)
    assert done.code != 0 and said in done.message
    assert done.results[-1][0].endswith("Check the names and the number of the instances")


TENANTS = {
    "mlflow_database_uri": "postgresql+psycopg://{{ mlflow_name }}@db.example.com:5432/{{ mlflow_name }}",
    "mlflow_database_owner": "{{ mlflow_name }}-owner",
    "mlflow_database_secret": "{{ mlflow_name }}-database",
    "mlflow_fleet_database_admin_uri": "postgresql+psycopg://postgres@db.example.com:5432/postgres",
    "mlflow_fleet_database_admin_secret": "administrator",
    "mlflow_fleet_operation": "backup",
    "mlflow_backup_destination": "s3://backups/{{ mlflow_name }}",
    "mlflow_backup_secret": "backups",
    "mlflow_server_auth": "basic",
}


def template(name: str) -> str:
    file = REPOSITORY / "roles/mlflow_fleet/templates" / name
    looked_up = f"lookup('ansible.builtin.template', '{file}')"
    return f"{{{{ {looked_up} | mlops.mlflow.manifests(_mlflow_fleet_common) | to_json }}}}"


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the entry points operate and databases hand to their modules."""
    texts = {
        "objects": OBJECTS,
        "own": template("operations.yaml.j2"),
        "databases": template("databases.yaml.j2"),
        "backup_options": "{{ _mlflow_fleet_operation | to_json }}",
        "databases_options": "{{ _mlflow_fleet_databases | to_json }}",
    }
    return rendered(tmp_path_factory.mktemp("operated"), texts, **TENANTS)


def test_a_backup_of_all_is_made_of_what_the_backup_of_one_is(operated: dict[str, Any]) -> None:
    assert operated["backup_options"]["errors"] == []
    shares = Shares(operated["objects"], SAMPLE, "fleet", "tenants", "backup", operated["backup_options"]["options"])
    asked = shares.request(["vision", "speech"], check=False, seconds=60).options
    assert asked["options"]["destination"] == f"s3://backups/{NAME}"
    assert f"/{NAME}" in asked["options"]["database_uri"] and asked["options"]["prune"] is True
    assert shares.claims("vision") == ["vision-artifacts"]
    pod = shares.cron_job(["vision", "speech"])["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert NAME not in json.dumps(pod, ensure_ascii=False) and SAMPLE not in json.dumps(pod)
    secrets = {
        one["secret"]["name"] for volume in pod["volumes"] for one in volume.get("projected", {}).get("sources", [])
    }
    assert secrets >= {"vision-database", "speech-database"}
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("operation", ["schema", "health"])
def test_other_operations_on_all_find_what_they_are_made_of(operated: dict[str, Any], operation: str) -> None:
    shares = Shares(operated["objects"], SAMPLE, "fleet", "tenants", operation, {})
    pod = shares.cron_job(["vision"])["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "vision-database" in json.dumps(pod) and SAMPLE not in json.dumps(pod)


def test_the_administrators_password_is_in_no_pod_but_those_that_make_databases(operated: dict[str, Any]) -> None:
    assert "administrator" not in json.dumps(operated["objects"])
    options = operated["databases_options"]
    assert options["errors"] == []
    cron_job, secret = operated["databases"]
    assert secret["stringData"] == {"password": "", "owner-password": ""}
    shares = Shares([cron_job], SAMPLE, "fleet", "tenants", "databases", options["options"])
    asked = shares.request(["vision"], check=False, seconds=60).options
    assert set(asked["secrets"]) == {"PGPASSWORD", "MLFLOW_DATABASE_OWNER_PASSWORD"}
    (container,) = shares.cron_job(["vision"])["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in container["env"]] == ["MLFLOW_DATABASE_ADMIN_PASSWORD"]
    assert "auth_uri" in asked["options"]


def test_an_instance_answers_to_further_names_and_has_its_own_default_of_rights(operated: dict[str, Any]) -> None:
    own = {"allowed_hosts": ["vision.example.org"], "default_permission": "NO_PERMISSIONS"}
    rendering = Rendering(operated["objects"], SAMPLE, "fleet", "tenants")
    instances = [Instance("vision", own), Instance("speech")]
    assert rendering.errors(instances) == []
    vision, speech = (
        {
            one["kind"]: one
            for template in rendering.templates(instance)
            if (one := template.item(instance))["metadata"]["name"] == instance.name
        }
        for instance in instances
    )
    env = json.loads(vision["ConfigMap"]["data"]["launch.json"])["env"]
    hosts = env["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"vision.example.org", "vision.tenants.svc.cluster.local"} <= set(hosts)
    assert "https://vision.example.org" in env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert "default_permission = NO_PERMISSIONS\n" in vision["ConfigMap"]["data"]["auth.ini"]
    assert (
        "example.org" not in json.dumps(speech)
        and "default_permission = READ\n" in speech["ConfigMap"]["data"]["auth.ini"]
    )
    started = [
        one["Service"]["spec"]["template"]["metadata"]["annotations"]["mlops.mlflow/configuration"]
        for one in (vision, speech)
    ]
    assert len(set(started)) == 2, "its servers are replaced"


def test_what_an_instance_cannot_have_is_said(operated: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    found = Rendering(objects, SAMPLE, "fleet", "tenants").errors([Instance("vision", {"default_permission": "READ"})])
    assert found == ["vision: no object of the fleet has a place for default_permission."], "nobody logs in there"
    own = {"allowed_hosts": ["*", "http://x"], "default_permission": "ALL"}
    said = " ".join(overrides.errors(own))
    assert "allowed_hosts holds '*': name the hosts" in said and "'http://x', which is a URL" in said
    assert "default_permission is ALL; it must be one of READ" in said


def test_jobs_of_a_share_are_reached_by_nobody(operated: dict[str, Any]) -> None:
    account, policy = operated["own"]
    shares = Shares(operated["objects"], SAMPLE, "fleet", "tenants", "backup", {})
    template = shares.cron_job(["vision"])["spec"]["jobTemplate"]["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert "Ingress" in policy["spec"]["policyTypes"] and not policy["spec"].get("ingress")
