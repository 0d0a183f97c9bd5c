"""The objects of an instance: those of the sample with another name, and what it has of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import Instance
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.rendering import CHECKSUM, Rendering
from support.fleet_cluster import SAMPLE, objects

Object = dict[str, Any]


def rendering(items: list[Object] | None = None, sample: str = SAMPLE) -> Rendering:
    return Rendering(objects() if items is None else items, sample, "tenants", "space")


def rendered(instance: Instance, found: Rendering | None = None) -> list[Object]:
    return [template.item(instance) for template in (found or rendering()).templates(instance)]


def test_an_instance_has_the_objects_of_the_sample_by_its_own_name() -> None:
    items = rendered(Instance("a"))
    assert [(one["kind"], one["metadata"]["name"]) for one in items] == [
        ("PersistentVolumeClaim", "a"), ("ConfigMap", "a"), ("Service", "a"),
    ]  # fmt: skip
    assert SAMPLE not in json.dumps(items)
    assert json.loads(items[1]["data"]["launch.json"])["argv"][1] == "postgresql://db/a"
    assert {one["metadata"]["namespace"] for one in items} == {"space"}
    assert {one["metadata"]["labels"]["mlops.mlflow/fleet"] for one in items} == {"tenants"}
    assert items[2]["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "a"


def test_the_checksum_is_that_of_what_is_sent() -> None:
    first, again = rendered(Instance("a")), rendered(Instance("a"), rendering())
    assert first == again, "the same in every run"
    changed = objects()
    changed[2]["spec"]["template"]["spec"]["containers"][0]["image"] = "mlflow:2"
    other = rendered(Instance("a"), rendering(changed))
    sums = [[one["metadata"]["annotations"][CHECKSUM] for one in items] for items in (first, other)]
    assert sums[0][:2] == sums[1][:2] and sums[0][2] != sums[1][2]
    others = [one["metadata"]["annotations"][CHECKSUM] for one in rendered(Instance("b"))]
    assert others == sums[0] and len(set(others)) == 3, "that of the object without its name"


def test_what_an_instance_has_of_its_own_stands_in_its_place() -> None:
    own = {
        "labels": {"team": "vision"}, "annotations": {"paid-by": 7}, "replicas": 1, "max_replicas": 2,
        "request_timeout": 60, "resources": {"requests": {"cpu": "2"}}, "storage_size": "5Gi",
    }  # fmt: skip
    found = rendering()
    volume, _configuration, servers = rendered(Instance("a", own), found)
    assert volume["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert volume["metadata"]["labels"]["team"] == "vision" and servers["metadata"]["annotations"]["paid-by"] == "7"
    pod = servers["spec"]["template"]
    assert pod["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "1"
    assert pod["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "2"
    assert pod["spec"]["timeoutSeconds"] == 60
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "512Mi"}
    assert rendered(Instance("b"), found) == rendered(Instance("b")), "and no other instance has it"


def test_a_value_for_which_there_is_no_place_is_an_error() -> None:
    without_volume = rendering(objects()[1:])
    errors = without_volume.errors([Instance("a", {"storage_size": "5Gi"}), Instance("b")])
    assert errors == ["a: no object of the fleet has a place for storage_size."]


def test_names_for_which_an_object_has_no_room_are_all_listed() -> None:
    long = objects()
    long[0]["metadata"]["name"] = f"{SAMPLE}-{'x' * 40}"
    names = ["a" * 22, "b" * 23, "c" * 24]
    (error,) = rendering(long).errors([Instance(name) for name in names])
    assert "PersistentVolumeClaim" in error and error.endswith(f"room for 22 characters: {names[1]}, {names[2]}.")


def shared(items: list[Object]) -> None:
    items[1]["metadata"]["name"] = "configuration"


def twice(items: list[Object]) -> None:
    items.append(items[0])


def private(items: list[Object]) -> None:
    items[1]["data"]["text"] = "\ue000"


@pytest.mark.parametrize(
    ("mutate", "error"),
    [
        (shared, "Every instance would have the same ConfigMap configuration"),
        (twice, f"The sample has PersistentVolumeClaim {SAMPLE} more than once"),
        (private, "hold the character U+E000"),
        (list.clear, "The sample has no objects"),
    ],
)
def test_what_cannot_be_a_sample_is_refused(mutate: Any, error: str) -> None:
    items = objects()
    mutate(items)
    with pytest.raises(BadInput, match=error.replace("+", "[+]")):
        rendering(items)


@pytest.mark.parametrize(("sample", "fleet"), [("No Name", "tenants"), (SAMPLE, "Tenants!")])
def test_sample_and_fleet_have_names_that_labels_may_hold(sample: str, fleet: str) -> None:
    with pytest.raises(BadInput, match="which is no name for Kubernetes objects"):
        Rendering(objects(), sample, fleet, "space")
