"""What a backup keeps and a restore brings back, in containers of any kind, as a client of the server sees it."""

from __future__ import annotations

import http.client
import json
from typing import Any

WEIGHTS = bytes(range(256)) * 4096
_ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"


def ask(
    deployment: Any,
    method: str,
    path: str,
    body: bytes | dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(deployment.address, deployment.port, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    kind = {"Content-Type": "application/json" if isinstance(body, dict) else "x/y"}
    connection.request(method, path, data, {"Host": deployment.host, **kind, **(headers or {})})
    answer = connection.getresponse()
    return answer.status, answer.read()


def what_was_deleted_after_a_backup_is_there_again_after_the_restore(
    kept: Any, headers: dict[str, str] | None = None
) -> str:
    """Gives what the backup said."""
    status, said = ask(kept, "POST", "/api/2.0/mlflow/experiments/create", {"name": "kept"}, headers)
    assert status == 200, said
    experiment = json.loads(said)["experiment_id"]
    assert ask(kept, "PUT", _ARTIFACT, WEIGHTS, headers)[0] == 200
    snapshot = str(kept.play("backup").succeeded().of("Report what was written")["msg"])
    assert "1, 1.0 MiB" in snapshot, snapshot

    drilled = kept.play("drill").succeeded()
    assert "can be restored. Nothing was changed." in str(drilled.of("Report what was proven")["msg"])
    assert drilled.stats["changed"] == 0

    delete = "/api/2.0/mlflow/experiments/delete"
    assert ask(kept, "POST", delete, {"experiment_id": experiment}, headers)[0] == 200
    assert ask(kept, "DELETE", _ARTIFACT, headers=headers)[0] == 200
    refused = kept.play("restore")
    assert refused.code != 0 and "mlflow_restore=true" in refused.message

    kept.play("restore", mlflow_restore=True).succeeded()
    get = f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}"
    found = json.loads(ask(kept, "GET", get, headers=headers)[1])
    assert found["experiment"]["lifecycle_stage"] == "active"
    assert ask(kept, "GET", _ARTIFACT, headers=headers) == (200, WEIGHTS)
    assert kept.set_aside() == [], "what was replaced is gone"
    return snapshot
