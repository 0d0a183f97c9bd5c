# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Smoke run: what a data scientist does on the first day, done with the real MLflow client, then cleaned up."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..database import kinds
from ..errors import EngineError, MissingLibrary, ServerError, one_line
from ..http import Server, directly


@dataclass(frozen=True)
class Step:
    """One step: its name, the seconds it took, and what was seen."""

    name: str
    seconds: float
    message: str


def run(server: Server, database_uri: str | None = None, password: str | None = None) -> list[dict[str, Any]]:
    """Log an experiment with a run, metrics, a trace, an artifact and a model version; read it back; remove it.

    :param database_uri: of the server's own database. With it nothing is left there; the API alone can only mark the
        experiment and its run as deleted, and a gc removes them for good.
    :raises ServerError: a step failed; the message names it.
    """
    with client_environment(server, {"PGPASSWORD": password} if password else {}):
        return [asdict(step) for step in _Smoke(server, database_uri).steps()]


class _Smoke:
    def __init__(self, server: Server, database_uri: str | None = None) -> None:
        try:
            import mlflow
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingLibrary("mlflow", "do a smoke run with the real client") from error
        self.mlflow = mlflow
        self.url, self.database_uri = server.url, database_uri
        self.client = MlflowClient(server.url, registry_uri=server.url)
        self.name = f"mlops-smoke-{uuid.uuid4().hex[:12]}"
        self.experiment_id = ""
        self.run_id = ""
        self.trace_id = ""

    def steps(self) -> list[Step]:
        done: list[Step] = []
        plan: list[tuple[str, Callable[[], str]]] = [
            ("experiment", self.experiment),
            ("run", self.run),
            ("log_batch", self.log_batch),
            ("trace", self.trace),
            ("artifact", self.artifact),
            ("registry", self.registry),
            ("search", self.search),
        ]
        try:
            for name, action in plan:
                done.append(self.step(name, action))
        finally:
            # Cleaning up after a failure must not hide the failure.
            with contextlib.suppress(Exception) if len(done) < len(plan) else contextlib.nullcontext():
                done.append(self.step("clean_up", self.clean_up))
        return done

    def step(self, name: str, action: Callable[[], str]) -> Step:
        start = time.monotonic()
        try:
            message = action()
        except EngineError:
            raise
        except Exception as error:
            raise ServerError(f"Smoke run, step {name}: {type(error).__name__}: {one_line(error)}") from error
        return Step(name, round(time.monotonic() - start, 4), message)

    def experiment(self) -> str:
        self.experiment_id = self.client.create_experiment(self.name)
        return self.name

    def run(self) -> str:
        self.run_id = self.client.create_run(self.experiment_id, run_name="smoke").info.run_id
        self.client.log_param(self.run_id, "learning_rate", 0.01)
        self.client.log_metric(self.run_id, "loss", 0.5, step=1)
        return self.run_id

    def log_batch(self) -> str:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric("loss", 1 / step, now, step) for step in range(2, 102)]
        self.client.log_batch(self.run_id, metrics, [Param("depth", "3")], [RunTag("purpose", "smoke")])
        seen = len(self.client.get_metric_history(self.run_id, "loss"))
        _expect(seen == 101, f"101 points of the metric loss were logged, {seen} came back")
        run = self.client.get_run(self.run_id)
        _expect(run.data.params == {"learning_rate": "0.01", "depth": "3"}, f"params came back as {run.data.params}")
        return "100 metrics, a param and a tag in one call"

    def trace(self) -> str:
        root = self.client.start_trace("smoke", inputs={"question": "?"}, experiment_id=self.experiment_id)
        self.client.end_trace(root.trace_id, outputs={"answer": "!"})
        self.trace_id = root.trace_id
        self.mlflow.flush_trace_async_logging()
        found = _eventually(lambda: self.client.get_trace(self.trace_id))
        _expect(len(found.data.spans) == 1, f"the trace has {len(found.data.spans)} spans instead of 1")
        return self.trace_id

    def artifact(self) -> str:
        body = os.urandom(256 * 1024)
        digest = hashlib.sha256(body).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "weights.bin").write_bytes(body)
            self.client.log_artifact(self.run_id, str(Path(folder, "weights.bin")), "model")
            back = Path(self.client.download_artifacts(self.run_id, "model/weights.bin", folder))
            _expect(
                hashlib.sha256(back.read_bytes()).hexdigest() == digest, "the artifact came back with another SHA-256"
            )
        return f"256 KiB up and down, SHA-256 {digest[:12]}"

    def registry(self) -> str:
        self.client.create_registered_model(self.name)
        source = self.client.get_run(self.run_id).info.artifact_uri + "/model"
        version = self.client.create_model_version(self.name, source, self.run_id).version
        self.client.set_registered_model_alias(self.name, "champion", version)
        seen = self.client.get_model_version_by_alias(self.name, "champion").version
        _expect(str(seen) == str(version), f"the alias champion points to version {seen}, not {version}")
        return f"version {version}, alias champion"

    def search(self) -> str:
        found = self.client.search_runs([self.experiment_id], "params.depth = '3' and metrics.loss < 0.2")
        _expect([run.info.run_id for run in found] == [self.run_id], f"the search found {len(found)} runs instead of 1")
        return "found by param and metric"

    def clean_up(self) -> str:
        with contextlib.suppress(Exception):
            self.client.delete_registered_model(self.name)
        if self.trace_id:
            self._remove_files_of_trace()
            self.client.delete_traces(self.experiment_id, trace_ids=[self.trace_id])
        if self.run_id:
            self._remove_files(self.client.get_run(self.run_id).info.artifact_uri)
            self.client.delete_run(self.run_id)
        if self.experiment_id:
            self.client.delete_experiment(self.experiment_id)
        return self._purge() if self.database_uri and self.experiment_id else "removed; its rows go with the next gc"

    def _purge(self) -> str:
        """Remove the rows of this run, and no others: by its ids, where the database knows them under its name."""
        from mlflow.tracking._tracking_service.utils import _get_store

        try:
            # With a folder for artifacts, as of itself, the store would make that here.
            database = kinds.database(str(self.database_uri))
            store = _get_store(database.for_mlflow(), "mlflow-artifacts:/")
            known = store.get_experiment(self.experiment_id).name
            _expect(known == self.name, f"the server has another database: experiment {self.experiment_id} is {known}")
            if self.run_id:
                store._hard_delete_run(self.run_id)
            store._hard_delete_experiment(self.experiment_id)
        except Exception as error:  # the server is proven all the same
            return f"removed; its rows go with the next gc ({type(error).__name__}: {one_line(error, 200)})"
        return "removed, its rows too"

    def _remove_files_of_trace(self) -> None:
        """Deleting a trace leaves its spans in the artifact store, and gc does not look for them."""
        if location := self.client.get_trace(self.trace_id).info.tags.get("mlflow.artifactLocation"):
            self._remove_files(location)

    def _remove_files(self, uri: str) -> None:
        from mlflow.artifacts import get_artifact_repository

        with contextlib.suppress(Exception):  # not every store can delete
            get_artifact_repository(uri).delete_artifacts()


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ServerError(f"Smoke run: {otherwise}.")


def _eventually(action: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Retry until the action gives something: traces are stored a moment after they end."""
    end = time.monotonic() + seconds
    while True:
        try:
            if (value := action()) is not None and value.data.spans:
                return value
        except Exception:
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            raise ServerError(f"Smoke run: the trace did not appear within {seconds:g} s.")
        time.sleep(0.1)


def client_variables(server: Server) -> dict[str, str | None]:
    """What tells a client how to ask the server; None of what it must not have.

    Whatever else asks a server goes through no proxy, and nor does the client: containers get those of the engine's
    configuration, pods those of whoever runs the cluster.
    """
    progress = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    return {**server.environment(), **directly(urlsplit(server.url).hostname or ""), **progress}


@contextlib.contextmanager
def client_environment(server: Server, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """The client takes credentials and TLS options from the environment only; put it back as it was."""
    wanted = {**client_variables(server), **(more or {})}
    before = {name: os.environ.get(name) for name in wanted}
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
