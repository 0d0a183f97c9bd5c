"""A real S3 gateway that serves TLS, and the client of backups, which verifies it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import cloud
from support import s3

AUTHORITY = certificates.new_authority("mlflow authority")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    folder = tmp_path_factory.mktemp("tls")
    pair = certificates.issue(AUTHORITY, ["localhost"])
    (folder / "tls.crt").write_text(pair.certificate)
    (folder / "tls.key").write_text(pair.key)
    server = s3.S3((folder / "tls.crt", folder / "tls.key"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


def written(gateway: s3.S3, endpoint: str = "") -> bytes:
    """What a store gives back that was written to it."""
    store = cloud.connect(
        cloud.Place("s3://artifacts/tls", endpoint or gateway.endpoint, "us-east-1", s3.ACCESS_KEY, s3.SECRET_KEY)
    )
    store.put("probe", b"42")
    return store.get("probe", 2)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "ca.crt"
    file.write_text(AUTHORITY.certificate)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    return file


def test_who_trusts_the_authority_reads_and_writes(gateway: s3.S3, trusted: Path) -> None:
    assert written(gateway) == b"42"


def test_another_authority_is_refused(gateway: s3.S3, trusted: Path) -> None:
    trusted.write_text(certificates.new_authority("mlflow authority").certificate)
    with pytest.raises(SnapshotError, match="cannot be reached"):
        written(gateway)


def test_another_name_is_refused(gateway: s3.S3, trusted: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be reached"):
        written(gateway, gateway.endpoint.replace("localhost", "127.0.0.1"))


def test_a_missing_file_is_named(gateway: s3.S3, trusted: Path) -> None:
    trusted.unlink()
    with pytest.raises(BadInput, match=rf"AWS_CA_BUNDLE is {trusted}, which cannot be read"):
        written(gateway)
