# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operation as a Job: made from the CronJob of its identity, followed to its end, and never left running."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import protocol
from ..progress import Say
from . import jobs, manifests
from .attendance import SILENCE_SECONDS, Attendance
from .client import KIND_PATHS, Cluster, ClusterError
from .pods import problem_of, warnings, why_no_pod
from .watch import Selection, Watch

REQUEST_FOLDER = "/etc/mlflow-request"
# Of its pod, which reads it there as a file: one call makes all of a Job, so that nothing can be cut off in between.
_REQUEST = "mlops.mlflow/request"
_REQUEST_FILE = {"path": "request", "fieldRef": {"fieldPath": f"metadata.annotations['{_REQUEST}']"}}
_POLL_SECONDS = 1.0
# Beyond the deadline that the operation itself keeps: for being scheduled, pulled and started.
_START_SECONDS = 600.0
_KEPT_SECONDS = 3600
# A full quota may have room in a moment, when a roll-out that is under way has ended.
_REFUSED_SECONDS = 60.0
_GONE_SECONDS = 120.0


def run(
    cluster: Cluster, namespace: str, name: str, request: protocol.Request, say: Say, identity: str, image: str = ""
) -> dict[str, Any]:
    """Carry the request out in a Job.

    :param identity: whose: the Job is made from the CronJob of that name.
    :param image: instead of that of the CronJob.
    :raises ClusterError: there is no such CronJob, the Job cannot start, or did not end in time. Nothing runs then.
    """
    batch = f"/apis/batch/v1/namespaces/{namespace}"
    cron_job = cluster.get(f"{batch}/cronjobs/{name}-{identity}")
    if cron_job is None:
        raise ClusterError(
            f"There is no CronJob {namespace}/{name}-{identity}, which says how to run this: deploy first."
        )
    at_rest = not _serves(cluster, namespace, name)
    return carry_out(cluster, manifest(cron_job, request, at_rest=at_rest, image=image), request, say)


def carry_out(
    cluster: Cluster, job: dict[str, Any], request: protocol.Request, say: Say, *, keep: bool = True
) -> dict[str, Any]:
    """Make a Job, follow it to its end, and say what it found.

    :param job: as C(manifest) made it.
    :param keep: whether one that has ended stays for a while, for people who look for its log.
    :raises ClusterError: it cannot start, or did not end in time. Nothing runs then.
    """
    namespace = job["metadata"]["namespace"]
    # Before it is made: an interrupt may come when the API server has it, and we have not heard so.
    with _removed(cluster, namespace, job["metadata"]["name"], keep):
        if cluster.call("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job) is None:
            raise ClusterError(f"The namespace {namespace} is not there.")
        return _follow(cluster, namespace, job["metadata"]["name"], request, say)


def manifest(cron_job: dict[str, Any], request: protocol.Request, *, at_rest: bool, image: str = "") -> dict[str, Any]:
    """The Job of a request.

    :param at_rest: whether no server runs, beside which it would have to be scheduled to share a volume.
    :param image: instead of that of the CronJob; empty for that one.
    """
    spec = copy.deepcopy(cron_job["spec"]["jobTemplate"]["spec"])
    seconds = (request.deadline or 86400.0) + _START_SECONDS
    spec |= {"backoffLimit": 0, "activeDeadlineSeconds": int(seconds), "ttlSecondsAfterFinished": _KEPT_SECONDS}
    name = f"{cron_job['metadata']['name'][:40]}-{request.operation}-{request.id[:8]}"
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    if image:
        container["image"] = image
    container["args"] = ["run", f"--request={REQUEST_FOLDER}/request", f"--while-connected={SILENCE_SECONDS}"]
    container["stdin"] = True
    mounts = container.setdefault("volumeMounts", [])
    mounts.append({"name": "request", "mountPath": REQUEST_FOLDER, "readOnly": True})
    pod.setdefault("volumes", []).append({"name": "request", "downwardAPI": {"items": [_REQUEST_FILE]}})
    metadata = spec["template"].setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), _REQUEST: request.line()}
    if protocol.OPERATIONS[request.operation].replaces and not request.check:
        for mount in mounts:
            if mount["name"] == "artifacts":
                mount.pop("readOnly", None)
    if at_rest:
        pod.pop("affinity", None)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cron_job["metadata"]["namespace"],
            "labels": cron_job["metadata"].get("labels") or {},
        },
        "spec": spec,
    }


def _serves(cluster: Cluster, namespace: str, name: str) -> bool:
    labels = manifests.selector({"name": name, "component": "server"})
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods", query)
    return any(pod["status"]["phase"] == "Running" for pod in pods)


def _follow(cluster: Cluster, namespace: str, job: str, request: protocol.Request, say: Say) -> dict[str, Any]:
    end = time.monotonic() + (request.deadline or 86400.0) + _START_SECONDS
    refused_until = time.monotonic() + _REFUSED_SECONDS
    selections = {
        "job": Selection.named(KIND_PATHS["Job"].format(namespace=namespace, name=job)),
        "pods": Selection(f"/api/v1/namespaces/{namespace}/pods", jobs.selector(job)),
    }
    followed, said = "", 0
    with Watch(cluster, selections) as seen, Attendance(cluster, namespace) as attendance:
        while True:
            for line in seen.take_lines():
                said += 1
                _tell(line, say)
            found = next(iter(seen.objects("job")), None)
            if found is None:
                raise ClusterError(f"There is no Job {namespace}/{job}: somebody removed it.")
            pod = next(iter(jobs.newest_first(seen.objects("pods"))), None)
            state = jobs.state_of(found)
            if state != "running":
                break
            if pod and (problem := problem_of(pod, final=True)):
                raise ClusterError(f"The Job {namespace}/{job} cannot start: {problem}")
            if pod and pod["metadata"]["name"] != followed and _has_started(pod):
                followed = pod["metadata"]["name"]
                container = pod["spec"]["containers"][0]["name"]
                seen.follow_log(namespace, followed, container)
                attendance.of(followed, container)
            if not seen.change(min(end, refused_until if pod is None else end) - time.monotonic()):
                if pod is None and time.monotonic() < end:
                    if refusal := why_no_pod(cluster, namespace, job):
                        raise ClusterError(f"The Job {namespace}/{job} gets no pod: {refusal}")
                    refused_until = time.monotonic() + _REFUSED_SECONDS
                    continue
                told = warnings(cluster, namespace)
                raise ClusterError(f"The Job {namespace}/{job} did not end in time, and was removed. {told}".strip())
    # All of it: what a container says last may be told after its end.
    log = ""
    for pod in jobs.pods_of(cluster, namespace, job)[-1:]:
        log = cluster.log(namespace, pod["metadata"]["name"], pod["spec"]["containers"][0]["name"])
    lines = log.splitlines()
    for line in lines[said:]:
        _tell(line, say)
    if not any(line.startswith(protocol.PREFIX) for line in lines):
        raise ClusterError(jobs.why_failed(cluster, namespace, job))
    return protocol.result_of(log, request.id)


def _tell(line: str, say: Say) -> None:
    if not line.startswith(protocol.PREFIX):
        say(line)


def _has_started(pod: Mapping[str, Any]) -> bool:
    return any(
        {"running", "terminated"} & set(status.get("state") or {})
        for status in pod["status"].get("containerStatuses") or []
    )


@contextmanager
def _removed(cluster: Cluster, namespace: str, job: str, keep: bool) -> Iterator[None]:
    """Remove the Job, and wait until its pods are gone, where it has not ended when we go: also on an interrupt."""
    try:
        yield
    finally:
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job}"
        found = cluster.get(path)
        if found and jobs.state_of(found) != "running" and not keep:
            cluster.call("DELETE", path, {"propagationPolicy": "Background"})
        elif found and jobs.state_of(found) == "running":
            cluster.call("DELETE", path, {"propagationPolicy": "Foreground"})
            end = time.monotonic() + _GONE_SECONDS
            while time.monotonic() < end and (cluster.get(path) or jobs.pods_of(cluster, namespace, job)):
                time.sleep(_POLL_SECONDS)
