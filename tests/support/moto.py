"""An emulator of AWS, moto with what tests/aws adds to it, in a process and an environment of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from .aws import REGION, SECRET
from .playbooks import REPOSITORY


@contextmanager
def serving(address: str = "127.0.0.1", *pair: Path) -> Iterator[str]:
    """Its URL. C(TEST_AWS_PYTHON) names its Python; otherwise its environment is made first.

    :param pair: a certificate and its key; with them it serves TLS.
    """
    python = os.environ.get("TEST_AWS_PYTHON") or _environment()
    # Its libraries are its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "aws.server", address, *map(str, pair)]
    with subprocess.Popen(
        command, cwd=REPOSITORY / "tests", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout and server.stdin
        yield server.stdout.readline().strip()
        server.stdin.close()
        assert server.wait(timeout=30) == 0


def clients(endpoint: str, region: str = REGION) -> Callable[[str], Any]:
    """Makes clients of services, as a second witness of what modules did."""

    def connect(service: str) -> Any:
        return boto3.client(
            service, region_name=region, aws_access_key_id="key", aws_secret_access_key=SECRET, endpoint_url=endpoint
        )

    return connect


def _environment() -> str:
    made = subprocess.run([REPOSITORY / "tests/aws/environment"], capture_output=True, text=True, check=True)
    return made.stdout.strip()
