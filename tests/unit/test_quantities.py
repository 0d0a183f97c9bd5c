"""Quantities are written as an API server tells them back, so that whoever applies them again finds no difference."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.quantities import canonical, quantity


@pytest.mark.parametrize(
    ("given", "told"),
    [
        *(("1000m", "1"), ("1500m", "1500m"), ("1.5", "1500m"), ("0.25", "250m"), (2, "2"), ("1000", "1k"), ("0", "0")),
        *(("92160Mi", "90Gi"), ("29184Mi", "29184Mi"), ("0.5Gi", "512Mi"), ("1024Gi", "1Ti"), ("1.5Ki", "1536")),
        *(("512M", "512M"), ("1000M", "1G"), ("1e3", "1e3")),
    ],
)
def test_a_quantity_is_written_in_its_shortest_form(given: object, told: str) -> None:
    assert canonical(given) == told
    assert quantity(told) == quantity(given)


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(BadInput, match="no Kubernetes quantity"):
        canonical("lots")


def test_limits_of_somebody_elses_kind_of_object_may_be_something_else() -> None:
    item = {
        "apiVersion": "example.com/v1",
        "kind": "Route",
        "metadata": {"name": "a"},
        "spec": {"limits": {"a": "some"}},
    }
    common = {"name": "mlflow", "namespace": "mlflow", "component": "server"}
    (found,) = manifests.complete([item], common)
    assert found["spec"]["limits"] == {"a": "some"}
