# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drain wrapper: the first process of a container whose server is behind a load balancer.

Told to stop, gunicorn drops requests that it has accepted and not yet begun. Kubernetes waits before it tells a server
to stop, until nobody sends it requests any more; Docker does not. So the drain wrapper is told instead: it says
C(drain) to the load balancer, which asks several times a second, waits until that must have heard it, and only then
tells the server.

Standard library only, no import of the engine: it lives as long as the server, and is to be small.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

# What HAProxy's agent checks understand.
_READY, _DRAIN = b"up ready\n", b"drain\n"


class DrainWrapper:
    """One server process and the answer to those who ask for it."""

    def __init__(self, port: int, seconds: float) -> None:
        self.seconds = seconds
        self.leaving = threading.Event()
        self.insisted = threading.Event()
        self.listener = socket.create_server(("", port), backlog=64)

    def answer(self) -> None:
        while True:
            with contextlib.suppress(OSError), self.listener.accept()[0] as asked:
                asked.settimeout(1)
                asked.sendall(_DRAIN if self.leaving.is_set() else _READY)

    def run(self, argv: Sequence[str]) -> int:
        """Start the server; returns what it ended with, as a shell would say it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.leave)
        threading.Thread(target=self.answer, daemon=True).start()
        server = subprocess.Popen(argv)
        threading.Thread(target=self.stop, args=(server,), daemon=True).start()
        return _end_of(server)

    def leave(self, _number: int, _frame: object) -> None:
        """The second time at once."""
        if self.leaving.is_set():
            self.insisted.set()
        self.leaving.set()

    def stop(self, server: subprocess.Popen[bytes]) -> None:
        self.leaving.wait()
        sys.stdout.write(f"drain: no more requests; the server stops in {self.seconds:g} s\n")
        sys.stdout.flush()
        self.insisted.wait(self.seconds)
        server.send_signal(signal.SIGTERM)


def _end_of(server: subprocess.Popen[bytes]) -> int:
    """Wait for the server, and for every child that it left to us: that is what a first process is for."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return 1
        if pid == server.pid:
            code = os.waitstatus_to_exitcode(status)
            server.returncode = code
            return 128 - code if code < 0 else code


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep a server, and drain it before it stops.")
    parser.add_argument("--port", type=int, required=True, help="where the load balancer asks")
    parser.add_argument("--seconds", type=float, required=True, help="from the signal until the server is told")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    return DrainWrapper(options.port, options.seconds).run(options.argv)


if __name__ == "__main__":
    raise SystemExit(main())
