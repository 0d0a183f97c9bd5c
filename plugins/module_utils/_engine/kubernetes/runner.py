# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an operation runs on Kubernetes: in a pod of the deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import protocol
from ..errors import BadInput
from ..progress import Say, silent
from . import certificates, inspect, kinds, manifests, operation_job, secrets
from .client import KIND_PATHS, Cluster, ClusterError
from .pods import problem_of, readiness
from .rollout import unready

# Beyond the deadline that the operation itself keeps.
_GRACE_SECONDS = 30.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class KubernetesRunner:
    """A runner in a deployment's pods.

    :param login: C(username), and C(secret) and C(key) of the password, which the servers' pods do not hold.
    :param image: what Jobs run instead of the deployment's own image; empty for that one. An upgrade uses the new
        one before anything is changed.
    :param workload_kind: what the servers' workload is.
    :param certificate_secrets: where the certificates of its TLS inside are.
    :param inside: URL at which Jobs find the servers, which are at the loopback of their own pods alone.
    """

    cluster: Cluster
    namespace: str
    name: str
    login: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    workload_kind: str = "Deployment"
    inside: str = ""
    certificate_secrets: Sequence[str] = ()

    def require(self) -> None:
        """Nothing of this host is read for a deployment in a cluster; its pods are looked for when they are needed."""

    def run(self, request: protocol.Request, say: Say = silent) -> dict[str, Any]:
        operation = protocol.OPERATIONS[request.operation]
        if identity := self._identity_of_jobs(operation):
            # A Job has its secrets from where its identity is; its request is an annotation.
            options = dict(request.options)
            if self.inside and str(options.get("url")).partition("//")[2].startswith(_LOOPBACK):
                options["url"] = self.inside
            if self.login and "username" in operation.options:
                options.setdefault("username", self.login["username"])
            request = replace(request, options=options, login={})
            return operation_job.run(self.cluster, self.namespace, self.name, request, say, identity, self.image)
        if self.image:
            raise BadInput(f"The operation {request.operation} runs in the servers' pods, which have their own image.")
        pod, container = running(self.cluster, self.namespace, self.name)
        if self.login and not request.login:
            password = secrets.value(self.cluster, self.namespace, self.login["secret"], self.login["key"])
            request = replace(request, login={"username": self.login["username"], "password": password})
        seconds = (request.deadline or 86400.0) + _GRACE_SECONDS
        argv = ["mlflow-ops", "run", "--while-connected"]
        said = self.cluster.converse(self.namespace, pod, container, argv, request.line(), seconds, say)
        return protocol.result_of(said, request.id)

    def _identity_of_jobs(self, operation: protocol.Operation) -> str:
        """Whose Job carries an operation out; empty where a server's pod does. Where there may be no such pod, a Job
        with what servers have asks as a client would, which starts one if the operation asks a server at all."""
        if operation.identity == "ops":
            return "trial" if self.workload_kind == kinds.KNATIVE_SERVICE else ""
        return operation.identity

    def asleep(self) -> str:
        if self.workload_kind != kinds.KNATIVE_SERVICE:
            return ""
        found = inspect.state(self.cluster, self.namespace, self.name, self.workload_kind)
        return "no server runs, because nobody has asked for a while" if _sleeps(found) else ""

    def workload(self) -> str:
        found = inspect.state(self.cluster, self.namespace, self.name, self.workload_kind)
        if not found["workloads"]:
            raise ClusterError(f"there is no workload of {self.namespace}/{self.name}")
        if found["unsettled"]:
            problems = [f"pod {pod['name']}: {pod['problem']}" for pod in found["pods"] if pod["problem"]]
            raise ClusterError("; ".join([*found["unsettled"], *problems]))
        return ", ".join(map(_told, found["workloads"]))

    def serving(self) -> str:
        found = self.cluster.get(self._servers)
        return inspect.serving(found) if found else ""

    def proven(self) -> str:
        return inspect.proven(self.cluster.get(self._servers) or {})

    def note_proven(self, fingerprint: str) -> None:
        body = {"metadata": {"annotations": {inspect.PROVEN: fingerprint or None}}}
        self.cluster.call("PATCH", self._servers, body, content_type="application/merge-patch+json")

    @property
    def _servers(self) -> str:
        return KIND_PATHS[self.workload_kind].format(namespace=self.namespace, name=self.name)

    def published(self) -> str:
        if self.workload_kind == kinds.KNATIVE_SERVICE:
            found = self.cluster.get(self._servers) or {}
            if reason := unready(found or None, kinds.KNATIVE_SERVICE):
                raise ClusterError(f"the Service {self.namespace}/{self.name} of Knative: {reason}")
            return f"Knative leads {found['status'].get('url')} to it"
        slices = self.cluster.items(
            f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices",
            {"labelSelector": f"kubernetes.io/service-name={self.name}"},
        )
        endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or []]
        ready = [endpoint for endpoint in endpoints if (endpoint.get("conditions") or {}).get("ready")]
        if not ready:
            raise ClusterError(f"the Service {self.namespace}/{self.name} has no server that is ready")
        return f"the Service {self.namespace}/{self.name} leads to {len(ready)} ready servers"

    def certificates(self) -> Mapping[str, str]:
        return certificates.of_secrets(self.cluster, self.namespace, self.name, self.certificate_secrets)


def _sleeps(found: Mapping[str, Any]) -> bool:
    return any(one["kind"] == kinds.KNATIVE_SERVICE and not one["wanted"] for one in found["workloads"])


def _told(one: Mapping[str, Any]) -> str:
    if one["kind"] == kinds.KNATIVE_SERVICE and not one["wanted"]:
        return f"{one['kind']} {one['name']} {'is stopped' if one['stopped'] else 'asleep'}"
    return f"{one['kind']} {one['name']} {one['ready']} of {one['wanted']}"


def running(cluster: Cluster, namespace: str, name: str, component: str = "server") -> tuple[str, str]:
    """Pod and container of the deployment that can tell most.

    :raises ClusterError: none is running.
    """
    labels = manifests.selector({"name": name, "component": component})
    pods = cluster.items(
        f"/api/v1/namespaces/{namespace}/pods",
        {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())},
    )
    alive = [
        pod
        for pod in pods
        if pod["status"]["phase"] == "Running"
        and not pod["metadata"].get("deletionTimestamp")
        and any("running" in (status.get("state") or {}) for status in pod["status"].get("containerStatuses") or [])
    ]
    if not alive:
        problems = "; ".join(f"{pod['metadata']['name']}: {problem_of(pod) or pod['status']['phase']}" for pod in pods)
        raise ClusterError(f"No pod of {namespace}/{name} is running. {problems or 'There is none at all.'}")
    # A pod that is not ready can tell why; one that is can tell more.
    pod = sorted(alive, key=readiness, reverse=True)[0]
    return pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
