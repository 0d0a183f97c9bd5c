"""Ownership on a cluster: what a deployment may use, and what its removal may take."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import ownership
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from support.fake_cluster import NAMESPACE, Api, ApiException, Object

PLACES = {
    "ConfigMap": f"{NAMESPACE}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/team-a/deployments",
    "Job": "/apis/batch/v1/namespaces/team-a/jobs",
    "PersistentVolumeClaim": f"{NAMESPACE}/persistentvolumeclaims",
    "Secret": f"{NAMESPACE}/secrets",
    "Service": f"{NAMESPACE}/services",
    "StatefulSet": "/apis/apps/v1/namespaces/team-a/statefulsets",
}
ALL = ["server", "database", "backup"]


def thing(kind: str, name: str, deployment: str = "", component: str = "server", **metadata: Any) -> Object:
    labels = {
        "app.kubernetes.io/instance": deployment,
        "app.kubernetes.io/managed-by": "mlops.mlflow",
        "app.kubernetes.io/component": component,
    }
    found = {"name": name, "uid": f"uid-of-{name}", "labels": labels if deployment else {}, **metadata}
    return {"kind": kind, "metadata": found}


def namespace(created_for: str | None = "mlflow", **labels: str) -> Object:
    annotations = {} if created_for is None else {ownership.CREATED_FOR: created_for}
    metadata = {"name": "team-a", "uid": "uid-of-team-a", "annotations": annotations, "labels": labels}
    return {"metadata": metadata, "status": {"phase": "Active"}}


def cluster_with(*things: Object, space: Object | None = None, rules: set[str] | None = None) -> Api:
    api = Api(rules=rules)
    if space:
        api.answers[NAMESPACE] = space
    for one in things:
        folder = PLACES[one["kind"]]
        api.answers.setdefault(folder, []).append(one)
        api.answers[f"{folder}/{one['metadata']['name']}"] = one
    return api


def prepared(api: Api, **options: Any) -> dict[str, Any]:
    return ownership.prepare_namespace(Cluster(api), "team-a", "mlflow", **options)


def refused(api: Api, **options: Any) -> str:
    with pytest.raises(BadInput) as error:
        prepared(api, **options)
    assert api.changes == []
    return str(error.value)


def removed(api: Api, **options: Any) -> dict[str, list[str]]:
    return ownership.remove(Cluster(api), "team-a", "mlflow", **{"components": ALL, "dry_run": True, **options})


def removal_refused(api: Api, **options: Any) -> str:
    with pytest.raises(BadInput) as error:
        removed(api, remove_namespace=True, dry_run=False, **options)
    assert api.changes == []
    return str(error.value)


# The namespace


def test_the_call_that_creates_a_namespace_says_whose_it_is() -> None:
    api = cluster_with()
    assert prepared(api, labels={"a": "b"}, annotations={"c": "d"}) == {"created": True, "changed_labels": ["a"]}
    [(method, path, body)] = api.changes
    assert (method, path) == ("POST", "/api/v1/namespaces")
    assert body["metadata"]["labels"] == {"a": "b"}
    assert body["metadata"]["annotations"] == {"c": "d", ownership.CREATED_FOR: "mlflow"}


def test_in_check_mode_nothing_is_created() -> None:
    api = cluster_with()
    assert prepared(api, dry_run=True)["created"]
    assert api.changes == []


def test_a_namespace_that_somebody_creates_at_the_same_moment_is_not_taken_over() -> None:
    api = cluster_with()
    api.refusals["/api/v1/namespaces"] = ApiException(409, "already exists")
    with pytest.raises(BadInput, match="Somebody else just created the namespace team-a"):
        prepared(api)


@pytest.mark.parametrize(
    "space",
    [
        namespace(None),
        namespace(None, **{"app.kubernetes.io/managed-by": "mlops.mlflow", "app.kubernetes.io/instance": "mlflow"}),
        namespace("another"),
    ],
    ids=["without a mark", "with our labels, which anybody can apply", "of another deployment"],
)
def test_a_namespace_that_exists_is_refused_unless_it_is_said_to_be_meant(space: Object) -> None:
    message = refused(cluster_with(space=space), labels={"a": "b"})
    for words in ("team-a exists already", "mlflow_namespace to another", "mlflow_namespace_existing to true"):
        assert words in message
    api = cluster_with(space=space)
    assert prepared(api, existing=True, labels={"a": "b"}) == {"created": False, "changed_labels": []}
    assert api.changes == [], "it is never labelled"


def test_a_namespace_that_is_said_to_exist_must_exist() -> None:
    assert "team-a does not exist" in refused(cluster_with(), existing=True)


def test_who_may_not_create_namespaces_is_told_the_way_out() -> None:
    message = refused(cluster_with(rules=set()))
    assert "you may not create namespaces" in message and "mlflow_namespace_existing" in message


def test_a_namespace_of_its_own_follows_changed_labels_and_keeps_those_of_others() -> None:
    api = cluster_with(space=namespace(theirs="1", level="old"))
    assert prepared(api, labels={"level": "new"}) == {"created": False, "changed_labels": ["level"]}
    [(method, path, body)] = api.changes
    assert (method, path) == ("PUT", NAMESPACE)
    assert body["metadata"]["labels"] == {"theirs": "1", "level": "new"}
    assert body["metadata"]["annotations"] == {ownership.CREATED_FOR: "mlflow"}
    assert not prepared(cluster_with(space=namespace(level="new")), labels={"level": "new"})["changed_labels"]


@pytest.mark.parametrize("existing", [True, False])
def test_a_second_deployment_in_one_namespace_is_refused_and_the_first_is_named(existing: bool) -> None:
    there = thing("Deployment", "first", "first")
    message = refused(cluster_with(there, space=namespace()), existing=existing)
    assert "holds the deployment first already (Deployment first)" in message
    assert "mlflow_namespace to another" in message


@pytest.mark.parametrize("existing", [True, False])
def test_objects_of_others_with_the_same_names_are_refused_and_named(existing: bool) -> None:
    there = [thing("Service", "mlflow"), thing("Service", "unrelated"), thing("Secret", "mlflow", "mlflow")]
    wanted = [{"kind": kind, "metadata": {"name": "mlflow"}} for kind in ("Service", "Secret", "Deployment")]
    message = refused(cluster_with(*there, space=namespace()), existing=existing, objects=wanted)
    assert "did not make: Service mlflow. Set mlflow_name" in message
    assert prepared(cluster_with(*there[1:], space=namespace()), objects=wanted) == {
        "created": False,
        "changed_labels": [],
    }


# Removal


def test_a_removal_takes_what_carries_the_marks_and_keeps_data_unless_it_is_meant() -> None:
    api = cluster_with(
        thing("Deployment", "mlflow", "mlflow"),
        thing("Deployment", "another", "another"),
        thing("Deployment", "mlflow-database"),
        thing("Secret", "mlflow-auth", "mlflow"),
        thing("Secret", "mlflow-database", "mlflow", "database"),
        space=namespace(),
    )
    found = removed(api)
    assert found["removed"] == ["Deployment mlflow"]
    assert found["kept"] == ["Secret mlflow-auth", "Secret mlflow-database"]
    found = removed(api, remove_data_of=["database"])
    assert found["removed"] == ["Deployment mlflow", "Secret mlflow-database"]
    assert found["kept"] == ["Secret mlflow-auth"]
    assert removed(api, components=["database"])["removed"] == []
    assert api.changes == []


def test_a_removal_deletes_that_very_object_and_waits_until_it_is_gone() -> None:
    api = cluster_with(thing("Job", "mlflow-setup", "mlflow"), space=namespace())
    assert removed(api, dry_run=False)["removed"] == ["Job mlflow-setup"]
    [(method, path, body)] = api.changes
    assert (method, path) == ("DELETE", f"{PLACES['Job']}/mlflow-setup")
    assert (body["preconditions"], body["propagationPolicy"]) == ({"uid": "uid-of-mlflow-setup"}, "Foreground")
    assert api.calls[-1][:2] == ("GET", path)


def test_what_does_not_go_away_is_named() -> None:
    api = cluster_with(thing("PersistentVolumeClaim", "data", "mlflow"), space=namespace())
    api.stubborn = True
    with pytest.raises(ClusterError, match="Not gone after 0 s: PersistentVolumeClaim data"):
        removed(api, dry_run=False, remove_data_of=["server"], seconds=0)


def test_objects_that_are_named_go_only_with_the_marks_of_the_deployment() -> None:
    named = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in ("a", "b", "c", "d")]
    api = cluster_with(
        thing("ConfigMap", "a", "mlflow"),
        thing("ConfigMap", "b", "another"),
        thing("ConfigMap", "c"),
        space=namespace(),
    )
    assert removed(api, objects=named)["removed"] == ["ConfigMap a"]


def test_an_object_of_a_kind_of_somebody_elses_is_found_too() -> None:
    monitors = "/apis/monitoring.coreos.com/v1/namespaces/team-a/servicemonitors"
    kinds = [{"name": "servicemonitors", "kind": "ServiceMonitor", "namespaced": True}]
    api = cluster_with(space=namespace())
    api.answers["/apis/monitoring.coreos.com/v1"] = {"resources": kinds}
    api.answers[f"{monitors}/mine"] = thing("ServiceMonitor", "mine", "mlflow")
    reference = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "mine"}}
    unknown = {**reference, "kind": "Unknown"}
    assert removed(api, objects=[reference, unknown])["removed"] == ["ServiceMonitor mine"]


def test_no_secret_is_read() -> None:
    api = cluster_with(thing("Secret", "mlflow-auth", "mlflow"), space=namespace())
    removed(api)
    assert api.accepted[PLACES["Secret"]] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def test_a_volume_that_its_class_keeps_is_said_to_be_kept() -> None:
    claim = {**thing("PersistentVolumeClaim", "data", "mlflow"), "spec": {"volumeName": "pv-1"}}
    for policy, kept in (("Retain", ["PersistentVolume pv-1"]), ("Delete", [])):
        api = cluster_with(claim, space=namespace())
        api.answers["/api/v1/persistentvolumes/pv-1"] = {"spec": {"persistentVolumeReclaimPolicy": policy}}
        assert removed(api, remove_data_of=["server"])["kept"] == kept
    api.answers["/api/v1/persistentvolumes/pv-1"] = ApiException(403, "forbidden")
    assert removed(api, remove_data_of=["server"])["kept"] == []


def test_a_namespace_goes_where_nothing_else_goes_with_it() -> None:
    owned: Any = {"ownerReferences": [{"kind": "Deployment", "name": "mlflow"}]}
    api = cluster_with(
        thing("Deployment", "mlflow", "mlflow"),
        thing("ConfigMap", "kube-root-ca.crt"),
        thing("ConfigMap", "of-the-deployment", **owned),
        thing("Secret", "token", annotations={"kubernetes.io/service-account.name": "default"}),
        space=namespace(),
    )
    found = removed(api, remove_namespace=True, dry_run=False)
    assert found["removed"] == ["Deployment mlflow", "Namespace team-a"]
    assert [path for method, path, _body in api.changes] == [f"{PLACES['Deployment']}/mlflow", NAMESPACE]


@pytest.mark.parametrize(
    ("kind", "component", "said"),
    [
        ("PersistentVolumeClaim", "database", "mlflow_remove_data=true"),
        ("Secret", "server", "mlflow_remove_data=true"),
        ("PersistentVolumeClaim", "backup", "mlflow_backup_remove_data=true"),
    ],
)
def test_a_namespace_with_data_that_is_to_be_kept_is_not_removed(kind: str, component: str, said: str) -> None:
    api = cluster_with(
        thing("Deployment", "mlflow", "mlflow"), thing(kind, "data", "mlflow", component), space=namespace()
    )
    message = removal_refused(api)
    assert f"is to be kept: {kind} data" in message and said in message
    assert removed(api, remove_namespace=True, remove_data_of=[component])["kept"] == []


@pytest.mark.parametrize("space", [namespace(None), namespace("another")])
def test_a_namespace_that_the_deployment_did_not_make_is_not_removed(space: Object) -> None:
    api = cluster_with(thing("Deployment", "mlflow", "mlflow"), space=space)
    assert "was not made by the deployment mlflow" in removal_refused(api)
    assert removed(api)["removed"] == ["Deployment mlflow"]


@pytest.mark.parametrize(
    "there",
    [
        thing("Deployment", "another", "another"),
        thing("StatefulSet", "theirs"),
        thing("Secret", "theirs"),
        thing("StatefulSet", "theirs", ownerReferences=[{"kind": "RabbitmqCluster", "name": "queue"}]),
    ],
    ids=[
        "another deployment",
        "somebody's workload",
        "somebody's Secret",
        "what an operator made of somebody's object",
    ],
)
def test_a_namespace_with_what_others_put_into_it_is_not_removed(there: Object) -> None:
    api = cluster_with(thing("Deployment", "mlflow", "mlflow"), there, space=namespace())
    message = removal_refused(api)
    assert f"did not make in the namespace team-a: {there['kind']} {there['metadata']['name']}" in message


def test_a_namespace_that_is_gone_already_is_nothing_to_remove() -> None:
    assert removed(cluster_with()) == {"present": [], "removed": [], "kept": []}
