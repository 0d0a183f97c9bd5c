"""The definitions of objects that operators and gateways bring, from their Go modules, in the versions of go.mod."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .kubectl import Kubectl

_SOURCES = Path(__file__).resolve().parents[2] / "cluster"
# Where each module keeps the definitions that roles use; by the folder of the go.mod with its version.
_DEFINITIONS = {
    ("go/cloudnative-pg", "github.com/cloudnative-pg/cloudnative-pg"): (
        "config/crd/bases/postgresql.cnpg.io_clusters.yaml",
        "config/crd/bases/postgresql.cnpg.io_databases.yaml",
    ),
    ("schemas", "github.com/openshift/api"): ("route/v1/zz_generated.crd-manifests/routes.crd.yaml",),
    ("schemas", "sigs.k8s.io/gateway-api"): (
        "config/crd/standard/gateway.networking.k8s.io_backendtlspolicies.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
}


def files() -> Iterator[Path]:
    for (folder, module), names in _DEFINITIONS.items():
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=_SOURCES / folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"go mod download {module}: {done.stdout}{done.stderr}"
        for name in names:
            yield Path(json.loads(done.stdout)["Dir"], name)


@contextmanager
def installed(cluster: Kubectl) -> Iterator[None]:
    """The cluster knows them meanwhile; those that it knew before stay."""
    added = []
    try:
        for file in files():
            if "NotFound" in cluster("get", "--filename", str(file), check=False):
                cluster("create", "--filename", str(file))
                added.append(str(file))
        for file in files():
            cluster("wait", "--for=condition=Established", "--timeout=60s", "--filename", str(file))
        yield
    finally:
        for name in added:
            cluster("delete", "--filename", name)
