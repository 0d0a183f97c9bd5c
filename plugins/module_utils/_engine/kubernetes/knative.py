# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release of Knative Serving and Kourier: its YAML files as objects that are configured and have our marks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadInput, one_line
from . import kinds, manifests

Object = dict[str, Any]
NAMESPACE = "knative-serving"
# Knative's label of a pod: the name of its service. The pods of our servers have it, and their component.
SERVICE = "serving.knative.dev/service"
SERVERS = f"{manifests.COMPONENT}=server,{SERVICE}"
# The deployment that all objects belong to.
OWNER = "knative"
_INSTANCE = f"{manifests.PREFIX}instance"
_VERSION = f"{manifests.PREFIX}version"
_CONTROLLERS_CHECK = "knative.dev/example-checksum"
_VERSIONS = r"\d+\.\d+\.\d+"
_GATEWAY = ("Service", "kourier")
# Who tells the gateway which certificate it has for all names.
_GATEWAY_CONTROLLER = "net-kourier-controller"
# What others are made in or of comes first.
_FIRST = ("CustomResourceDefinition", "Namespace")


def release(files: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a release consists of.

    :param files: C(file) (C(source), C(checksum) as SHA-256) and C(text) of each; an object that several hold counts
        once.
    :param settings: C(version); C(domain), C(ingress_class), C(features), C(autoscaler), C(allow_zero_initial_scale),
        C(registries) (whose tags are not resolved) and C(config) (more of each ConfigMap C(config-NAME), by NAME);
        C(resources) (of the container of each Deployment, by its name), C(images) (beginnings of images, and what they
        are replaced by), C(gateway_type) (of the Service that clients reach), C(tls_secret) (in the namespace of
        Knative, with the certificate for all names; empty for none).
    :returns: C(definitions) (the CustomResourceDefinitions) and C(objects), in the order in which they are applied,
        C(kinds) (the definitions to wait for), C(workloads) (those to wait for, by namespace), and C(errors).
    """
    settings = {**settings, "config": _config(settings)}
    errors: list[str] = []
    found: dict[tuple[str, ...], Object] = {}
    for one in files:
        errors += _wrong_checksum(one["file"], one["text"])
        found |= {kinds.key(item): item for item in _parsed(one["file"], one["text"])}
    if not errors:
        errors = _wrong(found.values(), settings)
    if errors:
        return {"definitions": [], "kinds": [], "objects": [], "workloads": {}, "errors": errors}
    objects = [_complete(item, settings) for item in sorted(found.values(), key=_order)]
    definitions = [item for item in objects if item["kind"] == _FIRST[0]]
    deployments = [item["metadata"] for item in objects if item["kind"] == "Deployment"]
    return {
        "definitions": definitions,
        "kinds": [{"kind": one["kind"], "name": one["metadata"]["name"]} for one in definitions],
        "objects": [item for item in objects if item not in definitions],
        "workloads": {
            space: [{"kind": "Deployment", "name": one["name"]} for one in deployments if one["namespace"] == space]
            for space in dict.fromkeys(one["namespace"] for one in deployments)
        },
        "errors": [],
    }


def _config(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is set in each ConfigMap."""
    own: dict[str, dict[str, Any]] = {
        "domain": {settings["domain"]: ""},
        "network": {
            "ingress-class": settings["ingress_class"],
            # Of the URLs that Knative tells.
            **({"default-external-scheme": "https"} if settings.get("tls_secret") else {}),
        },
        "features": dict(settings.get("features") or {}),
        "autoscaler": {
            "allow-zero-initial-scale": settings["allow_zero_initial_scale"],
            **(settings.get("autoscaler") or {}),
        },
        "deployment": {"registries-skipping-tag-resolving": settings.get("registries") or []},
    }
    more: Mapping[str, Any] = settings.get("config") or {}
    return {name: {**own.get(name, {}), **(more.get(name) or {})} for name in {**own, **more}}


def misfits(namespace: Mapping[str, Any] | None, version: str, existing: bool) -> list[str]:
    """Why a release cannot be installed where the namespace of Knative is as it was found.

    :param existing: whether somebody else has installed Knative, which is to be used as it is.
    """
    if namespace is None:
        return ["Knative Serving is not installed, and knative_existing says that it is."] if existing else []
    labels = namespace["metadata"].get("labels") or {}
    there, ours = str(labels.get(_VERSION) or ""), labels.get(_INSTANCE) == OWNER
    # Who installs it otherwise, such as its operator, may not say which it is.
    if existing and not re.fullmatch(_VERSIONS, there):
        return []
    if not (existing or ours):
        return [
            f"Knative Serving {there or '(of an unknown version)'} is installed, and not by this role: set"
            f" knative_existing to true to use it as it is, or remove it."
        ]
    if wrong := [one for one in (there, version) if not re.fullmatch(_VERSIONS, one)]:
        return [f"knative_version is '{wrong[0]}'; it must be a version such as 1.21.0."]
    before, after = (tuple(map(int, one.split("."))) for one in (there, version))
    if existing:
        other = (
            f"Knative Serving {there} is installed, and knative_version is {version}: set it to {there} to use that."
        )
        return [other] if before[:2] != after[:2] else []
    if after < before:
        return [f"Knative Serving {there} is installed: it cannot go back to {version}."]
    if after[:2] > (before[0], before[1] + 1):
        return [
            f"Knative Serving {there} is installed, and is upgraded by one minor version at a time: {version} is too"
            f" far."
        ]
    return []


def _wrong_checksum(file: Mapping[str, Any], text: str) -> list[str]:
    found, pinned = hashlib.sha256(text.encode()).hexdigest(), str(file.get("checksum") or "")
    if not pinned:
        return [
            f"knative_files has no checksum for {file['source']}. What lies there now has {found}: compare it with what"
            f" the project publishes, and put it there."
        ]
    return [f"{file['source']} has the checksum {found}, not {pinned}."] if found != pinned else []


def _parsed(file: Mapping[str, Any], text: str) -> list[Object]:
    import yaml

    # Half a megabyte takes a minute without the parser in C.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as error:
        raise BadInput(f"{file['source']} is no YAML: {one_line(error)}") from error
    if wrong := [one for one in documents if one is not None and not (isinstance(one, dict) and "kind" in one)]:
        raise BadInput(f"{file['source']} holds something else than objects of Kubernetes: {str(wrong[0])[:60]}.")
    return [one for one in documents if one]


def _wrong(objects: Iterable[Object], settings: Mapping[str, Any]) -> list[str]:
    listed = list(objects)
    space = [one for one in listed if (one["kind"], one["metadata"]["name"]) == ("Namespace", NAMESPACE)]
    versions = {str((one["metadata"].get("labels") or {}).get(_VERSION, "")) for one in space}
    if versions != {str(settings["version"])}:
        return [
            f"knative_files is of version {' and '.join(versions) or '(none: no namespace knative-serving)'}, and"
            f" knative_version is {settings['version']}."
        ]
    names = {one["metadata"]["name"] for one in listed if one["kind"] == "ConfigMap"}
    unknown = [name for name in settings.get("config") or {} if f"config-{name}" not in names]
    deployments = {one["metadata"]["name"] for one in listed if one["kind"] == "Deployment"}
    strange = [name for name in settings.get("resources") or {} if name not in deployments]
    without = settings.get("tls_secret") and _GATEWAY_CONTROLLER not in deployments
    return [
        *(
            [f"knative_tls_secret needs Kourier: the release has no Deployment {_GATEWAY_CONTROLLER}."]
            if without
            else []
        ),
        *(f"knative_config names {name}, but the release has no ConfigMap config-{name}." for name in unknown),
        *(f"knative_resources names {name}; Deployments are {', '.join(sorted(deployments))}." for name in strange),
    ]


def _order(item: Object) -> int:
    return _FIRST.index(item["kind"]) if item["kind"] in _FIRST else len(_FIRST)


def _complete(item: Object, settings: Mapping[str, Any]) -> Object:
    metadata, name = item["metadata"], item["metadata"]["name"]
    metadata["labels"] = {**(metadata.get("labels") or {}), _INSTANCE: OWNER, manifests.MANAGED_BY: manifests.MANAGER}
    if item["kind"] == "ConfigMap":
        _configure(item, (settings.get("config") or {}).get(name.removeprefix("config-")) or {}, settings)
    elif item["kind"] == "Deployment":
        template = item["spec"]["template"]
        # By which a wait finds the pods.
        template["metadata"]["labels"] = {**template["metadata"]["labels"], _INSTANCE: OWNER}
        container = template["spec"]["containers"][0]
        container["resources"] = {**container["resources"], **((settings.get("resources") or {}).get(name) or {})}
        for one in template["spec"]["containers"]:
            one["image"] = _image(one["image"], settings)
        if name == _GATEWAY_CONTROLLER and settings.get("tls_secret"):
            place = {"CERTS_SECRET_NAMESPACE": NAMESPACE, "CERTS_SECRET_NAME": settings["tls_secret"]}
            others = [one for one in container.get("env") or [] if one["name"] not in place]
            container["env"] = [*others, *({"name": key, "value": value} for key, value in place.items())]
    elif item["kind"] == "Image":
        item["spec"]["image"] = _image(item["spec"]["image"], settings)
    elif (item["kind"], name) == _GATEWAY:
        item["spec"]["type"] = settings["gateway_type"]
    elif item.get("aggregationRule"):
        item.pop("rules", None)  # the cluster fills them in
    elif item["kind"].endswith("WebhookConfiguration"):
        for one in item["webhooks"]:
            one.pop("rules", None)  # and those the webhook itself
    return item


def _configure(item: Object, wanted: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Without the example that each ConfigMap brings, and the checksum by which a change in it is refused."""
    data = {name: value for name, value in (item.get("data") or {}).items() if name != "_example"}
    if image := data.get("queue-sidecar-image"):
        data["queue-sidecar-image"] = _image(image, settings)
    item["data"] = {**data, **{str(name): _text(value) for name, value in wanted.items() if value is not None}}
    annotations = item["metadata"].get("annotations") or {}
    item["metadata"]["annotations"] = {key: text for key, text in annotations.items() if key != _CONTROLLERS_CHECK}
    if not item["metadata"]["annotations"]:
        del item["metadata"]["annotations"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def _image(image: str, settings: Mapping[str, Any]) -> str:
    for beginning, other in (settings.get("images") or {}).items():
        if image.startswith(beginning):
            return f"{other}{image.removeprefix(beginning)}"
    return image
