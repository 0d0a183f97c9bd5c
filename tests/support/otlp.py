"""A receiver of OpenTelemetry on loopback: OTLP by HTTP, decoded by the classes that the exporter brings.

Runs with an interpreter of MLflow's environment, which has them; tests ask it for what it got.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .ports import free_port
from .processes import until

DURATION = "http.server.request.duration"


class Receiver:
    """Started by C(start), which may be after those who send."""

    def __init__(self, interpreter: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._interpreter = interpreter
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # As a module, with the other tests' helpers beside it.
        command = [str(self._interpreter), "-m", "support.otlp", str(self.port)]
        self._process = subprocess.Popen(command, cwd=Path(__file__).parents[1], env={"PATH": "/usr/bin:/bin"})
        until(self._answers, "the receiver does not start", 60)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def received(self, signal: str) -> list[dict[str, Any]]:
        """Requests for C(metrics) or C(traces): C(headers), and C(body) as JSON has it."""
        with urllib.request.urlopen(f"{self.url}/{signal}", timeout=20) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def points(self, name: str) -> list[tuple[dict[str, str], dict[str, str], dict[str, Any]]]:
        """The newest points of a metric: attributes of the resource, of the point, and the point."""
        newest: dict[str, tuple[dict[str, str], dict[str, str], dict[str, Any]]] = {}
        for request in self.received("metrics"):
            for resource in request["body"]["resourceMetrics"]:
                whose = _attributes(resource["resource"])
                for metric in (one for scope in resource["scopeMetrics"] for one in scope["metrics"]):
                    kind = metric.get("histogram") or metric.get("sum") or {}
                    for point in kind.get("dataPoints", []) if metric["name"] == name else []:
                        own = _attributes(point)
                        newest[json.dumps([whose, own], sort_keys=True)] = (whose, own, point)
        return list(newest.values())

    def requests(self) -> Counter[tuple[str, str, str]]:
        """Counted requests of all workers by method, route and status."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for _whose, own, point in self.points(DURATION):
            key = (own["http.request.method"], own.get("http.route", ""), own["http.response.status_code"])
            counted[key] += int(point["count"])
        return counted

    def spans(self) -> list[dict[str, Any]]:
        """Each with its attributes as C(own), besides what OTLP says of it."""
        return [
            {**span, "own": _attributes(span)}
            for request in self.received("traces")
            for resource in request["body"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def _answers(self) -> bool:
        try:
            return isinstance(self.received("metrics"), list)
        except OSError:
            return False


def _attributes(one: dict[str, Any]) -> dict[str, str]:
    return {pair["key"]: str(next(iter(pair["value"].values()))) for pair in one.get("attributes", [])}


def _serve(port: int) -> None:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    kinds = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}
    got: dict[str, list[Any]] = {path: [] for path in kinds}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = kinds[self.path].FromString(self.rfile.read(int(self.headers["Content-Length"])))
            got[self.path].append({"headers": dict(self.headers), "body": MessageToDict(message)})
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(json.dumps(got[f"/v1{self.path}"]).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: Any) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
