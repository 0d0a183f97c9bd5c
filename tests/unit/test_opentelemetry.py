"""OpenTelemetry: off unless asked for, the same application with one measurement around it, secrets in their places."""

from __future__ import annotations

import asyncio
import json
import os
import types
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import opentelemetry
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import telemetry
from support.intents import AUTH, CRATEDB, POSTGRESQL, computed
from support.plans import planned

ENDPOINT = {"opentelemetry_endpoint": "http://collector:4318"}
FILE, KEY = {"file": "/srv/otlp"}, {"secret": "otlp", "key": "headers"}


@pytest.mark.parametrize(
    ("settings", "application"),
    [
        ({"profile": "light"}, "mlflow.server.fastapi_app:app"),
        ({"profile": "light", "auth": AUTH}, "mlflow.server.auth:create_app()"),
        ({"profile": "full"}, "mlflow.server.fastapi_app:app"),
        ({"profile": "throughput"}, "mlflow.server:app"),
        ({"profile": "throughput", "auth": AUTH}, "mlflow.server.auth:create_app()"),
        ({"profile": "throughput", "transfers": "t"}, "t:application('mlflow.server', 'app', 2, 64)"),
        ({"profile": "light", "database": CRATEDB, "version": "3.12.0"}, "mlops_mlflow_cratedb:app"),
    ],
)
def test_what_is_served_is_the_same_application_measured(settings: dict[str, Any], application: str) -> None:
    plain, measured = computed(**settings), computed(**settings, **ENDPOINT)
    assert json.loads(measured.env[opentelemetry.SETTINGS])["application"] == application
    last = "mlops_mlflow_telemetry:application" + ("()" if "gunicorn" in plain.argv else "")
    assert measured.argv[-1] == last and ("--factory" in measured.argv) == ("uvicorn" in measured.argv)
    without = [word for word in plain.argv[:-1] if word != "--factory"]
    assert [word for word in measured.argv[:-1] if word != "--factory"] == without
    # MLflow would send the traces that it keeps where these say.
    assert not [name for name in {**measured.env, **measured.secrets} if name.startswith("OTEL_")]
    assert {name: value for name, value in measured.env.items() if name != opentelemetry.SETTINGS} == plain.env


def test_the_engine_and_the_program_that_is_copied_call_things_the_same() -> None:
    assert (opentelemetry.SETTINGS, opentelemetry.HEADERS) == (telemetry.SETTINGS, telemetry.HEADERS)


def test_settings_of_a_survey_are_understood_and_who_sends_is_told() -> None:
    given = {"opentelemetry_signals": "traces", "opentelemetry_sample_ratio": "0.5", "opentelemetry_interval": "15"}
    named = {"opentelemetry_attributes": {"deployment.environment.name": "production", "service.name": "ml"}}
    told = json.loads(
        planned("kubernetes", {**ENDPOINT, **given, **named})["launch"]["env"][opentelemetry.SETTINGS]
    )  # fmt: skip
    assert (told["signals"], told["sample_ratio"], told["interval"]) == (["traces"], 0.5, 15)
    assert told["attributes"] == {
        "service.name": "ml",
        "service.version": "3.17.2",
        "k8s.namespace.name": "team-a",
        "deployment.environment.name": "production",
    }
    own = json.loads(planned("host", ENDPOINT)["launch"]["env"][opentelemetry.SETTINGS])
    assert own["attributes"] == {"service.name": "mlflow", "service.version": "3.17.2"}
    assert (own["signals"], own["sample_ratio"], own["interval"]) == (["metrics", "traces"], 0.1, 60)


def test_the_exporter_is_installed_where_something_is_sent() -> None:
    assert opentelemetry.PACKAGE in planned("host", ENDPOINT)["host"]["requirements"]
    assert opentelemetry.PACKAGE not in planned("host")["host"]["requirements"]


def test_headers_lie_apart_and_only_servers_have_them() -> None:
    def with_headers(platform: str, place: dict[str, str]) -> dict[str, Any]:
        found = planned(platform, {**ENDPOINT, "opentelemetry_headers": place})
        assert found["errors"] == []
        return found

    name = opentelemetry.HEADERS
    assert with_headers("host", FILE)["launch"]["secrets"][name] == FILE
    compose = with_headers("compose", FILE)
    copies = [path for path in compose["secrets"] if path.endswith(name)]
    assert copies == [f"secrets/server/{name}", f"secrets/trial/{name}"]
    pods = with_headers("kubernetes", KEY)["kubernetes"]
    assert {"name": name, "valueFrom": {"secretKeyRef": {"name": "otlp", "key": "headers"}}} in pods["env"]
    assert "otlp" in pods["secret_names"] and KEY in pods["external_places"], "its absence is told before anything else"


def test_a_variable_of_ours_is_not_set_by_hand() -> None:
    with pytest.raises(BadInput, match=f"mlflow_server_env may not set {opentelemetry.SETTINGS}"):
        computed(**ENDPOINT, env={opentelemetry.SETTINGS: "{}"})
    with pytest.raises(BadInput, match=f"mlflow_server_secret_env may not set {opentelemetry.HEADERS}"):
        computed(**ENDPOINT, opentelemetry_headers=FILE, secret_env={opentelemetry.HEADERS: FILE})


def test_a_receiver_is_no_condition_of_a_deployment() -> None:
    found = planned("host", ENDPOINT, database=POSTGRESQL)
    assert not [one for one in found["host"]["endpoints"] if "collector" in one], "which the preflight would ask for"


class Kept:
    """Stands where finished requests go."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []

    def add(self, _started: int, *told: Any) -> None:
        self.found.append(told)


class Rules:
    """Flask's, as far as it matters here."""

    def match(self, path: str, method: str, return_rule: bool) -> Any:
        if (path, method) != ("/experiments/7/files/a/b", "GET"):
            raise LookupError
        return types.SimpleNamespace(rule="/experiments/<int:number>/files/<path:file>"), {}


ROUTE = "/experiments/{number}/files/{file}"


def ask(served: Any, path: str = "/experiments/7/files/a/b", kind: str = "http", **scope: Any) -> Kept:
    kept = Kept()
    sent: list[Any] = []
    asked = {"type": kind, "method": "GET", "scheme": "http", "path": path, "headers": [], **scope}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(telemetry.Asgi(served, kept, Rules())(asked, None, send))
    return kept


async def fine(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body"})


def test_a_request_of_uvicorn_is_one_with_the_route_of_flask_or_of_fastapi() -> None:
    headers = [(b"traceparent", b"00-a-b-01")]
    assert ask(fine, headers=headers).found == [
        ("GET", "http", "/experiments/7/files/a/b", ROUTE, 201, "00-a-b-01"),
    ]  # fmt: skip
    native = types.SimpleNamespace(path="/artifacts/{artifact_path:path}")
    assert ask(fine, route=native).found[0][3] == "/artifacts/{artifact_path}"
    assert ask(fine, path="/made/up").found[0][2:5] == ("/made/up", "", 201), "no route is better than a client's"
    assert ask(fine, kind="websocket").found == []


@pytest.mark.parametrize("known", ["/ml/health", "/health"])
def test_a_route_has_no_prefix(monkeypatch: pytest.MonkeyPatch, known: str) -> None:
    monkeypatch.setenv("_MLFLOW_STATIC_PREFIX", "/ml")
    assert ask(fine, path="/ml/health", route=types.SimpleNamespace(path=known)).found[0][2:4] == (
        "/ml/health",
        "/health",
    )


def test_what_fails_is_an_error_and_goes_on_to_those_who_serve() -> None:
    async def broken(*_given: Any) -> None:
        raise ZeroDivisionError

    kept = Kept()
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "headers": []}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(telemetry.Asgi(broken, kept, Rules())(scope, None, None))
    with pytest.raises(ZeroDivisionError):
        telemetry.Wsgi(lambda *_given: 1 / 0, kept, Rules())(environ(), lambda *_given: None)
    assert [one[4] for one in kept.found] == [500, 500]


def environ(**more: Any) -> dict[str, Any]:
    path = "/experiments/7/files/a/b"
    return {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": path, "wsgi.file_wrapper": Sent, **more}


class Sent:
    """gunicorn's answer of a file, which must stay of exactly this kind."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("answer", [Sent(), [b"hello"]], ids=["file", "body"])
def test_a_request_of_gunicorn_ends_when_its_answer_was_sent(answer: Any) -> None:
    kept = Kept()

    def served(_environ: Any, start: Any) -> Any:
        start("206 Partial Content", [])
        return answer

    given: Any = telemetry.Wsgi(served, kept, Rules())(environ(HTTP_TRACEPARENT="t"), lambda *_given: None)
    assert kept.found == [], "it is on its way"
    if isinstance(answer, Sent):
        assert given is answer
    else:
        assert list(given) == [b"hello"]
    given.close()
    assert kept.found == [("GET", "https", "/experiments/7/files/a/b", ROUTE, 206, "t")]
    assert not isinstance(answer, Sent) or answer.closed == 1


def test_an_application_is_named_as_gunicorn_names_it() -> None:
    assert telemetry._imported("os.path:sep") == os.sep
    assert telemetry._imported("os.path:join('a', 'b')") == "a/b"
    assert telemetry._imported("collections:OrderedDict()") == {}


def test_variables_of_others_are_there_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x=1")
    with telemetry._without_variables_of_others():
        assert "OTEL_EXPORTER_OTLP_HEADERS" not in os.environ
    assert os.environ["OTEL_EXPORTER_OTLP_HEADERS"] == "x=1"
