# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shares: one Job that carries out an operation for some of a fleet's instances.

It is made of what an operation on one instance is made of, the CronJob of its identity, which was rendered for the
sample. What is the same for all stays; what holds the name is there for each: environment and secrets in files of its
own, volumes in a folder of its own. Secrets never leave their Secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from .. import protocol
from ..errors import BadInput
from ..kubernetes import manifests
from .rendering import NAME, Object, replaced

# Label of its Jobs: which operation of which fleet they carry out.
OPERATION = "mlops.mlflow/fleet-operation"
_COMPONENT = "operations"
# Where a Job has the volumes of an instance, and its secrets.
_INSTANCES, _SECRETS = "/instances", "/run/secrets/instances"
# Of operations that ask a server: with what servers have, as from outside of one.
_IDENTITIES = {"ops": "trial"}


class Shares:
    """
    :param objects: of the sample, rendered with the name C(sample).
    :param options: of the operation, as that for the sample has them.
    :raises BadInput: the sample has nothing that the operation could be carried out with.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]],
        sample: str,
        fleet: str,
        namespace: str,
        operation: str,
        options: Mapping[str, Any],
    ) -> None:
        self._fleet, self._namespace, self._operation = fleet, namespace, operation
        marked: list[Object] = replaced(json.loads(json.dumps(list(objects))), sample)
        identity = protocol.OPERATIONS[operation].identity
        name = f"{NAME}-{_IDENTITIES.get(identity, identity)}"
        found = next((one for one in marked if (one["kind"], one["metadata"]["name"]) == ("CronJob", name)), None)
        if found is None:
            raise BadInput(
                f"The objects of the sample have no CronJob {name.replace(NAME, sample)}: {operation} needs it."
            )
        self._template: Object = found["spec"]["jobTemplate"]["spec"]["template"]
        pod = self._template["spec"]
        container = pod["containers"][0]
        holding = [volume for volume in pod.get("volumes") or [] if _holds_name(volume)]
        # What a ConfigMap says is said in the request.
        texts = {volume["name"]: volume["configMap"]["name"] for volume in holding if "configMap" in volume}
        self._own_volumes = [volume for volume in holding if volume["name"] not in texts]
        own = {volume["name"] for volume in self._own_volumes}
        mounts = container.get("volumeMounts") or []
        self._own_mounts = [mount for mount in mounts if mount["name"] in own]
        pod["volumes"] = [volume for volume in pod.get("volumes") or [] if volume not in holding]
        container["volumeMounts"] = [mount for mount in mounts if mount["name"] not in own | set(texts)]
        variables = container.get("env") or []
        container["env"] = [variable for variable in variables if not _holds_name(variable)]
        self._env = {one["name"]: one["value"] for one in variables if _holds_name(one) and "value" in one}
        self._secrets = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in variables if _of_own_secret(one)}
        said = replaced(dict(options), sample)
        told = _told_by_files(said, mounts, texts, marked)
        known = protocol.OPERATIONS[operation].options
        self._options = self._moved({name: value for name, value in told.items() if name in known})

    def claims(self, name: str) -> list[str]:
        """The volumes of an instance that must be there, or no Job that has them starts."""
        volumes = [volume["persistentVolumeClaim"] for volume in self._own_volumes if "persistentVolumeClaim" in volume]
        return [str(one["claimName"]).replace(NAME, name) for one in volumes]

    def request(self, names: Sequence[str], *, check: bool, seconds: float) -> protocol.Request:
        options = {
            "operation": self._operation,
            "names": list(names),
            "mark": NAME,
            "options": self._options,
            "env": self._moved(self._env),
            "secrets": {variable: f"{_SECRETS}/{NAME}/{variable}" for variable in self._secrets},
        }
        return protocol.Request("each", options, check, seconds)

    def cron_job(self, names: Sequence[str]) -> Object:
        """What the Job of these instances is made from."""
        template = deepcopy(self._template)
        pod, labels = template["spec"], manifests.marks(self._fleet, _COMPONENT) | {OPERATION: self._operation}
        template["metadata"] = {"labels": {**_without_name(template["metadata"].get("labels")), **labels}}
        container = pod["containers"][0]
        pod["serviceAccountName"] = f"{self._fleet}-operations"
        if self._secrets:
            sources = [self._source(name) for name in names]
            volume = {
                "name": "instances",
                "projected": {"defaultMode": 0o440, "sources": [s for one in sources for s in one]},
            }
            pod["volumes"].append(volume)
            container["volumeMounts"].append({"name": "instances", "mountPath": _SECRETS, "readOnly": True})
        for number, name in enumerate(names):
            for volume in self._own_volumes:
                pod["volumes"].append({**_named(volume, name), "name": f"{volume['name'][:50]}-{number}"})
            for mount in self._own_mounts:
                path = f"{_INSTANCES}/{name}{mount['mountPath']}"
                own = {**_named(mount, name), "name": f"{mount['name'][:50]}-{number}", "mountPath": path}
                container["volumeMounts"].append(own)
        # Volumes that only one node mounts would lead to as many nodes as there are instances.
        pod.pop("affinity", None)
        return {
            "metadata": {"name": f"{self._fleet}-{self._operation}", "namespace": self._namespace, "labels": labels},
            "spec": {"jobTemplate": {"spec": {"template": template}}},
        }

    def _source(self, name: str) -> list[Object]:
        """Its secrets as files. One that is not there fails its instance, and does not keep the Job from starting."""
        return [
            {
                "secret": {
                    "name": place["name"].replace(NAME, name),
                    "items": [{"key": place["key"], "path": f"{name}/{variable}"}],
                    "optional": True,
                }
            }
            for variable, place in self._secrets.items()
        ]

    def _moved(self, value: Any) -> Any:
        """The same with the paths at which the volumes of an instance are here."""
        if isinstance(value, dict):
            return {key: self._moved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._moved(inner) for inner in value]
        if isinstance(value, str):
            for mount in self._own_mounts:
                path = mount["mountPath"]
                value = re.sub(rf"(^|=|file://){re.escape(path)}(?=/|$|&)", rf"\g<1>{_INSTANCES}/{NAME}{path}", value)
        return value


def _told_by_files(
    options: Mapping[str, Any], mounts: Sequence[Object], texts: Mapping[str, str], objects: Sequence[Object]
) -> dict[str, Any]:
    """Options with those of the file that C(settings) names, where that is a ConfigMap's."""
    path = str(options.get("settings") or "")
    folder, _slash, file = path.rpartition("/")
    for mount in mounts:
        if path and mount["name"] in texts and mount["mountPath"] == folder:
            name = texts[mount["name"]]
            found = next(one for one in objects if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", name))
            return {
                **json.loads(found["data"][file]),
                **{key: value for key, value in options.items() if key != "settings"},
            }
    return dict(options)


def _holds_name(value: Any) -> bool:
    return NAME in json.dumps(value, ensure_ascii=False)


def _of_own_secret(variable: Mapping[str, Any]) -> bool:
    return _holds_name(variable) and "secretKeyRef" in variable.get("valueFrom", {})


def _named(value: Any, name: str) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False).replace(NAME, name))


def _without_name(values: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (values or {}).items() if not _holds_name(value)}
