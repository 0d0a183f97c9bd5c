# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a load test on this machine: inspect, load, clean up, judge, report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput, EngineError
from . import operations, outcome, report, verdict
from .plan import Target, Wanted
from .resources import Watch, Watched
from .targets import Cleaned, clean_up, inspect

# What starting and writing the reports may take beyond the run itself.
_PATIENCE_SECONDS = 120.0
_AT_ONCE = 8


def prepare(wanted: Wanted) -> dict[str, Any]:
    """Inspect every target before anything is started.

    :returns: C(targets) with their versions, and C(without): what they do not have, so that its tasks are left out.
    :raises EngineError: a target cannot be reached or refuses us, or an objective could not be judged there.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = list(pool.map(inspect, wanted.inspected))
    # Instances of a fleet are alike.
    seen = asked * len(wanted.targets) if wanted.fleet else asked
    without = "" if all(one["artifacts"] for one in seen) else operations.ARTIFACTS
    wanted.objectives(without)
    return {
        "targets": [
            {"name": target.name, "url": target.server.url, "version": one["version"]}
            for target, one in zip(wanted.targets, seen, strict=True)
        ],
        "without": without,
        "asked": [target.name for target in wanted.inspected],
    }


def run(
    wanted: Wanted,
    locust: str,
    scenario: str,
    folder: Path,
    servers: list[Watched] | None = None,
    progress_seconds: float = 5.0,
    record: str = "",
) -> dict[str, Any]:
    """Load the targets, clean up, judge, and write the reports into C(folder).

    :param locust: Locust's program. :param scenario: the scenario's file. :param servers: what to watch meanwhile.
    :param record: a file for the sequence of tasks, for tests.
    :returns: the result, whose JSON is the source of every report.
    :raises EngineError: a target was refused, Locust is missing, or it died. What was made was removed then, too.
    """
    check_program(locust, scenario)
    found = prepare(wanted)
    without = found["without"]
    report.begin(folder)
    plan_file = folder / "plan.json"
    plan_file.write_text(json.dumps(wanted.plan(str(folder), without, progress_seconds, record), indent=1))
    watch = Watch(servers or [])
    watch.start()
    cleaned = Cleaned()
    died: EngineError | None = None
    resources: list[dict[str, Any]] = []
    try:
        _locust([locust, *wanted.arguments(scenario, str(folder))], wanted, plan_file, folder)
    except EngineError as error:
        died = error
    finally:
        resources = watch.stop()
        _note(folder, "cleaning up")
        for one in _clean(_touched(wanted, folder), wanted.run):
            cleaned.add(one)
    if died:
        raise EngineError(f"{died} {_cleaned_up(cleaned)}") from died
    raw = outcome.load(folder / "locust.json")
    result = judged(wanted, raw, found, cleaned, resources)
    report.write(result, folder)
    _note(folder, result["verdict"]["text"])
    return result


def would(wanted: Wanted) -> dict[str, Any]:
    """What the module returns in check mode: the targets were inspected, and nothing is started."""
    found = prepare(wanted)
    sent = operations.operations_of(wanted.tasks(found["without"]))
    objectives = wanted.objectives(found["without"])
    text = (
        f"would load {', '.join(target.server.url for target in wanted.targets)} with {wanted.users} users for "
        f"{wanted.seconds:g} s ({len(sent)} operations), and judge {len(objectives)} objectives"
    )
    return {
        "changed": True,
        "verdict": text,
        "run": wanted.run,
        "targets": found["targets"],
        "operations": sent,
        "left_out": _left_out(found),
    }


def returned(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the module returns of a result; the reports hold the rest."""
    said = result["verdict"]
    return {
        # It wrote reports, and left soft-deleted experiments and runs behind.
        "changed": True,
        "passed": said["passed"],
        "verdict": said["text"],
        "reasons": said["reasons"],
        "slos": said["slos"],
        "total": result["total"],
        "client_bottleneck": result["client"]["reasons"],
        "clean_up": result["clean_up"],
        "run": result["run"],
        "targets": result["targets"],
        "operations": [one["name"] for one in result["operations"]],
        "left_out": result["left_out"],
        "reports": {kind: str(folder / name) for kind, name in report.FILES.items()},
    }


def _left_out(found: dict[str, Any]) -> list[str]:
    return [f"tasks that need {found['without']}"] if found["without"] else []


def judged(
    wanted: Wanted,
    raw: dict[str, Any],
    found: dict[str, Any],
    cleaned: Cleaned | None,
    resources: list[dict[str, Any]],
    same_machine: bool = False,
) -> dict[str, Any]:
    """The whole result, from what Locust counted wherever it ran. C(same_machine): that of the servers."""
    result = outcome.read(raw, [target.name for target in wanted.targets])
    result = {**result, **wanted.describe(), "counted_targets": result["targets"], "targets": found["targets"]}
    result["left_out"] = _left_out(found)
    result["servers"] = resources
    result["clean_up"] = cleaned.as_dict() if cleaned else {}
    same_machine = same_machine or all(_is_here(target) for target in wanted.targets)
    processes, cores = result.pop("processes"), result.pop("cores")
    result["client"] = {
        **verdict.bottleneck(result["series"], same_machine, cores, _cores_used(result, resources, processes)),
        "processes": processes,
        "cores": cores,
        "same_machine": same_machine,
    }
    result["verdict"] = verdict.judge(wanted.objectives(found["without"]), result)
    return result


def check_program(locust: str, scenario: str) -> None:
    """:raises BadInput: Locust or the scenario is not there."""
    for what, path in (("Locust", locust), ("The scenario", scenario)):
        if not os.path.isfile(path):
            raise BadInput(f"{what} is not at {path}: run the role mlops.mlflow.locust on this host first.")


def _locust(command: list[str], wanted: Wanted, plan_file: Path, folder: Path) -> None:
    # Locust would take its own LOCUST_* variables for options.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "PYTHON"))}
    secrets = [target.secret(number) for number, target in enumerate(wanted.targets)]
    environment |= {"MLOPS_LOAD_PLAN": str(plan_file), **dict(secret for secret in secrets if secret)}
    patience = wanted.seconds + wanted.stop_seconds + _PATIENCE_SECONDS
    with (folder / "locust.out").open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"Locust did not end within {patience:.0f} s, and was ended. Its log: {folder}."
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0 or not (folder / "locust.json").exists():
        raise EngineError(f"Locust ended with status {code}. The end of its log: {_end_of_log(folder)}")


def _end_of_log(folder: Path) -> str:
    texts = [
        (folder / name).read_text(errors="replace").strip()
        for name in ("locust.out", "locust.log")
        if (folder / name).exists()
    ]
    return " | ".join("\n".join(filter(None, texts)).splitlines()[-8:]) or "it is empty."


def _clean(targets: list[Target], run_name: str) -> list[Cleaned]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda target: clean_up(target.server, run_name), targets))


def _touched(wanted: Wanted, folder: Path) -> list[Target]:
    """Servers in which the test may have made something. Those of a fleet that no user had may sleep on."""
    if not wanted.fleet:
        return wanted.targets
    try:
        names = set(outcome.load(folder / "locust.json")["asked"])
    except (EngineError, KeyError, TypeError):
        return wanted.targets  # Locust died, and did not say
    return [target for target in wanted.targets if target.name in names]


def _cleaned_up(cleaned: Cleaned) -> str:
    return f"What could not be removed: {'; '.join(cleaned.left)}" if cleaned.left else "What it had made was removed."


def _cores_used(result: dict[str, Any], resources: list[dict[str, Any]], processes: int) -> float | None:
    """Cores that Locust and the servers used; None where a server was not measured."""
    if not resources or not all(one["measured"] for one in resources) or not result["series"]:
        return None
    client = sum(moment["client_cpu"] for moment in result["series"]) / len(result["series"]) * processes
    return float(client + sum(one["cpu_seconds"] for one in resources) / result["seconds"])


def _note(folder: Path, text: str) -> None:
    with (folder / "progress.txt").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


def _is_here(target: Target) -> bool:
    return (urlsplit(target.server.url).hostname or "") in ("localhost", "127.0.0.1", "::1")
