# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application of a server that tells OpenTelemetry of its requests: MLflow's own, with one measurement around it.

Each worker makes it after it was forked or spawned, so that threads and connections are its own. One measurement around
everything counts a request once, also where a part of MLflow is mounted into another, with those that are refused and
with the time that they wait for their turn. What is measured goes to providers of its own: with OpenTelemetry's global
ones, or its variables (C(OTEL_EXPORTER_OTLP_ENDPOINT)), MLflow would send the traces that it keeps there, too.

Nothing waits for the receiver: threads of the SDK send, from a queue with an end, and drop what nobody takes.

One file without imports from the engine: it is copied to hosts and images, and the server imports it by its name.
"""

from __future__ import annotations

import ast
import atexit
import importlib
import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SETTINGS, HEADERS = "MLOPS_MLFLOW_OPENTELEMETRY", "MLOPS_MLFLOW_OPENTELEMETRY_HEADERS"
_NAME = "mlops.mlflow"
_DURATION = "http.server.request.duration"
# Seconds, as the semantic conventions of HTTP advise.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Seconds that sending may take, and that the end of a worker waits for what was not sent yet.
_TIMEOUT, _ENDING = 5, 3
# Characters of a path: it is the client's.
_LONGEST = 1024
# A part of a path in the language of FastAPI ({name:path}) and of Flask (<path:name>).
_PART = re.compile(r"\{([^:{}]+)(?::[^{}]*)?\}|<(?:[^:<>]*:)?([^<>]+)>")
_MEMORY = Path("/proc/self/statm")


def application() -> Any:
    """What a worker serves: the application of C(SETTINGS), measured."""
    settings = json.loads(os.environ[SETTINGS])
    served = _imported(settings["application"])
    with _without_variables_of_others():
        requests = Requests(settings, os.environ.get(HEADERS, ""))
    return (Asgi if os.environ["_MLFLOW_SGI_NAME"] == "uvicorn" else Wsgi)(served, requests, _rules())


def _imported(text: str) -> Any:
    """An application as gunicorn is told it: MODULE:NAME, or MODULE:FUNCTION(ARGUMENTS)."""
    module, _colon, name = text.partition(":")
    found = ast.parse(name, mode="eval").body
    function = found.func if isinstance(found, ast.Call) else found
    named = getattr(importlib.import_module(module), ast.unparse(function))
    return named(*map(ast.literal_eval, found.args)) if isinstance(found, ast.Call) else named


def _rules() -> Any:
    """The paths that MLflow's Flask application knows."""
    from mlflow.server import app

    return app.url_map.bind("")


@contextmanager
def _without_variables_of_others() -> Iterator[None]:
    """C(OTEL_*) are for what MLflow exports itself: our receiver must not get the token of another."""
    others = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("OTEL_")}
    try:
        yield
    finally:
        os.environ.update(others)


class Requests:
    """Where finished requests go."""

    def __init__(self, settings: Mapping[str, Any], headers: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        from opentelemetry.util.re import parse_env_headers

        # One line each time that nothing arrives is enough, without one for each attempt.
        logging.getLogger("opentelemetry.exporter.otlp.proto.http").setLevel(logging.ERROR)
        self._server, self._error = SpanKind.SERVER, StatusCode.ERROR
        self._context = TraceContextTextMapPropagator().extract
        own = {"service.instance.id": str(uuid.uuid4()), "host.name": socket.gethostname()}
        self._resource = Resource.create({**own, **settings["attributes"]})
        self._endpoint = settings["endpoint"].rstrip("/")
        self._providers: list[Any] = []
        self._sent = {"headers": parse_env_headers(headers, liberal=True), "timeout": _TIMEOUT}
        self._duration = self._histogram(settings["interval"]) if "metrics" in settings["signals"] else None
        self._tracer = self._sampled(settings["sample_ratio"]) if "traces" in settings["signals"] else None
        self._end_with_the_worker()

    def _histogram(self, seconds: int) -> Any:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

        exporter = OTLPMetricExporter(endpoint=f"{self._endpoint}/v1/metrics", **self._sent)
        reader = PeriodicExportingMetricReader(exporter, seconds * 1000, _TIMEOUT * 1000)
        view = View(instrument_name=_DURATION, aggregation=ExplicitBucketHistogramAggregation(_BUCKETS))
        provider = MeterProvider([reader], self._resource, shutdown_on_exit=False, views=[view])
        self._providers.append(provider)
        meter = provider.get_meter(_NAME)
        meter.create_observable_counter("process.cpu.time", [_cpu], "s", "Processor time of a worker")
        if _MEMORY.exists():
            meter.create_observable_up_down_counter("process.memory.usage", [_memory], "By", "Memory of a worker")
        return meter.create_histogram(_DURATION, "s", "Time of a request, until its answer was sent")

    def _sampled(self, ratio: float) -> Any:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

        # By the trace's id alone: a client that calls all its requests sampled does not decide what is sent.
        limits = SpanLimits(max_span_attribute_length=_LONGEST)
        provider = TracerProvider(TraceIdRatioBased(ratio), self._resource, shutdown_on_exit=False, span_limits=limits)
        self._providers.append(provider)
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{self._endpoint}/v1/traces", **self._sent))
        )
        return provider.get_tracer(_NAME)

    def _end_with_the_worker(self) -> None:
        """Send what is left, but do not wait long: the SDK would, up to half a minute, for a receiver that is away.

        The thread is there before, because Python starts none while it ends.
        """
        ending, ended = threading.Event(), threading.Event()

        def send() -> None:
            ending.wait()
            for provider in self._providers:
                provider.shutdown()
            ended.set()

        def end() -> None:
            ending.set()
            ended.wait(_ENDING)

        threading.Thread(target=send, daemon=True).start()
        atexit.register(end)

    def add(self, started: int, method: str, scheme: str, path: str, route: str, status: int, parent: str) -> None:
        """
        :param started: nanoseconds of the clock.
        :param parent: the header traceparent of W3C, or nothing.
        """
        ended = time.time_ns()
        known = method if method in _METHODS else "_OTHER"
        attributes = {"http.request.method": known, "url.scheme": scheme, "http.response.status_code": status}
        attributes |= {"http.route": route} if route else {}
        attributes |= {"error.type": str(status)} if status >= 500 else {}
        if self._duration:
            self._duration.record(max(0, ended - started) / 1e9, attributes)
        if self._tracer:
            span = self._tracer.start_span(
                f"{known} {route}".strip(),
                context=self._context({"traceparent": parent}),
                kind=self._server,
                attributes={**attributes, "url.path": path},
                start_time=started,
            )
            if status >= 500:
                span.set_status(self._error)
            span.end(ended)


def _cpu(_options: Any) -> Iterator[Any]:
    from opentelemetry.metrics import Observation

    spent = os.times()
    yield Observation(spent.user, {"cpu.mode": "user"})
    yield Observation(spent.system, {"cpu.mode": "system"})


def _memory(_options: Any) -> Iterator[Any]:
    from opentelemetry.metrics import Observation

    yield Observation(int(_MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


class _Measured:
    def __init__(self, served: Any, requests: Requests, rules: Any) -> None:
        self.served, self._requests, self._rules = served, requests, rules
        self._prefix = os.environ.get("_MLFLOW_STATIC_PREFIX", "")

    def _route(self, path: str, method: str, native: str = "") -> str:
        """The path as the application knows it, C(/experiments/{id}): a client's path would be a series of its own.

        Empty where it knows none. C(native) is that of FastAPI, which knows some of the paths before Flask does.
        Some of those lack the prefix below which everything is published, so no route has it.
        """
        if not native:
            with suppress(Exception):  # no such path, another method, a path that is redirected
                native = self._rules.match(path, method, return_rule=True)[0].rule
        return _PART.sub(lambda part: f"{{{part[1] or part[2]}}}", native.removeprefix(self._prefix))


class Asgi(_Measured):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.served(scope, receive, send)
            return
        started, status, path = time.time_ns(), 500, scope["path"]
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), "")

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.served(scope, receive, watched)
        finally:
            native = str(getattr(scope.get("route"), "path", ""))
            route = self._route(path, scope["method"], native)
            self._requests.add(started, scope["method"], scope["scheme"], path, route, status, parent)


class Wsgi(_Measured):
    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started, status = time.time_ns(), 500
        method, scheme = environ["REQUEST_METHOD"], environ["wsgi.url_scheme"]
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
        parent = environ.get("HTTP_TRACEPARENT", "")

        def watched(line: str, *more: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *more)

        def ended() -> None:
            self._requests.add(started, method, scheme, path, self._route(path, method), status, parent)

        try:
            answer = self.served(environ, watched)
        except BaseException:
            ended()
            raise
        close = getattr(answer, "close", None)
        if isinstance(answer, environ.get("wsgi.file_wrapper", ())):
            # Sent by the kernel, which only an answer of exactly that kind is.
            answer.close = _both(ended, close)
            return answer
        return _Answer(answer, _both(ended, close))


class _Answer:
    """An answer that says when it was sent."""

    def __init__(self, answer: Iterable[bytes], close: Callable[[], None]) -> None:
        self._answer, self.close = answer, close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)


def _both(first: Callable[[], None], second: Callable[[], None] | None) -> Callable[[], None]:
    def both() -> None:
        try:
            if second:
                second()
        finally:
            first()

    return both
