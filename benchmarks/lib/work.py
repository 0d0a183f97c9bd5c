# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work: the calls of MLflow's tracking API that are measured, as its Python client sends them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from .http import Answer, request
from .load import Requests
from .servers import Server

_API = "/api/2.0/mlflow"
_BATCH_KEYS, _BATCH_STEPS = 10, 10  # 100 metrics per log-batch


class Work:
    """Requests for one server, on an experiment and runs of its own: one run per client, as training jobs have."""

    def __init__(self, server: Server, clients: int, headers: Mapping[str, str] | None = None) -> None:
        """C(headers) say who sends the requests: the administrator where they are not given."""
        self._server = server
        self._headers = server.headers if headers is None else headers
        made = self._post("experiments/create", {"name": f"benchmark-{time.time_ns()}"})
        self._experiment = json.loads(made.body)["experiment_id"]
        self._runs = [self._new_run() for _client in range(clients)]
        self._step = 0

    @property
    def operations(self) -> dict[str, Callable[[], Requests]]:
        return {
            "log-metric": self.log_metric, "create-run": self.create_run, "get-run": self.get_run,
            "log-batch": self.log_batch, "search-runs": self.search_runs,
        }  # fmt: skip

    def log_metric(self) -> Requests:
        offset = self._next_offset()

        def make(client: int, sent: int) -> bytes:
            body = {"run_id": self._runs[client], **_metric("loss", offset + sent)}
            return request("POST", f"{_API}/runs/log-metric", body, self._headers)

        return make

    def create_run(self) -> Requests:
        return lambda client, sent: request("POST", f"{_API}/runs/create", self._run_body(), self._headers)

    def get_run(self) -> Requests:
        messages = [request("GET", f"{_API}/runs/get?run_id={run}", None, self._headers) for run in self._runs]
        return lambda client, sent: messages[client]

    def log_batch(self) -> Requests:
        offset = self._next_offset()

        def make(client: int, sent: int) -> bytes:
            first = offset + sent * _BATCH_STEPS
            metrics = [
                _metric(f"metric-{key}", first + step) for step in range(_BATCH_STEPS) for key in range(_BATCH_KEYS)
            ]
            body = {"run_id": self._runs[client], "metrics": metrics}
            return request("POST", f"{_API}/runs/log-batch", body, self._headers)

        return make

    def search_runs(self) -> Requests:
        """The first 100 of the experiment, as the web page orders them."""
        order = ["attributes.start_time DESC"]
        body = {"experiment_ids": [self._experiment], "max_results": 100, "order_by": order}
        message = request("POST", f"{_API}/runs/search", body, self._headers)
        return lambda client, sent: message

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        return self._server.call("POST", f"{_API}/{path}", body, self._headers)

    def _next_offset(self) -> int:
        """Steps that no earlier measurement has used."""
        self._step += 1_000_000
        return self._step

    def _run_body(self) -> dict[str, Any]:
        tags = {"mlflow.user": "someone", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}
        return {
            "experiment_id": self._experiment, "start_time": int(time.time() * 1000), "run_name": "a run",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }  # fmt: skip

    def _new_run(self) -> str:
        """A run with five parameters and five metrics."""
        made = self._post("runs/create", self._run_body())
        run: str = json.loads(made.body)["run"]["info"]["run_id"]
        body = {
            "run_id": run,
            "params": [{"key": f"param-{number}", "value": str(number)} for number in range(5)],
            "metrics": [_metric(f"first-{number}", 0) for number in range(5)],
        }
        self._post("runs/log-batch", body)
        return run


def _metric(key: str, step: int) -> dict[str, object]:
    return {"key": key, "value": step * 0.001, "timestamp": 1_700_000_000_000 + step, "step": step}
