"""OpenTelemetry: a receiver gets each request once, with its route, from every worker; without it nothing is amiss."""

from __future__ import annotations

import base64
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import telemetry
from support.environments import Environments
from support.host.deployment import Deployment
from support.otlp import Receiver
from support.processes import until
from support.servers import API, RunningServer, transfers_apart

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NAMED = ("GET", f"{API}/experiments/get-by-name", "200")
UPLOADED, FETCHED = (
    (method, f"{ARTIFACTS}/{{artifact_path}}", "200") for method in ("PUT", "GET")
)  # fmt: skip
TOKEN = "a-token-of-the-receiver"
# Of MLflow's own exporter, whatever it may be told.
OTHERS = {"OTEL_EXPORTER_OTLP_HEADERS": "x-of-another=1", "OTEL_RESOURCE_ATTRIBUTES": "of=another"}


@pytest.fixture(scope="module")
def receiver(environments: Environments) -> Iterator[Receiver]:
    one = Receiver(environments.slim / "bin" / "python")
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def deployed(
    environments: Environments, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    headers = tmp_path_factory.mktemp("secrets") / "headers"
    headers.write_text(f"Authorization=Bearer%20{TOKEN}\n")
    deployment = Deployment(
        environments,
        "light",
        mlflow_server_opentelemetry_endpoint=receiver.url,
        mlflow_server_opentelemetry_headers={"file": str(headers)},
        mlflow_server_opentelemetry_sample_ratio="1",
        mlflow_server_opentelemetry_interval="1",
        mlflow_server_opentelemetry_attributes={"deployment.environment.name": "test"},
        mlflow_server_env=OTHERS,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def use(client: Client) -> Counter[tuple[str, str, str]]:
    """Some requests by what they are to be counted as."""
    for number in range(5):
        client.get(f"{API}/experiments/get-by-name", {"experiment_name": "Default"})
        client.request("PUT", f"{ARTIFACTS}/telemetry/{number}.txt", b"hello")
    for _turn in range(3):
        client.get(f"{ARTIFACTS}/telemetry/1.txt")
        client.get("/made-up/of-the-client", expect=None)
    return Counter({NAMED: 5, UPLOADED: 5, FETCHED: 3})


def test_each_request_is_counted_once_with_its_route_also_of_artifacts(
    deployed: Deployment, receiver: Receiver
) -> None:
    quiet = settled(receiver)
    with_client = deployed.client()
    try:
        sent = use(with_client)
    finally:
        with_client.close()
    until(lambda: more(receiver, quiet) >= sent, "they are not counted", 60)
    counted = settled(receiver) - quiet
    assert {key: counted[key] for key in sent} == dict(sent)
    assert sum(counted.values()) == sent.total() + 3, f"nothing is counted twice: {counted}"
    assert not [key for key in counted if "made-up" in str(key)], "a client's path is no series"


def test_a_span_tells_of_each_with_the_trace_of_the_client(deployed: Deployment, receiver: Receiver) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    client = deployed.client()
    try:
        client.request("PUT", f"{ARTIFACTS}/traced.txt", b"x", {"traceparent": f"00-{trace}-{parent}-00"})
        client.get(f"{API}/experiments/get-by-name", {"experiment_name": "Default"})
    finally:
        client.close()
    spans: list[dict[str, object]] = []

    def there() -> bool:
        spans[:] = [one for one in receiver.spans() if one["own"].get("url.path") == f"{ARTIFACTS}/traced.txt"]
        return bool(spans)

    until(there, "there is no span", 60)
    assert [one["name"] for one in spans] == [f"PUT {ARTIFACTS}/{{artifact_path}}"], "one, not one of each framework"
    assert spans[0]["kind"] == "SPAN_KIND_SERVER"
    ids = [base64.b64decode(str(spans[0][name])).hex() for name in ("traceId", "parentSpanId")]
    assert ids == [trace, parent], "sent as sampled here, although the client does not sample it"


def test_each_worker_says_what_it_takes_and_whose_it_is(deployed: Deployment, receiver: Receiver) -> None:
    until(lambda: receiver.points("process.memory.usage"), "no memory is told", 60)
    (whose, _own, memory), *_ = receiver.points("process.memory.usage")
    assert int(memory["asInt"]) > 50 << 20
    modes = {own["cpu.mode"]: float(point["asDouble"]) for _whose, own, point in receiver.points("process.cpu.time")}
    assert modes.keys() == {"user", "system"} and modes["user"] > 1
    assert (whose["service.name"], whose["deployment.environment.name"]) == ("mlflow", "test")
    assert "of" not in whose, "what MLflow was told is not ours"


def test_the_receivers_token_travels_to_it_alone(deployed: Deployment, receiver: Receiver) -> None:
    until(lambda: receiver.received("metrics"), "nothing arrives", 60)
    for signal in ("metrics", "traces"):
        headers = {name.lower(): value for name, value in receiver.received(signal)[-1]["headers"].items()}
        assert headers["authorization"] == f"Bearer {TOKEN}"
        assert "x-of-another" not in headers, "the header of another receiver"
    launch = (deployed.home / "launch.json").read_text()
    command = Path(f"/proc/{deployed.group}/cmdline").read_text()
    assert TOKEN not in launch + command + (deployed.home / "server.log").read_text()


@pytest.mark.parametrize("profile", ["throughput", "full"])
def test_every_worker_of_several_counts(
    environments: Environments, run_server: Callable[..., RunningServer], tmp_path: Path, profile: str
) -> None:
    environment = environments.full if profile == "full" else environments.slim
    receiver = Receiver(environment / "bin" / "python")
    receiver.start()
    settings = {**transfers_apart(tmp_path), **measured(tmp_path, receiver.url)}
    try:
        database = {"type": "sqlite", "uri": f"sqlite:///{tmp_path}/mlflow.db"}
        # The first of two workers makes the schema.
        run_server(environments.slim, "light", database).stop()
        server = run_server(environment, profile, database, workers=2, **settings)
        until(lambda: len({whose["service.instance.id"] for whose, *_ in receiver.points("process.cpu.time")}) == 2,
              "two workers do not report", 60)  # fmt: skip
        quiet = settled(receiver)
        sent: Counter[tuple[str, str, str]] = Counter()
        for _connection in range(4):
            client = Client(server.server())
            try:
                sent += use(client)
            finally:
                client.close()
        until(lambda: more(receiver, quiet) >= sent, "they are not counted", 60)
        counted = settled(receiver) - quiet
        assert {key: counted[key] for key in sent} == dict(sent)
        server.stop()
        # Those of the last seconds were not sent yet when the workers were told to end.
        spans = Counter(one["own"].get("http.route") for one in receiver.spans())
        assert spans[NAMED[1]] == receiver.requests()[NAMED], "the end of a worker loses spans"
    finally:
        receiver.stop()


@pytest.mark.parametrize(("profile", "listens"), [("light", False), ("throughput", True)])
def test_a_receiver_that_is_away_or_never_answers_is_no_matter_for_those_who_are_served(
    environments: Environments, run_server: Callable[..., RunningServer], tmp_path: Path, profile: str, listens: bool
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen(512)
        settings = {**transfers_apart(tmp_path), **measured(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")}
        database = {"type": "sqlite", "uri": f"sqlite:///{tmp_path}/mlflow.db"}
        server = run_server(environments.slim, profile, database, workers=1, **settings)
        until(lambda: "Failed to export" in server.log.read_text(), "the log does not say that nothing arrives", 60)
        report = server.check("deep")
        assert report.healthy, report.verdict
        client = Client(server.server())
        try:
            use(client)
        finally:
            client.close()
        began = time.monotonic()
        server.stop()
        # RunningServer kills it after 20 s, and so does a supervisor after 45.
        assert time.monotonic() - began < 20, "the receiver holds up the end"


def measured(folder: Path, endpoint: str) -> dict[str, str]:
    shutil.copy(str(telemetry.__file__), folder / "mlops_mlflow_telemetry.py")
    return {
        "opentelemetry_endpoint": endpoint,
        "opentelemetry_interval": "1",
        "opentelemetry_sample_ratio": "1",
    }


def more(receiver: Receiver, than: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    return receiver.requests() - than


def settled(receiver: Receiver) -> Counter[tuple[str, str, str]]:
    """What is counted when nobody asks: the last requests of a deploy may still be on their way."""
    found = receiver.requests()
    for _turn in range(20):
        reports = len(receiver.received("metrics"))
        until(lambda before=reports: len(receiver.received("metrics")) > before + 3, "no more reports", 60)  # type: ignore[misc]
        if (now := receiver.requests()) == found:
            return now
        found = now
    raise AssertionError("somebody else asks the server all the time")
