"""Deploying a fleet: only what differs is applied, others' objects are left alone, and failures do not spread."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import deploy, patience, waiting
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import declare
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from support.fake_cluster import ApiException
from support.fleet_cluster import CONFIGURATIONS, SAMPLE, SECRETS, SERVICES, TRIED, VOLUMES, Api, Busy, cut, objects

COLLECTIONS = (CONFIGURATIONS, SERVICES, VOLUMES)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(patience, "_MOST_SECONDS", 0.01)


def run(api: Api, *names: str, fleet: str = "tenants", dry_run: bool = False, **more: Any) -> dict[str, Any]:
    own, items = more.pop("own", {}), more.pop("objects", objects())
    instances = declare([{"name": name, **own.get(name, {})} for name in names], limit=10_000)
    request = deploy.Request(fleet, "tenants", SAMPLE, items, instances, **more)
    return deploy.deploy(api.cluster, request, dry_run=dry_run)


def test_a_first_run_creates_everything_and_a_second_one_only_lists() -> None:
    api = Api()
    first = run(api, "a", "b")
    assert (first["created"], first["changed"], first["counts"]["created"]) == (["a", "b"], True, 2)
    assert all(api.names(collection) == ["a", "b"] for collection in COLLECTIONS)
    api.calls.clear()
    second = run(api, "a", "b")
    assert (second["changed"], second["counts"]["unchanged"], second["requests"]) == (False, 2, 3)
    assert sorted(api.calls) == sorted(("GET", collection) for collection in COLLECTIONS)


def test_lists_come_in_pages_of_metadata_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAGE", 2)
    api = Api()
    run(api, *"abcde")
    api.asked.clear()
    assert run(api, *"abcde")["counts"]["unchanged"] == 5
    assert [query.get("continue") for path, query in api.asked if path == SERVICES] == [None, "2", "4"]
    assert all(query["limit"] == "2" and "PartialObjectMetadata" in query["accept"] for _path, query in api.asked)


def test_a_list_that_took_too_long_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAGE", 2)
    api = Api()
    run(api, *"abc")
    expired = [ApiException(410, "The provided continue parameter is too old")]
    api.calls.clear()
    api.fault = lambda _method, path, number: expired.pop() if expired and path == SERVICES and number > 5 else None
    assert run(api, *"abc")["counts"]["unchanged"] == 3
    assert not expired


def test_only_the_object_that_differs_is_applied() -> None:
    api = Api()
    run(api, "a", "b", "c")
    api.calls.clear()
    done = run(api, "a", "b", "c", own={"b": {"request_timeout": 60}})
    assert (done["updated"], done["counts"]["unchanged"], api.changes) == (["b"], 2, [f"{SERVICES}/b"])


@pytest.mark.parametrize("path", [f"{SERVICES}/b", f"{CONFIGURATIONS}/b"])
def test_what_somebody_edited_is_seen_and_put_right(path: str) -> None:
    api = Api()
    run(api, "a", "b")
    field = "template" if path.startswith(SERVICES) else "launch.json"
    before = json.dumps(api.objects[path]["spec" if field == "template" else "data"])
    api.edit(path, field, "edited")
    api.calls.clear()
    assert run(api, "a", "b", dry_run=True)["updated"] == ["b"]
    assert run(api, "a", "b")["updated"] == ["b"]
    assert api.changes == [path]
    assert json.dumps(api.objects[path]["spec" if field == "template" else "data"]) == before
    assert run(api, "a", "b")["changed"] is False


def test_a_field_that_is_not_ours_is_left_alone() -> None:
    """Such as the annotation of a restart: applying would not take it away, and every run would say that it changed."""
    api = Api()
    run(api, "a")
    api.edit(f"{SERVICES}/a", "traffic", [])
    assert run(api, "a")["changed"] is False


def test_what_somebody_removed_comes_back() -> None:
    api = Api()
    run(api, "a", "b")
    del api.objects[f"{CONFIGURATIONS}/a"]
    done = run(api, "a", "b")
    assert (done["created"], done["updated"]) == ([], ["a"])
    assert api.names(CONFIGURATIONS) == ["a", "b"]


def test_a_secret_is_generated_once_for_each_instance() -> None:
    api = Api()
    secret = {**objects()[0], "kind": "Secret", "stringData": {"given": "a value", "webhook-key": ""}}
    run(api, "a", "b", objects=[secret, *objects()])
    made = {path: json.dumps(api.objects[path]["stringData"]) for path in (f"{SECRETS}/a", f"{SECRETS}/b")}
    first, second = map(json.loads, made.values())
    assert first["given"] == second["given"] == "a value"
    assert len(first["webhook-key"]) > 20 and first["webhook-key"] != second["webhook-key"]
    changed = {**secret, "stringData": {"given": "another", "webhook-key": ""}}
    assert run(api, "a", "b", objects=[changed, *objects()])["changed"] is False, "data is encrypted with it"
    assert made == {path: json.dumps(api.objects[path]["stringData"]) for path in made}


def test_servers_that_were_stopped_stay_so() -> None:
    api = Api()
    run(api, "a", "b")
    api.objects[f"{CONFIGURATIONS}/a"]["metadata"]["annotations"]["mlops.mlflow/stopped"] = "{...}"
    del api.objects[f"{SERVICES}/a"]
    done = run(api, "a", "b", wait_seconds=1)
    assert (done["stopped"], done["changed"], api.names(SERVICES)) == (["a"], False, ["b"])


def test_check_mode_tells_the_same_and_changes_nothing() -> None:
    api = Api()
    run(api, "a", "b", "c")
    wanted: dict[str, Any] = {"own": {"a": {"replicas": 1}}, "prune": True}
    api.calls.clear()
    would = run(api, "a", "b", "d", dry_run=True, **wanted)
    assert api.changes == []
    did = run(api, "a", "b", "d", **wanted)
    told = ("created", "updated", "pruned", "kept", "counts", "changed")
    assert {key: would[key] for key in told} == {key: did[key] for key in told}
    assert (did["created"], did["updated"], did["kept"]) == (["d"], ["a"], ["PersistentVolumeClaim c"])
    assert deploy.diff(did) == {
        "before": "a (as it was)\nConfigMap c\nService c\n",
        "after": "a (updated)\nd\n",
    }


def test_what_is_declared_no_more_goes_only_when_told_and_data_only_when_told_again() -> None:
    api = Api()
    run(api, "a", "b")
    assert run(api, "a")["kept"] == ["PersistentVolumeClaim b", "ConfigMap b", "Service b"]
    assert api.names(SERVICES) == ["a", "b"]
    assert run(api, "a", prune=True)["pruned"] == ["ConfigMap b", "Service b"]
    assert (api.names(SERVICES), api.names(VOLUMES)) == (["a"], ["a", "b"])
    assert run(api, "a", prune=True, prune_data=True)["pruned"] == ["PersistentVolumeClaim b"]
    assert api.names(VOLUMES) == ["a"]


def test_an_instance_of_which_only_the_passwords_are_there_is_created() -> None:
    """They are made before it, for its database."""
    api, secret = Api(), {**objects()[0], "kind": "Secret", "stringData": {"password": ""}}
    run(api, "a", objects=[secret, *objects()])
    for path in [path for path in api.objects if not path.startswith(SECRETS)]:
        del api.objects[path]
    done = run(api, "a", objects=[secret, *objects()])
    assert (done["created"], done["updated"]) == (["a"], [])


def test_what_came_under_the_name_since_is_not_removed() -> None:
    api = Api()
    run(api, "a", "b")
    put: list[str] = []

    def replace(method: str, path: str, _number: int) -> None:
        if method == "DELETE" and path.startswith(SERVICES) and not put:
            put.append(path)
            api.objects[path]["metadata"]["uid"] = "another"

    api.fault = replace
    done = run(api, "a", prune=True)
    assert [one["name"] for one in done["failures"]] == ["Service b"]
    assert api.names(SERVICES) == ["a", "b"]


def test_two_fleets_of_one_namespace_do_not_touch_each_other() -> None:
    api = Api()
    run(api, "a", fleet="one", prune=True, prune_data=True)
    run(api, "b", fleet="two", prune=True, prune_data=True)
    assert all(api.names(collection) == ["a", "b"] for collection in COLLECTIONS)
    assert run(api, "a", fleet="one")["counts"]["unchanged"] == 1
    before = json.dumps(api.objects)
    with pytest.raises(BadInput, match=r"PersistentVolumeClaim b, ConfigMap b, Service b\. Nothing was changed"):
        run(api, "a", "b", "c", fleet="one")
    assert json.dumps(api.objects) == before


@pytest.mark.parametrize("label", ["app.kubernetes.io/managed-by", "mlops.mlflow/fleet", "app.kubernetes.io/instance"])
def test_an_object_without_our_marks_is_somebody_elses(label: str) -> None:
    api = Api()
    run(api, "a")
    del api.objects[f"{CONFIGURATIONS}/a"]["metadata"]["labels"][label]
    with pytest.raises(BadInput, match="did not make: ConfigMap a"):
        run(api, "a", "b")
    assert api.names(SERVICES) == ["a"]


def test_so_many_at_once_and_no_more() -> None:
    api = Api()
    run(api, *(f"t-{number}" for number in range(60)), concurrency=4)
    assert 1 < api.most_at_once <= 4


@pytest.mark.parametrize("concurrency", [0, 33])
def test_no_more_are_worked_on_at_once_than_there_are_connections(concurrency: int) -> None:
    with pytest.raises(BadInput, match=f"concurrency is {concurrency}; it must be 1 to 32"):
        run(Api(), "a", concurrency=concurrency)


def test_one_that_is_refused_leaves_the_others_alone_and_is_named() -> None:
    api = Api()
    refusal = ApiException(422, "spec.template is invalid")
    api.fault = lambda _method, path, _number: refusal if path in (f"{SERVICES}/b", f"{VOLUMES}/d") else None
    done = run(api, *"abcde")
    assert done["failed"] and [one["name"] for one in done["failures"]] == ["b", "d"]
    assert "2 failed" in done["msg"] and "spec.template is invalid" in done["failures"][0]["reason"]
    assert (api.names(SERVICES), api.names(VOLUMES)) == (list("ace"), list("abce"))
    api.fault = lambda *_any: None
    assert (again := run(api, *"abcde"))["created"] == ["d"]
    assert again["updated"] == ["b"] and "failed" not in again


def test_patience_is_kept_for_as_long_as_the_api_server_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    api, left = Api(), [Busy(7), Busy(3)]
    api.fault = lambda method, _path, _number: left.pop() if method == "PATCH" and left else None
    assert run(api, "a")["counts"]["created"] == 1
    long = sorted(seconds for seconds in slept if seconds >= 1)
    assert len(long) == 2 and 3 <= long[0] < 4 and 7 <= long[1] < 10


@pytest.mark.parametrize("every", [2, 3, 5])
@pytest.mark.parametrize(
    "fault", [cut, lambda: ApiException(409, "modified"), lambda: ApiException(503, "shutting down")]
)
def test_conflicts_dropped_connections_and_a_restart_are_survived(fault: Any, every: int) -> None:
    api = Api()
    api.fault = lambda _method, _path, number: fault() if number % every == 0 else None
    done = run(api, *"abcdefgh", concurrency=1)
    assert "failed" not in done and done["counts"]["created"] == 8
    api.fault = lambda *_any: None
    assert run(api, *"abcdefgh")["changed"] is False


def test_an_answer_that_was_lost_is_no_second_object() -> None:
    """The API server has applied it, and the connection is cut before it says so."""
    api = Api()
    seen: set[str] = set()

    def lost(method: str, path: str, _number: int) -> Exception | None:
        first = method == "PATCH" and path not in seen
        seen.add(path)
        return cut() if first else None

    api.lost = lost
    assert run(api, "a")["created"] == ["a"]
    assert len(api.changes) == 6 and run(api, "a")["changed"] is False


def test_an_api_server_that_stays_away_is_given_up_once_and_not_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_ABSENCE_SECONDS", 0.05)
    api = Api()
    api.fault = lambda method, _path, _number: cut() if method == "PATCH" else None
    done = run(api, *(f"t-{number}" for number in range(200)))
    assert done["counts"]["failures"] == 200
    assert "cannot be reached" in done["failures"][0]["reason"]
    assert done["requests"] < 400, "each is tried once by then"


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_knative_does_not_take_is_said_before_anything_is_changed(dry_run: bool) -> None:
    """Such as a feature that is switched off, which its webhook says of each."""
    api = Api()
    said = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: must not set the field(s): x'
    api.fault = lambda method, path, _number: ApiException(400, said) if method == TRIED else None
    with pytest.raises(BadInput, match=r"must not set the field\(s\): x.*knative_features.*Nothing was changed"):
        run(api, "a", "b", own={"a": {"replicas": 1}}, dry_run=dry_run)
    assert api.changes == [] and (TRIED, f"{SERVICES}/{SAMPLE}") in api.calls


def test_a_trial_names_no_account_because_that_of_a_sample_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Knative's webhook has the pod tried as well, which the API server refuses without its account."""
    api, tried, apply = Api(), [], Cluster.apply

    def seen(cluster: Cluster, path: str, item: Any, *arguments: Any, **more: Any) -> Any:
        tried.append((bool(more.get("dry_run")), item.get("spec", {}).get("template", {}).get("spec", {})))
        return apply(cluster, path, item, *arguments, **more)

    monkeypatch.setattr(Cluster, "apply", seen)
    run(api, "a")
    accounts = [(dry, spec.get("serviceAccountName")) for dry, spec in tried if spec.get("containers")]
    assert accounts == [(True, None), (False, "a")]


def test_only_what_differs_is_worth_a_trial_and_only_where_it_can_be() -> None:
    api = Api()
    run(api, "a")
    api.calls.clear()
    run(api, "a")
    assert TRIED not in {method for method, _path in api.calls}
    absent = ApiException(404, "namespaces not found")
    space = SERVICES.split("/services")[0].rpartition("/namespaces/")[2]
    api.fault = lambda method, path, _number: absent if method == TRIED or path.endswith(f"/{space}") else None
    assert run(api, "a", "b", dry_run=True)["created"] == ["b"], "check mode before there is a namespace"


def test_what_would_fail_for_all_is_tried_with_a_few() -> None:
    """Such as a quota that is used up, which the API server says of each."""
    api, names = Api(), [f"t-{number:03}" for number in range(300)]
    refusal = ApiException(400, "must not set the field(s)")

    def refuse(method: str, path: str, _number: int) -> Exception | None:
        return refusal if method == "PATCH" and path.startswith(f"{SERVICES}/") else None

    api.fault = refuse
    done = run(api, *names)
    assert done["counts"]["failures"] == 300 and len(api.names(SERVICES)) == 0
    assert len(api.names(CONFIGURATIONS)) <= 28, "20, and those under way"
    assert "must not set the field" in done["msg"] and "not tried" in done["failures"][-1]["reason"]
    api.fault = lambda _method, path, number: refusal if path.startswith(f"{SERVICES}/t-29") else None
    assert [one["name"] for one in run(api, *names)["failures"]] == names[290:]


def test_what_was_not_tried_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that an applied object moves by a second."""
    api, now = Api(), [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _seconds: None)
    monkeypatch.setattr(patience, "time", clock)

    def pass_time(method: str, _path: str, _number: int) -> None:
        now[0] += method == "PATCH"

    api.fault = pass_time
    done = run(api, *"abcde", seconds=3.5, concurrency=1)
    assert [one["name"] for one in done["failures"]] == list("bcde")
    assert all("the time was over" in one["reason"] for one in done["failures"])
    again = run(api, *"abcde", seconds=60)
    assert (again["updated"], again["created"]) == (["b"], list("cde"))


def test_a_run_that_was_interrupted_is_gone_on_with() -> None:
    names = [f"t-{number:02}" for number in range(60)]
    api = Api()

    def interrupt(method: str, path: str, _number: int) -> None:
        if method == "PATCH" and path == f"{CONFIGURATIONS}/t-05":
            raise KeyboardInterrupt

    api.fault = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(api, *names, concurrency=1)
    there = api.names(SERVICES)
    assert 5 <= len(there) < 30 and "t-05" not in there, "what had not begun was not begun"
    api.fault = lambda *_any: None
    api.calls.clear()
    done = run(api, *names)
    assert (done["counts"]["unchanged"], done["updated"]) == (len(there), ["t-05"])
    assert len(api.changes) == 2 + 3 * (59 - len(there)), "and nothing was done twice"


def test_it_waits_for_what_it_applied_with_one_watch() -> None:
    api = Api()
    done = run(api, *"abc", wait_seconds=5)
    assert "failed" not in done
    assert len([path for path, query in api.asked if "labelSelector" in query and path == SERVICES]) == 1


def test_what_does_not_get_ready_is_named_with_its_reason() -> None:
    api = Api()
    run(api, "a", wait_seconds=5)
    api.ready = False
    done = run(api, "a", "b", wait_seconds=0.05)
    assert done["failures"] == [{"name": "b", "reason": "KnativeService b: not ready: no image"}]


def test_a_job_that_failed_is_not_waited_for_any_longer_and_its_pod_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    api, begin = Api(), time.monotonic()
    ended = {
        "name": "schema",
        "state": {"terminated": {"exitCode": 1, "message": "permission denied for schema public"}},
    }
    monkeypatch.setattr(waiting.jobs, "pods_of", lambda *_asked: [{"status": {"containerStatuses": [ended]}}])
    job = {**objects()[1], "apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0}}
    api.conditions["Job"] = [{"type": "Failed", "status": "True"}]
    done = run(api, "a", objects=[job, *objects()], wait_seconds=600)
    reason = "The Job tenants/a failed at schema: permission denied for schema public"
    assert done["failures"] == [{"name": "a", "reason": reason}]
    assert time.monotonic() - begin < 500


def test_an_object_of_earlier_settings_is_not_waited_for() -> None:
    api = Api()
    job = {**objects()[1], "apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0}}
    renamed = {**job, "metadata": {**job["metadata"], "name": f"{SAMPLE}-new"}}
    api.conditions["Job"] = [{"type": "Failed", "status": "True"}]
    run(api, "a", objects=[job, *objects()])
    api.conditions["Job"] = [{"type": "Complete", "status": "True"}]
    done = run(api, "a", objects=[renamed, *objects()], wait_seconds=5)
    assert "failed" not in done and done["kept"] == ["Job a"]


def test_a_kind_that_is_not_served_is_told_before_anything_is_changed() -> None:
    api = Api()
    items = [{**one, "apiVersion": "example.org/v1", "kind": "Thing"} for one in objects()[:1]]
    api._listed = lambda *_any, **_more: {"resources": []}  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match=r"does not serve Thing of example\.org/v1"):
        run(api, "a", objects=[*items, *objects()])
    assert api.changes == []


def test_one_that_is_being_removed_is_left_to_the_next_run() -> None:
    api = Api()
    run(api, "a")
    api.objects[f"{SERVICES}/a"]["metadata"]["deletionTimestamp"] = "2026-11-26T07:00:00Z"
    done = run(api, "a", "b")
    assert done["failures"] == [{"name": "a", "reason": "Service a is being removed: run this again when it is gone."}]
    assert api.names(SERVICES) == ["a", "b"]


def serving(database: str, store: str) -> list[dict[str, Any]]:
    """The objects of a sample whose servers are started so."""
    env = {"_MLFLOW_SERVER_FILE_STORE": database, "_MLFLOW_SERVER_ARTIFACT_DESTINATION": store}
    found = objects()
    found[1]["data"] = {"launch.json": json.dumps({"argv": [], "env": env})}
    return found


@pytest.mark.parametrize(
    ("database", "store", "words"),
    [
        (f"postgresql://other/{SAMPLE}", f"s3://b/{SAMPLE}", "a: The database is postgresql://other/a, and"),
        (f"postgresql://db/{SAMPLE}", f"s3://c/{SAMPLE}", "a: The artifact store is s3://c/a, and"),
    ],
)
def test_instances_do_not_go_on_without_their_data_unless_that_is_meant(database: str, store: str, words: str) -> None:
    api = Api()
    run(api, *"abcdefgh", objects=serving(f"postgresql://db/{SAMPLE}", f"s3://b/{SAMPLE}"))
    api.calls.clear()
    for dry_run in (True, False):
        with pytest.raises(BadInput, match=words) as refused:
            run(api, *"abcdefgh", "new", objects=serving(database, store), dry_run=dry_run)
        assert "set mlflow_fleet_accept_other_data to true" in str(refused.value)
    assert api.changes == []
    moved = run(api, *"abcdefgh", objects=serving(database, store), accept_other_data=True)
    assert moved["counts"]["updated"] == 8


def test_of_a_fleet_with_other_settings_three_instances_are_asked_where_their_data_is() -> None:
    api = Api()
    before = serving(f"postgresql+psycopg2://mlflow@db:5432/{SAMPLE}", f"s3://b/{SAMPLE}")
    after = serving(f"postgresql+psycopg://other@db/{SAMPLE}?sslmode=require", f"s3://b/{SAMPLE}/")
    run(api, *"abcdefgh", objects=before)
    api.calls.clear()
    run(api, *"abcdefgh", objects=after)
    assert [path for method, path in api.calls if method == "GET" and path.startswith(f"{CONFIGURATIONS}/")] == [
        f"{CONFIGURATIONS}/{name}" for name in "abc"
    ]
    api.calls.clear()
    run(api, *"abcdefgh", objects=after)
    assert sorted(api.calls) == sorted(("GET", collection) for collection in COLLECTIONS), "a second run asks nobody"
