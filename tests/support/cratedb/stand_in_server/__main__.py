"""C(crate -CSETTING=VALUE ...): the command line of CrateDB."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from .database import Database
from .http import Server


def main(arguments: list[str]) -> None:
    settings = dict(argument.removeprefix("-C").partition("=")[::2] for argument in arguments)
    if settings.get("discovery.type") != "single-node":
        sys.exit("This stand-in of CrateDB is one node.")
    database = Database(Path(settings["path.data"]), Path(settings["path.repo"]))
    address = settings.get("network.bind_host", settings.get("network.host", "127.0.0.1"))
    with Server((address, int(settings.get("http.port", "4200"))), database) as server:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        print("A stand-in of CrateDB, of SQLite, not CrateDB.", flush=True)
        server.serve_forever()


main(sys.argv[1:])
