"""Paths that would lead out of the artifacts' folder, in every spelling, at every route that takes one: none does."""

from __future__ import annotations

import http.client
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from support.databases import Databases
from support.environments import Environments
from support.servers import RunningServer, create_run, transfers_apart

CANARY = b"that nobody may read who only has an address"
UP = [
    "..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
    "%u002e%u002e", "..;", "..%00", "....", "%ef%bc%8e%ef%bc%8e", "%2e%2e%3b", "..%09", "..%0d%0a", "a/..", "./..",
]  # fmt: skip
SLASH = ["/", "%2f", "%5c", "\\", "//", "%252f", "%c0%af", "/./"]
DEPTHS = [1, 2, 4]
PROXY = "/api/2.0/mlflow-artifacts"
# Method and path of each route that takes one; {} is the path, {run} a run.
ROUTES = [
    ("GET", PROXY + "/artifacts/{}"),
    ("PUT", PROXY + "/artifacts/{}"),
    ("DELETE", PROXY + "/artifacts/{}"),
    ("GET", PROXY + "/artifacts?path={}"),
    ("GET", "/get-artifact?run_uuid={run}&path={}"),
    ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={}"),
]
ABSOLUTE = ["/{canary}", "//{canary}", "%2f{canary}", "file://{canary}", "file:{canary}", "{canary}%00.png"]


def paths(canary: Path) -> list[str]:
    relative = [slash.join([up] * depth + [canary.name]) for up, slash, depth in itertools.product(UP, SLASH, DEPTHS)]
    return relative + [one.format(canary=quote(str(canary))) for one in ABSOLUTE]


def outside(server: RunningServer) -> dict[str, bytes]:
    """All files beside the artifacts but the log, which the server itself writes."""
    own = (server.artifacts, server.log)
    return {
        str(path): path.read_bytes()
        for path in server.home.rglob("*")
        if path.is_file() and not any(path.is_relative_to(one) for one in own)
    }


@pytest.mark.parametrize("profile", ["light", "throughput"])
def test_no_path_leads_out_of_the_artifacts(
    environments: Environments,
    databases: Databases,
    run_server: Callable[..., RunningServer],
    tmp_path: Path,
    profile: str,
) -> None:
    settings = transfers_apart(tmp_path) if profile == "throughput" else {}
    server = run_server(
        environments.slim, profile, databases.connection(databases.copy(f"paths_{profile}")), **settings
    )
    canary = server.home / "canary.txt"
    canary.write_bytes(CANARY)
    client = Client(server.server())
    run = create_run(client)
    client.close()
    before, answers, asked = outside(server), Counter[int](), 0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for (method, route), path in itertools.product(ROUTES, paths(canary)):
        body = b"overwritten" if method in ("PUT", "POST") else None
        connection.putrequest(method, route.replace("{run}", run).replace("{}", path), skip_host=True)
        connection.putheader("Host", "localhost")
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        try:
            answer = connection.getresponse()
        except OSError as error:
            pytest.fail(f"request {asked}: {method} {route} {path}: {error!r}\n{server.log.read_text()[-2000:]}")
        said = answer.read()
        answers[answer.status] += 1
        asked += 1
        assert CANARY not in said, f"{method} {route} {path}"
        if answer.headers.get("Connection", "").lower() == "close":
            connection.close()
    connection.close()
    assert outside(server) == before
    print(f"\n{profile}: {asked} requests, answered {dict(sorted(answers.items()))}")
    assert asked > 2360
    assert server.check("deep").healthy
