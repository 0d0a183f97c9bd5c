"""Apply: many objects with few requests; what is so already is not sent, and what differs always is."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import apply
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from support.fake_cluster import ApiException, Object

DEPLOYMENTS = "/apis/apps/v1/namespaces/team-a/deployments"
LABELS = {"app.kubernetes.io/instance": "mlflow"}


def deployment(**spec: Any) -> Object:
    container = {
        "name": "mlflow",
        "image": "mlflow:1",
        "args": ["exec", "/etc/launch.json"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"name": "http", "containerPort": 5000}],
    }
    pod = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mlflow", "namespace": "team-a", "labels": dict(LABELS)},
        "spec": {"revisionHistoryLimit": 3, "template": {"spec": pod}, **spec},
    }


def live() -> Object:
    """As a real API server (1.34) has it after that was applied: with defaults, status, and who owns what."""
    found = deployment()
    found["metadata"] |= {"uid": "1-2", "resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-11-25"}
    found["spec"] |= {"replicas": 2, "progressDeadlineSeconds": 600}
    pod = found["spec"]["template"]["spec"]
    pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
    pod["containers"][0] |= {"terminationMessagePath": "/dev/termination-log"}
    pod["containers"][0]["ports"][0] |= {"protocol": "TCP"}
    owned = {
        "f:metadata": {"f:labels": {"f:app.kubernetes.io/instance": {}}},
        "f:spec": {
            "f:revisionHistoryLimit": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"mlflow"}': {
                            ".": {},
                            "f:args": {},
                            "f:env": {
                                'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}},
                                'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}},
                            },
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                'k:{"containerPort":5000,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                    "f:name": {},
                                }
                            },
                        }
                    },
                    "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:emptyDir": {}, "f:name": {}}},
                }
            },
        },
    }
    found["metadata"]["managedFields"] = [
        {"manager": "mlops.mlflow", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": owned},
        {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {}},
    ]
    return {**found, "status": {"readyReplicas": 2}}


class Api:
    """A cluster that lists what it has, and merges what is applied into it as far as these tests need."""

    def __init__(self, *objects: Object) -> None:
        self.objects = list(objects)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.sent: list[Object] = []
        self.refusal: Exception | None = None
        self.configuration = type("Configuration", (), {"host": "https://cluster:6443"})()

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        self.asked.append((method, path, dict(options["query_params"])))
        answer: Object = {"items": self.objects}
        if method == "PATCH":
            assert options["header_params"]["Content-Type"] == "application/apply-patch+yaml"
            if self.refusal:
                raise self.refusal
            self.sent.append(options["body"])
            found = next((one for one in self.objects if path.endswith(f"/{one['metadata']['name']}")), {})
            answer = merged(found, options["body"])
            answer["metadata"]["resourceVersion"] = "8"
        elif method == "GET" and path != DEPLOYMENTS:
            answer = {"resources": []} if path.startswith("/apis/example.org") else {"items": []}
        return type("Answer", (), {"data": json.dumps(answer)})()


def merged(before: Any, over: Any) -> Any:
    if isinstance(over, list) and over and all(isinstance(item, dict) and "name" in item for item in over):
        was = {item["name"]: item for item in before or []}
        return [merged(was.get(item["name"]), item) for item in over]
    if not (isinstance(before, dict) and isinstance(over, dict)):
        return deepcopy(over)
    return {key: merged(before.get(key), over[key]) if key in over else before[key] for key in {**before, **over}}


def applied(api: Api, *objects: Object, **options: Any) -> list[Object]:
    return apply.apply(Cluster(api), objects or [deployment()], **options)


def test_what_is_so_already_costs_one_list_and_nothing_else() -> None:
    api = Api(live())
    (done,) = applied(api)
    assert (done["changed"], done["created"]) == (False, False)
    assert api.asked == [("GET", DEPLOYMENTS, {"labelSelector": "app.kubernetes.io/instance=mlflow"})]


def test_objects_of_a_kind_are_listed_once_and_sent_in_their_order() -> None:
    def named(name: str, kind: str) -> Object:
        metadata = {"name": name, "namespace": "team-a", "labels": LABELS}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata}

    api = Api()
    done = applied(api, *(named(n, k) for n, k in [("b", "Service"), ("a", "ConfigMap"), ("c", "Service")]))
    assert [(one["kind"], one["name"], one["created"]) for one in done] == [
        ("Service", "b", True), ("ConfigMap", "a", True), ("Service", "c", True),
    ]  # fmt: skip
    assert [method for method, _path, _query in api.asked] == ["GET", "GET", "PATCH", "PATCH", "PATCH"]
    assert api.asked[2][2] == {"fieldManager": "mlops.mlflow", "force": "true"}


def container(item: Object) -> Object:
    return dict(item["spec"]["template"]["spec"]["containers"][0])


def changed_container(**changes: Any) -> Object:
    item = deployment()
    item["spec"]["template"]["spec"]["containers"][0] |= changes
    return item


@pytest.mark.parametrize(
    "item",
    [
        changed_container(image="mlflow:2"),
        changed_container(args=["exec"]),
        changed_container(env=[{"name": "A", "value": "1"}]),
        changed_container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]),
        changed_container(env=[{"name": n, "value": "1"} for n in "ABC"]),
        changed_container(ports=[{"name": "http", "containerPort": 5001}]),
        deployment(replicas=2),
        deployment(revisionHistoryLimit=None),
        {**deployment(), "metadata": {"name": "mlflow", "namespace": "team-a", "labels": {**LABELS, "team": "a"}}},
    ],
    ids=[
        "another value", "another argument", "a variable less", "another variable's value", "a variable more",
        "another port", "a default that is now requested", "another type", "a label more",
    ],
)  # fmt: skip
def test_whatever_differs_is_sent(item: Object) -> None:
    api = Api(live())
    applied(api, item)
    assert api.sent == [item]


@pytest.mark.parametrize("field", ["spec", "labels"])
def test_what_is_no_longer_requested_is_sent_so_that_it_goes(field: str) -> None:
    item, before = deployment(), live()
    if field == "spec":
        del item["spec"]["revisionHistoryLimit"]
    else:
        before["metadata"]["labels"]["team"] = "a"
        before["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"]["f:team"] = {}
    api = Api(before)
    applied(api, item)
    assert api.sent == [item]


def drifted() -> Object:
    found = live()
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "somebody-elses:1"
    return found


def taken_over() -> Object:
    found = live()
    del found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:revisionHistoryLimit"]
    return found


def of_another_version() -> Object:
    found = live()
    found["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta1"
    return found


def never_applied() -> Object:
    found = live()
    del found["metadata"]["managedFields"]
    return found


@pytest.mark.parametrize("found", [drifted, taken_over, of_another_version, never_applied])
def test_what_somebody_else_changed_or_owns_is_applied_again(found: Any) -> None:
    api = Api(found())
    (done,) = applied(api)
    assert len(api.sent) == 1
    assert done["changed"] == (found is drifted)


def test_a_change_tells_what_was_and_what_became_without_what_the_server_writes() -> None:
    (done,) = applied(Api(live()), deployment(revisionHistoryLimit=5))
    assert (done["before"], done["after"]) == (
        {"spec": {"revisionHistoryLimit": 3}},
        {"spec": {"revisionHistoryLimit": 5}},
    )
    assert done["changed"] and not done["created"]


@pytest.mark.parametrize("ours", [True, False])
def test_the_number_of_servers_stays_as_it_is_when_an_autoscaler_takes_it_over(ours: bool) -> None:
    before = live()
    before["spec"]["replicas"] = 4
    if ours:
        before["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"] = {}
    api = Api(before)
    applied(api, deployment(revisionHistoryLimit=5))
    managers = [query["fieldManager"] for method, _path, query in api.asked if method == "PATCH"]
    assert managers == (["mlops.mlflow.replicas", "mlops.mlflow"] if ours else ["mlops.mlflow"])
    if ours:
        assert api.sent[0]["spec"] == {"replicas": 4}


def secret(password: str) -> Object:
    return {"metadata": {"name": "mlflow-database"}, "data": {"password": password}}


def reading_secrets(name: str = "mlflow-database") -> Object:
    item = deployment()
    place = {"secretKeyRef": {"name": name, "key": "password"}}
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "PGPASSWORD", "valueFrom": place})
    return item


class WithSecrets(Api):
    """C(secrets) carry the deployment's label; C(others), which somebody else made, are asked for by name."""

    secrets: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        _before, found, name = path.partition("/api/v1/namespaces/team-a/secrets")
        if not found:
            return super().call_api(path, method, **options)
        self.asked.append((method, path, dict(options["query_params"])))
        named = [one for one in self.others if f"/{one['metadata']['name']}" == name]
        if name and not named:
            raise ApiException(404)
        return type("Answer", (), {"data": json.dumps(named[0] if name else {"items": list(self.secrets)})})()


def mark_of(item: Object) -> str:
    return str(item["spec"]["template"].get("metadata", {}).get("annotations", {}).get("mlops.mlflow/secrets", ""))


def test_pods_carry_a_fingerprint_of_the_secrets_that_they_read_and_are_new_ones_when_it_changed() -> None:
    api = WithSecrets()
    api.secrets = (secret("b25l"),)
    applied(api, reading_secrets())
    first = mark_of(api.sent[-1])
    assert first.startswith("scrypt$") and "b25l" not in json.dumps(api.sent)
    # The same secret: the same mark, although the salt is a random one.
    api.objects = [merged({}, api.sent[-1])]
    applied(api, reading_secrets())
    assert mark_of(api.sent[-1]) == first
    api.secrets = (secret("dHdv"),)
    applied(api, reading_secrets())
    assert mark_of(api.sent[-1]) not in ("", first)


def test_a_secret_that_somebody_else_made_counts_too_and_one_that_is_not_there_leaves_no_mark() -> None:
    api = WithSecrets()
    applied(api, reading_secrets("theirs"))
    assert mark_of(api.sent[-1]) == "", "no pod can have read it"
    api.others = ({"metadata": {"name": "theirs"}, "data": {"password": "b25l"}},)
    applied(api, reading_secrets("theirs"))
    assert mark_of(api.sent[-1])


def test_a_renewed_certificate_makes_new_pods_of_those_who_serve_it_and_of_those_who_trust_it() -> None:
    sources = [{"secret": {"name": "mlflow-ca", "items": [{"key": "ca.crt", "path": "database.crt"}]}}]
    for volume, name in (
        ({"secret": {"secretName": "mlflow-database-tls"}}, "mlflow-database-tls"),
        ({"projected": {"sources": sources}}, "mlflow-ca"),
    ):
        api = WithSecrets()
        item = deployment()
        item["spec"]["template"]["spec"]["volumes"] = [{"name": "of-the-certificate", **volume}]
        marks = []
        for certificate in ("b25l", "b25l", "dHdv"):
            api.secrets = ({"metadata": {"name": name}, "data": {"certificate": certificate}},)
            applied(api, item)
            api.objects = [merged({}, api.sent[-1])]
            marks.append(mark_of(api.sent[-1]))
        assert marks[0] and marks[0] == marks[1] != marks[2], name


def claim(size: str, storage_class: str | None = None) -> Object:
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    metadata = {"name": "mlflow-database", "namespace": "team-a", "labels": dict(LABELS)}
    spec |= {"storageClassName": storage_class} if storage_class else {}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def stateful_set(**spec: Any) -> Object:
    return {**deployment(**spec), "kind": "StatefulSet"}


class WithClass(Api):
    """C(expandable): whether volumes of the class can grow; None where there is no such class."""

    expandable: bool | None = False

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        if "/storageclasses/" in path:
            if self.expandable is None:
                raise ApiException(404)
            return type("Answer", (), {"data": json.dumps({"allowVolumeExpansion": self.expandable})})()
        if path.endswith(("/persistentvolumeclaims", "/statefulsets")):
            return type("Answer", (), {"data": json.dumps({"items": self.objects})})()
        return super().call_api(path, method, **options)


@pytest.mark.parametrize(
    ("there", "item", "words"),
    [
        (claim("1Gi", "fast"), claim("2Gi"), "has 1Gi and cannot grow to 2Gi: its storage class fast does not allow"),
        (claim("2Gi", "fast"), claim("1Gi"), "has 2Gi, and no volume can shrink to 1Gi: ask for 2Gi or more"),
        (claim("1Gi", "fast"), claim("1Gi", "slow"), "of the PersistentVolumeClaim mlflow-database storageClassName"),
        (
            stateful_set(serviceName="old", volumeClaimTemplates=[{"metadata": {"name": "data"}}]),
            stateful_set(serviceName="new"),
            "of the StatefulSet mlflow serviceName from old to new and volumeClaimTemplates from [{'metadata'",
        ),
        (
            stateful_set(volumeClaimTemplates=[{"metadata": {"name": "data"}}]),
            stateful_set(),
            "Take the settings back, or take a backup, remove the deployment with its data, deploy and restore.",
        ),
        (
            deployment(selector={"matchLabels": {"a": "b"}}),
            deployment(selector={"matchLabels": {"a": "c"}}),
            "kubectl delete deployment mlflow --cascade=orphan",
        ),
    ],
    ids=[
        "a volume that cannot grow",
        "one that shrinks",
        "another class",
        "a StatefulSet's fields",
        "its volume",
        "a selector",
    ],
)
def test_what_nobody_can_change_is_refused_with_the_remedy_before_anything_is_applied(
    there: Object, item: Object, words: str
) -> None:
    api = WithClass(there)
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "team-a"}}
    with pytest.raises(BadInput) as refusal:
        applied(api, other, item)
    assert words in str(refusal.value) and str(refusal.value).endswith("Nothing was applied.")
    assert not api.sent


@pytest.mark.parametrize(("there", "wanted"), [("1Gi", "2Gi"), ("1Gi", "1024Mi")], ids=["it grows", "it is the same"])
def test_a_volume_grows_where_its_class_allows_it(there: str, wanted: str) -> None:
    api = WithClass(claim(there, "fast"))
    api.expandable = True
    applied(api, claim(wanted))
    assert api.sent[-1]["spec"]["resources"]["requests"]["storage"] == wanted


def test_a_trial_changes_nothing() -> None:
    api = Api(live())
    applied(api, deployment(revisionHistoryLimit=5), dry_run=True)
    assert api.asked[-1][2]["dryRun"] == "All"


def test_a_refusal_is_named() -> None:
    api = Api()
    api.refusal = ApiException(422, 'Deployment "mlflow" is invalid: field is immutable')
    with pytest.raises(ClusterError, match=r"refused PATCH .*/deployments/mlflow: .*field is immutable"):
        applied(api)
    api.refusal = ApiException(404, 'namespaces "team-a" not found')
    with pytest.raises(ClusterError, match='namespaces "team-a" not found'):
        applied(api)


def test_a_kind_that_the_cluster_does_not_serve_is_named_before_anything_is_sent() -> None:
    api = Api()
    unknown = {**deployment(), "apiVersion": "example.org/v1", "kind": "Tracker"}
    with pytest.raises(ClusterError, match=r"does not serve Tracker of example\.org/v1"):
        applied(api, deployment(), unknown)
    assert not api.sent


CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


class Rbac(Api):
    """A cluster that also serves what has no namespace."""

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        if method == "GET" and path == "/apis/rbac.authorization.k8s.io/v1":
            self.asked.append((method, path, {}))
            kinds = [{"kind": "ClusterRole", "name": "clusterroles", "namespaced": False}]
            return type("Answer", (), {"data": json.dumps({"resources": kinds})})()
        return super().call_api(path, method, **options)


def cluster_role(name: str = "reader") -> Object:
    metadata = {"name": name, "namespace": "team-a", "labels": dict(LABELS)}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata}


def test_what_is_of_the_cluster_is_applied_there_and_its_kind_is_looked_up_once() -> None:
    api = Rbac()
    applied(api, cluster_role("reader"), cluster_role("writer"))
    assert [path for method, path, _query in api.asked if method == "PATCH"] == [
        f"{CLUSTER_ROLES}/reader",
        f"{CLUSTER_ROLES}/writer",
    ]
    assert all("namespace" not in item["metadata"] for item in api.sent)
    assert [path for _method, path, _query in api.asked].count("/apis/rbac.authorization.k8s.io/v1") == 1


def test_what_somebody_else_has_made_is_not_taken_where_only_own_is_meant() -> None:
    ours = deployment()
    ours["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "mlops.mlflow"
    theirs = live()
    api = Api(theirs)
    with pytest.raises(BadInput, match=r"somebody else has made: Deployment mlflow\. Nothing was applied"):
        applied(api, ours, only_own=True)
    assert api.sent == []
    theirs["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "mlops.mlflow"
    assert applied(Api(theirs), ours, only_own=True)[0]["created"] is False


def test_a_service_of_knative_that_has_no_annotation_of_ours_any_more_keeps_those_of_knative() -> None:
    service = {**deployment(), "apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    service["metadata"] = {key: value for key, value in service["metadata"].items() if key != "annotations"}
    theirs = {"serving.knative.dev/creator": "admin", "serving.knative.dev/lastModifier": "admin"}
    fields: Object = {"f:metadata": {"f:annotations": {".": {}, "f:mlops.mlflow/proven": {}}}}
    was = {**service, "metadata": {**service["metadata"], "annotations": {**theirs, "mlops.mlflow/proven": "abc"}}}
    was["metadata"]["managedFields"] = [
        {"manager": "mlops.mlflow", "operation": "Apply", "apiVersion": service["apiVersion"], "fieldsV1": fields}
    ]
    assert apply._with_their_annotations(was, service)["metadata"]["annotations"] == theirs
    was["metadata"]["managedFields"][0]["fieldsV1"] = {"f:metadata": {"f:labels": {}}}
    assert apply._with_their_annotations(was, service) == service
    assert apply._with_their_annotations(None, service) == service
