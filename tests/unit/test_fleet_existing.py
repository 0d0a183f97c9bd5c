"""Reading what there is of a fleet: what nearly all objects have in common is parsed once, nothing is read wrong."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.existing import _Reader, read
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.patience import Patience
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import ClusterError
from support.fake_cluster import ApiException
from support.fleet_cluster import CONFIGURATIONS, Api

FIELDS: list[dict[str, Any]] = [
    {"f:metadata": {"f:labels": {"f:a": {}}}},
    {"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}}},
    {"f:spec": {'k:{"name":"mlflow"}': {".": {}}}},
    {},
]


def page(*items: tuple[str, list[Any]]) -> bytes:
    """As an API server writes it: without blanks."""
    listed = [
        {"metadata": {"name": name, "managedFields": [{"manager": "m", "fieldsV1": one} for one in fields]}}
        for name, fields in items
    ]
    return json.dumps({"items": listed}, separators=(",", ":")).encode()


def test_it_reads_what_stands_there() -> None:
    reader = _Reader()
    pages = [
        page(("a", FIELDS), ("b", FIELDS[:1]), ("c", [])),
        page(("d", list(reversed(FIELDS))), ("e", [{"f:new": {}}])),
        page(("f", [{"f:new": {}}, FIELDS[2]]), ('"fieldsV1":{"f:new":{}}', FIELDS[1:3])),
        b'{"items":[{"metadata":{"name":"g"}}]}',
        b'{"metadata":{}}',
    ]
    for text in pages:
        assert reader(text) == json.loads(text)


def test_what_all_have_is_one_object() -> None:
    reader = _Reader()
    pages = [reader(page((name, FIELDS[:1]))) for name in "abc"]
    fields = [one["items"][0]["metadata"]["managedFields"][0]["fieldsV1"] for one in pages]
    assert fields[0] is fields[1] is fields[2]


def test_fields_that_begin_as_others_do_are_not_taken_for_them() -> None:
    reader = _Reader()
    one: dict[str, Any] = {"f:data": {}}
    pages = [page(("a", [one]), ("b", [{**one, "f:spec": {}}])), page(("c", [{**one, "f:kind": {}}, one]))]
    for text in pages:
        assert reader(text) == json.loads(text)


def test_many_different_ones_are_read_as_well() -> None:
    reader, text = _Reader(), page(*((str(number), [{f"f:{number}": {}}]) for number in range(100)))
    for _again in range(2):
        assert reader(text) == json.loads(text)


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_of_garbage_is_as_it_was(was_on: bool) -> None:
    api = Api()
    seen: list[bool] = []

    def note(*_request: object) -> None:
        seen.append(gc.isenabled())

    api.fault = note
    (gc.enable if was_on else gc.disable)()
    try:
        read(api.cluster, {("v1", "ConfigMap"): CONFIGURATIONS}, Patience(9.0))
        api.fault = lambda *_any: ApiException(403, "no")
        with pytest.raises(ClusterError):
            read(api.cluster, {("v1", "ConfigMap"): CONFIGURATIONS}, Patience(9.0))
        assert (seen, gc.isenabled()) == ([False], was_on)
    finally:
        gc.enable()
        gc.unfreeze()
