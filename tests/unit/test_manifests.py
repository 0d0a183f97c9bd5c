"""Manifests: what every object of a deployment gets, whatever its template forgot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests, seaweedfs
from support.playbooks import REPOSITORY

COMMON = {"name": "mlflow", "namespace": "team-a", "component": "server"}
OURS = {
    "app.kubernetes.io/name": "mlflow",
    "app.kubernetes.io/instance": "mlflow",
    "app.kubernetes.io/component": "server",
}


def completed(item: Mapping[str, Any], **common: Any) -> dict[str, Any]:
    return manifests.complete([item], {**COMMON, **common})[0]


def workload(kind: str = "Deployment", **pod: Any) -> dict[str, Any]:
    template = {"template": {"spec": {"containers": [{"name": "a"}], **pod}}}
    spec = {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "thing"}, "spec": spec}


def pod_of(item: Mapping[str, Any]) -> dict[str, Any]:
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    return dict(spec["template"])


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_selects_exactly_its_own_pods(kind: str) -> None:
    item = completed(workload(kind))
    assert item["spec"]["selector"] == {"matchLabels": OURS}
    assert OURS.items() <= pod_of(item)["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("Service", ["selector"]),
        ("PodDisruptionBudget", ["selector", "matchLabels"]),
        ("NetworkPolicy", ["podSelector", "matchLabels"]),
    ],
)
def test_what_selects_pods_selects_those_of_its_component(kind: str, way: list[str]) -> None:
    found: Any = completed({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}})["spec"]
    for key in way:
        found = found[key]
    assert found == OURS


def test_a_label_names_another_component_than_the_templates() -> None:
    item = workload("Job")
    item["metadata"]["labels"] = {"app.kubernetes.io/component": "setup"}
    labels = pod_of(completed(item))["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "setup"
    assert not OURS.items() <= labels.items(), "the server's Service must not find it"


def test_a_part_of_a_component_is_found_by_its_own_selectors_alone() -> None:
    part = {"mlops.mlflow/part": "volume-0"}
    item = workload("Deployment")
    item["metadata"]["labels"] = dict(part)
    item = completed(item)
    assert item["spec"]["selector"]["matchLabels"] == {**OURS, **part}
    assert part.items() <= pod_of(item)["metadata"]["labels"].items()
    service = completed({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "labels": dict(part)}})
    assert service["spec"]["selector"] == {**OURS, **part}


def test_no_wish_changes_a_label_that_selectors_look_for() -> None:
    requested = {"app.kubernetes.io/instance": "other", "app.kubernetes.io/managed-by": "me", "team": "a"}
    item = workload()
    item["spec"]["template"]["metadata"] = {"labels": {"app.kubernetes.io/component": "store", "own": "1"}}
    item = completed(item, labels=requested)
    expected = {**OURS, "team": "a", "app.kubernetes.io/managed-by": "mlops.mlflow"}
    assert item["metadata"]["labels"] == expected
    assert pod_of(item)["metadata"]["labels"] == {**expected, "own": "1"}


def test_spread_constraints_count_the_pods_of_the_component_unless_told_otherwise() -> None:
    other = {"matchLabels": {"a": "b"}}
    pod = pod_of(completed(workload(topologySpreadConstraints=[{"maxSkew": 1}, {"labelSelector": other}])))
    assert [one["labelSelector"] for one in pod["spec"]["topologySpreadConstraints"]] == [{"matchLabels": OURS}, other]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job", "CronJob"])
def test_every_pod_meets_pod_security_restricted(kind: str) -> None:
    spec = pod_of(completed(workload(kind, initContainers=[{"name": "first"}])))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False, "MLFLOW_PORT=tcp://... would be read by MLflow"
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in spec["initContainers"] + spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_what_a_template_says_is_kept_beside_what_it_forgot() -> None:
    container = {"name": "a", "securityContext": {"readOnlyRootFilesystem": False}, "imagePullPolicy": "Always"}
    spec = pod_of(completed(workload(containers=[container], securityContext={"fsGroup": 5})))["spec"]
    assert spec["securityContext"]["fsGroup"] == 5 and spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    assert spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False


def test_images_are_pulled_as_the_inventory_says_and_no_container_is_left_out() -> None:
    template = {
        "containers": [{"name": "a"}, {"name": "b", "imagePullPolicy": "Never"}],
        "initContainers": [{"name": "c"}],
    }
    for common, policy in ({}, "IfNotPresent"), ({"image_pull_policy": "Always"}, "Always"):
        for kind in ("Deployment", "StatefulSet", "Job", "CronJob"):
            spec = pod_of(completed(workload(kind, **template), **common))["spec"]
            said = [one["imagePullPolicy"] for one in (*spec["containers"], *spec["initContainers"])]
            assert said == [policy, "Never", policy]
    with pytest.raises(BadInput, match="mlflow_image_pull_policy is 'always'; it must be one of Always"):
        completed(workload(), image_pull_policy="always")


def test_an_image_that_nothing_can_pull_is_refused_before_anything_is_applied() -> None:
    digest = f"mlflow:3.17.2@sha256:{'a' * 64}"
    for kind in ("containers", "initContainers"):
        item = workload()
        pod_of(item)["spec"][kind] = [{"name": "a", "image": digest}]
        assert pod_of(completed(item))["spec"][kind][0]["image"] == digest
        pod_of(item)["spec"][kind] = [{"name": "a", "image": "mlflow@sha256:abc"}]
        with pytest.raises(BadInput, match="The image of Deployment thing is 'mlflow@sha256:abc', and no image can be"):
            completed(item)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("registry.example.com/mlflow:3.17.2", "Always"),
        (f"registry.example.com/mlflow@sha256:{'a' * 64}", "Always"),
        ("mlops-mlflow:3.17.2", "IfNotPresent"),
        (f"mlops-mlflow:3.17.2@sha256:{'a' * 64}", "IfNotPresent"),
    ],
)
def test_the_shipped_inventory_asks_a_registry_where_there_is_one(image: str, policy: str) -> None:
    shipped = yaml.safe_load((REPOSITORY / "inventories/kubernetes/group_vars/mlflow.yml").read_text())
    template = jinja2.Environment(autoescape=False).from_string(shipped["mlflow_image_pull_policy"])  # noqa: S701
    assert template.render(mlflow_image=image) == policy


def test_wished_fields_reach_every_pod_and_null_removes_one() -> None:
    requested = {
        "nodeSelector": {"disk": "ssd", "zone": None},
        "securityContext": {"seccompProfile": None, "fsGroup": 7},
        "priorityClassName": None,
    }
    spec = pod_of(completed(workload(priorityClassName="high"), pod_spec=requested))["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["securityContext"] == {"runAsNonRoot": True, "fsGroup": 7}
    assert "priorityClassName" not in spec


def test_labels_and_annotations_are_text_whatever_an_inventory_made_of_them() -> None:
    item = workload()
    item["metadata"]["annotations"] = {"size": 0, "redirect": False}
    item = completed(item, labels={"cost-center": 4711, "gone": None}, annotations={"since": 2.5})
    assert item["metadata"]["annotations"] == {"since": "2.5", "size": "0", "redirect": "false"}
    assert item["metadata"]["labels"]["cost-center"] == "4711"
    assert "gone" not in item["metadata"]["labels"]
    assert pod_of(item)["metadata"]["annotations"] == {"since": "2.5"}
    assert pod_of(item)["metadata"]["labels"]["cost-center"] == "4711"


def test_a_null_is_left_out_because_it_would_be_another_wish() -> None:
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "x"}, "spec": {"storageClassName": None, "a": [1]}}
    assert completed(claim)["spec"] == {"a": [1]}


def test_empty_documents_are_left_out() -> None:
    assert manifests.complete([None, {}], COMMON) == []


def test_all_but_the_namespace_itself_lie_in_the_namespace() -> None:
    assert completed(workload())["metadata"]["namespace"] == "team-a"
    space = completed({"kind": "Namespace", "metadata": {"name": "team-a", "labels": {"enforce": "restricted"}}})
    assert "namespace" not in space["metadata"]
    assert space["metadata"]["labels"]["enforce"] == "restricted"


def test_what_was_rendered_is_not_changed_itself() -> None:
    item, requested = workload(), {"tolerations": [{"key": "a"}]}
    completed(item, pod_spec=requested)["spec"]["template"]["spec"]["tolerations"][0]["key"] = "b"
    assert item == workload() and requested == {"tolerations": [{"key": "a"}]}


@pytest.mark.parametrize("name", ["a", "mlflow", "team-a-2", "a" * 40])
def test_names_that_kubernetes_takes_are_let_through(name: str) -> None:
    manifests.check_name(name, "mlflow_name")


@pytest.mark.parametrize("name", ["", "-a", "a-", "2a", "MLflow", "a.b", "a_b", "a b", "ä", "a" * 41])
def test_other_names_are_refused_by_the_name_of_the_variable(name: str) -> None:
    with pytest.raises(BadInput, match=r"^mlflow_namespace is "):
        manifests.check_name(name, "mlflow_namespace")


def test_a_name_that_became_too_long_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadInput, match="shorten mlflow_name"):
        completed({"kind": "Service", "metadata": {"name": "a" * 64}})


def objects() -> list[dict[str, Any]]:
    state = workload("StatefulSet")
    state["metadata"]["name"] = "database"
    others = [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": kind.lower()}, "spec": {}}
        for kind in ("Secret", "PersistentVolumeClaim", "Service")
    ]
    return manifests.complete([*others, state], COMMON)


def named(references: list[dict[str, Any]]) -> list[str]:
    return [f"{item['kind']}/{item['metadata']['name']}" for item in references]


def test_a_job_in_a_file_has_a_name_that_changes_with_it() -> None:
    """`kubectl apply` of a changed Job of the same name would be refused: its pods are immutable."""
    first, second = workload("Job"), workload("Job")
    second["spec"]["template"]["spec"]["containers"][0]["image"] = "another"
    named_so = [
        manifests.for_files(manifests.complete([one], COMMON))[0]["metadata"]["name"] for one in (first, second)
    ]
    assert named_so[0] != named_so[1] and all(name.startswith(first["metadata"]["name"] + "-") for name in named_so)
    [service] = manifests.for_files(manifests.complete([{"kind": "Service", "metadata": {"name": "a"}}], COMMON))
    assert service["metadata"]["name"] == "a"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job", "CronJob"])
def test_pods_are_others_when_their_account_tells_a_cloud_something_else(kind: str) -> None:
    """A pod keeps the identity that its account had when it began."""

    def pod(annotations: Mapping[str, str], *accounts: str, **common: Any) -> dict[str, Any]:
        there = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": dict(annotations)}}
            for name in accounts
        ]
        return pod_of(
            manifests.complete([workload(kind, serviceAccountName="mlflow"), *there], {**COMMON, **common})[0]
        )

    bare, first, second = (
        pod(annotations, "mlflow") for annotations in ({}, {"cloud/role": "one"}, {"cloud/role": "two"})
    )
    assert bare != first != second != bare
    assert bare == pod({}, "other") == pod({"cloud/role": "one"}, "other"), "the account of other pods is not theirs"
    assert first == pod({"cloud/role": "one"}, "other", "mlflow"), "what did not change makes no new pods"
    elsewhere = {"pod_spec": {"serviceAccountName": "other"}}
    assert pod({"cloud/role": "one"}, "mlflow", **elsewhere) == pod({"cloud/role": "two"}, "mlflow", **elsewhere)
    assert pod({"cloud/role": "one"}, "other", **elsewhere) != pod({"cloud/role": "two"}, "other", **elsewhere)


def test_removal_goes_backwards_and_keeps_volumes_and_secrets() -> None:
    assert named(manifests.references(objects())) == ["StatefulSet/database", "Service/service"]


def test_removal_with_data_names_volumes_and_secrets_too() -> None:
    found = manifests.references(objects(), keep_data=False)
    assert named(found) == [
        "StatefulSet/database",
        "Service/service",
        "PersistentVolumeClaim/persistentvolumeclaim",
        "Secret/secret",
    ]
    assert {item["metadata"]["namespace"] for item in found} == {"team-a"}
    assert all(set(item) == {"apiVersion", "kind", "metadata"} for item in found)


@pytest.mark.parametrize(
    "requested",
    [
        {"labels": {"team": "a"}},
        {"annotations": {"owner": "b"}},
        {"pod_spec": {"nodeSelector": {"disk": "ssd"}}},
    ],
    ids=str,
)
def test_a_job_whose_pods_are_to_be_other_ones_has_another_checksum(requested: dict[str, Any]) -> None:
    """A Job cannot be changed: the checksum says when it must be replaced, so it is that of what is applied."""

    def checksum(**common: Any) -> str:
        return str(completed(workload("Job"), **common)["metadata"]["annotations"]["mlops.mlflow/checksum"])

    assert checksum() == checksum() != checksum(**requested)


def test_what_the_api_server_does_not_keep_is_not_applied() -> None:
    """It would differ from what is there in every run."""
    policy = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "x", "annotations": {}},
        "spec": {"ingress": [], "outside": [{"to": [{"podSelector": {}}], "ports": []}]},
    }
    item = completed(policy)
    assert "annotations" not in item["metadata"]
    assert "ingress" not in item["spec"] and item["spec"]["egress"][-1] == {"to": [{"podSelector": {}}]}
    pod = pod_of(completed(workload(), pod_spec={"tolerations": []}))["spec"]
    assert "tolerations" not in pod


def test_an_empty_variable_of_an_environment_is_written_as_the_api_server_keeps_it() -> None:
    variables = [{"name": "PREFIX", "value": ""}, {"name": "PORT", "value": "5000"}]
    pod = pod_of(completed(workload(containers=[{"name": "a", "env": variables}])))["spec"]
    assert pod["containers"][0]["env"] == [{"name": "PREFIX"}, {"name": "PORT", "value": "5000"}]


def test_volume_servers_are_made_of_a_sample_with_a_master() -> None:
    sample = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "x-sample-part", "labels": {"mlops.mlflow/part": "sample-part"}},
        "spec": {"size": "sample-size", "args": ["sample-role", "/sample-health"]},
    }
    other = {"kind": "Service", "metadata": {"name": "x", "labels": {}}}
    made = seaweedfs.parts([other, sample], 2, "5Gi", "50Gi")
    assert made[0] == other
    assert [(one["metadata"]["name"], one["metadata"]["labels"]["mlops.mlflow/part"]) for one in made[1:]] == [
        ("x-master", "master"),
        ("x-volume-0", "volume-0"),
        ("x-volume-1", "volume-1"),
    ]
    assert made[1]["spec"] == {"size": "5Gi", "args": ["master", "/cluster/status"]}
    assert made[3]["spec"] == {"size": "50Gi", "args": ["volume", "/healthz"]}
    assert seaweedfs.parts([other, sample], 0, "5Gi", "50Gi") == [other]


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("labels", "a b", "x"),
        ("labels", "", "x"),
        ("labels", "-a", "x"),
        ("labels", "Example.com/a", "x"),
        ("labels", "example.com/", "x"),
        ("labels", "a" * 64, "x"),
        ("labels", "team", "a team"),
        ("labels", "team", "x" * 64),
        ("labels", "team", "é"),
        ("labels", "team", "a\n"),
        ("labels", "team", {"a": 1}),
        ("annotations", "a b", "x"),
        ("annotations", "a/b/c", "x"),
    ],
)
def test_labels_that_kubernetes_would_refuse_are_named_before_anything_is_applied(
    variable: str, name: str, value: Any
) -> None:
    with pytest.raises(BadInput, match=f"mlflow_{variable} holds '{name}: ") as refused:
        completed(workload(), **{variable: {name: value}})
    assert "which Kubernetes refuses" in str(refused.value)


def test_labels_that_kubernetes_takes_are_applied() -> None:
    labels = {"team": "A.b_c-1", "example.com/cost": 7, "empty": "", "yes": True}
    item = completed(workload(), labels=labels, annotations={"example.com/note": "any text: ü\n"})
    assert item["metadata"]["labels"].items() >= {"team": "A.b_c-1", "example.com/cost": "7", "yes": "true"}.items()
    assert item["metadata"]["annotations"]["example.com/note"] == "any text: ü\n"
