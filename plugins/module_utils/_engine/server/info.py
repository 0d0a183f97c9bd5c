# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tracking server is and holds, read through its REST API. Changes nothing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from ..errors import one_line
from ..http import Client, Response, Server

_API = "/api/2.0/mlflow"
_PAGE = 1000
# Of standalone/fast_store, and how much of it is told.
_FAST_STORE, _LONGEST = "MLOps-Fast-Store", 200


@dataclass(frozen=True)
class Count:
    """How many there are. C(exact) is false when counting stopped at the limit: there are at least so many."""

    count: int
    exact: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {"count": self.count, "exact": self.exact}


def read(server: Server, count_limit: int = 10000) -> dict[str, Any]:
    """Version, capabilities, authentication, store and the number of experiments, runs and registered models.

    :param count_limit: stop counting each kind there; 0 counts nothing.
    :raises ServerError: unreachable, or the credentials may not read.
    """
    client = Client(server)
    try:
        info: dict[str, Any] = {
            "url": server.url,
            "version": client.get("/version").body.decode("utf-8", "replace").strip(),
            "capabilities": capabilities(client),
            "auth": _auth(client),
            "fast_store": fast_store(client.post(f"{_API}/experiments/search", {"max_results": 1}, safe=True)) or "off",
        }
        if count_limit:
            experiments, experiment_ids = _experiments(client, count_limit)
            info["experiments"] = experiments.as_dict()
            info["runs"] = _runs(client, experiment_ids, count_limit).as_dict()
            info["registered_models"] = _models(client, count_limit).as_dict()
        return info
    finally:
        client.close()


def capabilities(client: Client) -> dict[str, Any]:
    """What the server says of itself, and whether it serves artifacts also where it does not say that."""
    said = client.get("/api/3.0/mlflow/server-info", expect=(200, 404))
    found = dict(said.json()) if said.status == 200 else {}
    if "artifact_serving_enabled" not in found:
        # A folder that is not there: one that is could be long.
        path = f"/api/2.0/mlflow-artifacts/artifacts?path=.mlops-mlflow-{uuid.uuid4().hex}"
        asked = client.request("GET", path, safe=False, expect=None)  # once: the answer looks as if it passed
        found["artifact_serving_enabled"] = not refuses_artifacts(asked.status, asked.body.decode("utf-8", "replace"))
    return found


def fast_store(answer: Response) -> str:
    """C(on), or C(stepped aside) and why, where an answer of the API says so (C(standalone/fast_store)); else empty."""
    return one_line(answer.headers.get(_FAST_STORE) or "", _LONGEST)


def refuses_artifacts(status: int | None, said: str) -> bool:
    """Whether an answer to a request for artifacts means that the server was told to serve none."""
    return status == 503 and "serve-artifacts`" in said


def _auth(client: Client) -> str:
    """C(basic) when an anonymous reader is turned away, else C(none)."""
    answer = client.post(f"{_API}/experiments/search", {"max_results": 1}, anonymous=True, safe=True, expect=None)
    return "basic" if answer.status == 401 else "none"


def _experiments(client: Client, limit: int) -> tuple[Count, list[str]]:
    ids: list[str] = []
    token = ""
    while len(ids) < limit:
        payload = {"max_results": min(_PAGE, limit - len(ids)), "page_token": token}
        page = client.post(f"{_API}/experiments/search", payload, safe=True).json()
        ids += [experiment["experiment_id"] for experiment in page.get("experiments", [])]
        token = page.get("next_page_token", "")
        if not token:
            return Count(len(ids)), ids
    return Count(len(ids), exact=False), ids


def _runs(client: Client, experiment_ids: list[str], limit: int) -> Count:
    total, token = 0, ""
    while experiment_ids and total < limit:
        payload = {
            "experiment_ids": experiment_ids,
            "max_results": min(_PAGE, limit - total),
            "page_token": token,
        }
        page = client.post(f"{_API}/runs/search", payload, safe=True).json()
        total += len(page.get("runs", []))
        token = page.get("next_page_token", "")
        if not token:
            return Count(total)
    return Count(total, exact=not experiment_ids)


def _models(client: Client, limit: int) -> Count:
    total, token = 0, ""
    while total < limit:
        query = {"max_results": min(_PAGE, limit - total), "page_token": token}
        page = client.get(f"{_API}/registered-models/search", query).json()
        total += len(page.get("registered_models", []))
        token = page.get("next_page_token", "")
        if not token:
            return Count(total)
    return Count(total, exact=False)
