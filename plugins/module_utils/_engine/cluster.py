# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cluster: one look at a Kubernetes, waiting for a roll-out with the reason when it fails, commands in pods.

Works on the API's own JSON, so that any version's answer is understood. The client comes from outside, because who
asks (a module, a test) knows how to log in.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import manifests, ops
from .errors import BadInput, EngineError

_READY_POLL_SECONDS = 0.5
# A pull may fail once for a passing reason; these say that the kubelet has given up for now.
_FINAL_WAITS = {
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
}
_CRASHES_ALLOWED = 3
# Bytes of a termination message; Kubernetes cuts off the rest.
_LONGEST_MESSAGE = 4096
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_KIND_PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
}
# What a changed wish may make superfluous: it is removed then.
_OPTIONAL_KINDS = (
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    ("route.openshift.io/v1", "Route", "routes"),
)


class ClusterError(EngineError):
    """The cluster cannot be reached, refuses, or what was deployed does not come up."""


class Cluster:
    """A thin client of one cluster's API. C(api) is a C(kubernetes.client.ApiClient)."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @property
    def address(self) -> str:
        return str(self._api.configuration.host)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """One GET; None where there is nothing.

        :raises ClusterError: no answer, or a refusal.
        """
        return self.call("GET", path, query=query)

    def items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return list((self.get(path, query) or {}).get("items") or [])

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        try:
            answer = self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=20,
            )
        except Exception as error:
            status = getattr(error, "status", None)
            if status == 404:
                return None
            if status:
                message = _message_of(getattr(error, "body", ""))
                raise ClusterError(f"The cluster at {self.address} refused {method} {path}: {message}") from error
            cause = str(error).rsplit("(Caused by ", maxsplit=1)[-1].rstrip(")")
            raise ClusterError(
                f"The cluster at {self.address} cannot be reached: {cause}. Is it running, and do kubeconfig and "
                f"context name the right one?"
            ) from error
        return dict(json.loads(answer.data))

    def log(self, namespace: str, pod: str, container: str) -> str:
        """What a container has printed so far; empty while there is nothing.

        :raises ClusterError: no answer.
        """
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException

        try:
            answer = CoreV1Api(self._api).read_namespaced_pod_log(
                pod, namespace, container=container, _preload_content=False, _request_timeout=60
            )
        except ApiException as error:
            if error.status in (400, 404):  # it has not started yet
                return ""
            raise ClusterError(f"The log of pod {namespace}/{pod} cannot be read: {error.reason}.") from error
        except Exception as error:
            raise ClusterError(f"The log of pod {namespace}/{pod} cannot be read: {error}.") from error
        return bytes(answer.data).decode("utf-8", "replace")

    def execute(self, namespace: str, pod: str, container: str, argv: Sequence[str], timeout: float) -> str:
        """Run a command in a container and return what it printed, whatever its exit status was."""
        from kubernetes.client import ApiClient, CoreV1Api
        from kubernetes.stream import stream

        # stream() changes the client it works with: it gets one of its own.
        core = CoreV1Api(ApiClient(configuration=self._api.configuration))
        try:
            opened = stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(argv),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
            opened.run_forever(timeout=timeout)
            said = str(opened.read_all())
            finished = not opened.is_open()
            opened.close()
        except Exception as error:
            raise ClusterError(f"A command in pod {namespace}/{pod} failed: {_message_of(str(error))}") from error
        if not finished:
            raise ClusterError(f"{' '.join(argv[:2])} in pod {namespace}/{pod} did not end within {timeout:.0f} s.")
        return said


def look(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    permissions: Iterable[str] = (),
    secrets: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> dict[str, Any]:
    """What the cluster is and what of a deployment is there already. Changes nothing.

    :param permissions: C(verb resource.group) for each thing that will be done, such as C(create deployments.apps).
    :param secrets: names of Secrets whose keys are wanted; their values are never returned.
    :param groups: API groups that are needed beyond Kubernetes' own.
    """
    version = cluster.get("/version") or {}
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    served = {group["name"] for group in (cluster.get("/apis") or {}).get("groups") or []}
    labelled = _labelled(name)
    inside = f"/api/v1/namespaces/{namespace}"
    return {
        "version": str(version.get("gitVersion", "")),
        "minor": int("".join(filter(str.isdigit, str(version.get("minor", "0")))) or 0),
        "namespace": (found or {}).get("status", {}).get("phase", "absent"),
        "namespace_is_ours": ((found or {}).get("metadata", {}).get("labels") or {}).get(
            manifests.PREFIX + "managed-by"
        )
        == manifests.MANAGER,
        "storage_classes": [item["metadata"]["name"] for item in classes],
        "default_storage_class": next(
            (
                item["metadata"]["name"]
                for item in classes
                if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
            ),
            "",
        ),
        "metrics": cluster.get("/apis/metrics.k8s.io/v1beta1") is not None if "metrics.k8s.io" in served else False,
        "missing_groups": sorted(set(groups) - served),
        "denied": _denied(cluster, namespace, list(permissions)),
        "secrets": {
            secret: sorted((cluster.get(f"{inside}/secrets/{secret}") or {}).get("data") or {}) for secret in secrets
        },
        "optional": [
            {
                "apiVersion": api_version,
                "kind": kind,
                "metadata": {"name": item["metadata"]["name"], "namespace": namespace},
            }
            for api_version, kind, plural in _OPTIONAL_KINDS
            if api_version.partition("/")[0] in served
            for item in cluster.items(f"/apis/{api_version}/namespaces/{namespace}/{plural}", labelled)
        ],
        "claims": [item["metadata"]["name"] for item in cluster.items(f"{inside}/persistentvolumeclaims", labelled)],
        "quotas": {
            item["metadata"]["name"]: item["spec"].get("hard") or {}
            for item in cluster.items(f"{inside}/resourcequotas")
            if (item["metadata"].get("labels") or {}).get(manifests.PREFIX + "instance") != name
            and not item["spec"].get("scopes")
            and not item["spec"].get("scopeSelector")
        },
        "jobs": {
            item["metadata"]["name"]: {
                "state": _job_state(item),
                "checksum": (item["metadata"].get("annotations") or {}).get("mlops.mlflow/checksum", ""),
            }
            for item in cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs", labelled)
        },
    }


def state(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """How a deployment's workloads and pods are right now."""
    query = _labelled(name)
    workloads, unsettled = [], []
    for kind, plural in (("Deployment", "deployments"), ("StatefulSet", "statefulsets")):
        for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}", query):
            status = item.get("status") or {}
            if reason := _unready(item):
                unsettled.append(f"{kind}/{item['metadata']['name']}: {reason}")
            workloads.append(
                {
                    "kind": kind,
                    "name": item["metadata"]["name"],
                    "wanted": item["spec"].get("replicas", 1),
                    "ready": status.get("readyReplicas", 0),
                    "version": (item["metadata"].get("labels") or {}).get(manifests.PREFIX + "version", ""),
                }
            )
    pods = []
    for pod in cluster.items(f"/api/v1/namespaces/{namespace}/pods", query):
        statuses = pod.get("status", {}).get("containerStatuses") or []
        pods.append(
            {
                "name": pod["metadata"]["name"],
                "component": pod["metadata"]["labels"].get(manifests.COMPONENT, ""),
                "phase": pod.get("status", {}).get("phase", ""),
                "ready": bool(statuses) and all(status.get("ready") for status in statuses),
                "restarts": sum(status.get("restartCount", 0) for status in statuses),
                "problem": _problem(pod) or "",
            }
        )
    return {"workloads": workloads, "unsettled": unsettled, "pods": pods}


def wait(
    cluster: Cluster,
    namespace: str,
    name: str,
    workloads: Sequence[Mapping[str, str]],
    seconds: float,
    say: Callable[[str], None] = lambda _text: None,
) -> dict[str, Any]:
    """Wait until every workload is rolled out, and end at once when one cannot be.

    :param workloads: C(kind) (Deployment, StatefulSet, Job) and C(name).
    :returns: C(seconds) waited, and C(jobs) (what each container of each Job returned).
    :raises ClusterError: a pod cannot start, a Job failed, or the time is over; pods, reasons and logs are named.
    """
    start = time.monotonic()
    pending: list[str] = []
    while True:
        listed = {
            f"{item['kind']}/{item['name']}": cluster.get(
                _KIND_PATHS[item["kind"]].format(namespace=namespace, name=item["name"])
            )
            for item in workloads
        }
        now = [f"{key}: {reason}" for key, item in listed.items() if (reason := _unready(item))]
        if not now:
            return {
                "seconds": round(time.monotonic() - start, 1),
                "jobs": {
                    item["name"]: _job_results(cluster, namespace, item["name"])
                    for item in workloads
                    if item["kind"] == "Job"
                },
            }
        if now != pending:
            say("; ".join(now))
            pending = now
        for key, item in listed.items():
            if item and key.startswith("Job/") and _job_state(item) == "failed":
                raise ClusterError(_why_job_failed(cluster, namespace, key.partition("/")[2]))
        pods = cluster.items(
            f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": f"{manifests.PREFIX}instance={name}"}
        )
        # What an earlier roll-out left does not count: a Job's failed try, pods on their way out.
        living = [
            pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] != "Failed"
        ]
        problems = {pod["metadata"]["name"]: _problem(pod, final=True) for pod in living}
        if final := [f"Pod {namespace}/{pod}: {problem}" for pod, problem in problems.items() if problem]:
            raise ClusterError(" ".join(final[:3]))
        if time.monotonic() - start > seconds:
            reasons = [f"pod {pod['metadata']['name']}: {problem}" for pod in living if (problem := _problem(pod))]
            raise ClusterError(
                f"Not ready after {seconds:.0f} s: {'; '.join(now)}. {'; '.join(reasons)} "
                f"{_warnings(cluster, namespace)}".strip()
            )
        time.sleep(_READY_POLL_SECONDS)


def run_ops(
    cluster: Cluster, namespace: str, name: str, arguments: Sequence[str], timeout: float, component: str = "server"
) -> dict[str, Any]:
    """Run C(mlflow-ops) in a ready pod of the deployment and return what it found.

    :raises ClusterError: no pod is ready, or the command died.
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
        problems = "; ".join(f"{pod['metadata']['name']}: {_problem(pod) or pod['status']['phase']}" for pod in pods)
        raise ClusterError(f"No pod of {namespace}/{name} is running. {problems or 'There is none at all.'}")
    # A pod that is not ready can tell why; one that is can tell more.
    pod = sorted(alive, key=_readiness, reverse=True)[0]
    container = pod["spec"]["containers"][0]["name"]
    said = cluster.execute(namespace, pod["metadata"]["name"], container, ["mlflow-ops", *arguments], timeout)
    return {**ops.result_of(said), "pod": pod["metadata"]["name"]}


def ensure_secret(
    cluster: Cluster,
    namespace: str,
    name: str,
    values: Mapping[str, Callable[[], str]],
    labels: Mapping[str, str],
    *,
    kind: str = "Opaque",
    guarded_claim: str = "",
    dry_run: bool = False,
) -> list[str]:
    """Create the keys of a Secret that do not exist yet; what exists is never changed.

    :param values: makes the value of each key.
    :param guarded_claim: volume that holds data made with the secret: where it exists, no new secret would fit.
    :returns: the keys that were (or would be) created.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    found = cluster.get(f"{path}/{name}")
    missing = [key for key in values if key not in ((found or {}).get("data") or {})]
    if not missing:
        return []
    if guarded_claim and cluster.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{guarded_claim}"):
        raise BadInput(
            f"The volume {namespace}/{guarded_claim} exists, but the Secret {name} lacks {', '.join(missing)}: new "
            f"passwords would not open its data. Restore the Secret, or remove the volume if its data is not wanted."
        )
    if not dry_run:
        data = {key: base64.b64encode(values[key]().encode()).decode() for key in missing}
        if found is None:
            metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
            body = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data}
            cluster.call("POST", path, body)
        else:
            cluster.call("PUT", f"{path}/{name}", {**found, "data": {**(found.get("data") or {}), **data}})
    return missing


def _labelled(name: str) -> dict[str, str]:
    return {"labelSelector": f"{manifests.PREFIX}instance={name},{manifests.PREFIX}managed-by={manifests.MANAGER}"}


def _denied(cluster: Cluster, namespace: str, wanted: list[str]) -> list[str]:
    if not wanted or _may(cluster, namespace, "*", "*", "*"):
        return []
    denied = []
    for item in wanted:
        verb, _space, resource = item.partition(" ")
        plural, _dot, group = resource.partition(".")
        if not _may(cluster, namespace, verb, group, plural):
            denied.append(item)
    return denied


def _may(cluster: Cluster, namespace: str, verb: str, group: str, resource: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource},
        },
    }
    answer = cluster.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review) or {}
    return bool((answer.get("status") or {}).get("allowed"))


def _unready(item: Mapping[str, Any] | None) -> str | None:
    """Why a workload is not rolled out yet; None when it is."""
    if item is None:
        return "does not exist"
    status, wanted = item.get("status") or {}, (item.get("spec") or {}).get("replicas", 1)
    if item.get("kind") == "Job" or "backoffLimit" in (item.get("spec") or {}):
        return None if _job_state(item) == "complete" else "not finished"
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return "not looked at yet"
    for condition in status.get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"pods are refused: {condition.get('message', '')}"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if updated < wanted or ready < wanted or status.get("replicas", 0) > wanted:
        return f"{min(updated, ready)} of {wanted} ready"
    return None


def pods_of_job(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """A Job's pods, the newest last."""
    return _pods_of_job(cluster, namespace, name)


def job_state(cluster: Cluster, namespace: str, name: str) -> str:
    """C(running), C(complete) or C(failed).

    :raises ClusterError: there is no such Job.
    """
    job = cluster.get(_KIND_PATHS["Job"].format(namespace=namespace, name=name))
    if job is None:
        raise ClusterError(f"There is no Job {namespace}/{name}: somebody removed it.")
    return _job_state(job)


def final_problem(pod: Mapping[str, Any]) -> str | None:
    """What keeps a pod from starting, where waiting does not mend it."""
    return _problem(pod, final=True)


def warnings(cluster: Cluster, namespace: str) -> str:
    """The last warnings among a namespace's events, as a sentence."""
    return _warnings(cluster, namespace)


def _job_state(job: Mapping[str, Any]) -> str:
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"]).lower()
    return "running"


def _pods_of_job(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    pods = cluster.items(
        f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": f"batch.kubernetes.io/job-name={name}"}
    )
    return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def _job_results(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """What each container of a Job's last pod returned; nothing where the pod is gone already."""
    results: dict[str, Any] = {}
    for pod in _pods_of_job(cluster, namespace, name)[-1:]:
        for status in _container_statuses(pod):
            message = ((status.get("state") or {}).get("terminated") or {}).get("message")
            if message:
                # Kubernetes keeps 4096 bytes of it; the log has all of a longer result.
                whole = len(message.encode()) < _LONGEST_MESSAGE
                said = message if whole else cluster.log(namespace, pod["metadata"]["name"], status["name"])
                results[status["name"]] = ops.result_of(said)
    return results


def _why_job_failed(cluster: Cluster, namespace: str, name: str) -> str:
    for pod in reversed(_pods_of_job(cluster, namespace, name)):
        for status in _container_statuses(pod):
            ended = (status.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode"):
                return f"The Job {namespace}/{name} failed at {status['name']}: {_said(ended)}"
    return f"The Job {namespace}/{name} failed, and its pods are gone. {_warnings(cluster, namespace)}"


def _problem(pod: Mapping[str, Any], final: bool = False) -> str | None:
    """What keeps a pod from being ready, in words; with C(final) only what waiting will not mend."""
    for status in _container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _FINAL_WAITS:
            image = f" (image {status['image']})" if "Image" in reason else ""
            return f"{reason}{image}: {waiting.get('message', '')}"
        crashed = ((status.get("lastState") or {}).get("terminated")) or {}
        if reason == "CrashLoopBackOff" and (not final or status.get("restartCount", 0) >= _CRASHES_ALLOWED):
            return f"container {status['name']} crashed {status.get('restartCount', 0)} times: {_said(crashed)}"
    if final:
        return None
    for condition in pod["status"].get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no node takes it: {condition.get('message', '')}"
    for status in pod["status"].get("containerStatuses") or []:
        if not status.get("ready") and "running" in (status.get("state") or {}):
            return f"container {status['name']} runs, but is not ready"
    return None


def _container_statuses(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _said(ended: Mapping[str, Any]) -> str:
    """The last words of a container: the message of mlflow-ops, else the end of its log."""
    message = str(ended.get("message") or "").strip()
    for line in reversed(message.splitlines()):
        if line.startswith(ops.PREFIX):
            try:
                return str(json.loads(line.removeprefix(ops.PREFIX)).get("msg") or message)
            except ValueError:
                break
    return " | ".join(message.splitlines()[-5:]) or f"{ended.get('reason')} (exit status {ended.get('exitCode')})"


def _warnings(cluster: Cluster, namespace: str, limit: int = 3) -> str:
    """The last warnings among a namespace's events."""
    events = cluster.items(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": "type=Warning"})
    newest = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))[-limit:]
    told = [
        f"{event['involvedObject']['kind']}/{event['involvedObject']['name']}: {event['message']}" for event in newest
    ]
    return f"Last warnings: {' | '.join(told)}" if told else ""


def _readiness(pod: Mapping[str, Any]) -> bool:
    return all(status.get("ready") for status in pod["status"].get("containerStatuses") or [])


def _message_of(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(str(body).split())[:300]
