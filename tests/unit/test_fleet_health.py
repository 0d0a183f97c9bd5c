"""Health of a fleet without waking any: what its cluster tells, by two lists or three."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import health
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_fleet_health
from support.documentation import documented
from support.fake_cluster import Api, ApiException
from support.fleet_cluster import CONFIGURATIONS, SERVICES, VOLUMES
from support.playbooks import REPOSITORY

COLUMNS = {
    SERVICES: ("Name", "URL", "LatestCreated", "LatestReady", "Ready", "Reason"),
    VOLUMES: ("Name", "Status", "Volume", "Capacity"),
}


class Fleet(Api):
    """An API server that prints tables. Whatever else is asked, such as a pod or an instance, is an error."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.services: dict[str, dict[str, Any]] = {name: {"Ready": "True"} for name in names}
        self.claims = dict.fromkeys(names, "Bound")
        self.stopped: set[str] = set()
        self.served = True
        self.asked: list[str] = []

    @property
    def cluster(self) -> Cluster:
        return Cluster(self)

    def _answer(self, path: str, method: str, body: Any, listed: bool = False) -> Any:
        assert method == "GET" and path in (SERVICES, VOLUMES, CONFIGURATIONS), f"{method} {path}"
        self.asked.append(path)
        if path == CONFIGURATIONS:
            notes = {"mlops.mlflow/stopped": "{}"}
            items = [{"metadata": {**metadata(name), "annotations": notes}} for name in sorted(self.stopped)]
            return {"metadata": {}, "items": items}
        if path == SERVICES and not self.served:
            raise ApiException(404, "not found")
        columns = COLUMNS[path]
        cells = {
            SERVICES: {name: {"Name": name, **one} for name, one in self.services.items()},
            VOLUMES: {name: {"Name": f"{name}-artifacts", "Status": one} for name, one in self.claims.items()},
        }[path]
        rows = [
            {
                "cells": [one.get(column, "") for column in columns],
                "object": {"metadata": {**metadata(name), "name": one["Name"], **one.get("metadata", {})}},
            }
            for name, one in cells.items()
        ]
        return {"metadata": {}, "columnDefinitions": [{"name": column} for column in columns], "rows": rows}


def metadata(name: str) -> dict[str, Any]:
    return {"name": name, "labels": {"app.kubernetes.io/instance": name}}


def check(api: Fleet, *declared: str) -> dict[str, Any]:
    return health.check(api.cluster, "tenants", "tenants", declared)


def test_a_fleet_that_is_as_declared_is_healthy() -> None:
    api = Fleet("a", "b")
    found = check(api, "a", "b")
    assert found["healthy"] and found["unhealthy"] == []
    assert found["counts"] == {"declared": 2, "healthy": 2, "unhealthy": 0, "stopped": 0, "undeclared": 0}
    assert found["verdict"] == "2 of 2 instances are healthy. None was asked, and none was woken."
    assert api.asked == [SERVICES, VOLUMES]


def test_each_that_is_not_is_named_with_its_reason() -> None:
    api = Fleet(*"abcdefg")
    api.services["b"] = {"Ready": "False", "Reason": "RevisionFailed"}
    api.services["c"] = {"Ready": "Unknown"}
    api.services["d"] = {"Ready": "True", "metadata": {"deletionTimestamp": "2026-11-26T07:00:00Z"}}
    api.claims |= {"e": "Lost", "f": "Pending"}
    del api.services["g"]
    found = check(api, *"abcdefg")
    assert {one["name"]: (one["state"], one["reason"]) for one in found["unhealthy"]} == {
        "b": ("not_ready", "RevisionFailed"),
        "c": ("not_ready", "Knative does not say why"),
        "d": ("leaving", "it is being removed"),
        "e": ("no_volume", "the volume of its claim e-artifacts is gone (Lost)"),
        "g": ("missing", "it has no Service of Knative: deploy the fleet again"),
    }
    assert found["counts"]["healthy"] == 2, "a volume may wait for the first server"
    assert found["verdict"].startswith("2 of 7 instances are healthy, 5 are not: b (not_ready: RevisionFailed)")


def test_who_was_stopped_is_told_and_is_not_unhealthy() -> None:
    api = Fleet("a", "b", "c")
    del api.services["b"], api.services["c"]
    api.stopped = {"b"}
    found = check(api, *"abc")
    assert (found["stopped"], [one["name"] for one in found["unhealthy"]]) == (["b"], ["c"])
    assert found["counts"] == {"declared": 3, "healthy": 1, "unhealthy": 1, "stopped": 1, "undeclared": 0}


def test_one_that_is_there_again_and_not_ready_is_unhealthy_though_it_was_stopped() -> None:
    """Such as one of which a start was cut off."""
    api = Fleet("a", "b")
    api.services["a"] = {"Ready": "False", "Reason": "RevisionFailed"}
    del api.services["b"]
    api.stopped = {"a", "b"}
    found = check(api, "a", "b")
    assert ([one["name"] for one in found["unhealthy"]], found["stopped"]) == (["a"], ["b"])


def test_what_is_not_declared_is_told_and_does_not_count() -> None:
    api = Fleet("a", "b")
    api.services["b"] = {"Ready": "False"}
    found = check(api, "a")
    assert found["healthy"] and found["undeclared"] == ["b"]
    assert found["verdict"].startswith("1 of 1 instances are healthy (1 undeclared).")
    assert not check(api)["healthy"], "where nothing is declared, all that is there counts"


def test_without_knative_nothing_is_healthy() -> None:
    api = Fleet()
    api.served = False
    with pytest.raises(BadInput, match="Knative is not installed"):
        check(api, "a")


class Module:
    """As Ansible hands over a module's options."""

    def __init__(self, **params: Any) -> None:
        defaults = {"instances": [], "count": 0, "pattern": "", "fail_when_unhealthy": True}
        self.params = {"name": "tenants", "namespace": "tenants", **defaults, **params}


def test_the_module_returns_what_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Fleet("t-1", "t-2", "vision")
    monkeypatch.setattr(mlflow_fleet_health, "cluster_of", lambda _module: api.cluster)
    declared = {"instances": [{"name": "vision", "replicas": 1}], "count": 2, "pattern": "t-#"}
    done = mlflow_fleet_health.check(Module(**declared))
    assert set(done) - {"changed"} == set(documented(REPOSITORY / "plugins/modules/mlflow_fleet_health.py"))
    assert done["counts"]["declared"] == 3 and not done["changed"]
    api.services["t-2"] = {"Ready": "False", "Reason": "RevisionFailed"}
    done = mlflow_fleet_health.check(Module(**declared))
    assert done["failed"] and done["msg"] == done["verdict"]
    assert "failed" not in mlflow_fleet_health.check(Module(**declared, fail_when_unhealthy=False))
    with pytest.raises(BadInput, match="more than once"):
        mlflow_fleet_health.check(Module(instances=[{"name": "a"}, {"name": "a"}, {}]))


def test_a_fleet_of_which_nothing_is_seen_is_not_healthy() -> None:
    """As one of another name, or in another namespace."""
    found = health.check(Fleet().cluster, "tenants", "tenants")
    assert found["healthy"] is False and found["verdict"].startswith("No instance is declared, and none is there")
    assert health.check(Fleet("a").cluster, "tenants", "tenants")["healthy"] is True
