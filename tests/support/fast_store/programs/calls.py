"""Sequences of calls of a tracking store: a seed gives the same ones again. Runs in MLflow's interpreter.

Each call is a name and a function of a store. What exists so far is known by what the first store answered.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)

Call = tuple[str, Callable[[Any], Any]]

KEYS = ["a", "b", "loss/train", "mit Leerzeichen", "schlüssel", "键", "🙂", "k" * 250, "mlflow.user"]
BAD_KEYS = ["", None, "k" * 251, "a/../b", "/a", "a\x00b", "\ud800", "a\nb", "a;b"]
TEXTS = ["", "1", "wert", "ünï 🙂", "'; DROP TABLE runs; --", "%s %(run)s %%", "\\", '"{}"', "x" * 500, "NaN", "null"]
BAD_TEXTS = [None, "x" * 6001, "x" * 8001, "a\x00b", "\ud800", 5, True]
VALUES = [0.0, -0.0, 1.5, -3.25, 0.1, 1e308, -1e308, 5e-324, 1e-17, 3, -7, 2**53 + 1]
BAD_VALUES = [float("nan"), float("inf"), float("-inf"), None, "1", True, 10**400]
TIMES = [0, 1, 2, 1700000000000, 2**63 - 1]
BAD_TIMES = [-1, 2**63, None, 1.5, "1"]
STEPS = [0, 1, 2, -5, 2**63 - 1, -(2**63)]
NOT_THERE = ["f" * 32, "", "x", "a b", "\x00", "0" * 33]
IDS = ["0"] * 8 + ["1", "2", "3", "99999"]
BAD_IDS = ["", "007", "abc", None, "-1", str(2**31), "1.0", 0, " 1"]
FILTERS = [
    "",
    None,
    "metrics.a > 0",
    "metrics.a != 1.5",
    "metrics.`loss/train` <= 1e308",
    "params.a = '1'",
    "params.b LIKE '%1%'",
    "params.a ILIKE 'WERT'",
    "tags.a = 'wert'",
    "tags.`mlflow.user` != 'u'",
    "tags.b IS NULL",
    "params.a IS NOT NULL",
    "attributes.status = 'RUNNING'",
    "status != 'FINISHED'",
    "attributes.start_time > 1",
    "start_time <= 1700000000000",
    "run_name = 'name'",
    "run_name LIKE 'n%'",
    "attributes.run_id IN ('x', 'y')",
    "user_id = 'u'",
    "artifact_uri LIKE 's3%'",
    "metrics.a > 0 AND params.a = '1'",
    "metrics.a > 0 AND metrics.b < 5 AND tags.a = '1'",
    "dataset.name = 'data'",
    "end_time > 0",
    "tags.a = '%s %(run)s %%'",
    "params.`schlüssel` = 'ünï 🙂'",
    "metrics.`键` = 3",
    "nonsense",
    "metrics.a = 'x'",
    "tags.a > '1'",
    'run_name = "it\'s"',
]
ORDERS: list[list[str]] = [
    [],
    ["attributes.start_time DESC"],
    ["start_time ASC"],
    ["metrics.a DESC"],
    ["metrics.a"],
    ["params.a ASC", "metrics.b"],
    ["tags.a DESC"],
    ["run_name"],
    ["attributes.status", "start_time DESC"],
    ["end_time DESC"],
    ["metrics.a", "metrics.a"],
    ["nonsense.x"],
    ["run_id DESC"],
    ["user_id"],
]
EXPERIMENT_FILTERS = [
    "",
    None,
    "name = 'Default'",
    "name LIKE 'e%'",
    "name ILIKE 'E%'",
    "tags.a = 'wert'",
    "tags.a IS NULL",
    "name != 'x'",
    "creation_time > 0",
    "experiment_id IN ('0', '1')",
    "tags.a = 'wert' AND name LIKE '%'",
    "nonsense",
    "last_update_time < 5",
]
EXPERIMENT_ORDERS: list[list[str]] = [
    [],
    ["name"],
    ["name DESC"],
    ["experiment_id"],
    ["creation_time DESC"],
    ["last_update_time"],
    ["nonsense"],
]
VIEWS = [ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL]
LOCATIONS = [
    None,
    "s3://bucket/path",
    "s3://bucket",
    "s3://bucket/path/",
    "s3://b/p?x=1",
    "s3://b/p#f",
    "s3://b/a;b/c",
    "S3://B/p",
    "/data/artifacts",
    "/data/my files",
    "mlflow-artifacts:/x",
    "file:///data/x",
    "s3://b/a//b",
    "s3://b/%20",
    "gs://b/ü",
    "hdfs://host:8020/x",
    "wasbs://c@a.blob.core.windows.net/p",
]


class Calls:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._runs: list[str] = []
        self._token: Any = None

    def heard(self, name: str, answer: Any) -> None:
        """What a call answered, which later calls use."""
        if name == "create_run" and hasattr(answer, "info"):
            self._runs = [*self._runs[-20:], answer.info.run_id]
        if name.startswith("search") or name == "get_metric_history":
            self._token = getattr(answer, "token", None)

    def next(self) -> Call:
        kinds = (
            [self._log_metric] * 6 + [self._log_param] * 3 + [self._set_tag] * 3 + [self._log_batch] * 5
            + [self._create_run] * 4 + [self._update_run] * 2 + [self._get_run] * 3 + [self._search_runs] * 5
            + [self._experiment] * 3 + [self._search_experiments] * 2 + [self._history] * 2 + [self._others] * 3
        )  # fmt: skip
        return self._one(kinds)()

    def _one(self, of: list[Any]) -> Any:
        return self._random.choice(of)

    def _mostly(self, good: list[Any], bad: list[Any], often: float = 0.95) -> Any:
        return self._one(good if self._random.random() < often else bad)

    def _run(self) -> Any:
        return self._mostly(self._runs or NOT_THERE, NOT_THERE)

    def _experiment_id(self) -> Any:
        return self._mostly(IDS, BAD_IDS)

    def _metric(self) -> Any:
        model = None if self._random.random() < 0.97 else "m-" + "0" * 32
        value = self._mostly(VALUES, BAD_VALUES, 0.85)
        time, step = self._mostly(TIMES, BAD_TIMES, 0.97), self._mostly(STEPS, [None, 2**63, 0.5], 0.98)
        return Metric(self._mostly(KEYS, BAD_KEYS, 0.97), value, time, step, model_id=model)

    def _pair(self, kind: Any, named: bool = False) -> Any:
        key = "mlflow.runName" if named and self._random.random() < 0.05 else self._mostly(KEYS, BAD_KEYS, 0.97)
        return kind(key, self._mostly(TEXTS, BAD_TEXTS, 0.96))

    def _some(self, of: Callable[[], Any], most: int) -> list[Any]:
        return [of() for _ in range(self._random.choice([0, 0, 1, 2, most]))]

    def _log_metric(self) -> Call:
        run, metric = self._run(), self._metric()
        return "log_metric", lambda store: store.log_metric(run, metric)

    def _log_param(self) -> Call:
        run, param = self._run(), self._pair(Param)
        return "log_param", lambda store: store.log_param(run, param)

    def _set_tag(self) -> Call:
        run, tag = self._run(), self._pair(RunTag, named=True)
        return "set_tag", lambda store: store.set_tag(run, tag)

    def _log_batch(self) -> Call:
        run = self._run()
        metrics = self._some(self._metric, self._one([5, 5, 5, 5, 1001]))
        params = self._some(lambda: self._pair(Param), self._one([4, 4, 4, 4, 101]))
        tags = self._some(lambda: self._pair(RunTag, named=self._random.random() < 0.2), 4)
        if self._random.random() < 0.7:
            params = list({param.key: param for param in params}.values())
        return "log_batch", lambda store: store.log_batch(run, metrics, params, tags)

    def _create_run(self) -> Call:
        experiment, user = self._experiment_id(), self._mostly(["u", "ü", ""], [None, "u" * 257])
        start, name = (
            self._mostly(TIMES, [None, -1, 2**63]),
            self._mostly(["name", "", None, "n 🙂", "it's"], ["n" * 251]),
        )
        tags = self._some(lambda: self._pair(RunTag, named=True), 3)
        return "create_run", lambda store: store.create_run(experiment, user, start, tags, name)

    def _update_run(self) -> Call:
        run, status = self._run(), self._mostly([1, 2, 3, 4, 5, None], [77, "x"])
        end, name = self._mostly([*TIMES, None], [2**63, "x"]), self._one([None, "", "new", "näme", "n" * 251, "\x00"])
        status = RunStatus.FINISHED if status == 3 else status
        return "update_run_info", lambda store: store.update_run_info(run, status, end, name)

    def _get_run(self) -> Call:
        run = self._run()
        return "get_run", lambda store: store.get_run(run)

    def _search_runs(self) -> Call:
        experiments = self._one([["0"], ["0"], ["1"], ["0", "1", "2"], [], [self._experiment_id()]])
        text, view, order = self._one(FILTERS), self._one(VIEWS), self._one(ORDERS)
        most = self._mostly([1, 2, 5, 100], [0, -1, 50001, None])
        token = self._mostly([None, self._token], ["nonsense", "e30=", "eyJvZmZzZXQiOiAtMX0="])
        return "search_runs", lambda store: store.search_runs(experiments, text, view, most, order, token)

    def _experiment(self) -> Call:
        if self._random.random() < 0.7:
            experiment = self._experiment_id()
            return "get_experiment", lambda store: store.get_experiment(experiment)
        name = self._mostly(["Default", "e1", "e2", "é"], ["", None, "\x00", 5])
        return "get_experiment_by_name", lambda store: store.get_experiment_by_name(name)

    def _search_experiments(self) -> Call:
        view, most = self._one(VIEWS), self._mostly([1, 3, 1000], [0, None, 50001])
        text, order = self._one(EXPERIMENT_FILTERS), self._one(EXPERIMENT_ORDERS)
        token = self._mostly([None, self._token], ["nonsense"])
        return "search_experiments", lambda store: store.search_experiments(view, most, text, order, token)

    def _history(self) -> Call:
        run, key = self._run(), self._mostly(KEYS, BAD_KEYS)
        most, token = self._mostly([None, 1, 2, 100], [0, -1]), self._mostly([None, self._token], ["nonsense"])
        return "get_metric_history", lambda store: store.get_metric_history(run, key, most, token)

    def _others(self) -> Call:
        """What only MLflow's own methods do, and what changes how the others go."""
        run, experiment, name = self._run(), self._one(IDS[8:]), self._one(["e1", "e2", "é", "e" * 100])
        location, tag = self._one(LOCATIONS), self._pair(ExperimentTag)
        key = self._one(KEYS)
        data = DatasetInput(Dataset("data", "digest", "local", "source"), [InputTag("mlflow.data.context", "train")])
        others: list[Call] = [
            ("delete_run", lambda store: store.delete_run(run)),
            ("restore_run", lambda store: store.restore_run(run)),
            ("restore_run", lambda store: store.restore_run(run)),
            ("delete_experiment", lambda store: store.delete_experiment(experiment)),
            ("restore_experiment", lambda store: store.restore_experiment(experiment)),
            ("restore_experiment", lambda store: store.restore_experiment(experiment)),
            ("rename_experiment", lambda store: store.rename_experiment(experiment, name)),
            ("create_experiment", lambda store: store.create_experiment(name, location, [tag])),
            ("create_experiment", lambda store: store.create_experiment(name, location)),
            ("set_experiment_tag", lambda store: store.set_experiment_tag(experiment, tag)),
            ("delete_tag", lambda store: store.delete_tag(run, key)),
            ("log_inputs", lambda store: store.log_inputs(run, [data])),
            ("log_outputs", lambda store: store.log_outputs(run, [LoggedModelOutput("m-" + "1" * 32, 0)])),
        ]
        return others[self._random.randrange(len(others))]
