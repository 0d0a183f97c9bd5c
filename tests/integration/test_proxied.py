"""Whether the pinned MLflow, with the plugin, keeps clients away from the bucket."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import artifact_proxy
from support.environments import Environments

# What the server asks its store before it tells clients to transfer artifacts themselves.
QUESTION = """
import sys
from mlflow.store.artifact import artifact_repo as base
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
store = get_artifact_repository(sys.argv[1])
print(sorted(name for name in vars(base) if name.endswith("Mixin") and isinstance(store, getattr(base, name))))
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As role and image install it."""
    folder = tmp_path_factory.mktemp("plugins")
    information = folder / "mlops_mlflow_proxied-1.dist-info"
    information.mkdir()
    (folder / "mlops_mlflow_proxied.py").write_text(Path(str(artifact_proxy.__file__)).read_text())
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mlops-mlflow-proxied\nVersion: 1\n")
    (information / "entry_points.txt").write_text(artifact_proxy.ENTRY_POINTS)
    return folder


def abilities(environments: Environments, plugins: Path, uri: str, **environment: str) -> str:
    command = [str(environments.full / "bin" / "python"), "-c", QUESTION, uri]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(plugins), "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_a_server_without_the_plugin_would_send_clients_to_the_bucket(
    environments: Environments, plugins: Path
) -> None:
    assert "MultipartDownloadMixin" in abilities(environments, plugins, "s3://bucket/artifacts")


def test_a_server_with_the_plugin_keeps_them(environments: Environments, plugins: Path) -> None:
    assert abilities(environments, plugins, "s3://bucket/artifacts", MLOPS_MLFLOW_PROXIED="true") == "[]"
