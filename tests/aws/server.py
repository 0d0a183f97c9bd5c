"""AWS as the tests see it: moto, and what it lacks. Prints its URL, and serves until its standard input ends.

python -m aws.server [ADDRESS]
"""

from __future__ import annotations

import os
import sys

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # read on import: the policies that AWS itself offers

from aws import access, addons, efs, eks, iam, keys, nodes, rds, s3
from moto.server import ThreadedMotoServer

eks.install()
access.install()
addons.install()
nodes.install()
keys.install()
efs.install()
iam.install()
rds.install()
s3.install()
server = ThreadedMotoServer(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1", 0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
