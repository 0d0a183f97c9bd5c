"""Azure Blob on loopback: Microsoft's emulator Azurite, because the real thing needs an account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from . import cache
from .ports import free_port

VERSION = "3.37.0"
ACCOUNT, KEY = "backuptests", base64.b64encode(b"azure %secret/+key").decode()
_API = "2023-11-03"


def program() -> Path:
    """The emulator, in a cache that test runs share. Skips where npm is missing: nothing else can install it."""
    folder = cache.HOME / "npm" / VERSION
    if not shutil.which("npm"):
        pytest.skip("the emulator of Azure Blob is installed with npm, which this machine does not have")
    with cache.alone(folder):
        if not (folder / ".complete").exists():
            command = ["npm", "install", "--no-audit", "--no-fund", f"--prefix={folder}", f"azurite@{VERSION}"]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
            (folder / ".complete").touch()
    return folder / "node_modules" / ".bin" / "azurite-blob"


class Azurite:
    """:param pair: a certificate and its key. With them it serves TLS, and believes tokens of Entra ID, too."""

    def __init__(self, *pair: Path, account: str = ACCOUNT) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="mlops-azure-"))
        self.port = free_port()
        self.endpoint = f"{'https' if pair else 'http'}://127.0.0.1:{self.port}/{account}"
        self._account = account
        self._tls = [f"--cert={pair[0]}", f"--key={pair[1]}", "--oauth=basic"] if pair else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(program()), "--blobHost=127.0.0.1", f"--blobPort={self.port}", f"--location={self.home}"]
        command += ["--skipApiVersionCheck", "--disableTelemetry", *self._tls]
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{self._account}:{KEY}"}
        with (self.home / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        end = time.monotonic() + 180
        while b"successfully listens" not in (self.home / "log").read_bytes():
            assert self._process.poll() is None and time.monotonic() < end, (self.home / "log").read_text()
            time.sleep(0.05)

    def create(self, container: str) -> None:
        now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        signed = (
            "PUT" + "\n" * 12 + f"x-ms-date:{now}\nx-ms-version:{_API}\n/{self._account}/{self._account}/{container}\n"
            "restype:container"
        )
        signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
        request = urllib.request.Request(f"{self.endpoint}/{container}?restype=container", method="PUT")
        request.headers = {
            "X-ms-date": now,
            "X-ms-version": _API,
            "Authorization": f"SharedKey {self._account}:{signature}",
        }
        # Its own on loopback, whose certificate has other names.
        context = ssl._create_unverified_context() if self._tls else None  # noqa: S323
        urllib.request.urlopen(request, timeout=10, context=context).close()

    def sas(self) -> str:
        """A token of the account for an hour: for all that can be done in its containers."""
        end = datetime.fromtimestamp(time.time() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {
            "sp": "rwdlac",
            "ss": "b",
            "srt": "co",
            "st": "",
            "se": end,
            "sip": "",
            "spr": "https,http",
            "sv": _API,
        }
        signed = "\n".join([self._account, *given.values(), "", ""])
        signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest())
        return urlencode({**{name: value for name, value in given.items() if value}, "sig": signature.decode()})

    def remove(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def running(*containers: str, pair: tuple[Path, ...] = (), account: str = ACCOUNT) -> Iterator[Azurite]:
    server = Azurite(*pair, account=account)
    try:
        server.start()
        for container in containers:
            server.create(container)
        yield server
    finally:
        server.remove()
