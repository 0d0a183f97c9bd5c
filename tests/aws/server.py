"""AWS as the tests see it: moto, and what it lacks. Prints its URL, and serves until its standard input ends."""

from __future__ import annotations

import sys

from aws import access, addons, eks
from moto.server import ThreadedMotoServer

eks.install()
access.install()
addons.install()
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
