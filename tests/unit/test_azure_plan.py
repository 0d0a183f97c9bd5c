"""What an AKS cluster and its storage are made of, what they cost, and what is refused before anything is created."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import database, storage
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.plan import plan

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ME, YOU = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
POOL = {"name": "nodes", "size": "Standard_D4s_v5", "min": 1, "max": 1, "disk_size": 64}
SETTINGS: dict[str, Any] = {
    "name": "mlflow",
    "subscription": SUBSCRIPTION,
    "existing": False,
    "resource_group": "mlflow",
    "resource_group_existing": False,
    "location": "Central India",
    "version": "1.34",
    "tier": "Standard",
    "node_pools": [POOL],
    "network": "",
    "authorized_ranges": ["203.0.113.7/32"],
    "upgrade_channel": "patch",
    "node_upgrade_channel": "NodeImage",
    "admins": [],
    "registry": "",
    "tags": {},
    "prices": {},
}
OBSERVED: dict[str, Any] = {
    "principal": ME,
    "denied": [],
    "locations": ["centralindia"],
    "sizes": ["Standard_D4s_v5"],
    "versions": ["1.33", "1.34"],
    "group": False,
    "cluster": {},
    "left": {"disks": []},
}
CLUSTER = {"id": "/c", "subscription": SUBSCRIPTION, "resource_group": "g", "location": "centralindia", "name": "c"}
STORAGE: dict[str, Any] = {
    "name": "mlflow",
    "cluster": CLUSTER,
    "account": "mlflow0aa3981a",
    "artifact_container": "artifactroot",
    "backup_container": "backups",
    "namespace": "ml",
    "server_account": "mlflow",
    "backup_account": "mlflow-backup",
    "redundancy": "Standard_ZRS",
    "retention_days": 30,
    "tags": {},
}


def planned(observed: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return plan({**SETTINGS, **settings}, OBSERVED if observed is None else {**OBSERVED, **observed})


def cluster(**settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = planned(**settings)["resources"][1]
    return found


def test_one_node_has_no_autoscaler_and_between_bounds_it_decides() -> None:
    [one] = cluster()["body"]["properties"]["agentPoolProfiles"]
    assert (one["count"], one["enableAutoScaling"]) == (1, False)
    [several] = cluster(node_pools=[{**POOL, "max": 3}])["body"]["properties"]["agentPoolProfiles"]
    assert "count" not in several and (several["minCount"], several["maxCount"]) == (1, 3)


def test_sysctls_and_disks_are_asked_for_once() -> None:
    one = cluster(node_pools=[{**POOL, "sysctls": {"netCoreSomaxconn": 4096}}])
    [first] = one["first"]["properties"]["agentPoolProfiles"]
    assert first["linuxOSConfig"] == {"sysctls": {"netCoreSomaxconn": 4096}} and first["osDiskSizeGB"] == 64
    assert "linuxOSConfig" not in str(one["body"])


def test_nodes_may_read_a_registry_and_without_one_there_is_no_right() -> None:
    assert planned()["images"] == [] and len(planned()["rights"]) == 1
    found = planned(registry="mlflow0aa3981a")
    assert [one["what"] for one in found["images"]] == ["registry mlflow0aa3981a"]
    assert found["rights"][1]["what"] == "role reader of mlflow0aa3981a for nodes"


def test_everybody_is_no_network_in_particular() -> None:
    def networks(*ranges: str) -> Any:
        return cluster(authorized_ranges=list(ranges))["body"]["properties"]["apiServerAccessProfile"]

    assert networks("203.0.113.7") == {"authorizedIPRanges": ["203.0.113.7/32"]}
    assert networks("203.0.113.7", "0.0.0.0/0") == {"authorizedIPRanges": []}


@pytest.mark.parametrize(("there", "asked"), [("1.33.5", True), ("1.34.2", False), ("1.35.0", False)])
def test_a_version_is_raised_and_never_lowered(there: str, asked: bool) -> None:
    found = planned({"cluster": {"version": there, "location": "centralindia", "network": ""}})
    assert found["misfits"] == [] and ("kubernetesVersion" in found["resources"][1]["body"]["properties"]) is asked


def test_who_creates_it_administers_it_with_those_who_are_named_and_the_rights_keep_their_names() -> None:
    first = planned(admins=[YOU, ME])["rights"]
    assert [one["body"]["properties"]["principalId"] for one in first] == [ME, YOU]
    assert [one["id"] for one in planned(admins=[YOU])["rights"]] == [one["id"] for one in first]


def test_the_estimate_counts_what_costs_and_names_what_it_does_not_know() -> None:
    *lines, together = planned()["costs"]
    assert lines == ["AKS control plane: 73", "node pool nodes: 1 to 1 Standard_D4s_v5: 148"]
    assert together.startswith("together about 221 US dollars a month by prices of East US")
    unknown = planned(tier="Free", node_pools=[{**POOL, "size": "Standard_X"}])["costs"]
    assert "aks_cluster_prices does not say what they cost: Standard_X" in unknown[-1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"subscription": "mine"}, "give the id of the subscription"),
        ({"location": "mars-1"}, "give a region"),
        ({"resource_group": "a."}, "with no dot at the end"),
        ({"name": "Mlflow"}, "lower-case letters"),
        ({"version": "latest"}, "write it in quotes"),
        ({"authorized_ranges": ["203.0.113.7/24"]}, "which is no network"),
        ({"authorized_ranges": []}, "is empty"),
        ({"upgrade_channel": "weekly"}, "offered are none, patch"),
        ({"admins": ["me@example.com"]}, "give the object id"),
        ({"registry": "my-images"}, "5 to 50 letters and digits"),
        ({"node_pools": []}, "pods need nodes"),
        ({"node_pools": [POOL, POOL]}, "names nodes twice"),
        ({"node_pools": [{**POOL, "name": "my-nodes"}]}, "lower-case letters and digits"),
        ({"node_pools": [{**POOL, "min": 2}]}, "1 <= min <= max"),
    ],
)
def test_bad_settings_are_told_and_nothing_is_planned(settings: dict[str, Any], words: str) -> None:
    found = planned({}, **settings)
    assert words in " ".join(found["errors"]) and found["resources"] == [] == found["misfits"]


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        ({"denied": ["x/write"]}, "may not x/write"),
        ({"locations": ["eastus"]}, "does not have"),
        ({"sizes": ["Standard_D2s_v5", "Standard_E2s_v5"]}, "Of the kind it has Standard_D2s_v5."),
        ({"versions": ["1.33"]}, "AKS has 1.33 in centralindia now"),
        ({"cluster": {"version": "1.34.1", "location": "eastus", "network": ""}}, "a cluster does not move"),
    ],
)
def test_what_the_subscription_does_not_offer_is_told(observed: dict[str, Any], words: str) -> None:
    assert planned()["misfits"] == []
    assert words in " ".join(planned(observed)["misfits"])


THEIRS: dict[str, Any] = {
    "existing": True,
    "resource_group_existing": True,
    "authorized_ranges": [],
    "node_pools": [],
    "registry": "mlflow0aa3981a",
}
READY = {
    "location": "eastus",
    "network": "",
    "version": "1.33.5",
    "issuer": "https://issuer/",
    "workload_identity": True,
}


def test_a_cluster_of_somebody_else_is_neither_changed_nor_priced_and_its_nodes_read_our_registry() -> None:
    found = planned({"group": True, "cluster": READY, "sizes": [], "versions": []}, **THEIRS)
    assert found["errors"] == found["misfits"] == found["resources"] == found["costs"] == []
    assert [one["what"] for one in found["images"] + found["rights"]] == [
        "registry mlflow0aa3981a",
        "role reader of mlflow0aa3981a for nodes",
    ]


def test_a_cluster_in_a_group_of_somebody_else_is_created_without_the_group() -> None:
    found = planned({"group": True}, resource_group_existing=True)
    assert [one["what"] for one in found["resources"]] == ["AKS cluster mlflow"] and found["misfits"] == []


@pytest.mark.parametrize(
    ("observed", "settings", "words"),
    [
        ({"group": True}, THEIRS, "There is no cluster mlflow in the resource group mlflow"),
        ({"group": True, "cluster": {**READY, "issuer": ""}}, THEIRS, "--name mlflow --enable-oidc-issuer"),
        ({"group": True, "cluster": {**READY, "workload_identity": False}}, THEIRS, "gives pods no identity"),
        ({}, {"resource_group_existing": True}, "There is no resource group mlflow"),
        ({"group": True, "denied": ["x/write"]}, {"resource_group_existing": True}, "in the resource group mlflow"),
    ],
)
def test_what_is_said_to_exist_and_lacks_something_is_told(
    observed: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    assert words in " ".join(planned(observed, **settings)["misfits"])


def rights(**settings: Any) -> list[str]:
    return [one["what"] for one in storage.plan({**STORAGE, **settings})["rights"]]


def test_servers_reach_artifacts_alone_and_without_backups_there_is_one_identity() -> None:
    assert rights() == [
        "identity mlflow-server",
        "credential of mlflow-server for system:serviceaccount:ml:mlflow",
        "role contributor of artifactroot for mlflow-server",
        "role delegator of mlflow0aa3981a for mlflow-server",
        "identity mlflow-backup",
        "credential of mlflow-backup for system:serviceaccount:ml:mlflow-backup",
        "role contributor of artifactroot for mlflow-backup",
        "role contributor of backups for mlflow-backup",
    ]
    assert not [what for what in rights(backup_container="") if "backup" in what]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"account": "Mlflow"}, "3 to 24 lower-case letters and digits"),
        ({"account": ""}, "3 to 24 lower-case letters and digits"),
        ({"account": "m" * 25}, "3 to 24 lower-case letters and digits"),
        ({"artifact_container": "my--models"}, "single dashes"),
        ({"backup_container": "artifactroot"}, "Choose another one"),
        ({"redundancy": "Premium"}, "offered are Standard_LRS"),
        ({"retention_days": 0}, "1 to 365"),
        ({"cluster": {}}, "run the role aks_cluster first"),
    ],
)
def test_bad_settings_of_storage_are_told_and_nothing_is_planned(settings: dict[str, Any], words: str) -> None:
    found = storage.plan({**STORAGE, **settings})
    assert words in " ".join(found["errors"]) and found["data"] == [] == found["rights"]


GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/mlflow"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/mlflow"


def test_a_network_of_its_own_is_for_nodes_and_a_database_and_the_cluster_may_use_it() -> None:
    found = planned(network="10.43.0.0/16")
    assert [one["what"] for one in found["resources"]] == [
        "resource group mlflow",
        "network mlflow 10.43.0.0/16",
        "identity mlflow-cluster",
        "role contributor of network mlflow for mlflow-cluster",
        "AKS cluster mlflow",
    ]
    subnets = {one["name"]: one["properties"] for one in found["resources"][1]["body"]["properties"]["subnets"]}
    assert (subnets["nodes"]["addressPrefix"], subnets["database"]["addressPrefix"]) == (
        "10.43.0.0/17",
        "10.43.128.0/24",
    )
    [delegation] = subnets["database"]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.DBforPostgreSQL/flexibleServers"
    made = found["resources"][-1]
    [pool] = made["body"]["properties"]["agentPoolProfiles"]
    assert pool["vnetSubnetID"] == f"{NETWORK}/subnets/nodes" and made["first"]["identity"]["type"] == "UserAssigned"
    assert found["database_subnet"] == f"{NETWORK}/subnets/database"
    assert planned()["database_subnet"] == "" and "vnetSubnetID" not in str(planned()["resources"])


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.43", "give a network"),
        ("10.43.0.0/28", "of /16 to /24"),
        ("10.0.0.0/16", "overlaps 10.0.0.0/16"),
        ("10.244.8.0/22", "overlaps 10.244.0.0/16"),
    ],
)
def test_a_network_that_cannot_be_is_told(network: str, words: str) -> None:
    assert words in " ".join(planned(network=network)["errors"])


def test_a_cluster_does_not_move_to_another_network() -> None:
    there = {"version": "1.34.1", "location": "centralindia", "network": ""}
    said = " ".join(planned({"cluster": there}, network="10.43.0.0/16")["misfits"])
    assert "is in a network that AKS made for it, and aks_cluster_network_cidr is '10.43.0.0/16'" in said


DATABASE: dict[str, Any] = {
    "name": "mlflow",
    "cluster": CLUSTER,
    "server": "mlflow0aa3981a",
    "subnet": f"{NETWORK}/subnets/database",
    "version": "17",
    "size": "Standard_D2ds_v5",
    "storage_size": 32,
    "standby": "ZoneRedundant",
    "backup_days": 7,
    "geo_backup": False,
    "database": "mlflow",
    "user": "mlflow",
    "password": "correct horse battery",
    "prices": {},
    "tags": {},
}


def test_a_database_has_a_standby_and_no_public_address_and_its_password_is_apart() -> None:
    found = database.plan(DATABASE)
    assert [one["what"] for one in found["resources"]] == [
        "private DNS zone mlflow.private.postgres.database.azure.com",
        "link of mlflow.private.postgres.database.azure.com to the network",
        "PostgreSQL mlflow0aa3981a",
        "database mlflow",
    ]
    server = found["resources"][2]
    assert server["body"]["properties"]["highAvailability"] == {"mode": "ZoneRedundant"}
    assert server["body"]["sku"] == {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}
    network = server["first"]["properties"]["network"]
    assert network["delegatedSubnetResourceId"] == DATABASE["subnet"]
    assert network["privateDnsZoneArmResourceId"] == found["resources"][0]["id"]
    assert DATABASE["password"] not in str(found["resources"]) + found["uri"]
    assert found["secrets"] == {server["id"]: {"properties": {"administratorLoginPassword": DATABASE["password"]}}}
    assert found["uri"] == "postgresql+psycopg://mlflow@mlflow0aa3981a.postgres.database.azure.com:5432/mlflow"
    assert found["costs"][0] == "PostgreSQL mlflow0aa3981a: 2 Standard_D2ds_v5 with 32 GiB each: 267"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"server": "My_Server"}, "3 to 63 lower-case letters"),
        ({"subnet": ""}, "Set aks_cluster_network_cidr before the cluster is created"),
        ({"cluster": {}}, "run the role aks_cluster first"),
        ({"password": "tiny-pw"}, "16 characters or more, from a vault"),
        ({"password": "mlflow mlflow mlflow"}, "holds the name of the user"),
        ({"version": "11"}, "a major version from 14 on"),
        ({"size": "db.m7g.large"}, "such as Standard_D2ds_v5"),
        ({"size": "Standard_B2s"}, "which has no standby"),
        ({"standby": "true"}, "offered are ZoneRedundant"),
        ({"storage_size": 20}, "offered are 32, 64"),
        ({"backup_days": 1}, "7 to 35"),
        ({"user": "azuresu"}, "none of Azure's own"),
        ({"database": "my-db"}, "small letters, digits and underscores"),
    ],
)
def test_bad_settings_of_a_database_are_told_without_the_password_and_nothing_is_planned(
    settings: dict[str, Any], words: str
) -> None:
    found = database.plan({**DATABASE, **settings})
    said = " ".join(found["errors"])
    assert words in said and str(settings.get("password") or DATABASE["password"]) not in said
    assert found["resources"] == [] and found["secrets"] == {}
