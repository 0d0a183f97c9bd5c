"""What a server is said to be able to do: what it says, and what it says only when it is asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import targets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import info
from support.loopback import Handler, serve

# Of uvicorn and of gunicorn.
DISABLED = (
    b'{"detail":"Artifact serving is disabled. Run `mlflow server` with `--serve-artifacts` to enable."}',
    b"Endpoint: /x disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts server "
    b"functionality, run `mlflow server` with `--serve-artifacts`",
)


def mlflow(said: dict[str, Any] | None, artifacts: tuple[int, bytes], asked: list[str]) -> Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        asked.append(handler.path)
        if "/mlflow-artifacts/" in handler.path:
            return handler.answer(*artifacts)
        if handler.path.endswith("/server-info"):
            return handler.answer(*((404, b"") if said is None else (200, json.dumps(said).encode())))
        return handler.answer(200, b"3.17.2" if handler.path == "/version" else b"{}")

    return respond


@pytest.mark.parametrize(
    ("said", "artifacts", "serves"),
    [
        ({"artifact_serving_enabled": True}, (503, DISABLED[0]), True),
        ({"artifact_serving_enabled": False}, (200, b"{}"), False),
        ({"store_type": "SqlStore"}, (200, b"{}"), True),
        ({"store_type": "SqlStore"}, (503, DISABLED[0]), False),
        ({"store_type": "SqlStore"}, (503, DISABLED[1]), False),
        ({"store_type": "SqlStore"}, (503, b"no healthy upstream"), True),
        ({"store_type": "SqlStore"}, (404, b"nothing there"), True),
        (None, (200, b"{}"), True),
        (None, (503, DISABLED[1]), False),
    ],
)
def test_whether_it_serves_artifacts_is_asked_where_it_does_not_say_it(
    said: dict[str, Any] | None, artifacts: tuple[int, bytes], serves: bool
) -> None:
    asked: list[str] = []
    with serve(mlflow(said, artifacts, asked)) as loopback:
        server = Server(loopback.url, timeout=5.0)
        read = info.read(server, count_limit=0)["capabilities"]
        load = targets.inspect(Target("t", server, True))
    assert read == {**(said or {}), "artifact_serving_enabled": serves}
    assert load == {"version": "3.17.2", "artifacts": serves}
    # Once each: it is no answer that passes.
    assert len([path for path in asked if "/mlflow-artifacts/" in path]) == (0 if read == said else 2)
