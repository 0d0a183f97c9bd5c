"""A real Prometheus and Alertmanager on loopback, for a test."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .debian_programs import command, program
from .loopback import Handler
from .ports import free_port
from .processes import until

# A machine that is busy takes long over a start.
PATIENCE = 300
# A receiver that says in its log what it is told, each time in a line.
IN_A_CONTAINER = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

HTTPServer(("", 8080), Receiver).serve_forever()
"""


class Receiver:
    """What Alertmanager tells: C(told) holds alerts by (name, firing or resolved)."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], dict[str, Any]] = {}

    def hear(self, handler: Handler) -> None:
        for alert in json.loads(handler.body)["alerts"]:
            self.told[alert["labels"]["alertname"], alert["status"]] = alert
        handler.answer(200)

    def wait_for(self, name: str, state: str) -> dict[str, Any]:
        until(lambda: (name, state) in self.told, f"nobody was told that {name} is {state}", PATIENCE)
        return self.told[name, state]


def api(url: str, path: str, **query: str) -> Any:
    """What the HTTP API of either says."""
    asked = f"{url}{path}?{urllib.parse.urlencode(query)}" if query else f"{url}{path}"
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def ask(url: str, query: str, **more: str) -> list[dict[str, Any]]:
    """The samples that a query gives now, or at C(time)."""
    return list(api(url, "/api/v1/query", query=query, **more)["data"]["result"])


def ask_over(url: str, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
    """The series that a query gives over time."""
    span = {"start": str(start), "end": str(end), "step": str(step)}
    return list(api(url, "/api/v1/query_range", query=query, **span)["data"]["result"])


@contextmanager
def prometheus(
    folder: Path,
    rules: Mapping[str, Any] | Path,
    targets: Sequence[Mapping[str, Any]] = (),
    alertmanager: str = "",
    interval: str = "1s",
    lookback: str = "5m",
) -> Iterator[str]:
    """Its URL.

    :param folder: its data are in C(data), where there may be some already.
    :param rules: or a folder with C(rules) and C(targets), as the role writes for a Prometheus that is there.
    :param lookback: how old a sample may be to be one of now.
    :param targets: each with C(targets) and C(labels), as in a file that discovers them.
    """
    read = rules if isinstance(rules, Path) else folder
    if not isinstance(rules, Path):
        for name, content in (("rules", rules), ("targets", list(targets))):
            (folder / name).mkdir()
            (folder / name / f"test.{'yml' if name == 'rules' else 'json'}").write_text(json.dumps(content))
    settings: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [f"{read}/rules/*.yml"],
        "scrape_configs": [{"job_name": "other", "file_sd_configs": [{"files": [f"{read}/targets/*.json"]}]}],
    }
    if alertmanager:
        where = [{"targets": [alertmanager.removeprefix("http://")]}]
        settings["alerting"] = {"alertmanagers": [{"static_configs": where}]}
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    url = f"http://127.0.0.1:{free_port()}"
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=90d"]
    options.append(f"--query.lookback-delta={lookback}")
    with _running(folder, "prometheus", [*options, f"--web.listen-address={url.removeprefix('http://')}"], url):
        yield url


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """Its URL. All that it is told goes to one receiver, at once, and when it is over too."""
    route = {"receiver": "test", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    hook = {"url": receiver, "send_resolved": True}
    receivers = [{"name": "test", "webhook_configs": [hook]}]
    (folder / "alertmanager.yml").write_text(json.dumps({"route": route, "receivers": receivers}))
    url = f"http://127.0.0.1:{free_port()}"
    options = ["--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="]
    options.append(f"--web.listen-address={url.removeprefix('http://')}")
    with _running(folder, "prometheus-alertmanager", options, url):
        yield url


@contextmanager
def _running(folder: Path, name: str, options: list[str], url: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*command(name), *options], cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or _ready(url), f"{name} does not get ready", PATIENCE)
        assert process.poll() is None, (folder / f"{name}.log").read_text()[-3000:]
        yield
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def backfill(folder: Path, page: str) -> None:
    """Put series of the past, in the text format of OpenMetrics with times, into C(data) of a Prometheus to come."""
    (folder / "past.txt").write_text(page)
    made = [str(program("promtool")), "tsdb", "create-blocks-from", "--max-block-duration=480h"]
    made += ["openmetrics", "past.txt", "data"]
    done = subprocess.run(made, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
