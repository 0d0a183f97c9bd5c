"""The target cratedb_seaweedfs: one server on CrateDB, or on its stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.playbooks import REPOSITORY
from support.testbed import cratedb

from .deployment import Deployment
from .kubectl import Kubectl

# With what every image of CrateDB has: bash. The superuser has no password, from within the pod.
_ASK = """
exec 3<>/dev/tcp/127.0.0.1/4200
printf 'POST /_sql HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Type: application/json\\r\\n' >&3
printf 'Content-Length: %d\\r\\n\\r\\n%s' "${#1}" "$1" >&3
cat <&3
"""


def variables_of_the_cluster() -> Path:
    """The images of the target; on the cluster of the tests they are built first."""
    if given := os.environ.get("TEST_CRATEDB"):
        return Path(given)
    subprocess.run([sys.executable, REPOSITORY / "tests/cluster/cluster.py", "cratedb"], check=True)
    return cratedb.VARIABLES


class CrateDBDeployment(Deployment):
    def __init__(self, cluster: Kubectl, namespace: str, variables: Path, **more: Any) -> None:
        super().__init__(cluster, namespace, **more)
        self.target, self.small = "cratedb_seaweedfs", variables
        # A heap takes more than what PostgreSQL is given.
        self.variables.pop("mlflow_database_resources")

    def sql(self, statement: str, database: str = "mlflow") -> str:
        """The first column of what the superuser gets, one line a row."""
        body = json.dumps({"stmt": statement})
        answer = self.kubectl.execute(f"{database}-database-0", "bash", "-c", _ASK, "ask", body)
        # Ends of lines are as Python gives those of programs.
        found = json.loads(answer.partition("\n\n")[2])
        assert "rows" in found, found
        return "\n".join(str(row[0]) for row in found["rows"])

    def set_aside(self) -> list[str]:
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mlflow'"
        return [name for name in self.sql(tables).splitlines() if name.startswith("before_")]
