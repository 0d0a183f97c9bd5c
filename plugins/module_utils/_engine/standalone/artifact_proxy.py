# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An MLflow plugin: artifacts in S3, Azure or Google storage that really pass through the server.

Since MLflow 3.15 a server whose store can sign URLs tells every client to transfer artifacts straight to and from the
bucket, and no setting of the server stops it. Clients that cannot reach the bucket then hang for minutes in retries.
What stands here has the same store behind it, but does not offer that.

One file without imports from the engine: it is copied to hosts. The entry points that name it are in C(ENTRY_POINTS).
"""

from __future__ import annotations

import functools
import os
from typing import Any

ENTRY_POINTS = """[mlflow.artifact_repository]
s3 = mlops_mlflow_proxied:s3
wasbs = mlops_mlflow_proxied:wasbs
gs = mlops_mlflow_proxied:gs
"""


def s3(artifact_uri: str, **options: Any) -> Any:
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    return _through_server(S3ArtifactRepository(artifact_uri, **options))


def wasbs(artifact_uri: str, **options: Any) -> Any:
    from mlflow.store.artifact.azure_blob_artifact_repo import AzureBlobArtifactRepository

    return _through_server(AzureBlobArtifactRepository(artifact_uri, **options))


def gs(artifact_uri: str, **options: Any) -> Any:
    from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository

    return _through_server(GCSArtifactRepository(artifact_uri, **options))


def _through_server(store: Any) -> Any:
    # Only a server is told so: clients and tools that find this plugin keep MLflow's own behaviour.
    return _proxied()(store) if os.environ.get("MLOPS_MLFLOW_PROXIED") == "true" else store


@functools.cache
def _proxied() -> type:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    class Proxied(ArtifactRepository):
        """A store without the abilities to sign that the server looks for; all else is the store's own."""

        def __init__(self, store: Any) -> None:
            super().__init__(store.artifact_uri)
            self._store = store

        def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
            self._store.log_artifact(local_file, artifact_path)

        def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
            self._store.log_artifacts(local_dir, artifact_path)

        def list_artifacts(self, path: str | None = None) -> Any:
            return self._store.list_artifacts(path)

        def delete_artifacts(self, artifact_path: str | None = None) -> None:
            self._store.delete_artifacts(artifact_path)

        def upload_archived_trace_data_bytes(self, data: bytes) -> None:
            self._store.upload_archived_trace_data_bytes(data)

        def _download_file(self, remote_file_path: str, local_path: str) -> None:
            self._store._download_file(remote_file_path, local_path)

    return Proxied
