# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers of a load test: inspected before it begins, cleaned up after it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import BadInput, ServerError
from ..http import Client, Server
from ..server import info
from .plan import NAME_PREFIX, Target

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PAGE = 500


@dataclass
class Cleaned:
    """What was removed, and C(left) what could not be. Runs and experiments are soft-deleted, as the API does it."""

    experiments: int = 0
    registered_models: int = 0
    traces: int = 0
    artifact_folders: int = 0
    seconds: float = 0.0
    left: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "seconds": round(self.seconds, 2)}

    def add(self, other: Cleaned) -> None:
        for name, value in other.__dict__.items():
            setattr(self, name, getattr(self, name) + value)


def inspect(target: Target) -> dict[str, Any]:
    """Whether the server can be loaded: it answers, lets us in, and which version it is.

    :raises ServerError: it cannot be reached, or refuses us. Nothing was changed then.
    """
    client = Client(target.server)
    try:
        capabilities = info.capabilities(client)
        client.post(f"{_API}/experiments/search", {"max_results": 1}, safe=True)
        version = client.get("/version").body.decode("utf-8", "replace").strip()
    except ServerError as error:
        raise ServerError(f"{target.name} cannot be loaded, and nothing was started: {error}", error.status) from error
    finally:
        client.close()
    return {"version": version, "artifacts": bool(capabilities["artifact_serving_enabled"])}


def clean_up(server: Server, run: str) -> Cleaned:
    """Remove what the load test C(run) made there. Goes on after a failure, and names what is left.

    :raises BadInput: C(run) is no name of a load test, so it might be somebody's data.
    """
    if not run.startswith(NAME_PREFIX) or len(run) < len(NAME_PREFIX) + 2 or set(run) & set("%_'\\"):
        raise BadInput(f"'{run}' is no name of a load test: those begin with {NAME_PREFIX}.")
    cleaned, start = Cleaned(), time.monotonic()
    client = Client(server)
    try:
        for experiment in list(_experiments(client, run)):
            _remove_experiment(client, experiment, cleaned)
        for model in list(_models(client, run)):
            _try(
                cleaned,
                f"registered model {model}",
                client,
                "DELETE",
                f"{_API}/registered-models/delete",
                {"name": model},
            )
            cleaned.registered_models += 1
        still = [one["name"] for one in _experiments(client, run, "ACTIVE_ONLY")] + list(_models(client, run))
        cleaned.left += [f"{name} is still there" for name in still]
    except ServerError as error:
        cleaned.left.append(str(error))
    finally:
        client.close()
    cleaned.seconds = time.monotonic() - start
    return cleaned


def _experiments(client: Client, run: str, view: str = "ALL") -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        payload = {"filter": f"name LIKE '{run}-%'", "view_type": view, "max_results": _PAGE, "page_token": token}
        page = client.post(f"{_API}/experiments/search", payload, safe=True).json()
        yield from page.get("experiments", [])
        if not (token := page.get("next_page_token", "")):
            return


def _models(client: Client, run: str) -> Iterator[str]:
    token = ""
    while True:
        query = {"filter": f"name LIKE '{run}-%'", "max_results": _PAGE, "page_token": token}
        page = client.get(f"{_API}/registered-models/search", query).json()
        yield from (model["name"] for model in page.get("registered_models", []))
        if not (token := page.get("next_page_token", "")):
            return


def _remove_experiment(client: Client, experiment: dict[str, Any], cleaned: Cleaned) -> None:
    identity, name = experiment["experiment_id"], experiment["name"]
    location = urlsplit(experiment.get("artifact_location", ""))
    if location.scheme == "mlflow-artifacts" and (path := quote(location.path.strip("/"))):
        listed = client.get(_ARTIFACTS, {"path": location.path.strip("/")}, expect=None)
        if listed.status == 200 and listed.json().get("files"):
            _try(cleaned, f"artifacts of {name}", client, "DELETE", f"{_ARTIFACTS}/{path}")
            cleaned.artifact_folders += 1
    body = {"experiment_id": identity, "max_timestamp_millis": int(time.time() * 1000) + 86_400_000}
    while True:  # a page at a time
        answer = _try(cleaned, f"traces of {name}", client, "POST", f"{_API}/traces/delete-traces", body)
        deleted = int(answer.get("traces_deleted", 0))
        cleaned.traces += deleted
        if not deleted:
            break
    if experiment.get("lifecycle_stage") != "deleted":
        _try(cleaned, f"experiment {name}", client, "POST", f"{_API}/experiments/delete", {"experiment_id": identity})
    cleaned.experiments += 1


def _try(
    cleaned: Cleaned, what: str, client: Client, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    payload = json.dumps(body).encode() if body is not None else None
    try:
        headers = {"Content-Type": "application/json"} if payload else None
        answer = client.request(method, path, payload, headers, safe=True)
        return answer.json() if answer.body else {}
    except ServerError as error:
        cleaned.left.append(f"{what}: {error}")
        return {}
