"""A real API server, scheduler and controllers, and nodes and pods that KWOK simulates, for what needs thousands.

A simulated pod is scheduled like any other, and said to run at once; no container of it is started anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .api_server import ApiServer
from .testbed import build, settings

MODULES: build.Modules = (settings.GO_SOURCES / "kwok",)
# Others wait for what no one carries out here, such as tokens of ServiceAccounts.
_CONTROLLERS = "deployment-controller,replicaset-controller,garbage-collector-controller"
# Requests a second, of the scheduler and of the controllers: their defaults (50, 20) are for small clusters.
RATE = 500
PROCESSES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


def _stages() -> list[Path]:
    """What becomes of nodes and pods, and when: at once, as KWOK's own files say."""
    told = json.loads(build.go(MODULES[0], "mod", "download", "-json", "sigs.k8s.io/kwok"))
    folder = Path(told["Dir"], "kustomize", "stage")
    return sorted([*folder.glob("node/fast/node-*.yaml"), *folder.glob("pod/fast/pod-*.yaml")])


class SimulatedCluster(ApiServer):
    """As the API server alone, with who carries out what is declared."""

    def _start(self) -> None:
        super()._start()
        limits = [f"--kube-api-qps={RATE}", f"--kube-api-burst={2 * RATE}", f"--kubeconfig={self.kubeconfig}"]
        alone = ["--leader-elect=false", "--secure-port=0"]
        concurrent = [f"--concurrent-{one}-syncs=20" for one in ("deployment", "replicaset", "gc")]
        self._command("kube-controller-manager", *limits, *alone, *concurrent, f"--controllers={_CONTROLLERS}")
        self._command("kube-scheduler", *limits, *alone)
        kwok = build.ensure(MODULES, settings.KWOK) / "kwok"
        stages = [f"--config={file}" for file in _stages()]
        self._commands["kwok"] = [str(kwok), f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes", *stages]
        self._run("kwok")

    def create_nodes(self, count: int, cpu: str = "32", memory: str = "128Gi") -> None:
        """Simulated machines, which take pods at once."""
        room = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "200Gi"}
        names = [f"node-{number:03}" for number in range(1, count + 1)]
        nodes: list[dict[str, Any]] = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"allocatable": room, "capacity": room},
            }
            for name in names
        ]
        self.kubectl("create", "--filename=-", text="\n---\n".join(map(json.dumps, nodes)))
        # New ones have the taint of nodes that are not ready, which a controller takes away that needs kubelets.
        self.kubectl("taint", "nodes", "--all", "node.kubernetes.io/not-ready:NoSchedule-")

    def pods(self, namespace: str) -> int:
        """How many there are."""
        listed = self._first_pod(namespace)
        return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount") or 0)

    def all_run(self, namespace: str) -> bool:
        """Whether no pod waits for anything.

        :raises RuntimeError: somebody ended who has to work for that.
        """
        if ended := [name for name, process in self._processes.items() if process.poll() is not None]:
            raise RuntimeError(f"{', '.join(ended)} ended: see {self._folder}")
        return not self._first_pod(namespace, "fieldSelector=status.phase!=Running&")["items"]

    def _first_pod(self, namespace: str, query: str = "") -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", f"--raw=/api/v1/namespaces/{namespace}/pods?{query}limit=1")))
