# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manifests: completes what templates render with what every object of a deployment must have.

Labels, selectors and the restrictions of pods are set here alone: a selector cannot miss the pods that it is for,
and no pod can forget what Pod Security C(restricted) asks for.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from .. import image_names, trust
from ..errors import BadInput
from ..quantities import canonical, quantity
from . import kinds

PREFIX = "app.kubernetes.io/"
COMPONENT, MANAGED_BY = PREFIX + "component", PREFIX + "managed-by"
MANAGER = "mlops.mlflow"
# Label of the objects of a component that has several kinds of pods: which of them an object is for.
PART = "mlops.mlflow/part"
# Annotation of a Job: of what its pods are made.
CHECKSUM = "mlops.mlflow/checksum"
# Annotation of pods: of what their ServiceAccount tells a cloud. A pod has the identity that its account had when it
# began: with another, it is replaced, and a Job begun anew.
IDENTITY = "mlops.mlflow/identity"
# Volumes, generated secrets and the databases of an operator are the data of a deployment: with CloudNativePG's Cluster
# its volumes go. They are removed only where that is asked for.
DATA_KINDS = ("PersistentVolumeClaim", "Secret", "Cluster", "Database")
_CLUSTER_KINDS = ("Namespace",)
_KINDS_OF_PODS = ("Deployment", "StatefulSet", "Job", "CronJob", kinds.KNATIVE_SERVICE)
_NAME_LIMIT = 63
_MARK = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_ANYTHING = re.compile(r"(?s).*")

_POD_DEFAULTS: dict[str, Any] = {
    # A Service called mlflow would put MLFLOW_PORT=tcp://… into every pod, and MLflow would read it.
    "enableServiceLinks": False,
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_CONTAINER_DEFAULTS: dict[str, Any] = {
    # The reason why a container ended stands in the pod's status.
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
# Where pods may connect: to whoever answers for names, wherever that is, to pods of the namespace, and, where they must
# reach others at all, anywhere but to addresses of the link: there clouds give away the credentials of a node. To some
# network plugins pods have no address, and are named besides.
# That is port 53 of a Service, and a policy is about the port of the pod behind it: OpenShift's is 5353.
_NAMES = {"ports": [{"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")]}
_NEIGHBOURS: dict[str, Any] = {"to": [{"podSelector": {}}]}
_OUTSIDE = {
    "to": [
        {"namespaceSelector": {}},
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::/32", "fe80::/10"]}},
    ]
}
# What a container may log before the kubelet turns the file over: five files of 10 MiB.
_LOGS = "64Mi"
# What of its local storage a pod has for sure. Not all of it: nodes with small disks must hold several servers, whose
# uploads are seldom large at once.
_ASSURED = 4
# What holds quantities by their names, in pods, claims, quotas and limit ranges.
_OF_QUANTITIES = ("limits", "requests", "hard", "default", "defaultRequest")


def complete(objects: Iterable[Mapping[str, Any] | None], common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give each object its namespace, labels, selectors and restrictions.

    :param objects: what the templates render; empty documents are left out. An object may name another component than
        C(common) by its label C(app.kubernetes.io/component), and by C(mlops.mlflow/part) which of its pods it is for.
    :param common: C(name), C(namespace) and C(component), and optionally C(labels), C(annotations) (of every object
        and pod), C(run_as) (the number that pods run as; empty where the cluster chooses one), C(image_pull_policy)
        and C(pod_spec) (fields of every pod's spec, such as nodeSelector; null removes one).
        C(trusted) has by file the keys of Secrets with whom pods trust (C(trust.places)): each pod gets them.
    :raises BadInput: a name or a policy that Kubernetes would refuse.
    """
    _check_marks("mlflow_labels", _texts(common.get("labels") or {}), _LABEL)
    _check_marks("mlflow_annotations", _texts(common.get("annotations") or {}), _ANYTHING)
    given = [_without_nulls(item) for item in objects if item]
    accounts = {
        one["metadata"]["name"]: _sum(annotations)
        for one in given
        if one["kind"] == "ServiceAccount" and (annotations := _texts(one["metadata"].get("annotations") or {}))
    }
    return [_complete(item, common, accounts) for item in given]


def selector(common: Mapping[str, Any], component: str | None = None) -> dict[str, str]:
    """The labels by which the pods of one component are found."""
    return {
        PREFIX + "name": "mlflow",
        PREFIX + "instance": str(common["name"]),
        COMPONENT: component or str(common["component"]),
    }


def marks(deployment: str, component: str) -> dict[str, str]:
    """The labels by which an object is found to be the deployment's own."""
    return {**selector({"name": deployment, "component": component}), MANAGED_BY: MANAGER}


def references(objects: Iterable[Mapping[str, Any]], keep_data: bool = True) -> list[dict[str, Any]]:
    """What is to be named to remove the objects, the last one first; without data where that is kept."""
    listed = [item for item in objects if not (keep_data and item["kind"] in DATA_KINDS)]
    return [
        {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "metadata": {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]},
        }
        for item in reversed(listed)
    ]


def for_files(objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The objects as who applies files again and again can have them: a Job that changed has another name.

    Kubernetes lets nobody change a Job, and with files nobody removes the old one first.
    """
    return [
        {**item, "metadata": {**item["metadata"], "name": f"{item['metadata']['name']}-{_checksum_of(item)[:8]}"}}
        if item["kind"] == "Job"
        else dict(item)
        for item in objects
    ]


def _checksum_of(job: Mapping[str, Any]) -> str:
    return str(job["metadata"]["annotations"][CHECKSUM])


def identity(run_as: Any) -> dict[str, Any]:
    """The securityContext of pods that run as a number, and write to volumes as it; {} where the cluster chooses one.

    :raises BadInput: it is no number.
    """
    text = "" if run_as is None else str(run_as)
    if not text:
        return {}
    if not re.fullmatch("[0-9]{1,10}", text):
        raise BadInput(f"A pod cannot run as '{text}': give a number, or nothing where the cluster chooses.")
    number = int(text)
    return {"runAsUser": number, "runAsGroup": number, "fsGroup": number, "fsGroupChangePolicy": "OnRootMismatch"}


def check_name(name: str, variable: str) -> None:
    """Refuse what Kubernetes would refuse, before anything is created.

    :raises BadInput: it is no DNS label, or leaves no room for what is appended to it.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if not name or set(name) - allowed or name[0] == "-" or name[-1] == "-" or not name[0].isalpha() or len(name) > 40:
        raise BadInput(
            f"{variable} is '{name}', which is no name for Kubernetes objects: small letters, digits and '-', "
            f"beginning with a letter, not ending with '-', at most 40 characters."
        )


def _check_marks(variable: str, given: Mapping[str, str], value: re.Pattern[str]) -> None:
    """Refuse labels and annotations that the API server would refuse when half of the objects are applied."""
    for name, text in given.items():
        if not _MARK.fullmatch(name) or not value.fullmatch(text):
            raise BadInput(
                f"{variable} holds '{name}: {text[:80]}', which Kubernetes refuses: names are letters, digits, '-', '_'"
                f" and '.', with a domain and / before them or without, and values of labels the same, at most "
                f"{_NAME_LIMIT} characters."
            )


def _sum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _complete(item: dict[str, Any], common: Mapping[str, Any], accounts: Mapping[str, str]) -> dict[str, Any]:
    metadata = item.setdefault("metadata", {})
    own = metadata.get("labels") or {}
    chosen = selector(common, own.get(COMPONENT)) | {key: str(own[key]) for key in (PART,) if key in own}
    labels = {**(common.get("labels") or {}), **own, **chosen, MANAGED_BY: MANAGER}
    annotations = {**(common.get("annotations") or {}), **(metadata.get("annotations") or {})}
    metadata["labels"] = labels = _texts(labels)
    if annotations:
        metadata["annotations"] = _texts(annotations)
    if item["kind"] not in _CLUSTER_KINDS:
        metadata["namespace"] = common["namespace"]
    if len(metadata["name"]) > _NAME_LIMIT:
        raise BadInput(f"The name {metadata['name']} is longer than {_NAME_LIMIT} characters: shorten mlflow_name.")
    kind = kinds.name_of(item)
    if kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        item.setdefault("spec", {})["selector"] = {"matchLabels": chosen}
    elif kind == "NetworkPolicy":
        item["spec"] = _policy(item.get("spec") or {}, chosen)
    elif kind == "Service":
        item.setdefault("spec", {})["selector"] = chosen
    if template := _pod_template(item):
        meta = template.setdefault("metadata", {})
        meta["labels"] = _texts({**labels, **(meta.get("labels") or {}), **chosen})
        requested = common.get("pod_spec") or {}
        account = accounts.get((template["spec"] | requested).get("serviceAccountName", ""))
        of_account = {IDENTITY: account} if account else {}
        marked = {**(common.get("annotations") or {}), **(meta.get("annotations") or {}), **of_account}
        if marked:
            meta["annotations"] = _texts(marked)
        runs_as = identity(common.get("run_as"))
        if kind == kinds.KNATIVE_SERVICE:
            runs_as.pop("fsGroupChangePolicy", None)  # which Knative refuses
        template["spec"] = _pod(template["spec"], chosen, requested, runs_as)
        for container in (*template["spec"].get("initContainers", ()), *template["spec"]["containers"]):
            container.setdefault("imagePullPolicy", _pull_policy(common))
            for variable in container.get("env") or ():
                if variable.get("value") == "":
                    del variable["value"]  # which the API server does not keep, and so would find changed each time
            if container.get("image"):  # who needs one that is empty says so
                image_names.checked(str(container["image"]), f"The image of {kind} {metadata['name']}")
        _mount_trusted(template["spec"], common.get("trusted") or {})
    item = _canonical(_without_empty(item))
    if item["kind"] == "Job":
        # A Job cannot be changed: other pods are another Job, and the checksum tells them apart.
        item["metadata"].setdefault("annotations", {})[CHECKSUM] = _sum(item["spec"])
    return item


def _pull_policy(common: Mapping[str, Any]) -> str:
    """Of itself IfNotPresent: pods start again while a registry is away, and where images were brought to nodes."""
    policy = str(common.get("image_pull_policy") or "IfNotPresent")
    if policy not in _PULL_POLICIES:
        raise BadInput(f"mlflow_image_pull_policy is '{policy}'; it must be one of {', '.join(_PULL_POLICIES)}.")
    return policy


def _policy(spec: dict[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Who may connect is the template's business, and in C(outside) where its pods may beyond their own namespace."""
    outside = spec.pop("outside", None)
    beyond = [] if outside is None else outside or [_OUTSIDE]
    own = {"podSelector": {"matchLabels": dict(chosen)}, "policyTypes": ["Ingress", "Egress"]}
    # The pods of an operator have its labels alone.
    return {**own, **spec, "egress": [_NAMES, _NEIGHBOURS, *beyond]}


def _pod_template(item: Mapping[str, Any]) -> dict[str, Any] | None:
    spec = item.get("spec") or {}
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template") if kinds.name_of(item) in _KINDS_OF_PODS else None
    return template if isinstance(template, dict) else None


def _pod(
    spec: dict[str, Any], chosen: Mapping[str, str], requested: Mapping[str, Any], runs_as: Mapping[str, Any]
) -> dict[str, Any]:
    result = _merge(_merge(_merge(_POD_DEFAULTS, {"securityContext": runs_as}), spec), requested)
    for kind in ("initContainers", "containers"):
        if kind in result:
            result[kind] = [
                _merge(_merge(_CONTAINER_DEFAULTS, _local_storage(container, result)), container)
                for container in result[kind]
            ]
    for constraint in result.get("topologySpreadConstraints") or []:
        constraint.setdefault("labelSelector", {"matchLabels": dict(chosen)})
    return result


def _mount_trusted(spec: dict[str, Any], trusted: Mapping[str, Mapping[str, str]]) -> None:
    """Give every container of a pod the certificates of those that it trusts."""
    if not trusted:
        return
    sources = [
        {"secret": {"name": place["secret"], "items": [{"key": place["key"], "path": file}]}}
        for file, place in trusted.items()
    ]
    # Certificates are no secrets.
    spec.setdefault("volumes", []).append({"name": "trusted", "projected": {"defaultMode": 0o444, "sources": sources}})
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        mount = {"name": "trusted", "mountPath": trust.FOLDER, "readOnly": True}
        container.setdefault("volumeMounts", []).append(mount)


def _local_storage(container: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Requests and limits of the node's disk, by the volumes that a container writes to.

    Without them the scheduler and quotas know nothing of it, and such a pod is evicted first from a disk that is full.
    """
    volumes = {volume["name"]: volume.get("emptyDir") for volume in spec.get("volumes") or []}
    names = {mount["name"] for mount in container.get("volumeMounts") or []}
    written = [volume for name in names if (volume := volumes.get(name)) and volume.get("medium") != "Memory"]
    size = quantity(_LOGS) + sum(quantity(volume["sizeLimit"]) for volume in written)
    mebibytes = math.ceil(size / 1024**2)
    return {
        "resources": {
            "requests": {"ephemeral-storage": f"{math.ceil(mebibytes / _ASSURED)}Mi"},
            "limits": {"ephemeral-storage": f"{mebibytes}Mi"},
        }
    }


def _canonical(value: Any) -> Any:
    """All quantities as the API server tells them back."""
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _quantity(amount) for name, amount in one.items()}
        if key in _OF_QUANTITIES and isinstance(one, dict)
        else _canonical(one)
        for key, one in value.items()
    }


def _quantity(value: Any) -> Any:
    try:
        return canonical(value)
    except BadInput:
        return value  # of somebody else's kind of object, which means something else by the word


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Kubernetes takes nothing but text there, and refuses the numbers and booleans that YAML makes of text."""
    return {
        str(key): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in values.items()
        if value is not None
    }


def _without_nulls(value: Any) -> Any:
    """A null would ask for something else than nothing does, for instance that a volume has no storage class."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else deepcopy(value)


def _without_empty(value: Any) -> Any:
    """As the API server keeps it, without empty lists, labels and annotations: they would differ in every run."""
    if isinstance(value, Mapping):
        kept = {key: inner for key, inner in value.items() if not _is_dropped(key, inner)}
        return {key: _without_empty(inner) for key, inner in kept.items()}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _is_dropped(key: str, value: Any) -> bool:
    return value == [] or (value == {} and key in ("annotations", "labels"))


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep for dicts; a value of None removes."""
    result = deepcopy(dict(base))
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _merge(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _without_nulls(value)
    return result
