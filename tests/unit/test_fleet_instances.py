"""Which instances of a fleet are awake, what they take over time, and what a load test makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import instances
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server, gateway_of
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import outcome, run
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target, Wanted
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.pods import Fleet
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_fleet_info
from support.documentation import documented
from support.fake_cluster import Api
from support.load_results import entry, raw
from support.playbooks import REPOSITORY

SERVICES = "/apis/serving.knative.dev/v1/namespaces/tenants/services"
PODS = "/api/v1/namespaces/tenants/pods"
METRICS = "/apis/metrics.k8s.io/v1beta1"
COLUMNS = ("Name", "URL", "LatestCreated", "LatestReady", "Ready", "Reason")


def fleet(pods: dict[str, int], *unready: str) -> Api:
    rows = [
        {
            "cells": [name, f"http://{name}.tenants.example.com", "", "", str(name not in unready), ""],
            "object": {"metadata": {"name": name, "labels": {"app.kubernetes.io/instance": name}}},
        }
        for name in ("a", "b", "c")
    ]
    items = [
        {"metadata": {"name": f"{name}-{number}", "labels": {"serving.knative.dev/service": name}}}
        for name, count in pods.items()
        for number in range(count)
    ]
    columns = [{"name": column} for column in COLUMNS]
    return Api({SERVICES: {"metadata": {}, "columnDefinitions": columns, "rows": rows}, PODS: {"items": items}})


def test_who_is_awake_is_known_and_nobody_is_asked() -> None:
    api = fleet({"b": 2, "another": 1}, "c")
    found = instances.inspect(Cluster(api), "tenants", "tenants")
    assert {one["name"]: (one["state"], one["pods"]) for one in found["instances"]} == {
        "a": ("ready", 0), "b": ("ready", 2), "c": ("not_ready", 0),
    }  # fmt: skip
    assert found["targets"] == [
        {"name": "a", "url": "http://a.tenants.example.com", "awake": False},
        {"name": "b", "url": "http://b.tenants.example.com", "awake": True},
    ]
    assert found["counts"] == {"ready": 2, "not_ready": 1, "leaving": 0, "awake": 1}
    assert [(method, path) for method, path, _body in api.calls] == [("GET", PODS), ("GET", SERVICES)]
    assert api.queries[PODS]["labelSelector"] == "app.kubernetes.io/component=server,serving.knative.dev/service"


def test_the_module_returns_what_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_fleet_info, "cluster_of", lambda _module: Cluster(fleet({})))
    module: Any = type("Module", (), {"params": {"namespace": "tenants", "name": "tenants"}})()
    done = mlflow_fleet_info.inspect(module)
    assert set(done) - {"changed"} == set(documented(REPOSITORY / "plugins/modules/mlflow_fleet_info.py"))
    assert done["changed"] is False


def metrics(**pods: tuple[str, str]) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": f"{name}-pod", "labels": {"serving.knative.dev/service": name}},
            "containers": [
                {"usage": {"cpu": cpu, "memory": memory}},
                {"usage": {"cpu": "10000000n", "memory": "1Mi"}},
            ],
        }
        for name, (cpu, memory) in pods.items()
    ]
    return {"items": items}


def test_what_a_fleet_takes_is_the_sum_of_its_awake_pods_over_time() -> None:
    path = f"{METRICS}/namespaces/tenants/pods"
    api = Api({METRICS: {}, path: metrics(a=("490m", "300Mi"), stranger=("9", "9Gi"))})
    watched = Fleet(Cluster(api), "tenants", ["a", "b"]).watched()
    watched.measure(0.0)
    watched.measure(1.0)  # too soon for other figures
    watched.measure(10.0)
    api.answers[path] = metrics(a=("490m", "300Mi"), b=("990m", "400Mi"))
    watched.measure(20.0)
    api.answers[path] = metrics()
    watched.measure(30.0)
    found = watched.summary()
    assert [one["at"] for one in found["moments"]] == [0.0, 10.0, 20.0, 30.0]
    assert [one["cpu_seconds"] for one in found["moments"]] == [0.0, 5.0, 20.0, 20.0]
    assert [one["processes"] for one in found["moments"]] == [1, 1, 2, 0]
    assert found["memory_peak_bytes"] == 702 * 2**20


def test_a_cluster_without_metrics_is_told_and_is_no_error() -> None:
    watched = Fleet(Cluster(Api()), "tenants", ["a"]).watched()
    watched.measure(0.0)
    assert watched.summary() == {
        "name": "fleet", "measured": False,
        "why_not": "the cluster tells no metrics of pods: metrics-server is not there",
    }  # fmt: skip


def targets(*awake: int, count: int = 5) -> list[Target]:
    return [
        Target(f"t-{number}", Server(f"http://t-{number}.example.com"), allowed=True, awake=number in awake)
        for number in range(count)
    ]


def test_of_a_fleet_one_is_inspected_and_rather_one_that_is_awake() -> None:
    assert [one.name for one in Wanted(targets(), fleet=True).inspected] == ["t-0"]
    wanted = Wanted(targets(3, 4), fleet=True)
    assert [one.name for one in wanted.inspected] == ["t-3"]
    assert wanted.plan("/tmp")["awake"] == ["t-3", "t-4"]
    assert [one.name for one in Wanted(targets(3)).inspected] == [f"t-{number}" for number in range(5)]
    assert Wanted(targets(3)).plan("/tmp")["awake"] == []


def test_only_a_fleet_has_an_objective_for_waking() -> None:
    Wanted(targets(), fleet=True, slos={"wake": {"p95_ms": 30000}})
    with pytest.raises(BadInput, match="no task of this run sends"):
        Wanted(targets(), slos={"wake": {"p95_ms": 30000}})


def test_response_times_of_who_slept_are_in_no_other_figure_and_their_failures_count() -> None:
    found = outcome.read(raw(entry("wake", {20_000: 9, 30_000: 1}, failures=1), entry("search_experiments", {10: 90})))
    total, wake = found["total"], found["operations"][0]
    assert (total["requests"], total["failures"], total["mean_ms"], total["max_ms"]) == (100, 1, 10, 10)
    assert (wake["name"], wake["p50_ms"], wake["max_ms"]) == ("wake", 20_000, 30_000)


def test_where_all_was_waking_there_is_no_other_response_time() -> None:
    total = outcome.read(raw(entry("wake", {20_000: 2})))["total"]
    assert (total["requests"], total["mean_ms"], total["p95_ms"]) == (2, None, None)


def test_only_instances_that_users_had_are_cleaned_up(tmp_path: Any) -> None:
    wanted = Wanted(targets(), fleet=True)
    (tmp_path / "locust.json").write_text('{"asked": ["t-1", "t-4"]}')
    assert [one.name for one in run._touched(wanted, tmp_path)] == ["t-1", "t-4"]
    (tmp_path / "locust.json").unlink()
    assert run._touched(wanted, tmp_path) == wanted.targets, "whoever died did not say"
    assert len(run._touched(Wanted(targets()), tmp_path)) == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", ("10.0.0.1", 80)), ("10.0.0.1:8080", ("10.0.0.1", 8080)), ("[::1]:80", ("::1", 80)),
        ("", None), ("a/b", None), ("user@host", None), ("host:port", None), ("host:0", None), ("http://host", None),
    ],
)  # fmt: skip
def test_a_gateway_is_a_host_and_a_port(text: str, found: tuple[str, int] | None) -> None:
    assert gateway_of(text) == found


def test_the_plan_names_the_gateway_and_the_name_to_ask_it_by() -> None:
    server = Server("http://a.example.com/mlflow", gateway="10.0.0.1:8080")
    (place,) = Wanted([Target("a", server, allowed=True)]).plan("/tmp")["targets"]
    assert (place["url"], place["host"]) == ("http://10.0.0.1:8080/mlflow", "a.example.com")
    (place,) = Wanted(targets(count=1)).plan("/tmp")["targets"]
    assert (place["url"], place["host"]) == ("http://t-0.example.com", "")
