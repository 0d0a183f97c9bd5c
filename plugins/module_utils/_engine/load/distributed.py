# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test from beside the servers: Locust's master and workers are containers there, followed and judged from here.

What differs between a cluster and a Docker Engine is a C(Place).
"""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import BadInput, EngineError
from ..http import Server
from . import operations, report
from .plan import Target, Wanted, wanted
from .resources import Watch
from .run import judged
from .targets import Cleaned

# As in the scenario.
_RESULT = "mlops-load: "
_PROGRESS = re.compile(r"\s*\d+ s +\d+ users ")
_POLL_SECONDS = 2.0
_LONGEST_RESULT = 64 << 20
# Where the containers find the scenario, and what the master writes.
MOUNT = "/etc/mlops-load"
FOLDER = "/tmp"  # noqa: S108
PASSWORD = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105


@dataclass(frozen=True)
class Master:
    """Locust's master as it is now. C(lines): all that it has said."""

    lines: Sequence[str]
    started: bool
    ended: bool


# An operation, its options and its deadline in seconds; what it found.
Operate = Callable[[str, Mapping[str, Any], float], dict[str, Any]]


class Place(Protocol):
    """Where the servers and Locust run. C(same_machine): whether they share one."""

    same_machine: bool

    @property
    def operate(self) -> Operate:
        """Carries out operations there."""

    def master(self) -> Master:
        """:raises EngineError: it can never start."""

    def watch(self) -> Watch:
        """What measures the servers meanwhile."""

    def warnings(self) -> str:
        """What there is to say about a master that does not start."""


def plan(
    settings: Mapping[str, Any],
    url: str,
    username: str,
    allowed: bool,
    capabilities: Mapping[str, Any],
    password_file: str = "",
    validate_certs: bool = True,
    ca_path: str = "",
) -> dict[str, Any]:
    """What the containers of a load test are given: C(plan), C(master) and C(worker) (arguments), C(run).

    :param capabilities: what the server says of itself; what it does not have is left out.
    :param password_file: where the containers find the password; without one it is in their environment.
    :param ca_path: where they find whom to trust; empty for public authorities.
    :raises BadInput: it was not allowed, or cannot work. Nothing has been created then.
    """
    asked = _wanted(settings, url, allowed, username, validate_certs, ca_path)
    without = _without(capabilities)
    asked.objectives(without)
    text = asked.plan(FOLDER, without, progress_seconds=float(settings.get("progress_interval") or 5))
    for target in text["targets"]:
        target["password_file"] = password_file or None
        target["password_env"] = PASSWORD if username and not password_file else None
    text |= {"print_result": True, "progress": ""}
    scenario = f"{MOUNT}/mlflow_scenario.py"
    own = [one for one in asked.arguments(scenario, "") if not one.startswith("--processes=")]
    workers = asked.processes
    return {
        "run": asked.run,
        "plan": json.dumps(text, indent=1),
        "master": [*own, "--master", f"--expect-workers={workers}", "--expect-workers-max-wait=300"],
        "worker": [f"--locustfile={scenario}", "--worker"],
        "workers": workers,
    }


def follow(
    place: Place, settings: Mapping[str, Any], url: str, folder: Path, start_seconds: float = 300.0
) -> dict[str, Any]:
    """Follow master and workers to their end, clean up, judge, and write the reports here.

    :param settings: those of plan(), with its C(run).
    :raises EngineError: Locust cannot start or died, or the time is over. What was made was removed then, too.
    """
    asked = _wanted(settings, url, True)
    report.begin(folder)
    progress = folder / "progress.txt"
    info = place.operate("info", {"count_limit": 0}, 60)
    seen = {"name": asked.targets[0].name, "url": url, "version": info.get("version", "")}
    found = {"targets": [seen], "without": _without(info.get("capabilities") or {})}
    watch = place.watch()
    watch.start()
    died: EngineError | None = None
    raw: dict[str, Any] = {}
    try:
        raw = _result(place, progress, asked.seconds + asked.stop_seconds + start_seconds + 60, start_seconds)
    except EngineError as error:
        died = error
    # A database that is elsewhere is not missed.
    resources = [one for one in watch.stop() if one["measured"] or one["name"] != "database"]
    _say(progress, "cleaning up")
    cleaned = _clean_up(place, asked.run)
    if died:
        left = f"What could not be removed: {'; '.join(cleaned.left)}" if cleaned.left else "What it made was removed."
        raise EngineError(f"{died} {left}") from died
    (folder / "locust.json").write_text(json.dumps(raw))
    result = judged(asked, raw, found, cleaned, resources, place.same_machine)
    report.write(result, folder)
    _say(progress, result["verdict"]["text"])
    return result


def returned(result: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the modules return of it."""
    return {
        "changed": True,
        "passed": result["verdict"]["passed"],
        "verdict": result["verdict"]["text"],
        "reasons": result["verdict"]["reasons"],
        "total": result["total"],
        "clean_up": result["clean_up"],
        "reports": {kind: str(folder / name) for kind, name in report.FILES.items()},
    }


def _clean_up(place: Place, run: str) -> Cleaned:
    """Remove what the load test made, from beside the servers. What goes wrong is named in C(left)."""
    try:
        found = place.operate("clean-load", {"run": run, "timeout": 60}, 900)
    except EngineError as error:
        return Cleaned(left=[str(error)])
    if found.get("failed"):
        return Cleaned(left=[str(found.get("msg"))])
    return Cleaned(**{key: value for key, value in found.items() if key in Cleaned.__dataclass_fields__})


def _wanted(
    settings: Mapping[str, Any],
    url: str,
    allowed: bool,
    username: str = "",
    validate_certs: bool = True,
    ca_path: str = "",
) -> Wanted:
    if not url:
        raise BadInput("There is no server: its connection has no uri.")
    password = "where the containers find it" if username else None  # its value stays there
    server = Server(
        url, username=username or None, password=password, ca_path=ca_path or None, validate_certs=validate_certs
    )
    target = Target(str(url.split("//")[-1]), server, allowed)
    return wanted({key: value for key, value in settings.items() if key != "progress_interval"}, [target])


def _without(capabilities: Mapping[str, Any]) -> str:
    return "" if capabilities.get("artifact_serving_enabled", True) else operations.ARTIFACTS


def _result(place: Place, progress: Path, patience: float, start_seconds: float) -> dict[str, Any]:
    """What the master counted, from its log; its other lines become the progress."""
    begin = time.monotonic()
    shown, started = 0, False
    while True:
        master = place.master()
        started = started or master.started
        for line in master.lines[shown:]:
            if line.startswith(_RESULT):
                return _unpack(line)
            if _PROGRESS.match(line):
                _say(progress, line, stamp=False)
        shown = max(len(master.lines), shown)
        seconds = time.monotonic() - begin
        if started and master.ended:
            raise EngineError(f"Locust's master ended without a result: {' | '.join(master.lines[-8:]) or 'no log'}")
        if not started and (master.ended or seconds > start_seconds):
            raise EngineError(f"Locust's master did not start within {start_seconds:.0f} s. {place.warnings()}")
        if seconds > patience:
            raise EngineError(f"The load test did not end within {patience:.0f} s.")
        time.sleep(_POLL_SECONDS)


def _unpack(line: str) -> dict[str, Any]:
    """
    :raises EngineError: it is no result, or unpacks to more than any. The image that said it is somebody's.
    """
    packed = zlib.decompressobj(wbits=31)  # as gzip has it
    try:
        text = packed.decompress(base64.b64decode(line.removeprefix(_RESULT)), _LONGEST_RESULT)
        if not packed.eof:
            raise ValueError("it ends too early, or is too long")
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise EngineError(f"The result in the master's log is cut off, or none: {error}.") from error


def _say(progress: Path, line: str, stamp: bool = True) -> None:
    with progress.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')}  {line}\n" if stamp else f"{line}\n")
