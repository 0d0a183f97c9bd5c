"""The inventory plugin fleet: each instance a host, grouped by its state and its labels, by one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed
from ansible_collections.mlops.mlflow.plugins.inventory import fleet
from ansible_collections.mlops.mlflow.plugins.inventory.fleet import InventoryModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client
from support.fake_cluster import Api, ApiException

NAME = "mlops.mlflow.fleet"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/tenants/services"
COLUMNS = [{"name": name} for name in ("Name", "URL", "LatestCreated", "LatestReady", "Ready", "Reason")]


def row(name: str, ready: str, reason: str = "", **metadata: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": name, "team": "vision" if name < "c" else "speech"}
    cells = [name, f"http://{name}.tenants.example.com", f"{name}-00001", f"{name}-00001", ready, reason]
    return {"cells": cells, "object": {"metadata": {"name": name, "labels": labels, **metadata}}}


def answers(*pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As an API server (1.34) answers: columns and the mark of the next part stand where they do there."""
    return [
        {
            "metadata": {"continue": "more" if number < len(pages) - 1 else ""},
            "columnDefinitions": COLUMNS if number == 0 else [],
            "rows": rows,
        }
        for number, rows in enumerate(pages)
    ]


class Paged(Api):
    def __init__(self, pages: list[dict[str, Any]]) -> None:
        super().__init__()
        self.pages = pages

    def _answer(self, path: str, method: str, body: Any, listed: bool = False) -> Any:
        assert path == SERVICES
        if not self.pages:
            raise ApiException(404, "not found")
        return self.pages.pop(0)


def read(api: Api, folder: Path, text: str = "", name: str = "t.fleet.yml") -> InventoryData:
    file = folder / name
    file.write_text(f"plugin: mlops.mlflow.fleet\nnamespace: tenants\nfleet: tenants\n{text}")
    plugin = InventoryModule()
    plugin._load_name = NAME  # as Ansible's loader sets it
    assert plugin.verify_file(str(file))
    plugin._cluster = lambda: client.Cluster(api)
    data = InventoryData()
    plugin.parse(data, DataLoader(), str(file), cache=False)
    return data


@pytest.fixture(scope="module", autouse=True)
def options() -> None:
    """Those that the plugin documents, as Ansible's loader reads them."""
    documents = (fleet.DOCUMENTATION, constructed.ModuleDocFragment.DOCUMENTATION)
    found = {name: value for text in documents for name, value in yaml.safe_load(text)["options"].items()}
    constants.config.initialize_plugin_configuration_definitions("inventory", NAME, found)


def members(data: InventoryData, group: str) -> list[str]:
    return sorted(host.name for host in data.groups[group].get_hosts())


def test_each_instance_is_a_host_of_the_group_of_its_state(tmp_path: Path) -> None:
    api = Paged(
        answers(
            [row("a", "True"), row("b", "False", "RevisionMissing")],
            [row("c", "Unknown"), row("d", "True", deletionTimestamp="2026-11-26T07:00:00Z")],
        )
    )
    data = read(api, tmp_path)
    groups = ("mlflow", "fleet_ready", "fleet_not_ready", "fleet_leaving")
    assert [members(data, group) for group in groups] == [["a", "b", "c", "d"], ["a"], ["b", "c"], ["d"]]
    told = data.get_host("b").vars
    assert (told["mlflow_name"], told["mlflow_namespace"]) == ("b", "tenants")
    assert (told["fleet_reason"], told["fleet_url"]) == ("RevisionMissing", "http://b.tenants.example.com")
    assert data.get_host("a").vars["fleet_reason"] == ""


def test_one_list_of_metadata_is_asked_for_and_of_this_fleet_alone(tmp_path: Path) -> None:
    api = Paged(answers([row("a", "True")]))
    read(api, tmp_path)
    assert [method for method, _path, _body in api.calls] == ["GET"]
    query = api.queries[SERVICES]
    assert query["labelSelector"] == "mlops.mlflow/fleet=tenants,app.kubernetes.io/managed-by=mlops.mlflow"
    assert (query["includeObject"], api.accepted[SERVICES]) == (
        "Metadata",
        "application/json;as=Table;g=meta.k8s.io;v=v1",
    )


def test_groups_come_from_labels(tmp_path: Path) -> None:
    api = Paged(answers([row("a", "True"), row("b", "True"), row("c", "False")]))
    data = read(
        api, tmp_path, "keyed_groups: [{key: fleet_labels.team, prefix: team}]\ngroups: {urgent: fleet_reason != ''}\n"
    )
    assert (members(data, "team_vision"), members(data, "team_speech")) == (["a", "b"], ["c"])


def test_a_fleet_of_nobody_has_groups_without_hosts(tmp_path: Path) -> None:
    assert members(read(Paged(answers([])), tmp_path), "mlflow") == []


def test_a_cluster_without_knative_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleParserError, match="Knative is not installed"):
        read(Paged([]), tmp_path)


def test_other_files_are_left_to_other_plugins(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("plugin: mlops.mlflow.fleet\n")
    assert not InventoryModule().verify_file(str(tmp_path / "hosts.yml"))
