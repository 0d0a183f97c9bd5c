"""The target kubernetes_knative: servers that come with a request and go without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.playbooks import REPOSITORY
from support.testbed import knative

from .deployment import Deployment
from .kubectl import SERVER, Kubectl, eventually, name

SERVICE = "services.serving.knative.dev"


def variables_of_the_cluster() -> Path:
    """Those with which Knative is installed there; on the cluster of the tests it is loaded first."""
    if given := os.environ.get("TEST_KNATIVE"):
        return Path(given)
    subprocess.run([sys.executable, REPOSITORY / "tests/cluster/cluster.py", "knative"], check=True)
    return knative.VARIABLES


class KnativeDeployment(Deployment):
    """One instance. Clients outside of the cluster come by Knative's gateway."""

    port = 80

    def __init__(self, cluster: Kubectl, namespace: str, variables: Path, **more: Any) -> None:
        super().__init__(cluster, namespace, **more)
        self.target, self.small = "kubernetes_knative", variables
        self.domain = json.loads(variables.read_text()).get("knative_domain", "example.com")

    @property
    def host(self) -> str:
        return f"mlflow.{self.namespace}.{self.domain}"

    @property
    def address(self) -> str:
        gateway = self.kubectl.within("kourier-system").json("get", "service", "kourier")
        return str(gateway["spec"]["clusterIP"])

    def service(self) -> dict[str, Any]:
        return self.kubectl.json("get", SERVICE, "mlflow")

    def wait_until_asleep(self, seconds: float = 150) -> None:
        """Until no pod is left, also on its way out."""
        selected = f"--selector=app.kubernetes.io/component={SERVER}"
        eventually(f"{self.namespace} asleep", lambda: not self.kubectl.items("pods", selected), seconds)

    def pods_made(self) -> set[str]:
        """The names of all server pods of which the cluster still knows an event."""
        events = self.kubectl.items("events", "--field-selector=involvedObject.kind=Pod,reason=Started")
        return {one["involvedObject"]["name"] for one in events if "-deployment-" in one["involvedObject"]["name"]}

    def remove(self, wait: bool = False) -> None:
        if self.kubectl.has_namespace(self.namespace):
            self.kubectl("delete", SERVICE, "--all", "--wait=false", check=False)
        super().remove(wait)


def revisions(deployment: KnativeDeployment) -> list[str]:
    return [name(one) for one in deployment.kubectl.items("revisions.serving.knative.dev")]
