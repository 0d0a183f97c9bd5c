"""A release of Knative: checked, configured, marked as ours, and refused where it cannot be installed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import knative

Object = dict[str, Any]
SETTINGS: Object = {
    "version": "1.21.0",
    "domain": "ml.example.com",
    "ingress_class": "kourier.ingress.networking.knative.dev",
    "features": {"kubernetes.podspec-securitycontext": "enabled"},
    "autoscaler": {"stable-window": "6s"},
    "allow_zero_initial_scale": True,
    "registries": ["registry.local", "dev.local"],
    "gateway_type": "ClusterIP",
    "images": {"gcr.io/knative-releases": "registry.local/knative"},
    "resources": {"activator": {"requests": {"cpu": "10m"}}},
}
IMAGE = "gcr.io/knative-releases/knative.dev/serving/cmd/activator@sha256:1"


def thing(kind: str, name: str, api_version: str = "v1", **more: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


def of_serving(kind: str, name: str, **more: Any) -> Object:
    item = thing(kind, name, **more)
    item["metadata"]["namespace"] = "knative-serving"
    return item


def space(version: str = "1.21.0", **labels: str) -> Object:
    item = thing("Namespace", "knative-serving")
    item["metadata"]["labels"] = {"app.kubernetes.io/version": version, **labels}
    return item


def config(name: str) -> Object:
    item = of_serving("ConfigMap", f"config-{name}", data={"_example": "{{.Name}}"})
    item["metadata"]["annotations"] = {"knative.dev/example-checksum": "1"}
    return item


def activator() -> Object:
    pod = {"containers": [{"name": "activator", "image": IMAGE, "resources": {"requests": {"cpu": "300m"}}}]}
    template = {"metadata": {"labels": {"app": "activator"}}, "spec": pod}
    return of_serving("Deployment", "activator", api_version="apps/v1", spec={"template": template})


def documents() -> list[Object]:
    hooks = [{"name": "webhook.serving.knative.dev", "rules": [{"operations": ["CREATE"]}]}]
    aggregated = thing("ClusterRole", "admin", "rbac.authorization.k8s.io/v1", aggregationRule={"a": 1}, rules=[])
    gateway = thing("Service", "kourier", spec={"type": "LoadBalancer"})
    gateway["metadata"]["namespace"] = "kourier-system"
    return [
        activator(),
        *map(config, ("domain", "network", "features", "autoscaler", "deployment", "gc")),
        aggregated,
        gateway,
        space(),
        thing("MutatingWebhookConfiguration", "webhook", "admissionregistration.k8s.io/v1", webhooks=hooks),
        thing("CustomResourceDefinition", "services.serving.knative.dev", "apiextensions.k8s.io/v1"),
    ]


def file(*items: Object, text: str = "", checksum: str | None = None) -> Object:
    text = text or yaml.safe_dump_all(items or documents())
    pinned = hashlib.sha256(text.encode()).hexdigest() if checksum is None else checksum
    return {"file": {"source": "core.yaml", "checksum": pinned}, "text": text}


def release(*files: Object, **settings: Any) -> Object:
    return knative.release(files or [file()], {**SETTINGS, **settings})


def one(kind: str, name: str) -> Object:
    return next(item for item in release()["objects"] if (item["kind"], item["metadata"]["name"]) == (kind, name))


def test_what_others_need_is_applied_before_them() -> None:
    found = release()
    assert found["errors"] == []
    assert [item["kind"] for item in found["definitions"]] == ["CustomResourceDefinition"]
    assert found["kinds"] == [{"kind": "CustomResourceDefinition", "name": "services.serving.knative.dev"}]
    assert found["objects"][0]["kind"] == "Namespace"
    assert found["workloads"] == {"knative-serving": [{"kind": "Deployment", "name": "activator"}]}


def test_everything_has_our_marks_also_the_pods() -> None:
    found = release()
    for item in found["definitions"] + found["objects"]:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "mlops.mlflow"
        assert labels["app.kubernetes.io/instance"] == "knative"
    pods = one("Deployment", "activator")["spec"]["template"]["metadata"]["labels"]
    assert pods == {"app": "activator", "app.kubernetes.io/instance": "knative"}


def test_what_is_owned_is_set_and_no_example_is_kept() -> None:
    assert one("ConfigMap", "config-domain")["data"] == {"ml.example.com": ""}
    assert one("ConfigMap", "config-network")["data"] == {"ingress-class": "kourier.ingress.networking.knative.dev"}
    assert one("ConfigMap", "config-features")["data"] == {"kubernetes.podspec-securitycontext": "enabled"}
    scaling = {"allow-zero-initial-scale": "true", "stable-window": "6s"}
    assert one("ConfigMap", "config-autoscaler")["data"] == scaling
    skipped = {"registries-skipping-tag-resolving": "registry.local,dev.local"}
    assert one("ConfigMap", "config-deployment")["data"] == skipped
    assert "annotations" not in one("ConfigMap", "config-gc")["metadata"]


def test_more_of_any_configuration_wins() -> None:
    found = release(config={"gc": {"max-non-active-revisions": 2}, "autoscaler": {"stable-window": "9s"}})
    data = {item["metadata"]["name"]: item["data"] for item in found["objects"] if item["kind"] == "ConfigMap"}
    assert data["config-gc"] == {"max-non-active-revisions": "2"}
    assert data["config-autoscaler"]["stable-window"] == "9s"


def controller() -> Object:
    environment = [{"name": "CERTS_SECRET_NAME", "value": ""}, {"name": "OTHER", "value": "1"}]
    container = {"name": "controller", "image": IMAGE, "resources": {}, "env": environment}
    template = {"metadata": {"labels": {"app": "net-kourier-controller"}}, "spec": {"containers": [container]}}
    return of_serving("Deployment", "net-kourier-controller", api_version="apps/v1", spec={"template": template})


def test_one_certificate_serves_all_names_where_it_is_given() -> None:
    files = (file(*documents(), controller()),)
    for secret, environment, network in (
        ("", {"CERTS_SECRET_NAME": "", "OTHER": "1"}, {}),
        (
            "wildcard",
            {"OTHER": "1", "CERTS_SECRET_NAMESPACE": "knative-serving", "CERTS_SECRET_NAME": "wildcard"},
            {"default-external-scheme": "https"},
        ),
    ):
        objects = {item["metadata"]["name"]: item for item in release(*files, tls_secret=secret)["objects"]}
        (container,) = objects["net-kourier-controller"]["spec"]["template"]["spec"]["containers"]
        assert {one["name"]: one["value"] for one in container["env"]} == environment
        assert objects["config-network"]["data"] == {"ingress-class": SETTINGS["ingress_class"], **network}
    assert release(tls_secret="wildcard")["errors"] == [
        "knative_tls_secret needs Kourier: the release has no Deployment net-kourier-controller."
    ]


def test_images_resources_and_the_gateway_are_as_requested() -> None:
    container = one("Deployment", "activator")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == IMAGE.replace("gcr.io/knative-releases", "registry.local/knative")
    assert container["resources"] == {"requests": {"cpu": "10m"}}
    assert one("Service", "kourier")["spec"]["type"] == "ClusterIP"


def test_what_the_cluster_fills_in_is_left_to_it() -> None:
    """Otherwise each run would take it away again, and be a change."""
    assert "rules" not in one("ClusterRole", "admin")
    assert one("MutatingWebhookConfiguration", "webhook")["webhooks"] == [{"name": "webhook.serving.knative.dev"}]


def test_an_object_that_two_files_hold_counts_once() -> None:
    assert len(release(file(), file())["definitions"]) == 1


@pytest.mark.parametrize(
    ("files", "settings", "error"),
    [
        ([file(checksum="")], {}, "knative_files has no checksum for core.yaml. What lies there now has"),
        ([file(checksum="0a")], {}, "core.yaml has the checksum"),
        ([file(space("1.20.1"))], {}, "knative_files is of version 1.20.1, and knative_version is 1.21.0"),
        ([file(activator())], {}, "no namespace knative-serving"),
        ([], {"config": {"autoscale": {}}}, "knative_config names autoscale, but the release has no ConfigMap"),
        ([], {"resources": {"activater": {}}}, "knative_resources names activater; Deployments are activator"),
    ],
    ids=[
        "not pinned",
        "another file",
        "another version",
        "another thing",
        "no such configuration",
        "no such Deployment",
    ],
)
def test_a_release_that_is_not_as_it_should_be_is_refused(files: list[Object], settings: Object, error: str) -> None:
    found = release(*files, **settings)
    assert any(error in one for one in found["errors"]), found["errors"]
    assert found["objects"] == found["definitions"] == []


@pytest.mark.parametrize("text", ["a: [", "- a list", "a text"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^core.yaml (is no YAML|holds something else)"):
        release(file(text=text))


OURS = {"app.kubernetes.io/instance": "knative"}


@pytest.mark.parametrize(
    ("found", "version", "existing", "misfit"),
    [
        (None, "1.21.0", False, ""),
        (None, "1.21.0", True, "is not installed, and knative_existing says that it is"),
        (space("1.21.0"), "1.21.0", True, ""),
        (space("1.21.4"), "1.21.0", True, ""),
        (space("1.15.2"), "1.21.0", True, "1.15.2 is installed, and knative_version is 1.21.0: set it to 1.15.2"),
        (space("1.22.0"), "1.21.0", True, "set it to 1.22.0"),
        (space("1.15.2"), "1.15.2", True, ""),
        (space(""), "1.21.0", True, ""),
        (space("devel"), "1.21.0", True, ""),
        (space("1.21.0"), "latest", True, "knative_version is 'latest'; it must be a version such as"),
        (space("1.21.0"), "1.21.0", False, "is installed, and not by this role: set knative_existing to true"),
        (space("1.21.0", **OURS), "1.21.0", False, ""),
        (space("1.21.0", **OURS), "1.21.3", False, ""),
        (space("1.20.2", **OURS), "1.21.0", False, ""),
        (space("1.19.2", **OURS), "1.21.0", False, "is upgraded by one minor version at a time"),
        (space("1.22.0", **OURS), "1.21.0", False, "cannot go back to 1.21.0"),
        (space("1.21.0", **OURS), "latest", False, "knative_version is 'latest'; it must be a version such as"),
    ],
)
def test_what_is_installed_decides_what_can_be(found: Object | None, version: str, existing: bool, misfit: str) -> None:
    misfits = knative.misfits(found, version, existing)
    assert [misfit in one for one in misfits] == ([True] if misfit else [])
