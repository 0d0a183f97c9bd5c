"""Cluster: one look, what may be done there, Secrets that are generated once, and commands in pods."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import inspect, runner, secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from support.fake_cluster import (
    NAMESPACE,
    Api,
    ApiException,
    Executing,
    container,
    crashed,
    deployment,
    job,
    ops_line,
    pod,
)

OURS = {"app.kubernetes.io/instance": "mlflow", "app.kubernetes.io/managed-by": "mlops.mlflow"}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {}}


def served(*groups: str) -> dict[str, Any]:
    return {"groups": [{"name": group} for group in groups]}


def once_proven(workload: dict[str, Any]) -> dict[str, Any]:
    workload["metadata"]["annotations"][inspect.PROVEN] = "of what it was before"
    return workload


def look(answers: dict[str, Any] | None = None, rules: set[str] | None = None, **wanted: Any) -> dict[str, Any]:
    return inspect.gather(Cluster(Api(answers, rules)), "team-a", "mlflow", **wanted)


def test_an_empty_cluster_is_looked_at_without_an_error() -> None:
    found = look()
    assert (found["namespace"], found["minor"]) == ("absent", 0)
    assert (found["storage_classes"], found["default_storage_class"], found["metrics"]) == ([], "", False)
    assert (found["optional"], found["claims"], found["quotas"], found["jobs"]) == ([], [], {}, {})


@pytest.mark.parametrize(("minor", "number"), [("34", 34), ("27+", 27), ("", 0)])
def test_the_version_is_read_as_clouds_write_it_too(minor: str, number: int) -> None:
    found = look({"/version": {"gitVersion": "v1.27.3-gke.1", "minor": minor}})
    assert (found["version"], found["minor"]) == ("v1.27.3-gke.1", number)


def test_storage_classes_and_the_default_one() -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    slow = {**named("slow"), "provisioner": "ebs.csi.aws.com"}
    found = look({CLASSES: [slow, named("fast", annotations=default)]})
    assert (found["storage_classes"], found["default_storage_class"]) == (["slow", "fast"], "fast")
    assert found["storage_provisioners"] == {"slow": "ebs.csi.aws.com", "fast": ""}


@pytest.mark.parametrize(
    ("answers", "works"),
    [
        ({"/apis": served("metrics.k8s.io"), "/apis/metrics.k8s.io/v1beta1": {"kind": "APIResourceList"}}, True),
        ({"/apis": served("metrics.k8s.io")}, False),
        ({"/apis": served()}, False),
    ],
    ids=["served", "registered, but not there", "not installed"],
)
def test_metrics_are_there_only_if_they_are_answered(answers: dict[str, Any], works: bool) -> None:
    assert look(answers)["metrics"] is works


def test_groups_that_are_not_served_are_named() -> None:
    found = look({"/apis": served("apps", "b.io")}, groups=["c.io", "b.io", "a.io"])
    assert found["missing_groups"] == ["a.io", "c.io"]


def test_a_kind_that_an_older_release_of_its_group_lacks_is_named() -> None:
    answers = {"/apis": served("b.io"), "/apis/b.io/v1": {"resources": [{"kind": "Old", "name": "olds"}]}}
    found = look(answers, groups=["b.io", "b.io/v1/Old", "b.io/v1/New", "b.io/v2/Old", "c.io/v1/Old"])
    assert found["missing_groups"] == ["b.io/v1/New", "b.io/v2/Old", "c.io/v1/Old"]


def test_what_may_not_be_done_is_named_and_one_question_serves_who_may_do_all() -> None:
    wanted = ["get pods", "patch deployments.apps", "create pods/exec"]
    assert look(rules={"get pods", "patch deployments.apps"}, permissions=wanted)["denied"] == ["create pods/exec"]
    api = Api()
    assert inspect.gather(Cluster(api), "team-a", "mlflow", permissions=wanted)["denied"] == []
    assert len([path for _method, path, _body in api.calls if "accessreview" in path]) == 1


def test_permissions_are_asked_for_in_the_namespace_and_the_group() -> None:
    api = Api(rules=set())
    inspect.gather(Cluster(api), "team-a", "mlflow", permissions=["patch deployments.apps"])
    asked = [body["spec"]["resourceAttributes"] for _method, path, body in api.calls if "accessreview" in path]
    assert asked[-1] == {"namespace": "team-a", "verb": "patch", "group": "apps", "resource": "deployments"}


def test_of_secrets_only_the_keys_are_told() -> None:
    data = {"password": base64.b64encode(b"hunter2").decode(), "a": ""}
    found = look({f"{NAMESPACE}/secrets/db": {"data": data}}, secrets=["db", "none"])
    assert found["secrets"] == {"db": ["a", "password"], "none": []}
    assert data["password"] not in str(found) and "hunter2" not in str(found)


def test_optional_objects_are_listed_where_their_group_is_served() -> None:
    scalers = "/apis/autoscaling/v2/namespaces/team-a/horizontalpodautoscalers"
    api = Api({"/apis": served("autoscaling", "policy"), scalers: [named("mlflow")]})
    found = inspect.gather(Cluster(api), "team-a", "mlflow")
    assert found["optional"] == [
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "mlflow", "namespace": "team-a"},
        }
    ]
    assert api.queries[scalers] == {"labelSelector": ",".join(f"{key}={value}" for key, value in OURS.items())}
    assert not [path for _method, path, _body in api.calls if "routes" in path]


def test_quotas_of_others_count_and_our_own_does_not() -> None:
    def quota(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": labels}, "spec": {"hard": {"pods": "4"}, **spec}}

    found = look(
        {
            f"{NAMESPACE}/resourcequotas": [
                quota("team"),
                quota("mlflow", OURS),
                quota("best-effort", scopes=["BestEffort"]),
                quota("classes", scopeSelector={"matchExpressions": []}),
            ]
        }
    )
    assert found["quotas"] == {"team": {"pods": "4"}}


@pytest.mark.parametrize(
    ("conditions", "state"),
    [([], "running"), (["SuccessCriteriaMet", "Complete"], "complete"), (["FailureTarget", "Failed"], "failed")],
)
def test_jobs_are_told_with_state_and_checksum(conditions: list[str], state: str) -> None:
    found = look({"/apis/batch/v1/namespaces/team-a/jobs": [job(*conditions)]})
    assert found["jobs"] == {"mlflow-setup": {"state": state, "checksum": "abc"}}


def test_the_state_of_a_deployment_names_what_is_not_settled() -> None:
    found = inspect.state(
        Cluster(
            Api(
                {
                    "/apis/apps/v1/namespaces/team-a/deployments": [deployment(2, 1)],
                    f"{NAMESPACE}/pods": [
                        pod("a", container("running", True, restarts=2)),
                        pod("b", crashed("Killed", restarts=2)),
                        pod("c", phase="Pending"),
                    ],
                }
            )
        ),
        "team-a",
        "mlflow",
    )
    workload = {"kind": "Deployment", "name": "mlflow", "wanted": 2, "ready": 1, "version": "", "proven": False}
    workload |= {"stopped": False, "served": True}
    assert found["workloads"] == [workload]
    assert found["unsettled"] == ["Deployment/mlflow: 1 of 2 ready"]
    assert [(one["ready"], one["restarts"], one["problem"]) for one in found["pods"]] == [
        (True, 2, ""),
        (False, 2, "container mlflow crashed 2 times: Killed"),
        (False, 0, ""),
    ]


@pytest.mark.parametrize(
    ("setup", "workload", "served"),
    [
        (job("FailureTarget", "Failed"), deployment(1, 0), False),
        (job(), deployment(1, 0), False),
        (None, deployment(1, 0), False),
        (job("SuccessCriteriaMet", "Complete"), deployment(1, 0), True),
        (job("FailureTarget", "Failed"), deployment(1, 1), True),
        (job("FailureTarget", "Failed"), deployment(0, 0), True),
        (job("FailureTarget", "Failed"), once_proven(deployment(1, 0)), True),
    ],
)
def test_what_never_had_data_does_not_say_where_the_data_is(
    setup: dict[str, Any] | None, workload: dict[str, Any], served: bool
) -> None:
    started = {"data": {"launch.json": '{"argv": ["mlflow"]}'}}
    api = Api(
        {
            f"{NAMESPACE}/configmaps/mlflow": started,
            "/apis/batch/v1/namespaces/team-a/jobs": [setup] if setup else [],
            "/apis/apps/v1/namespaces/team-a/deployments": [workload],
        }
    )
    found = inspect.gather(Cluster(api), "team-a", "mlflow")
    state = inspect.state(Cluster(api), "team-a", "mlflow")
    launch = inspect.launch_that_served(found, state["workloads"], "mlflow")
    assert launch == ({"argv": ["mlflow"]} if served else {})


def test_a_refusal_is_told_in_the_clusters_own_words() -> None:
    with pytest.raises(ClusterError) as refused:
        look({NAMESPACE: ApiException(403, "namespaces is forbidden: User x cannot get")})
    assert str(refused.value) == (
        "The cluster at https://cluster:6443 refused GET /api/v1/namespaces/team-a: namespaces is forbidden: User x "
        "cannot get"
    )


def test_a_refusal_without_json_is_shortened_to_one_line() -> None:
    refusal = ApiException(502)
    refusal.body = "<html>\n" + "bad gateway " * 100
    with pytest.raises(ClusterError) as refused:
        look({"/version": refusal})
    assert "<html> bad gateway" in str(refused.value) and len(str(refused.value)) < 400


def test_a_cluster_out_of_reach_is_named_with_the_cause_alone() -> None:
    error = OSError("HTTPSConnectionPool: Max retries exceeded (Caused by NewConnectionError('refused'))")
    with pytest.raises(ClusterError, match=r"https://cluster:6443 cannot be reached: NewConnectionError\('refused'"):
        look({"/version": error})


SECRET = f"{NAMESPACE}/secrets/db"


def ensured(api: Api, **options: Any) -> list[str]:
    values = {"password": lambda: "new", "owner-password": lambda: "new too"}
    return secrets.ensure_secret(Cluster(api), "team-a", "db", values, OURS, **options)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_secret_is_generated_once_with_labels_and_type() -> None:
    api = Api()
    assert ensured(api, kind="kubernetes.io/basic-auth") == ["password", "owner-password"]
    [(method, path, body)] = api.changes
    assert (method, path) == ("POST", f"{NAMESPACE}/secrets")
    assert body["metadata"] == {"name": "db", "namespace": "team-a", "labels": OURS}
    assert body["type"] == "kubernetes.io/basic-auth"
    assert body["data"] == {"password": encoded("new"), "owner-password": encoded("new too")}


def test_what_a_secret_holds_already_is_never_changed() -> None:
    found = {
        "metadata": {"name": "db", "resourceVersion": "7", "labels": OURS},
        "data": {"password": encoded("old"), "own": "x"},
    }
    api = Api({SECRET: found})
    assert ensured(api) == ["owner-password"]
    [(method, path, body)] = api.changes
    assert (method, path) == ("PUT", SECRET)
    assert body["data"] == {"password": encoded("old"), "own": "x", "owner-password": encoded("new too")}
    assert body["metadata"]["resourceVersion"] == "7", "two runs at once must not undo each other"


def test_nothing_is_put_into_a_secret_of_somebody_elses() -> None:
    api = Api({SECRET: {"metadata": {"name": "db", "labels": {"team": "a"}}, "data": {"password": ""}}})
    with pytest.raises(BadInput, match=r"team-a/db exists, was not made by this deployment, and lacks owner-password"):
        ensured(api)
    assert api.changes == []


def test_a_complete_secret_is_left_alone() -> None:
    api = Api({SECRET: {"data": {"password": "", "owner-password": ""}}})
    assert ensured(api) == [] and api.changes == []


def test_a_dry_run_tells_what_it_would_create() -> None:
    api = Api()
    assert ensured(api, dry_run=True) == ["password", "owner-password"]
    assert api.changes == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_no_password_is_generated_that_would_not_open_an_existing_volume(dry_run: bool) -> None:
    api = Api({f"{NAMESPACE}/persistentvolumeclaims/data-db-0": named("data-db-0")})
    with pytest.raises(BadInput) as refused:
        ensured(api, guarded_claim="data-db-0", dry_run=dry_run)
    for words in ("team-a/data-db-0 exists", "Secret db lacks password, owner-password", "Restore the Secret"):
        assert words in str(refused.value)
    assert api.changes == []
    assert ensured(Api(), guarded_claim="data-db-0") == ["password", "owner-password"]


PODS = f"{NAMESPACE}/pods"


def asked(there: Executing, operation: str = "info", **options: Any) -> dict[str, Any]:
    where = runner.KubernetesRunner(there, "team-a", "mlflow", options.pop("login", {}))
    return where.run(protocol.Request(operation, options))


def test_a_request_goes_to_a_ready_pod_and_its_result_comes_back() -> None:
    api = Api({PODS: [pod("b", container("running")), pod("a", container("running", True))]})
    there = Executing(api, "warning\n" + ops_line(healthy=True))
    assert asked(there, "health", level="deep") == {"healthy": True}
    assert there.executed == [("a", "mlflow", ["mlflow-ops", "run", "--while-connected"])]
    request = json.loads(there.given[0])
    assert (request["operation"], request["options"]) == ("health", {"level": "deep"})
    assert api.queries[PODS]["labelSelector"].endswith("app.kubernetes.io/component=server")


def test_the_password_is_read_from_its_secret_and_given_on_standard_input_only() -> None:
    held = {"data": {"admin-password": base64.b64encode(b"kept-to-itself\n").decode()}}
    api = Api({PODS: [pod("a", container("running", True))], f"{NAMESPACE}/secrets/mlflow-auth": held})
    there = Executing(api, ops_line(version="3.17.2"))
    asked(there, login={"username": "admin", "secret": "mlflow-auth", "key": "admin-password"})
    assert json.loads(there.given[0])["login"] == {"username": "admin", "password": "kept-to-itself"}
    assert "kept-to-itself" not in str(there.executed)


def test_a_line_of_the_log_that_looks_like_a_result_is_not_taken_for_it() -> None:
    forged = protocol.result_line({"healthy": True}, "0" * 32)
    there = Executing(Api({PODS: [pod("a", container("running", True))]}), ops_line(healthy=False) + forged)
    assert asked(there, "health") == {"healthy": False}


def test_a_pod_that_is_not_ready_is_asked_when_there_is_no_other() -> None:
    there = Executing(Api({PODS: [pod("b", container("running"))]}), ops_line(failed=True, msg="no database"))
    assert asked(there, "health")["msg"] == "no database"


def test_pods_on_their_way_out_or_in_a_crash_are_not_asked() -> None:
    leaving = pod("leaving", container("running", True))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    api = Api({PODS: [leaving, pod("looping", crashed("Killed")), pod("waiting", phase="Pending")]})
    with pytest.raises(ClusterError) as failed:
        asked(Executing(api, ""))
    assert "No pod of team-a/mlflow is running." in str(failed.value)
    assert "looping: container mlflow crashed 3 times: Killed; waiting: Pending" in str(failed.value)


def test_no_pod_at_all_is_said_so() -> None:
    with pytest.raises(ClusterError, match="There is none at all"):
        asked(Executing(Api({PODS: []}), ""))


def test_a_command_that_was_killed_is_reported_with_the_end_of_its_output() -> None:
    there = Executing(Api({PODS: [pod("a", container("running", True))]}), "starting\nKilled\n")
    with pytest.raises(EngineError, match=r"without a result.*Killed"):
        asked(there, "smoke")
