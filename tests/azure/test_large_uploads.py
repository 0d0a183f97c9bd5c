"""Large artifacts in parts, straight to Azure Blob, by URLs that a server signs with its identity and no key.

MLflow's own client runs unmodified. Emulated, and named as such: Resource Manager and login by stand-ins (arm.py,
azure_front.py), Blob by Azurite, the names of Azure by a proxy on loopback, and the token that a cluster would project.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import kinds, resources, storage
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.client import Arm, Patience
from support import arm, azure_front, azurite, cache, connect_proxy
from support.certificates import Authority
from support.environments import pinned_version
from support.playbooks import REPOSITORY

ACCOUNT, ISSUER = "mlflow0aa3981a", "https://cluster.example/"
SCRIPT = REPOSITORY / "tests/support/sign_parts.py"
CONSTRAINTS = REPOSITORY / "roles/mlflow_server/files/constraints.txt"
HOSTS = (azure_front.LOGIN, f"{ACCOUNT}.blob.core.windows.net")
CLUSTER = {"subscription": arm.SUBSCRIPTION, "resource_group": "mlflow", "location": "centralindia", "name": "mlflow"}
SETTINGS: dict[str, Any] = {
    "name": "mlflow",
    "cluster": {**CLUSTER, "id": kinds.cluster_id(CLUSTER)},
    "account": ACCOUNT,
    "artifact_container": "artifactroot",
    "backup_container": "",
    "namespace": "mlflow",
    "server_account": "mlflow",
    "backup_account": "mlflow-backup",
    "redundancy": "Standard_ZRS",
    "retention_days": 30,
    "tags": {},
}


@pytest.fixture(scope="session")
def mlflow() -> Path:
    """The Python of an environment with the pinned MLflow and what its image has of Azure, in the cache of tests."""
    folder = cache.HOME / "azure" / pinned_version()
    python = folder / "bin" / "python"
    packages = [f"mlflow-skinny=={pinned_version()}", "azure-identity", "azure-storage-blob"]
    with cache.alone(folder.parent):
        if not (folder / ".complete").exists():
            install = ["uv", "pip", "install", "--quiet", f"--python={python}", f"--constraints={CONSTRAINTS}"]
            for command in (["uv", "venv", "--quiet", "--clear", str(folder)], [*install, *packages]):
                subprocess.run(command, check=True, timeout=600)
            (folder / ".complete").touch()
    return python


@dataclass
class Server:
    """A server of the target, as far as its store goes."""

    azure: arm.Azure
    python: Path
    environment: dict[str, str]

    def send(self) -> dict[str, Any]:
        uri = f"wasbs://artifactroot@{HOSTS[1]}/7/{os.urandom(4).hex()}"
        done = subprocess.run(
            [self.python, SCRIPT, uri], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def take_away(self, role: str) -> dict[str, dict[str, Any]]:
        """Roles of the server's identity; what they were."""
        found = self.azure.of("roleassignments")
        taken = {id: one for id, one in found.items() if one["properties"]["roleDefinitionId"].endswith(role)}
        for id in taken:
            del self.azure.resources[id]
        return taken


@pytest.fixture(scope="module")
def server(mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("azure")
    authority = Authority(folder)
    pair = authority.issue("azure", ",".join(f"DNS:{host}" for host in HOSTS))
    with ExitStack() as stack:
        azure, login = stack.enter_context(arm.serving())
        azure.issuer = ISSUER
        created(azure, login)
        blobs = stack.enter_context(azurite.running("artifactroot", pair=pair, account=ACCOUNT))
        port = stack.enter_context(azure_front.serving("127.0.0.1", azure, blobs.port, *pair, port=0))
        proxy = stack.enter_context(connect_proxy.serving(port))
        token = {"sub": "system:serviceaccount:mlflow:mlflow", "aud": [storage.AUDIENCE], "iss": ISSUER}
        body = base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")
        (folder / "token").write_text(f"e30.{body}.signature")
        [identity] = azure.of("userassignedidentities").values()
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "HTTPS_PROXY": proxy,
            "REQUESTS_CA_BUNDLE": str(authority.file),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # As AKS's webhook would tell a pod.
            "AZURE_CLIENT_ID": identity["properties"]["clientId"],
            "AZURE_TENANT_ID": arm.TENANT,
            "AZURE_FEDERATED_TOKEN_FILE": str(folder / "token"),
            "AZURE_AUTHORITY_HOST": f"https://{azure_front.LOGIN}/",
        }
        yield Server(azure, mlflow, environment)


def created(azure: arm.Azure, login: dict[str, str]) -> None:
    """What the roles aks_cluster and aks_storage create, as far as it is needed."""
    cluster = kinds.cluster_id(CLUSTER)
    for id in (kinds.group_id(CLUSTER), cluster):
        azure.resources[id.lower()] = {"id": id, "name": "mlflow", "properties": {}}
    azure.resources[cluster.lower()]["properties"]["oidcIssuerProfile"] = {"issuerURL": ISSUER}
    plan = storage.plan(SETTINGS)
    assert plan["errors"] == []
    asked = Arm(login["AZURE_RESOURCE_MANAGER_ENDPOINT"], login, Patience(60))
    resources.ensure(asked, "mlflow", [*plan["data"], *plan["rights"]])


def test_an_artifact_is_sent_in_parts_by_urls_that_the_identity_signs(server: Server) -> None:
    assert server.send() == {"same": True, "bytes": 15 << 20, "by": True}


def test_without_the_role_of_a_delegator_it_goes_through_the_server(server: Server) -> None:
    taken = server.take_away(kinds.BLOB_DELEGATOR)
    try:
        assert server.send() == {"refused": "_UnsupportedMultipartUploadException"}
    finally:
        server.azure.resources |= taken


def test_a_signed_url_allows_no_more_than_its_signer_may(server: Server) -> None:
    taken = server.take_away(kinds.BLOB_CONTRIBUTOR)
    try:
        assert server.send() == {"refused": "AuthorizationPermissionMismatch"}
    finally:
        server.azure.resources |= taken
