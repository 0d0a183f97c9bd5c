# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test in a cluster: Locust's master and workers are Jobs there, and are followed and judged from here."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import cluster as clusters
from .. import manifests
from ..cluster import Cluster, ClusterError
from ..errors import BadInput, EngineError
from ..http import Server
from . import operations, report
from .plan import Target, Wanted, wanted
from .resources import Watch, Watched
from .run import judged
from .targets import Cleaned

# As in the scenario.
_RESULT = "mlops-load: "
_PROGRESS = re.compile(r"\s*\d+ s +\d+ users ")
_POLL_SECONDS = 2.0
_WATCH_SECONDS = 5.0
_EXEC_SECONDS = 15.0
_DATABASE_PORT = 5432
# Of cgroups v2 where the container has them, else of v1.
_LOOK_SCRIPT = """cd /sys/fs/cgroup
if [ -f memory.current ]; then
  cat cpu.stat memory.stat; echo "current $(cat memory.current)"
else
  echo "usage_nsec $(cat cpuacct/cpuacct.usage)"; cat memory/memory.stat
  echo "current $(cat memory/memory.usage_in_bytes)"
fi
cat /proc/net/tcp /proc/net/tcp6
"""
_LOOK = ("sh", "-c", _LOOK_SCRIPT)
# Where the objects put the scenario, and what the master writes.
MOUNT = "/etc/mlops-load"
FOLDER = "/tmp"  # noqa: S108
PASSWORD = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105


def plan(
    wishes: Mapping[str, Any], url: str, username: str, allowed: bool, capabilities: Mapping[str, Any]
) -> dict[str, Any]:
    """What the objects of a load test hold: C(plan), C(master) and C(worker) (arguments), C(run).

    :param capabilities: what the server says of itself; what it does not have is left out.

    :raises BadInput: it was not allowed, or cannot work. Nothing has been created then.
    """
    asked = _wanted(wishes, url, username, allowed)
    without = _without(capabilities)
    asked.objectives(without)
    text = asked.plan(FOLDER, without, progress_seconds=float(wishes.get("progress_interval") or 5))
    for target in text["targets"]:
        target["password_env"] = PASSWORD if username else None
    text |= {"print_result": True, "progress": ""}
    scenario = f"{MOUNT}/mlflow_scenario.py"
    own = [one for one in asked.arguments(scenario, "") if not one.startswith("--processes=")]
    workers = asked.processes
    return {
        "run": asked.run,
        "plan": json.dumps(text, indent=1),
        "master": [*own, "--master", f"--expect-workers={workers}", "--expect-workers-max-wait=300"],
        "worker": [f"--locustfile={scenario}", "--worker"],
        "workers": workers,
    }


def follow(
    cluster: Cluster,
    namespace: str,
    name: str,
    job: str,
    wishes: Mapping[str, Any],
    url: str,
    login: Sequence[str],
    folder: Path,
    start_seconds: float = 300.0,
) -> dict[str, Any]:
    """Follow the Jobs C(job)-master and -workers to their end, clean up, judge, and write the reports here.

    :param wishes: those of plan(), with its C(run). :param login: how C(mlflow-ops) in a server's pod logs in.
    :raises EngineError: a pod cannot start, Locust died, or the time is over. What was made was removed then, too.
    """
    asked = _wanted(wishes, url, "", True)
    report.begin(folder)
    progress = folder / "progress.txt"
    info = clusters.run_ops(cluster, namespace, name, ["info", *login], 60)
    seen = {"name": asked.targets[0].name, "url": url, "version": info.get("version", "")}
    found = {"targets": [seen], "without": _without(info.get("capabilities") or {})}
    watch = Watch(
        [Watched("servers", "", _DATABASE_PORT), Watched("database", "", None)],
        _WATCH_SECONDS,
        lambda watched, at: _look(cluster, namespace, name, watched, at),
    )
    watch.start()
    died: EngineError | None = None
    raw: dict[str, Any] = {}
    patience = asked.seconds + asked.stop_seconds + start_seconds + 60
    try:
        raw = _result(cluster, namespace, f"{job}-master", progress, patience, start_seconds)
    except EngineError as error:
        died = error
    resources = [one for one in watch.stop() if one["measured"] or one["name"] == "servers"]
    _say(progress, "cleaning up")
    cleaned = clean_up(cluster, namespace, name, asked.run, login)
    if died:
        left = f"What could not be removed: {'; '.join(cleaned.left)}" if cleaned.left else "What it made was removed."
        raise EngineError(f"{died} {left}") from died
    (folder / "locust.json").write_text(json.dumps(raw))
    result = judged(asked, raw, found, cleaned, resources)
    report.write(result, folder)
    _say(progress, result["verdict"]["text"])
    return result


def clean_up(cluster: Cluster, namespace: str, name: str, run: str, login: Sequence[str]) -> Cleaned:
    """Remove what the load test made, from inside a server's pod. What goes wrong is named in C(left)."""
    try:
        found = clusters.run_ops(cluster, namespace, name, ["clean-load", "--run", run, "--timeout", "60", *login], 900)
    except EngineError as error:
        return Cleaned(left=[str(error)])
    if found.get("failed"):
        return Cleaned(left=[str(found.get("msg"))])
    return Cleaned(**{key: value for key, value in found.items() if key in Cleaned.__dataclass_fields__})


def _wanted(wishes: Mapping[str, Any], url: str, username: str, allowed: bool) -> Wanted:
    if not url:
        raise BadInput("There is no server: its connection has no uri.")
    password = "in the environment" if username else None  # its value stays in the cluster
    target = Target(str(url.split("//")[-1]), Server(url, username=username or None, password=password), allowed)
    return wanted({key: value for key, value in wishes.items() if key != "progress_interval"}, [target])


def _without(capabilities: Mapping[str, Any]) -> str:
    return "" if capabilities.get("artifact_serving_enabled", True) else operations.ARTIFACTS


def _result(
    cluster: Cluster, namespace: str, job: str, progress: Path, patience: float, start_seconds: float
) -> dict[str, Any]:
    """What the master counted, from its log; its other lines become the progress."""
    begin = time.monotonic()
    shown, started = 0, False
    while True:
        pods = clusters.pods_of_job(cluster, namespace, job)
        for pod in pods:
            if problem := clusters.final_problem(pod):
                raise ClusterError(f"Pod {namespace}/{pod['metadata']['name']}: {problem}")
        state = clusters.job_state(cluster, namespace, job)
        if pods and pods[-1]["status"]["phase"] in ("Running", "Succeeded", "Failed"):
            started = True
            lines = cluster.log(namespace, pods[-1]["metadata"]["name"], "locust").splitlines()
            for line in lines[shown:]:
                if line.startswith(_RESULT):
                    return _unpack(line)
                if _PROGRESS.match(line):
                    _say(progress, line, stamp=False)
            shown = max(len(lines), shown)
            if state != "running":
                raise ClusterError(f"Locust's master ended without a result: {' | '.join(lines[-8:]) or 'no log'}")
        elif state == "failed" or (not started and time.monotonic() - begin > start_seconds):
            raise ClusterError(
                f"Locust's master did not start within {start_seconds:.0f} s. {clusters.warnings(cluster, namespace)}"
            )
        if time.monotonic() - begin > patience:
            raise ClusterError(f"The load test did not end within {patience:.0f} s.")
        time.sleep(_POLL_SECONDS)


def _unpack(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(gzip.decompress(base64.b64decode(line.removeprefix(_RESULT)))))
    except (ValueError, OSError, EOFError) as error:
        raise ClusterError(f"The result in the master's log is cut off: {error}.") from error


def _look(cluster: Cluster, namespace: str, name: str, watched: Watched, at: float) -> None:
    component = "server" if watched.name == "servers" else "database"
    labels = manifests.selector({"name": name, "component": component})
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    used: dict[str, float] = {}
    memory = connections = 0
    try:
        pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector})
        for pod in pods:
            if pod["status"]["phase"] == "Running" and not pod["metadata"].get("deletionTimestamp"):
                container, pod_name = pod["spec"]["containers"][0]["name"], pod["metadata"]["name"]
                seen = read_cgroup(cluster.execute(namespace, pod_name, container, _LOOK, _EXEC_SECONDS))
                used[pod_name] = seen["cpu_seconds"]
                memory += int(seen["memory_bytes"])
                connections += int(seen["connections"])
    except ClusterError as error:
        watched.why_not = str(error)
        return
    if used:
        watched.add(at, used, memory, connections if watched.database_port else None)
    else:
        watched.why_not = "no pod of it is running in the namespace"


def read_cgroup(text: str) -> dict[str, float]:
    """CPU seconds, memory without what the kernel can drop at once, and connections to the database, of one container.

    :raises ClusterError: it is not what a container with cgroups v2 says.
    """
    words = [line.split() for line in text.splitlines()]
    named = {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}
    cpu = named["usage_usec"] / 1e6 if "usage_usec" in named else named.get("usage_nsec", -1) / 1e9
    if cpu < 0 or "current" not in named:
        raise ClusterError("the container does not show its cgroup")
    # Without what the kernel can drop at once, as Kubernetes counts it. Version 1 has sums of the whole tree beside.
    inactive = named.get("total_inactive_file", named.get("inactive_file", 0))
    connections = sum(
        line[3] == "01" and line[2].upper().endswith(f":{_DATABASE_PORT:04X}") for line in words if len(line) > 9
    )
    return {
        "cpu_seconds": cpu,
        "memory_bytes": float(max(named["current"] - inactive, 0)),
        "connections": float(connections),
    }


def _say(progress: Path, line: str, stamp: bool = True) -> None:
    with progress.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')}  {line}\n" if stamp else f"{line}\n")
