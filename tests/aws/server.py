"""AWS as the tests see it: moto, and what it lacks. Prints its URL, and serves until its standard input ends."""

from __future__ import annotations

import os
import sys

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # read on import: the policies that AWS itself offers

from aws import access, addons, eks, keys, nodes
from moto.server import ThreadedMotoServer

eks.install()
access.install()
addons.install()
nodes.install()
keys.install()
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
