"""The target kubernetes, deployed with its playbook into a namespace of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from support import deployment
from support.playbooks import REPOSITORY, PlayResult

from .kubectl import DATABASE, SERVER, Kubectl, eventually, is_ready, name

# Several deployments are up at once, on two cores: they ask for little, and may use what is free.
_LITTLE = {
    "mlflow_server_resources": {
        "requests": {"cpu": "50m", "memory": "300Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    },
    "mlflow_database_resources": {
        "requests": {"cpu": "20m", "memory": "64Mi"},
        "limits": {"cpu": "2", "memory": "512Mi"},
    },
}


class Deployment(deployment.Deployment):
    """One namespace."""

    small = REPOSITORY / "tests" / "cluster" / "small.yml"
    port = 5000

    def __init__(self, cluster: Kubectl, namespace: str, **variables: Any) -> None:
        assert namespace.startswith("t-"), "namespaces of tests begin with t-"
        where = {"kubeconfig": str(cluster.kubeconfig), "context": cluster.context}
        super().__init__("kubernetes", {"mlflow_cluster": where, "mlflow_namespace": namespace, **_LITTLE, **variables})
        self.namespace = namespace
        self.kubectl = cluster.within(namespace)

    @property
    def host(self) -> str:
        """A name that the server answers to."""
        return f"mlflow.{self.namespace}.svc"

    @property
    def address(self) -> str:
        return str(self.kubectl.json("get", "service", "mlflow")["spec"]["clusterIP"])

    def servers(self) -> list[dict[str, Any]]:
        return self.kubectl.pods(SERVER)

    def server(self) -> str:
        return next(name(pod) for pod in self.servers() if is_ready(pod))

    def database(self) -> dict[str, Any]:
        return self.kubectl.pods(DATABASE)[0]

    def wait_until_ready(self, servers: int | None = None, seconds: float = 150) -> None:
        """Until every server that is wanted is ready, and no other is left."""

        def ready() -> bool:
            deployment = self.kubectl.json("get", "deployment", "mlflow")
            wanted, status = deployment["spec"]["replicas"], deployment["status"]
            listed = self.kubectl.items("pods", f"--selector=app.kubernetes.io/component={SERVER}")
            return (
                (servers is None or wanted == servers)
                and status.get("observedGeneration") == deployment["metadata"]["generation"]
                and status.get("readyReplicas", 0) == status.get("updatedReplicas", 0) == len(listed) == wanted
            )

        eventually(f"all servers of {self.namespace} ready", ready, seconds)

    def sql(self, statement: str, database: str = "mlflow") -> str:
        psql = ["psql", "--host=/tmp", "--username=postgres", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        return self.kubectl.execute("mlflow-database-0", *psql, f"--command={statement}", database).strip()

    def secrets(self) -> dict[str, str]:
        """Every value of every Secret of the namespace, by secret/key."""
        return {
            f"{name(secret)}/{key}": base64.b64decode(value).decode()
            for secret in self.kubectl.items("secrets")
            for key, value in (secret.get("data") or {}).items()
        }

    @contextmanager
    def deployed(self) -> Iterator[Self]:
        """From nothing, and gone afterwards."""
        self.remove(wait=True)
        try:
            self.deploy().succeeded()
            yield self
        finally:
            self.remove(wait=True)

    def remove(self, wait: bool = False) -> None:
        """Without the playbook, because it must also work after the playbook failed."""
        if not self.kubectl.has_namespace(self.namespace):
            return
        # Namespaces that still have pods when they go are looked at again after half of the pods' grace period only.
        self.kubectl("delete", "deployment,statefulset,job", "--all", "--cascade=orphan", check=False)
        self.kubectl("delete", "replicaset,pod", "--all", "--grace-period=1", check=False)
        self.kubectl("delete", "persistentvolumeclaim", "--all", "--wait=false", check=False)
        self.kubectl.remove_namespace(self.namespace, wait)


def changed_objects(result: PlayResult) -> set[str]:
    """The objects that a run says it changed, or would: C(Kind name)."""
    return {
        line
        for title, task in result.results
        if "Report what changed" in title and not task.get("skipped")
        for line in task.get("msg", "").splitlines()
    }
