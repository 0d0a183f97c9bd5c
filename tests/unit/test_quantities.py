"""Quantities are written as an API server tells them back, so that whoever applies them again finds no difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.quantities import (
    canonical,
    number,
    quantity,
    whole,
)


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


@pytest.mark.parametrize("read", [whole, number])
@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 16**5000, "9" * 5000, 1e300, "1e300"],
    ids=["large", "small", "not even written", "text", "of float", "its text"],
)
def test_a_number_beyond_all_is_refused_in_one_sentence(read: Callable[..., Any], value: object) -> None:
    with pytest.raises(BadInput, match=r"(?s)^mlflow_server_port .*\.$"):
        read(value, "mlflow_server_port")


@pytest.mark.parametrize("read", [whole, number])
@pytest.mark.parametrize("value", ["nan", "inf", float("nan"), float("inf"), True, "1_0", "٣", "0x10", "", None])
def test_what_python_alone_takes_for_a_number_is_refused(read: Callable[..., Any], value: object) -> None:
    with pytest.raises(BadInput, match="mlflow_server_port must be a"):
        read(value, "mlflow_server_port")


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
