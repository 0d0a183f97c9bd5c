# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test in a cluster: Locust's master and workers are Jobs there, and servers are watched by their cgroups."""

from __future__ import annotations

from dataclasses import dataclass

from ..kubernetes import jobs, manifests, pods
from ..kubernetes.client import Cluster, ClusterError
from .distributed import Master, Operate
from .resources import Watch, Watched

_WATCH_SECONDS = 5.0
_EXEC_SECONDS = 15.0
_DATABASE_PORT = 5432
# Of cgroups v2 where the container has them, else of v1.
_READ_SCRIPT = """cd /sys/fs/cgroup
if [ -f memory.current ]; then
  cat cpu.stat memory.stat; echo "current $(cat memory.current)"
else
  echo "usage_nsec $(cat cpuacct/cpuacct.usage)"; cat memory/memory.stat
  echo "current $(cat memory/memory.usage_in_bytes)"
fi
cat /proc/net/tcp /proc/net/tcp6
"""
_READ = ("sh", "-c", _READ_SCRIPT)


@dataclass
class InCluster:
    """The deployment C(name), loaded by the Jobs C(job)-master and -worker.

    :param operate: carries out operations in the deployment.
    """

    operate: Operate
    cluster: Cluster
    namespace: str
    name: str
    job: str
    same_machine: bool = False

    def master(self) -> Master:
        job = f"{self.job}-master"
        found = jobs.pods_of(self.cluster, self.namespace, job)
        for pod in found:
            if problem := pods.problem_of(pod, final=True):
                raise ClusterError(f"Pod {self.namespace}/{pod['metadata']['name']}: {problem}")
        # Before the log: what the master says last is in it then.
        ended = jobs.state(self.cluster, self.namespace, job) != "running"
        if not found or found[-1]["status"]["phase"] not in ("Running", "Succeeded", "Failed"):
            return Master([], False, ended)
        log = self.cluster.log(self.namespace, found[-1]["metadata"]["name"], "locust")
        return Master(log.splitlines(), True, ended)

    def watch(self) -> Watch:
        servers = [Watched("servers", "", _DATABASE_PORT), Watched("database", "", None)]
        return Watch(servers, _WATCH_SECONDS, self._measure)

    def warnings(self) -> str:
        return pods.warnings(self.cluster, self.namespace)

    def _measure(self, watched: Watched, at: float) -> None:
        component = "server" if watched.name == "servers" else "database"
        labels = manifests.selector({"name": self.name, "component": component})
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        used: dict[str, float] = {}
        memory = connections = 0
        try:
            for pod in self.cluster.items(f"/api/v1/namespaces/{self.namespace}/pods", {"labelSelector": selector}):
                if pod["status"]["phase"] == "Running" and not pod["metadata"].get("deletionTimestamp"):
                    container, pod_name = pod["spec"]["containers"][0]["name"], pod["metadata"]["name"]
                    seen = read_cgroup(self.cluster.execute(self.namespace, pod_name, container, _READ, _EXEC_SECONDS))
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
