# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a load test shall do, checked once before anything starts, and the plan that the scenario reads."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..errors import BadInput
from ..http import Server
from ..quantities import number, whole
from . import operations, verdict
from .outcome import SEPARATOR

# Names of all that a load test makes begin so; clean_up() finds it by that.
NAME_PREFIX = "mlops-load-"
# With more targets, counters for each would be more than a person or a report can hold.
_MOST_NAMED_TARGETS = 20


@dataclass(frozen=True)
class Target:
    """One server to load. C(secret_env) is where Locust's environment will have the password or token.

    :param awake: whether it answers without being woken, where servers may sleep.
    """

    name: str
    server: Server
    allowed: bool = False
    password_file: str | None = None
    awake: bool = False

    def secret(self, number: int) -> tuple[str, str] | None:
        """Name and value of the variable that hands a secret without a file to Locust."""
        value = None if self.password_file else self.server.password or self.server.token
        return (f"MLOPS_LOAD_SECRET_{number}", value) if value else None


@dataclass(frozen=True)
class Wanted:
    """A load test as it was asked for.

    :param users: concurrent users. :param spawn_rate: users that start each second. :param seconds: how long.
    :param wait: seconds between two tasks of a user, from and to; None takes the workload's.
    :param weights: changed weights of tasks. :param slos: see verdict.parse(); None takes the default.
    :param processes: Locust processes; each can use one core.
    :param fleet: the targets are instances of a fleet, alike and maybe asleep: each user has one of them by chance, and
        the first request to one that sleeps is the operation C(wake). Only one of them is inspected before.
    """

    targets: list[Target]
    users: int = 10
    spawn_rate: float = 5.0
    seconds: float = 60.0
    workload: str = "mixed"
    weights: Mapping[str, Any] = field(default_factory=dict)
    wait: tuple[float, float] | None = None
    slos: Mapping[str, Any] | None = None
    seed: int = 1
    processes: int = 1
    stop_seconds: float = 30.0
    timeout: float = 60.0
    title: str = "Load test"
    fleet: bool = False
    run: str = field(default_factory=lambda: NAME_PREFIX + uuid.uuid4().hex[:10])

    def __post_init__(self) -> None:
        for name, value, least in (
            ("users", self.users, 1),
            ("processes", self.processes, 1),
            ("run_time", self.seconds, 1),
            ("spawn_rate", self.spawn_rate, 0.01),
            ("stop_timeout", self.stop_seconds, 0),
        ):
            if not value >= least:
                raise BadInput(f"{name} is {value:g}; it must be at least {least:g}.")
        if self.users < self.processes:
            raise BadInput(f"users is {self.users}, and processes {self.processes}: each process needs a user.")
        if self.wait and not 0 <= self.wait[0] <= self.wait[1]:
            raise BadInput(
                f"The wait is from {self.wait[0]:g} s to {self.wait[1]:g} s; it must not be negative or end first."
            )
        if not self.targets:
            raise BadInput("There is no target: give the url of a server, or a list of targets.")
        if self.fleet and self.processes > len(self.targets):
            raise BadInput(
                f"processes is {self.processes}, and the fleet has {len(self.targets)} instances to load: each process "
                f"wakes instances of its own."
            )
        names = [target.name for target in self.targets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadInput(f"Targets need different names; given more than once: {', '.join(twice)}.")
        for target in self.targets:
            if SEPARATOR in target.name or not target.name.strip():
                raise BadInput(f"'{target.name}' is no name for a target: it is empty, or holds '{SEPARATOR}'.")
        if strangers := [target.name for target in self.targets if not target.allowed]:
            raise BadInput(
                f"A load test was not allowed on {', '.join(strangers)}: it writes a lot, and slows the server for "
                f"everybody. Set mlflow_load_test_allowed: true in the inventory of a server that may be loaded."
            )
        self.tasks()
        self.objectives()

    @property
    def waits(self) -> tuple[float, float]:
        return self.wait or operations.WAITS[self.workload]

    @property
    def labelled(self) -> bool:
        """Whether counters are kept for each target."""
        return 1 < len(self.targets) <= _MOST_NAMED_TARGETS

    @property
    def inspected(self) -> list[Target]:
        """What is asked before anything is started. Of a fleet one instance, awake if there is one, so that none of the
        others is woken; they have the same image."""
        if not self.fleet:
            return self.targets
        return [next((target for target in self.targets if target.awake), self.targets[0])]

    def _awake(self) -> list[str]:
        """Of a fleet, who answers without being woken when users come: whoever is inspected was woken before."""
        inspected = self.inspected
        return [one.name for one in self.targets if self.fleet and (one.awake or one in inspected)]

    def tasks(self, without: str = "") -> dict[str, float]:
        """Weights of what is done; C(without) leaves out the tasks that need something the targets do not have."""
        chosen = operations.weights(self.workload, self.weights)
        return {
            name: weight for name, weight in chosen.items() if not without or operations.TASKS[name].needs != without
        }

    def objectives(self, without: str = "") -> list[verdict.Objective]:
        sent = operations.operations_of(self.tasks(without))
        return verdict.parse(self.slos, [operations.WAKE, *sent] if self.fleet else sent)

    def plan(self, folder: str, without: str = "", progress_seconds: float = 5.0, record: str = "") -> dict[str, Any]:
        """What the scenario reads. Holds no secret, only where each is."""
        return {
            "run": self.run,
            "seed": self.seed,
            "wait": list(self.waits),
            "weights": self.tasks(without),
            "timeout": self.timeout,
            "targets": [_place(target, number) for number, target in enumerate(self.targets)],
            "fleet": self.fleet,
            "awake": self._awake(),
            "processes": self.processes,
            "label_targets": self.labelled,
            "separator": SEPARATOR,
            "artifacts": without != operations.ARTIFACTS,
            "folder": folder,
            "progress": f"{folder}/progress.txt" if folder else "",
            "progress_seconds": progress_seconds,
            "print_result": False,
            "record": record,
        }

    def arguments(self, scenario: str, folder: str) -> list[str]:
        """Locust's arguments. No secret is among them."""
        arguments = [
            f"--locustfile={scenario}",
            "--headless",
            "--only-summary",
            f"--users={self.users}",
            f"--spawn-rate={self.spawn_rate:g}",
            f"--run-time={max(round(self.seconds), 1)}s",
            f"--stop-timeout={max(round(self.stop_seconds), 0)}",
            "--exit-code-on-error=0",
        ]
        if folder:
            arguments += [
                f"--csv={folder}/locust",
                f"--html={folder}/locust.html",
                f"--logfile={folder}/locust.log",
            ]
        return [*arguments, f"--processes={self.processes}"] if self.processes > 1 else arguments

    def describe(self) -> dict[str, Any]:
        """What was asked for, as a report shows it."""
        return {
            "title": self.title,
            "run": self.run,
            "users": self.users,
            "spawn_rate": self.spawn_rate,
            "run_time": self.seconds,
            "wait": list(self.waits),
            "workload": self.workload,
            "seed": self.seed,
            "targets": [{"name": target.name, "url": target.server.url} for target in self.targets],
        }


# What a setting is called in Ansible: its name here, and as what it is read.
_NUMBERS: dict[str, tuple[str, type]] = {
    "users": ("users", int),
    "spawn_rate": ("spawn_rate", float),
    "run_time": ("seconds", float),
    "seed": ("seed", int),
    "processes": ("processes", int),
    "request_timeout": ("timeout", float),
    "stop_timeout": ("stop_seconds", float),
}


def wanted(settings: Mapping[str, Any], targets: list[Target]) -> Wanted:
    """Read settings as Ansible has them: numbers may be texts, and what is empty takes the default.

    :raises BadInput: a setting that is no number, is unknown, or cannot work.
    """
    found: dict[str, Any] = {"targets": targets}
    texts = ("workload", "weights", "slos", "title", "run")
    if unknown := sorted(set(settings) - set(_NUMBERS) - set(texts) - {"wait_min", "wait_max", "fleet"}):
        raise BadInput(f"A load test has no such setting: {', '.join(unknown)}.")
    for name, (field_name, kind) in _NUMBERS.items():
        if settings.get(name) not in (None, ""):
            found[field_name] = _number(name, settings[name], kind)
    found |= {name: settings[name] for name in texts if settings.get(name) not in (None, "")}
    found["fleet"] = bool(settings.get("fleet"))
    wait = [settings.get(name) for name in ("wait_min", "wait_max")]
    if any(value not in (None, "") for value in wait):
        found["wait"] = tuple(
            _number(name, value, float) for name, value in zip(("wait_min", "wait_max"), wait, strict=True)
        )
    return Wanted(**found)


def _number(name: str, value: Any, kind: type) -> Any:
    return whole(value, name) if kind is int else number(value, name)


def _place(target: Target, number: int) -> dict[str, Any]:
    server = target.server
    secret = target.secret(number)
    parts = urlsplit(server.url.rstrip("/"))
    return {
        "name": target.name,
        "url": urlunsplit(parts._replace(netloc=server.gateway or parts.netloc)),
        "host": parts.netloc if server.gateway else "",
        "username": server.username,
        "password_file": target.password_file,
        "password_env": secret[0] if secret and server.username else None,
        "token_env": secret[0] if secret and server.token else None,
        "validate_certs": server.validate_certs,
        "ca_path": server.ca_path,
    }
