# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locust scenario: what data scientists ask of a tracking server, as raw HTTP, so that the server alone is measured.

One file, run by Locust in an environment of its own or in its image; it needs nothing but Locust. The file that
C(MLOPS_LOAD_PLAN) names says what is done where; the engine writes it (C(_engine/load/plan.py)). At the end it leaves
C(locust.json) in the plan's folder: Locust's own counters, a line for each second, and how busy the client was.

Each user draws its tasks from a generator of its own, seeded by the plan and the user's number: the same seed gives
the same tasks in the same order, however fast the server answers.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import gevent
import psutil
from gevent.lock import Semaphore
from locust import FastHttpUser, events, task
from locust.contrib.fasthttp import insecure_ssl_context_factory
from locust.runners import MasterRunner, WorkerRunner

API = "/api/2.0/mlflow"
TRACES = "/api/3.0/mlflow/traces"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
SIZES = {"4k": 4 * 1024, "1m": 1024**2, "32m": 32 * 1024**2}
RESULT_PREFIX = "mlops-load: "
_BEAT_SECONDS = 0.1
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_SHARED_NAMES = 8  # so few that users meet: then the server must say that it exists already


def _read_plan() -> dict[str, Any]:
    with open(os.environ["MLOPS_LOAD_PLAN"], encoding="utf-8") as file:
        plan: dict[str, Any] = json.load(file)
    for target in plan["targets"]:
        target["headers"] = _credentials(target) | ({"Host": target["host"]} if target.get("host") else {})
    return plan


def _credentials(target: dict[str, Any]) -> dict[str, str]:
    """Secrets lie in files or in the environment, never in the plan or in arguments."""

    def secret(name: str) -> str:
        if path := target.get(f"{name}_file"):
            with open(path, encoding="utf-8") as file:
                return file.read().rstrip("\n")
        return os.environ.get(target.get(f"{name}_env") or "", "")

    if target.get("username"):
        pair = f"{target['username']}:{secret('password')}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {"Authorization": f"Bearer {token}"} if (token := secret("token")) else {}


PLAN = _read_plan()
# The same bytes for everybody: comparing what came back costs the client almost nothing.
BODIES = {size: random.Random(f"{PLAN['seed']}:{size}").randbytes(SIZES[size]) for size in SIZES}  # noqa: S311


# Of a fleet: instances that answer without being woken, those that users had, and who may wake which.
AWAKE, ASKED = set(PLAN["awake"]), set[str]()
WAKING = {target["name"]: Semaphore() for target in PLAN["targets"] if PLAN["fleet"]}


class Failed(Exception):
    """A request failed and is counted; the rest of the task has nothing to work on."""


class DataScientist(FastHttpUser):
    """One user of one server. Every request has the name of an operation, and none is made without being measured."""

    host = PLAN["targets"][0]["url"]  # Locust wants one; each user has its own
    network_timeout = PLAN["timeout"]
    connection_timeout = PLAN["timeout"]
    concurrency = 1
    _count = 0

    def __init__(self, environment: Any) -> None:
        number = type(self)._count
        type(self)._count += 1
        worker = max(getattr(environment.runner, "worker_index", 0), 0)
        self.number = f"{worker}-{number}"
        if PLAN["fleet"]:
            target = _one_of_a_fleet(worker, number)
        else:
            target = PLAN["targets"][(number + worker) % len(PLAN["targets"])]
        ASKED.add(target["name"])
        self.instance = target["name"]
        self.host = target["url"]
        self.prefix = f"{target['name']}{PLAN['separator']}" if PLAN["label_targets"] else ""
        self.default_headers = target["headers"]
        if not target.get("validate_certs", True):
            self.ssl_context_factory = insecure_ssl_context_factory
        else:
            self.insecure = False
            self.ssl_context_factory = lambda: ssl.create_default_context(cafile=target.get("ca_path") or None)
        super().__init__(environment)
        # One generator for each purpose: what is drawn for one must not move the others.
        self.tasks_random, self.waits, self.values = (
            random.Random(f"{PLAN['seed']}:{self.number}:{purpose}")  # noqa: S311
            for purpose in ("tasks", "waits", "values")
        )
        self.names = list(PLAN["weights"])
        self.weights = [PLAN["weights"][name] for name in self.names]
        self.counter = 0
        self.experiment = self.spare_experiment = self.run_id = self.artifacts = self.model = ""
        self.logged: list[str] = []

    def wait_time(self) -> float:
        """Seconds until the next task."""
        return self.waits.uniform(*PLAN["wait"])

    def on_start(self) -> None:
        """Wake the instance of a fleet, or wait for who does: what comes then, an awake server answers."""
        if not PLAN["fleet"]:
            return
        with WAKING[self.instance], suppress(Failed):
            if self.instance not in AWAKE:
                self.ask("wake", "/experiments/search", {"max_results": 1})
                AWAKE.add(self.instance)

    @task
    def step(self) -> None:
        """One task of the workload, drawn by weight."""
        name = self.tasks_random.choices(self.names, self.weights)[0]
        if PLAN.get("record"):
            with open(PLAN["record"], "a", encoding="utf-8") as file:
                file.write(f"{self.number} {name}\n")
        with suppress(Failed):
            TASKS[name](self)

    # What a user has. Whatever is missing, because the server refused it, is asked for again.

    def need_experiment(self) -> str:
        if not self.experiment:
            body = {"name": f"{PLAN['run']}-user-{self.number}"}
            self.experiment = self.ask("create_experiment", "/experiments/create", body)["experiment_id"]
        return self.experiment

    def need_run(self) -> str:
        return self.run_id or self.new_run()

    def new_run(self) -> str:
        tags = [{"key": "mlflow.runName", "value": PLAN["run"]}, {"key": "user", "value": self.number}]
        body = {"experiment_id": self.need_experiment(), "start_time": _now(), "tags": tags}
        info = self.ask("create_run", "/runs/create", body)["run"]["info"]
        self.run_id, self.artifacts, self.logged = info["run_id"], _below(info["artifact_uri"]), []
        return self.run_id

    def need_artifacts(self) -> str:
        self.need_run()
        return self.artifacts

    def need_model(self) -> str:
        if not self.model:
            name = f"{PLAN['run']}-model-{self.number}"
            self.ask("create_registered_model", "/registered-models/create", {"name": name})
            self.model = name
        return self.model

    def unique(self) -> int:
        self.counter += 1
        return self.counter

    # Requests.

    def ask(self, operation: str, path: str, body: dict[str, Any], exists: str = "") -> dict[str, Any]:
        """The JSON answer. C(exists) is the operation's name where "already exists" is the right answer."""
        with self.measured(operation, "POST", API + path, json=body) as answer:
            return _json(answer, exists and self.prefix + exists)

    def read(self, operation: str, path: str) -> dict[str, Any]:
        with self.measured(operation, "GET", path) as answer:
            return _json(answer)

    @contextmanager
    def measured(self, operation: str, method: str, path: str, **more: Any) -> Iterator[Any]:
        name = self.prefix + operation
        failed = False
        with self.client.request(method, path, name=name, catch_response=True, **more) as answer:
            try:
                yield answer
            except (Failed, KeyError, TypeError, ValueError) as error:
                answer.failure(str(error) if isinstance(error, Failed) else f"unexpected answer: {error!r}")
                failed = True
        if failed:
            raise Failed

    # The five tasks of the setup that this scenario replaces, each of its requests measured.

    def search_experiments(self) -> None:
        self.ask("search_experiments", "/experiments/search", {"max_results": 10})

    def create_experiment(self) -> None:
        name = f"{PLAN['run']}-shared-{self.values.randrange(_SHARED_NAMES)}"
        self.ask("create_experiment", "/experiments/create", {"name": name}, exists="create_existing_experiment")
        self.read("get_experiment_by_name", f"{API}/experiments/get-by-name?experiment_name={quote(name)}")

    def create_run(self) -> None:
        self.new_run()

    def log_metrics_and_params(self) -> None:
        run = self.need_run()
        for _turn in range(10):
            number = self.unique()
            metric = {"run_id": run, "key": "accuracy", "value": self.values.random(), "timestamp": _now()}
            self.ask("log_metric", "/runs/log-metric", metric | {"step": number})
            self.ask("log_param", "/runs/log-parameter", {"run_id": run, "key": f"p{number}", "value": "0.95"})
        self.logged.append("accuracy")

    def register_model(self) -> None:
        run = self.need_run()
        flavors = {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11"}}
        described = {"artifact_path": "model", "flavors": flavors, "run_id": run, "utc_time_created": _utc()}
        self.ask("log_model", "/runs/log-model", {"run_id": run, "model_json": json.dumps(described)})
        name = f"{PLAN['run']}-shared-{self.values.randrange(_SHARED_NAMES)}"
        existing = "create_existing_registered_model"
        self.ask("create_registered_model", "/registered-models/create", {"name": name}, exists=existing)

    # What they leave out.

    def log_batch(self, size: int) -> None:
        run, now = self.need_run(), _now()
        metrics = [
            {"key": f"loss{index % 10}", "value": self.values.random(), "timestamp": now, "step": self.unique()}
            for index in range(size)
        ]
        self.ask(f"log_batch_{size}", "/runs/log-batch", {"run_id": run, "metrics": metrics})
        self.logged.append("loss0")

    def read_run(self) -> None:
        run = self.need_run()
        self.read("get_run", f"{API}/runs/get?run_id={run}")
        if self.logged:
            query = f"run_id={run}&metric_key={self.logged[-1]}&max_results=1000"
            self.read("get_metric_history", f"{API}/metrics/get-history?{query}")

    def search_runs(self) -> None:
        body = {
            "experiment_ids": [self.need_experiment()],
            "filter": f"tags.user = '{self.number}' and metrics.loss0 < 0.9",
            "order_by": ["metrics.loss0 ASC", "attributes.start_time DESC"],
            "max_results": 50,
        }
        self.ask("search_runs", "/runs/search", body)

    def artifact(self, size: str) -> None:
        path = f"{ARTIFACTS}/{self.need_artifacts()}/load-{size}.bin"
        with self.measured(f"put_artifact_{size}", "PUT", path, data=BODIES[size], headers=_OCTETS) as answer:
            _good(answer)
        with self.measured(f"get_artifact_{size}", "GET", path, headers=_PLAIN) as answer:
            _good(answer)
            if answer.content != BODIES[size]:
                raise Failed(f"the artifact came back changed: {len(answer.content)} bytes of {SIZES[size]}")

    def list_artifacts(self) -> None:
        self.read("list_artifacts", f"{API}/artifacts/list?run_id={self.need_run()}")

    def log_trace(self) -> None:
        """As the client does it where OTLP is not served: the record, and the spans as an artifact."""
        identity = f"{self.values.getrandbits(128):032x}"
        trace = f"tr-{identity}"
        info = {
            "trace_id": trace,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": self.need_experiment()},
            },
            "request_time": _utc(),
            "execution_duration": "0.250s",
            "state": "OK",
            "request_preview": '{"question": "?"}',
            "response_preview": '{"answer": "!"}',
            "trace_metadata": {"mlflow.trace_schema.version": "3"},
            "tags": {"mlflow.traceName": "load"},
        }
        body = {"trace": {"trace_info": info}}
        with self.measured("create_trace", "POST", TRACES, json=body) as answer:
            made = _json(answer)["trace"]["trace_info"]
            location = _below(made["tags"]["mlflow.artifactLocation"])
        spans = json.dumps({"spans": [_span(identity, number) for number in range(5)]}).encode()
        if PLAN["artifacts"]:
            path = f"{ARTIFACTS}/{location}/traces.json"
            with self.measured("put_trace_data", "PUT", path, data=spans, headers=_OCTETS) as answer:
                _good(answer)
        self.read("get_trace", f"{TRACES}/{trace}")

    def search_traces(self) -> None:
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.need_experiment()}}
        body = {"locations": [location], "max_results": 20, "order_by": ["timestamp_ms DESC"]}
        with self.measured("search_traces", "POST", f"{TRACES}/search", json=body) as answer:
            _json(answer)

    def read_registry(self) -> None:
        model = self.need_model()
        self.read("search_registered_models", f"{API}/registered-models/search?max_results=20")
        self.read("get_registered_model", f"{API}/registered-models/get?name={quote(model)}")

    def create_model_version(self) -> None:
        model, run = self.need_model(), self.need_run()
        # Where artifacts do not pass through the server, a source of its own is refused; the run says where it is.
        source = f"mlflow-artifacts:/{self.artifacts}/model" if PLAN["artifacts"] else f"runs:/{run}/model"
        body = {"name": model, "source": source, "run_id": run}
        made = self.ask("create_model_version", "/model-versions/create", body)["model_version"]
        query = f"name={quote(model)}&version={made['version']}"
        self.read("get_model_version", f"{API}/model-versions/get?{query}")

    def delete_and_restore_run(self) -> None:
        run = {"run_id": self.need_run()}
        self.ask("delete_run", "/runs/delete", run)
        self.ask("restore_run", "/runs/restore", run)

    def delete_and_restore_experiment(self) -> None:
        if not self.spare_experiment:
            body = {"name": f"{PLAN['run']}-spare-{self.number}"}
            self.spare_experiment = self.ask("create_experiment", "/experiments/create", body)["experiment_id"]
        experiment = {"experiment_id": self.spare_experiment}
        self.ask("delete_experiment", "/experiments/delete", experiment)
        self.ask("restore_experiment", "/experiments/restore", experiment)


# Named as in _engine/load/operations.py.
TASKS: dict[str, Callable[[DataScientist], None]] = {
    "search_experiments": DataScientist.search_experiments,
    "create_experiment": DataScientist.create_experiment,
    "create_run": DataScientist.create_run,
    "log_metrics_and_params": DataScientist.log_metrics_and_params,
    "register_model": DataScientist.register_model,
    "log_batch_10": lambda user: user.log_batch(10),
    "log_batch_100": lambda user: user.log_batch(100),
    "log_batch_500": lambda user: user.log_batch(500),
    "read_run": DataScientist.read_run,
    "search_runs": DataScientist.search_runs,
    "artifact_4k": lambda user: user.artifact("4k"),
    "artifact_1m": lambda user: user.artifact("1m"),
    "artifact_32m": lambda user: user.artifact("32m"),
    "list_artifacts": DataScientist.list_artifacts,
    "log_trace": DataScientist.log_trace,
    "search_traces": DataScientist.search_traces,
    "read_registry": DataScientist.read_registry,
    "create_model_version": DataScientist.create_model_version,
    "delete_and_restore_run": DataScientist.delete_and_restore_run,
    "delete_and_restore_experiment": DataScientist.delete_and_restore_experiment,
}

_OCTETS = {"Content-Type": "application/octet-stream"}
_PLAIN = {"Accept-Encoding": "identity"}


def _one_of_a_fleet(worker: int, number: int) -> dict[str, Any]:
    """By chance. Each process has instances of its own, so that no other has woken them."""
    own = PLAN["targets"][worker :: PLAN["processes"]] or PLAN["targets"]
    return dict(random.Random(f"{PLAN['seed']}:{worker}-{number}:instance").choice(own))  # noqa: S311


def _good(answer: Any) -> None:
    if answer.status_code == 0:  # Locust has the reason, such as a refused connection
        raise Failed(f"no answer: {' '.join(str(answer.error).split())[:160]}")
    if answer.status_code != 200:
        raise Failed(f"{answer.status_code} {_reason(answer)}")


def _json(answer: Any, exists: str = "") -> dict[str, Any]:
    if exists and answer.status_code == 400 and _EXISTS in _reason(answer):
        answer.request_meta["name"] = exists  # another, quicker operation than creating
        answer.success()
        return {}
    _good(answer)
    return dict(json.loads(answer.content))


def _reason(answer: Any) -> str:
    """MLflow's error code with the start of its message; else the start of the answer."""
    try:
        body = json.loads(answer.content)
        return f"{body.get('error_code', '')}: {body.get('message', '')}"[:120]
    except (ValueError, AttributeError, TypeError):
        return " ".join((answer.content or b"")[:120].decode("utf-8", "replace").split())


def _below(uri: str) -> str:
    """The path below the artifact API, of mlflow-artifacts:/1/abc/artifacts or mlflow-artifacts://host:5000/1/..."""
    return quote(urlsplit(uri).path.strip("/"))


def _span(trace: str, number: int) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "trace_id": base64.b64encode(bytes.fromhex(trace)).decode(),
        "span_id": base64.b64encode(number.to_bytes(8, "big")).decode(),
        "parent_span_id": base64.b64encode((0).to_bytes(8, "big")).decode() if number else None,
        "name": f"step {number}",
        "start_time_unix_nano": now,
        "end_time_unix_nano": now + 1_000_000,
        "events": [],
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {"mlflow.traceRequestId": json.dumps(f"tr-{trace}"), "mlflow.spanType": '"CHAIN"'},
    }


def _now() -> int:
    return int(time.time() * 1000)


def _utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{_now() % 1000:03d}Z"


class Pulse:
    """How busy this process is: its share of a core, and how late its own timers are.

    A timer that comes late means that answers were waiting too, and were measured longer than the server took.
    """

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.share = self.lag = 0.0
        self._cpu, self._at, self._worst = time.process_time(), time.monotonic(), 0.0

    def beat(self) -> None:
        while True:
            before = time.monotonic()
            gevent.sleep(_BEAT_SECONDS)
            late = max(time.monotonic() - before - _BEAT_SECONDS, 0.0)
            self.lags.append(late)
            self._worst = max(self._worst, late)

    def read(self) -> dict[str, float]:
        """Since the last reading: C(cpu) as a share of one core, C(lag) the latest timer in seconds."""
        cpu, at = time.process_time(), time.monotonic()
        if at - self._at >= 0.5:
            self.share, self.lag = (cpu - self._cpu) / (at - self._at), self._worst
            self._cpu, self._at, self._worst = cpu, at, 0.0
        return {"cpu": round(self.share, 3), "lag": round(self.lag, 4)}


class Recorder:
    """One line for each second of the test, and the result. Runs where the counters are: not on workers."""

    def __init__(self, environment: Any, pulse: Pulse) -> None:
        self.environment, self.pulse = environment, pulse
        self.workers: dict[str, dict[str, float]] = {}
        self.asked: set[str] = set()
        self.series: list[dict[str, Any]] = []
        self.shown, self.shown_requests = 0.0, 0
        # Of the monotonic clock: a wall clock that is set during the test would make all rates wrong.
        self.began = self.ended = 0.0

    def hear(self, client_id: str, data: dict[str, Any]) -> None:
        """What a worker reports."""
        self.workers[client_id] = data.get("pulse", {"cpu": 0.0, "lag": 0.0})
        self.asked.update(data.get("asked", []))

    def begin(self) -> None:
        self.began = time.monotonic()

    def end(self) -> None:
        self.ended = time.monotonic()

    def watch(self) -> None:
        psutil.cpu_percent()
        while True:
            gevent.sleep(1.0)
            if self.began and not self.ended and self.environment.runner.state != "ready":
                self.note()

    def note(self) -> None:
        runner = self.environment.runner
        total, users = runner.stats.total, runner.user_count
        own = self.pulse.read()
        busiest = list(self.workers.values()) or [own]
        moment = {
            "at": round(time.monotonic() - self.began, 3),
            "users": users,
            "requests": total.num_requests,
            "failures": total.num_failures,
            "p50": total.get_current_response_time_percentile(0.50),
            "p95": total.get_current_response_time_percentile(0.95),
            "client_cpu": max(one["cpu"] for one in busiest),
            "client_lag": max(one["lag"] for one in busiest),
            "machine_cpu": round(psutil.cpu_percent() / 100, 3),
        }
        self.series.append(moment)
        if moment["at"] - self.shown >= PLAN["progress_seconds"] - 0.5:
            rate = (moment["requests"] - self.shown_requests) / max(moment["at"] - self.shown, 0.001)
            self.shown, self.shown_requests = moment["at"], moment["requests"]
            _say(
                f"{moment['at']:5.0f} s  {users:4d} users  {total.num_requests:7d} requests  "
                f"{rate:7.1f}/s  p50 {moment['p50'] or 0:.0f} ms  p95 {moment['p95'] or 0:.0f} ms  "
                f"{total.num_failures} failed"
            )

    def finish(self) -> None:
        stats = self.environment.runner.stats
        result = {
            "locust": _version(),
            "start": stats.total.start_time,
            "seconds": (self.ended or time.monotonic()) - self.began,
            "cores": os.cpu_count() or 1,
            # Not serialize_stats(), which empties the counters before Locust writes its own reports.
            "stats": [_counters(entry) for entry in stats.entries.values() if entry.num_requests],
            "failures": [error.to_dict() for error in stats.errors.values()],
            "exceptions": [
                {"count": one["count"], "message": one["msg"]} for one in self.environment.runner.exceptions.values()
            ],
            "series": self.series,
            # Of a fleet: whom users had.
            "asked": sorted(self.asked | ASKED) if PLAN["fleet"] else [],
            "processes": max(len(self.workers), 1),
        }
        text = json.dumps(result)
        with open(os.path.join(PLAN["folder"], "locust.json"), "w", encoding="utf-8") as file:
            file.write(text)
        if PLAN["print_result"]:  # in a pod, whose log is all that is left of it
            _say(RESULT_PREFIX + base64.b64encode(gzip.compress(text.encode())).decode())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if path := PLAN.get("progress"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def _counters(entry: Any) -> dict[str, Any]:
    return {key: value for key, value in entry.serialize().items() if not key.endswith("_per_sec")}


def _version() -> str:
    import locust

    return str(locust.__version__)


def _newly_asked() -> list[str]:
    """Those that the master was not told yet."""
    new = sorted(ASKED - _TOLD) if PLAN["fleet"] else []
    _TOLD.update(new)
    return new


_TOLD: set[str] = set()


@events.init.add_listener
def _begin(environment: Any, **_rest: Any) -> None:
    # gevent's clock stood still while this file was read; timers that begin now would end too early.
    gevent.get_hub().loop.update_now()
    pulse = Pulse()
    gevent.spawn(pulse.beat)
    if isinstance(environment.runner, WorkerRunner):
        environment.events.report_to_master.add_listener(
            lambda client_id, data: data.update({"pulse": pulse.read(), "asked": _newly_asked()})
        )
        return
    recorder = Recorder(environment, pulse)
    if isinstance(environment.runner, MasterRunner):
        environment.events.worker_report.add_listener(recorder.hear)
    environment.events.test_start.add_listener(lambda **_more: recorder.begin())
    environment.events.test_stop.add_listener(lambda **_more: recorder.end())
    gevent.spawn(recorder.watch)
    environment.events.quitting.add_listener(lambda **_more: recorder.finish())
