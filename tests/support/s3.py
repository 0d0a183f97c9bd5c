"""A real S3 server on loopback: versitygw, built from its Go module in the version that the collection deploys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import cache
from .playbooks import REPOSITORY
from .ports import free_port

ACCESS_KEY, SECRET_KEY = "backup-tests", "s3 %secret/+key"
BUCKETS = ("artifacts", "backups")


def program() -> Path:
    """The built server, in a cache that test runs share. Skips where Go is missing: nothing else can build it."""
    images = (REPOSITORY / "roles/mlflow_artifact_store/vars/main/images.yml").read_text()
    version = re.search(r"versity/versitygw:(v[\d.]+)", images)
    assert version
    built = cache.HOME / "go" / version[1] / "versitygw"
    with cache.alone(built.parent):
        if not built.exists():
            if not shutil.which("go"):
                pytest.skip("the S3 server is built with Go, which this machine does not have")
            environment = {**os.environ, "GOBIN": str(built.parent), "CGO_ENABLED": "0"}
            command = ["go", "install", f"github.com/versity/versitygw/cmd/versitygw@{version[1]}"]
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=900)
    return built


class S3:
    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        """:param certificate: and its key, for C(localhost): it serves TLS then."""
        self.port = free_port()
        self.endpoint = f"https://localhost:{self.port}" if certificate else f"http://127.0.0.1:{self.port}"
        self._certificate = certificate
        self.home = Path(tempfile.mkdtemp(prefix="mlops-s3-"))
        for bucket in BUCKETS:
            (self.home / "data" / bucket).mkdir(parents=True)
        self.access_key_file, self.secret_key_file = self.home / "access", self.home / "secret"
        self.access_key_file.write_text(ACCESS_KEY + "\n")
        self.secret_key_file.write_text(SECRET_KEY + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def options(self, prefix: str = "") -> dict[str, str]:
        """How it is reached, as variables of a role or options of a module that begin so."""
        found = {"endpoint": self.endpoint, "region": "us-east-1"}
        found |= {"access_key_file": str(self.access_key_file), "secret_key_file": str(self.secret_key_file)}
        return {f"{prefix}{name}": value for name, value in found.items()}

    def start(self) -> None:
        environment = {**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        with (self.home / "log").open("ab") as log:
            command = [str(program()), "--port", f"127.0.0.1:{self.port}"]
            if self._certificate:
                command += [f"--cert={self._certificate[0]}", f"--key={self._certificate[1]}"]
            command += ["posix", str(self.home / "data")]
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while b"127.0.0.1" not in (self.home / "log").read_bytes():
            assert self._process.poll() is None and time.monotonic() < end, (self.home / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def running() -> Iterator[S3]:
    """One of its own, which may be stopped and started meanwhile."""
    server = S3()
    try:
        server.start()
        yield server
    finally:
        server.remove()
