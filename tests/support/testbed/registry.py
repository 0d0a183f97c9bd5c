"""A registry of images, for as long as a test needs one: that of go-containerregistry, on loopback or a bridge."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from . import build, settings
from .shell import wait_for

_MODULE = (settings.GO_SOURCES / "registry",)


def program() -> Path:
    """Built where the Go modules can be had: a test may be in a network of its own."""
    return build.ensure(_MODULE, settings.CACHE / "registry") / "registry"


@contextlib.contextmanager
def running(port: int) -> Iterator[None]:
    """On all addresses of this network namespace, without TLS and login."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([program(), f":{port}", folder])
        try:
            wait_for("the registry", lambda: _answers(port), seconds=30, check=lambda: None)
            yield
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
        return True
    return False
