"""This machine, as the pods of the cluster reach it: emulators of clouds listen there."""

from __future__ import annotations

import os
import socket

import pytest

from support.testbed import settings

ADDRESS = os.environ.get("TEST_HOST_ADDRESS", settings.NODE_IP)


def need(port: int = 0) -> None:
    """Skip where nothing can listen there; :param port: 0 is any."""
    with socket.socket() as tried:
        try:
            tried.bind((ADDRESS, port))
        except OSError as error:
            pytest.skip(
                f"pods must reach {ADDRESS}:{port} of this machine ({error}): TEST_HOST_ADDRESS names another one"
            )
