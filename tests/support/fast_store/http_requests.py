"""Requests to two servers, whose answers are compared."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Response

from ..servers import API


class Told:
    """What one server made, by the order in which it made it."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    def _text(self, text: str) -> str:
        return re.sub(
            r"RUN(\d+)", lambda found: self.runs[int(found[1]) % len(self.runs)] if self.runs else "f" * 32, text
        )

    def _filled(self, body: Any) -> Any:
        return json.loads(self._text(json.dumps(body)))

    def answer(self, client: Client, method: str, path: str, body: Any) -> tuple[int, Any]:
        sent = json.dumps(self._filled(body)).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        return self._normal(client.request(method, self._text(path), sent, headers, safe=False, expect=None))

    def _normal(self, answer: Response) -> tuple[int, Any]:
        try:
            found = json.loads(answer.body)
        except ValueError:
            return answer.status, answer.body
        if (run := (found.get("run") or {}).get("info", {}).get("run_id")) and run not in self.runs:
            self.runs.append(run)
        text = json.dumps(_sorted(found), sort_keys=True)
        for number, run in enumerate(self.runs):
            text = text.replace(run, f"run {number}")
        # Of a run that was refused MLflow shows the id in its statement.
        return answer.status, re.sub(r'"(creation|last_update)_time": \d+|[0-9a-f]{32}', "", text)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: sorted(map(_sorted, item), key=json.dumps) if key in ("metrics", "params", "tags") else _sorted(item)
            for key, item in value.items()
        }
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def request(chance: random.Random, number: int) -> tuple[str, str, Any]:
    run = f"RUN{chance.randrange(100)}"
    key, text = chance.choice(["a", "ü", "x/y", "", "k" * 251]), chance.choice(["1", "ünï 🙂", "", "x" * 6001])
    value = chance.choice([1.5, 0, -1e300, "NaN", "Infinity", 3])
    metric = {"key": key, "value": value, "timestamp": number, "step": chance.randrange(5)}
    pair = {"key": key, "value": text}
    searched = {
        "experiment_ids": ["0"], "max_results": chance.choice([1, 3, 100]),
        "filter": chance.choice(["", "metrics.a > 0", "params.a = '1'", "tags.a LIKE '%1%'", "bad ="]),
        "order_by": chance.choice([[], ["attributes.start_time DESC"], ["metrics.a DESC"]]),
    }  # fmt: skip
    if number < 6:
        return "POST", f"{API}/runs/create", {"experiment_id": "0", "start_time": number, "run_name": f"n{number}"}
    metrics = [{**metric, "key": f"a{place}"} for place in range(5)]
    batch = {"run_id": run, "metrics": metrics, "params": [pair], "tags": [pair]}
    another = {"experiment_id": chance.choice(["0", "77", "x"]), "start_time": number, "run_name": f"n{number}"}
    posted = {
        "runs/create": {**another, "tags": [pair]},
        "runs/log-metric": {"run_id": run, **metric, "key": chance.choice(["a", key])},
        "runs/log-parameter": {"run_id": run, **pair},
        "runs/set-tag": {"run_id": run, **pair},
        "runs/log-batch": batch,
        "runs/update": {"run_id": run, "status": chance.choice(["FINISHED", "FAILED"]), "end_time": number},
        "runs/delete": {"run_id": run},
        "runs/restore": {"run_id": run},
        "runs/search": searched,
        "experiments/search": {"max_results": 5},
    }
    read = [
        f"runs/get?run_id={run}",
        f"metrics/get-history?run_id={run}&metric_key=a",
        f"experiments/get?experiment_id={chance.choice(['0', '5', 'x'])}",
        "experiments/get-by-name?experiment_name=Default",
    ]
    if chance.random() < 0.3:
        return "GET", f"{API}/{chance.choice(read)}", None
    path = chance.choice(list(posted))
    return "POST", f"{API}/{path}", posted[path]
