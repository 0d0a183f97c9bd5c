"""AWS as the tests see it: moto, and what it lacks. Prints its URL, and serves until its standard input ends.

python -m aws.server [ADDRESS [CERTIFICATE KEY]]
"""

from __future__ import annotations

import io
import os
import sys
from threading import Thread
from typing import Any

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # read on import: the policies that AWS itself offers

from aws import access, addons, efs, eks, iam, keys, nodes, rds, s3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

eks.install()
access.install()
addons.install()
nodes.install()
keys.install()
efs.install()
iam.install()
rds.install()
s3.install()
application = DomainDispatcherApplication(create_backend_app)


def dispatched(environ: dict[str, Any], start_response: Any) -> Any:
    """obstore asks STS in the URL and unsigned, by which moto takes it for S3: it is told as boto tells it."""
    query = environ["QUERY_STRING"].encode()
    if environ["REQUEST_METHOD"] == "POST" and b"Action=AssumeRoleWithWebIdentity" in query:
        form = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(query))}
        environ |= {**form, "QUERY_STRING": "", "wsgi.input": io.BytesIO(query)}
    return application(environ, start_response)


address, *pair = sys.argv[1:] or ["127.0.0.1"]
server = make_server(
    address,
    0,
    dispatched,
    threaded=True,
    request_handler=MotoRequestHandler,
    ssl_context=(pair[0], pair[1]) if pair else None,
)
Thread(target=server.serve_forever, daemon=True).start()
print(f"{'https' if pair else 'http'}://{address}:{server.port}", flush=True)
sys.stdin.read()
