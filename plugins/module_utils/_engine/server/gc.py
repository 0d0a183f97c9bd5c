# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removing for good what users deleted: MLflow's own gc does it, between two inspections that say what it really did.

MLflow's gc ends well although a store refused to delete files, stops at the first error, and creates tables in an
empty database. So the database is read before and after, and where files were is looked at through the server.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import progress
from ..database import kinds, schema
from ..errors import BadInput, SchemaError, ServerError, one_line
from ..http import Client, Server
from . import smoke

_AGE = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_UNITS = (86_400_000, 3_600_000, 60_000, 1_000)
_NEVER = 2**62  # what has no time of deletion, as from very old versions, is never old enough
_NAMED = 5  # ids in a message
# Run with the server's interpreter: what MLflow's gc does for each, of its private functions, and nothing else.
_REMOVE = """
import json, sys
import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking._tracking_service.utils import _get_store

told = json.load(sys.stdin)
mlflow.set_tracking_uri(told["server"])
store = _get_store(told["database"], None)
remove = {
    "runs": store._hard_delete_run,
    "logged_models": store._hard_delete_logged_model,
    "experiments": store._hard_delete_experiment,
}
refused, held = [], set()
for kind in remove:
    for what, one, experiment, uri in told["things"]:
        if what != kind:
            continue
        try:
            if kind != "experiments":
                get_artifact_repository(uri).delete_artifacts()
            elif one in held:
                raise RuntimeError("something in it could not be removed")
            remove[kind](one)
        except Exception as error:
            held.add(experiment)
            # The reason stands at the end of long ones.
            text = " ".join(str(error).split())
            text = text if len(text) < 320 else f"{text[:150]} … {text[-150:]}"
            refused.append([kind, one, uri, f"{type(error).__name__}: {text}"])
print(json.dumps(refused))
"""

# What MLflow's gc takes, in its own words. Runs and models of an experiment go with it, whatever their own age.
_OLD = {
    "experiments": f"lifecycle_stage = 'deleted' AND coalesce(last_update_time, {_NEVER}) < {{moment}}",
    "runs": f"lifecycle_stage = 'deleted' AND coalesce(deleted_time, {_NEVER}) <= {{moment}}",
    "logged_models": f"lifecycle_stage = 'deleted' AND coalesce(last_updated_timestamp_ms, {_NEVER}) <= {{moment}}",
}
_WITH = f"experiment_id IN (SELECT experiment_id FROM experiments WHERE {_OLD['experiments']})"  # noqa: S608
_COLUMNS = {
    "experiments": "experiment_id, name, experiment_id, artifact_location",
    "runs": "run_uuid, name, experiment_id, artifact_uri",
    "logged_models": "model_id, name, experiment_id, artifact_location",
}
_OF_RUNS = f"run_uuid IN (SELECT run_uuid FROM runs WHERE {_OLD['runs']} OR {_WITH})"  # noqa: S608
_ROWS = {"metrics": _OF_RUNS, "params": _OF_RUNS, "tags": _OF_RUNS, "trace_info": _WITH}


@dataclass(frozen=True)
class Thing:
    """An experiment, run or logged model that gc takes. C(own): for its own age, not only with its experiment."""

    kind: str
    id: str
    name: str
    experiment_id: str
    uri: str
    own: bool

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": self.id, "name": self.name, "experiment_id": self.experiment_id}


@dataclass(frozen=True)
class Candidates:
    """What is old enough (C(things), C(rows) per table), and how much was deleted later (C(waiting))."""

    things: list[Thing]
    rows: dict[str, int]
    waiting: dict[str, int]
    model_versions: list[str]


@dataclass
class Report:
    """What gc did. C(left): files that it should have removed; C(orphaned): files that it does not look for."""

    before: Candidates
    after: Candidates
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)


def require_offered(database_uri: str) -> None:
    """
    :raises BadInput: MLflow's gc cannot work on the database.
    """
    if adapter := kinds.kind_of(kinds.parse(database_uri)).adapter:
        raise BadInput(
            f"MLflow's gc does not know {adapter.name}, so nothing was removed: what was deleted stays in the database "
            f"and in the artifact store."
        )


def run(
    server: Server,
    database_uri: str,
    password: str | None,
    older_than: str,
    *,
    check: bool,
    say: progress.Say = progress.silent,
) -> dict[str, Any]:
    """Remove what was deleted longer ago than C(older_than), or only C(check) what that would be.

    :returns: what the module C(mlflow_gc) returns; C(problems) has what went wrong.
    :raises EngineError: nothing was removed, because something stands in the way.
    """
    moment = int(time.time() * 1000) - milliseconds(older_than)
    found = schema.read(database_uri, password)
    schema.require(found, "the backend store", "in this environment")
    if found.state == "empty":
        raise SchemaError("The backend store has no tables of MLflow, so there is nothing to remove: is its URI right?")
    before = gather(database_uri, password, moment)
    result = {
        "changed": bool(before.things),
        "before": before.rows,
        "waiting": before.waiting,
        "items": [thing.as_dict() for thing in before.things],
        "model_versions": before.model_versions,
    }
    if before.things:
        _require_same_database(server, database_uri, password, before.things[0].experiment_id)
    if check:
        return result
    report = Report(before, before)
    if before.things:
        report = _collect(server, database_uri, password, older_than, moment, before, say)
    return {
        **result,
        "changed": report.after.rows != before.rows,
        "after": report.after.rows,
        "left": report.left,
        "orphaned": report.orphaned,
        "problems": report.problems,
        "seconds": report.seconds,
    }


def milliseconds(age: str) -> int:
    """An age as MLflow writes it: C(30d), C(1d12h), C(0s).

    :raises BadInput: it is none.
    """
    match = _AGE.fullmatch(age.strip())
    if not match or not any(match.groups()):
        raise BadInput(f"older_than is '{age}'; it must be an age such as 30d, 12h or 1d12h.")
    return int(sum(float(text) * unit for text, unit in zip(match.groups(), _UNITS, strict=True) if text))


def gather(database_uri: str, password: str | None, moment: int) -> Candidates:
    """Read what was deleted until a moment (milliseconds since 1970) and is still there. Changes nothing."""
    with kinds.database(database_uri, password, "database_uri").ask() as ask:
        things, waiting = [], {}
        for kind, columns in _COLUMNS.items():
            old, goes = (text.format(moment=moment) for text in (_OLD[kind], f"({_OLD[kind]}) OR {_WITH}"))
            rows = ask(f"SELECT {columns}, CASE WHEN {old} THEN 1 ELSE 0 END FROM {kind} WHERE {goes}")  # noqa: S608
            things += [Thing(kind, str(i), n or "", str(e), uri or "", bool(own)) for i, n, e, uri, own in rows]
            younger = f"SELECT count(*) FROM {kind} WHERE lifecycle_stage = 'deleted' AND NOT ({goes})"  # noqa: S608
            waiting[kind] = ask(younger)[0][0]
        counts = {kind: sum(thing.kind == kind for thing in things) for kind in _COLUMNS}
        for table, which in _ROWS.items():
            statement = f"SELECT count(*) FROM {table} WHERE {which.format(moment=moment)}"  # noqa: S608
            counts[table.replace("trace_info", "traces")] = ask(statement)[0][0]
        versions = ask(
            "SELECT name, version, source, storage_location FROM model_versions "
            "WHERE current_stage <> 'Deleted_Internal'"
        )
    return Candidates(things, counts, waiting, broken_versions(things, versions))


def broken_versions(things: Iterable[Thing], versions: Iterable[tuple[Any, ...]]) -> list[str]:
    """Registered model versions whose files go: MLflow's gc does not ask for them."""
    going = [thing for thing in things if thing.own and thing.kind != "experiments"]
    ids, places = {thing.id for thing in going}, {thing.uri.rstrip("/") for thing in going if thing.uri}
    found = []
    for name, version, *sources in versions:
        for source in filter(None, sources):
            named = re.match(r"(?:runs|models):/([^/]+)", source)
            steps = source.split("/")
            if (named and named[1] in ids) or any("/".join(steps[:end]) in places for end in range(1, len(steps) + 1)):
                found.append(f"{name} version {version}")
                break
    return found


def _collect(
    server: Server,
    database_uri: str,
    password: str | None,
    older_than: str,
    moment: int,
    before: Candidates,
    say: progress.Say,
) -> Report:
    began = time.monotonic()
    failure = _mlflow_gc(server, database_uri, password, older_than, len(before.things), say)
    after = gather(database_uri, password, moment)
    refused: list[str] = []
    if failure and after.things:
        refused = _one_by_one(server, database_uri, password, after.things, say)
        after = gather(database_uri, password, moment)
    still = {(thing.kind, thing.id) for thing in after.things}
    gone = [thing for thing in before.things if (thing.kind, thing.id) not in still]
    report = Report(before, after)
    if refused:
        report.problems.append(
            f"{len(refused)} could not be removed, and were left as they are: {'; '.join(refused[:_NAMED])}. "
            f"{_summary(before, after)}. Fix that and run it again: what is left is taken up then."
        )
    elif failure and after.things:
        report.problems.append(
            f"MLflow's gc failed: {failure}. {_summary(before, after)}. Fix that and run it again: what is left is "
            f"taken up then."
        )
    elif after.things:
        report.problems.append(f"MLflow's gc ended without an error, but {_summary(before, after)}. Run it again.")
    _check_files(server, gone, report, say)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _summary(before: Candidates, after: Candidates) -> str:
    """How many of each kind are gone, and some of those that are not."""
    counts = ", ".join(
        f"{before.rows[kind] - after.rows[kind]} of {before.rows[kind]} {kind.replace('_', ' ')}"
        for kind in _COLUMNS
        if before.rows[kind]
    )
    return f"removed were {counts}" + (
        f"; still there: {progress.listed([thing.id for thing in after.things], _NAMED)}" if after.things else ""
    )


def _mlflow_gc(
    server: Server, database_uri: str, password: str | None, older_than: str, count: int, say: progress.Say
) -> str:
    """Run it; returns what it failed with, or nothing. Its passwords are in its environment only."""
    environment = _environment(server, password)
    command = [sys.executable, "-P", "-m", "mlflow", "gc", f"--older-than={older_than}"]
    command += [f"--backend-store-uri={database_uri}", f"--tracking-uri={server.url}"]
    now, done = progress.Now(say), 0
    say(f"MLflow's gc removes {count} experiments, runs and logged models")
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            for line in process.stdout or ():
                done += "permanently deleted" in line
                now(partial("Removed {} of {}".format, done, count))
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        errors.seek(0)
        return cause(errors.read()) if process.returncode else ""


def _one_by_one(
    server: Server, database_uri: str, password: str | None, things: list[Thing], say: progress.Say
) -> list[str]:
    """Remove each by itself, as MLflow's gc does it: that ends with the first of which a store refuses the files.

    :returns: those that could not be removed, each with the reason. An experiment stays with what it holds.
    """
    say(f"One by one, because MLflow's gc stopped: {len(things)}")
    told = {
        "database": database_uri,
        "server": server.url,
        "things": [[thing.kind, thing.id, thing.experiment_id, thing.uri] for thing in things],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", _REMOVE],
        input=json.dumps(told),
        env=_environment(server, password),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return [cause(done.stderr)]
    refused = json.loads(done.stdout.splitlines()[-1])
    return [f"{kind[:-1].replace('_', ' ')} {one} ({uri}): {why}" for kind, one, uri, why in refused]


def _environment(server: Server, password: str | None) -> dict[str, str]:
    wanted = {**server.environment(), "PGPASSWORD": password}
    return {name: value for name, value in {**os.environ, **wanted}.items() if value is not None}


def cause(errors: str) -> str:
    """What a Python program died of: its last exception, without the way there."""
    lines = [line for line in errors.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (")]
    ending = lines[starts[-1] + 1 :] if starts else lines[-3:]
    while starts and ending and ending[0].startswith(" "):
        ending = ending[1:]
    return one_line(" ".join(ending), 600).rstrip(".") or "it said nothing"


def _require_same_database(server: Server, database_uri: str, password: str | None, experiment_id: str) -> None:
    """Rows would go from one deployment, and files be looked for in another.

    :raises ServerError: the server cannot be reached, or does not know an experiment of this database.
    """
    with kinds.database(database_uri, password, "database_uri").ask() as ask:
        statement = f"SELECT name, creation_time FROM experiments WHERE experiment_id = {int(experiment_id)}"  # noqa: S608
        known = ask(statement)[0]
    client = Client(server)
    try:
        answer = client.get(
            "/api/2.0/mlflow/experiments/get", {"experiment_id": experiment_id}, expect=(200, 404)
        ).json()
    finally:
        client.close()
    told = answer.get("experiment", {})
    if (told.get("name"), str(told.get("creation_time"))) != (known[0], str(known[1])):
        raise ServerError(
            f"The server at {server.url} does not serve this database: experiment {experiment_id}, {known[0]}, is "
            f"another one there. Nothing was removed. Give the URL and the database of the same deployment."
        )


def _check_files(server: Server, gone: list[Thing], report: Report, say: progress.Say) -> None:
    """Whether the files of what is gone from the database are gone too, asked where gc deleted them."""
    now, unknown = progress.Now(say), []
    with smoke.client_environment(server):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        for number, thing in enumerate(gone):
            now(partial("Looked for the files of {} of {}".format, number, len(gone)))
            if not thing.uri:
                continue
            # Traces go with their experiment, their files do not. Empty folders stay behind, and do no harm.
            folder = "traces" if thing.kind == "experiments" else None
            try:
                there = bool(get_artifact_repository(thing.uri, tracking_uri=server.url).list_artifacts(folder))
            except Exception as error:  # of whatever library the store uses
                unknown.append(f"{thing.uri}: {one_line(error, 200)}")
                continue
            if there:
                expected = thing.own and not folder
                (report.left if expected else report.orphaned).append(f"{thing.uri}/{folder}" if folder else thing.uri)
    if report.left:
        report.problems.append(
            f"{len(report.left)} of {len(gone)} were removed from the database, but their files are still there: "
            f"{progress.listed(report.left, _NAMED)}. The artifact store did not delete them, and no later gc looks "
            f"for them: see why (rights, locks, retention), and remove them there by hand"
        )
    if unknown:
        report.problems.append(
            f"Whether the files of {len(unknown)} removed ones are gone could not be seen: {unknown[0]}"
        )
