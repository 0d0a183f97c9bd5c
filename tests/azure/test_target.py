"""The part of the target aks that Azure gives, from nothing to nothing, against a stand-in for Azure (arm.py)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import arm, examples
from support.playbooks import REPOSITORY, WITHOUT_FORKS, PlayResult, run_play, run_playbook

PLAYBOOK, INVENTORY = REPOSITORY / "playbooks/aks_cluster.yml", REPOSITORY / "inventories/aks/hosts.yml"
REMOVE = {"aks_cluster_remove": True}
GROUP = f"{arm.ROOT}/resourcegroups/mlflow"
CLUSTER = f"{GROUP}/providers/microsoft.containerservice/managedclusters/mlflow"
ACCOUNT = f"{GROUP}/providers/microsoft.storage/storageaccounts/mlflow0aa3981a"
REGISTRY = f"{GROUP}/providers/microsoft.containerregistry/registries/mlflow0aa3981a"
IDENTITIES = f"{GROUP}/providers/microsoft.managedidentity/userassignedidentities"


@dataclass
class Target:
    """A deployment of the target; each run is logged in by the environment, as people are."""

    azure: arm.Azure
    home: Path

    def run(self, *options: str, **variables: Any) -> PlayResult:
        given = {
            "aks_cluster_subscription": arm.SUBSCRIPTION,
            "aks_cluster_authorized_ranges": ["203.0.113.0/24"],
            "aks_cluster_registry": "mlflow0aa3981a",
            "aks_storage_account": "mlflow0aa3981a",
            **variables,
        }
        return run_playbook(PLAYBOOK, INVENTORY, given, *options, program=WITHOUT_FORKS)

    def properties(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.azure.resources[id]["properties"]
        return found


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    with arm.serving() as (azure, login):
        for name, value in {**login, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        yield Target(azure, tmp_path)


def changed(done: PlayResult) -> list[str]:
    return [name for name, result in done.results if result.get("changed")]


def test_it_comes_from_nothing_and_goes_with_nothing_but_data_left(target: Target) -> None:
    azure = target.azure
    would = target.run("--check").succeeded()
    listed = str(would.results)
    for words in ("AKS cluster mlflow", "US dollars a month", "container mlflow0aa3981a/artifactroot", "mlflow-server"):
        assert words in listed, words
    assert azure.changes == []

    made = target.run().succeeded()
    assert len(azure.resources) == 17, azure.names()
    check_cluster(target)
    check_storage(target)
    check_rights(target)
    check_login(target)
    assert arm.SECRET not in made.output and arm.TOKEN not in made.output

    puts = len(azure.changes)
    assert changed(target.run().succeeded()) == []
    assert changed(target.run("--check", "--diff").succeeded()) == []
    assert len(azure.changes) == puts

    disk = f"{arm.ROOT}/resourceGroups/MC_mlflow/providers/Microsoft.Compute/disks/pvc-1"
    tags = {"kubernetes.io-created-for-pvc-name": "data-mlflow-0"}
    azure.resources[disk.lower()] = {"id": disk, "name": "pvc-1", "tags": tags, "properties": {}}
    refused = target.run(**REMOVE)
    assert "pvc-1 data-mlflow-0" in refused.message and "Nothing was changed" in refused.message
    assert len(azure.changes) == puts
    del azure.resources[disk.lower()]

    target.run("--check", **REMOVE).succeeded()
    assert len(azure.changes) == puts
    removed = target.run(**REMOVE).succeeded()
    left = {one for one in azure.resources if not one.startswith(ACCOUNT)}
    assert left == {GROUP, *(one for one in left if one.startswith(REGISTRY))} and {ACCOUNT, REGISTRY} <= set(
        azure.resources
    )
    said = str([result["msg"] for task, result in removed.results if task.endswith("Report what stays")])
    assert "storage account mlflow0aa3981a" in said and "resource group mlflow, which holds" in said
    assert not list((target.home / ".kube").iterdir())
    assert changed(target.run(**REMOVE).succeeded()) == []

    target.run(**REMOVE, aks_storage_remove_data=True, aks_cluster_remove_images=True).succeeded()
    assert azure.resources == {}


def test_every_example_of_its_modules_runs_as_it_is_written(target: Target) -> None:
    found = examples.at("azure", {"00000000-0000-0000-0000-000000000000": arm.SUBSCRIPTION})
    assert len(found) >= 3
    done = run_play(list(found.values()), program=WITHOUT_FORKS).succeeded()
    assert [(name, result["changed"]) for name, result in done.results] == [
        ("Inspect a cluster of AKS", False),
        ("Create a resource group with an identity in it", True),
        ("Remove the resource group with all that is in it", True),
    ]
    assert target.azure.resources == {} and len(target.azure.changes) == 3


def check_cluster(target: Target) -> None:
    cluster = target.azure.resources[CLUSTER]
    assert cluster["location"] == "centralindia"
    assert cluster["tags"] == {"managed-by": "mlops.mlflow", "mlflow-deployment": "mlflow"}
    properties = cluster["properties"]
    [pool] = properties["agentPoolProfiles"]
    assert (pool["count"], pool["vmSize"], pool["enableAutoScaling"]) == (1, "Standard_D4s_v5", False)
    assert properties["oidcIssuerProfile"]["enabled"] and properties["securityProfile"]["workloadIdentity"]["enabled"]
    assert any(one.startswith(f"{REGISTRY}/") and "roleassignments" in one for one in target.azure.resources)
    assert properties["apiServerAccessProfile"] == {"authorizedIPRanges": ["203.0.113.0/24"]}
    assert properties["autoUpgradeProfile"]["upgradeChannel"] == "patch" and properties["disableLocalAccounts"]


def check_storage(target: Target) -> None:
    properties = target.properties(ACCOUNT)
    assert properties["supportsHttpsTrafficOnly"] and properties["minimumTlsVersion"] == "TLS1_2"
    assert not properties["allowBlobPublicAccess"] and not properties["allowSharedKeyAccess"]
    kept = target.properties(f"{ACCOUNT}/blobservices/default")
    assert kept["deleteRetentionPolicy"] == {"enabled": True, "days": 30}
    for container in ("artifactroot", "backups"):
        assert target.properties(f"{ACCOUNT}/blobservices/default/containers/{container}")["publicAccess"] == "None"


def check_rights(target: Target) -> None:
    """Servers reach artifacts alone and sign URLs; backups reach both. Each is one service account."""
    issuer = target.properties(CLUSTER)["oidcIssuerProfile"]["issuerURL"]
    roles = {"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "contributor", "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "delegator"}
    may = {}
    for whose, account in (("server", "mlflow"), ("backup", "mlflow-backup")):
        identity = f"{IDENTITIES}/mlflow-{whose}"
        credential = target.properties(f"{identity}/federatedidentitycredentials/mlflow")
        assert (credential["issuer"], credential["audiences"]) == (issuer, ["api://AzureADTokenExchange"])
        assert credential["subject"] == f"system:serviceaccount:mlflow:{account}"
        principal = target.properties(identity)["principalId"]
        may[whose] = sorted(
            (
                roles[one["properties"]["roleDefinitionId"].rpartition("/")[2]],
                id.partition("/providers/")[2].split("/")[-5],
            )
            for id, one in target.azure.resources.items()
            if one["properties"].get("principalId") == principal and "roleassignments" in id
        )
    assert may == {
        "server": [("contributor", "artifactroot"), ("delegator", "mlflow0aa3981a")],
        "backup": [("contributor", "artifactroot"), ("contributor", "backups")],
    }


def check_login(target: Target) -> None:
    """The kubeconfig holds no secret; its command makes a token of who is logged in."""
    file = target.home / ".kube/aks-mlflow.yaml"
    assert file.stat().st_mode & 0o777 == 0o600 and arm.SECRET not in file.read_text()
    found = yaml.safe_load(file.read_text())
    assert found["clusters"][0]["cluster"]["server"].startswith("https://mlflow-dns.")
    login = found["users"][0]["user"]["exec"]
    done = subprocess.run([login["command"], *login["args"]], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"]["token"] == arm.TOKEN
    ids = json.loads((target.home / ".kube/aks-mlflow.identities.json").read_text())
    assert ids == {
        whose: target.properties(f"{IDENTITIES}/mlflow-{whose}")["clientId"] for whose in ("server", "backup")
    }


def test_what_somebody_else_has_made_is_refused_before_anything_is_changed_and_stays(target: Target) -> None:
    theirs = {"id": f"{arm.ROOT}/resourceGroups/mlflow", "name": "mlflow", "location": "centralindia", "properties": {}}
    target.azure.resources[GROUP] = theirs
    refused = target.run()
    assert (
        "The resource group mlflow is somebody else's" in refused.message and "Nothing was changed" in refused.message
    )
    target.run(**REMOVE).succeeded()
    assert target.azure.resources == {GROUP: theirs} and target.azure.changes == []


def test_a_cluster_of_somebody_else_gets_account_and_identities_and_stays_as_it_is(target: Target) -> None:
    target.run(aks_storage_account="theirs0aa3981a").succeeded()
    azure = target.azure
    for one in (GROUP, CLUSTER):
        del azure.resources[one]["tags"]["mlflow-deployment"]
    before, puts = json.dumps([azure.resources[one] for one in (GROUP, CLUSTER)]), len(azure.changes)
    theirs = {
        "aks_cluster_existing": True,
        "aks_cluster_authorized_ranges": [],
        "aks_cluster_registry": "",
        "aks_storage_name": "second",
        "aks_storage_identities_file": str(target.home / "ids.json"),
    }
    target.run(**theirs).succeeded()
    assert json.dumps([azure.resources[one] for one in (GROUP, CLUSTER)]) == before
    assert ACCOUNT in azure.resources and f"{IDENTITIES}/second-server" in azure.resources
    assert not [one for one in azure.changes[puts:] if "second" not in one and "mlflow0aa3981a" not in one]
    removed = target.run(**theirs, **REMOVE).succeeded()
    assert json.dumps([azure.resources[one] for one in (GROUP, CLUSTER)]) == before
    said = str([result["msg"] for task, result in removed.results if task.endswith("Report what stays")])
    assert "cluster mlflow, which somebody else has created" in said


def test_a_database_is_in_the_network_of_the_cluster_and_goes_only_where_that_is_said(target: Target) -> None:
    azure, server = target.azure, f"{GROUP}/providers/microsoft.dbforpostgresql/flexibleservers/mlflow0aa3981a"
    network = f"{arm.ROOT}/resourceGroups/mlflow/providers/Microsoft.Network/virtualNetworks/mlflow"
    password = f"correct {arm.SECRET}"
    given = {
        "aks_cluster_registry": "",
        "aks_postgresql_enabled": True,
        "aks_postgresql_server": "mlflow0aa3981a",
        "aks_postgresql_password": password,
    }
    made = target.run("--diff", "-vvv", **given).succeeded()
    assert "PostgreSQL mlflow0aa3981a: 2 Standard_D2ds_v5" in str(made.results)
    assert azure.passwords == {server: password} and password not in made.output
    properties = target.properties(server)
    assert properties["highAvailability"] == {"mode": "ZoneRedundant"} and properties["administratorLogin"] == "mlflow"
    assert properties["network"]["delegatedSubnetResourceId"] == f"{network}/subnets/database"
    [link] = azure.of("virtualnetworklinks").values()
    assert link["properties"]["virtualNetwork"]["id"] == network
    [pool] = target.properties(CLUSTER)["agentPoolProfiles"]
    assert pool["vnetSubnetID"] == f"{network}/subnets/nodes"
    assert azure.resources[CLUSTER]["identity"]["type"] == "UserAssigned"

    puts = len(azure.changes)
    assert changed(target.run(**given).succeeded()) == [] and len(azure.changes) == puts
    other = given | {"aks_postgresql_password": f"another {arm.SECRET}"}
    target.run(**other, aks_postgresql_rotate=True).succeeded()
    assert azure.passwords == {server: f"another {arm.SECRET}"} and len(azure.changes) == puts + 1

    refused = target.run(**given, **REMOVE)
    assert "aks_postgresql_remove_data=true removes it" in refused.message and server in azure.resources
    target.run(**given, **REMOVE, aks_postgresql_remove_data=True, aks_storage_remove_data=True).succeeded()
    assert azure.resources == {}


def test_what_others_changed_is_as_requested_again_and_what_they_added_stays(target: Target) -> None:
    target.run().succeeded()
    target.properties(ACCOUNT)["allowSharedKeyAccess"] = True
    target.azure.resources[ACCOUNT]["tags"]["cost-center"] = "ml"
    puts = len(target.azure.changes)
    done = target.run().succeeded()
    assert changed(done) == [
        "mlops.mlflow.aks_storage : Create account, containers and identities, or let them be as requested"
    ]
    assert len(target.azure.changes) == puts + 1
    assert target.azure.resources[ACCOUNT]["tags"]["cost-center"] == "ml"
    assert target.properties(ACCOUNT)["allowSharedKeyAccess"] is False


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"aks_cluster_subscription": ""}, "give the id of the subscription"),
        ({"aks_cluster_subscription": "00000000-0000-0000-0000-00000000000f"}, "is not seen by who is logged in"),
        ({"aks_cluster_authorized_ranges": []}, "aks_cluster_authorized_ranges is empty"),
        ({"aks_storage_account": "Not-Allowed"}, "3 to 24 lower-case letters and digits"),
        ({"aks_postgresql_enabled": True, "aks_postgresql_server": "mlflow0aa3981a"}, "16 characters or more"),
        ({"aks_storage_account": "taken"}, "already taken. Choose another name"),
        ({"aks_cluster_location": "atlantis"}, "which the subscription does not have"),
        ({"aks_cluster_version": "1.30"}, "AKS has 1.33, 1.34 in centralindia now"),
        (
            {"aks_cluster_node_pools": [{"name": "n", "size": "Standard_D8s_v5", "min": 1, "max": 1, "disk_size": 64}]},
            "centralindia has no Standard_D8s_v5 for this subscription. Of the kind it has Standard_D4s_v5",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_created(
    target: Target, variables: dict[str, Any], words: str
) -> None:
    assert words in target.run(**variables).message
    assert target.azure.changes == []


def test_a_right_that_is_missing_is_named_before_anything_is_created(target: Target) -> None:
    target.azure.actions = ["Microsoft.Resources/*", "Microsoft.ContainerService/*", "Microsoft.ManagedIdentity/*"]
    said = target.run().message
    assert "may not Microsoft.Storage/storageAccounts/write, Microsoft.Authorization/roleAssignments/write" in said
    assert target.azure.changes == []


def test_who_is_not_logged_in_is_told_how_to(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "another")
    said = target.run()
    assert "AADSTS7000215" in said.message and "Check AZURE_TENANT_ID" in said.message
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    assert "there is no program az. Set AZURE_TENANT_ID" in target.run().message
