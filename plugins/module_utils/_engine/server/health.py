# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Health: timed checks in levels, from "a process answers" to "a foreign Host header is refused".

MLflow's own C(/health) stays 200 when the database is gone. This one looks at the database, the artifact store and
the schema themselves, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import certificates
from ..database import schema as database_schema
from ..errors import BadInput, EngineError, ServerError
from ..http import Client, Server
from .info import fast_store, refuses_artifacts

LEVELS = ("live", "ready", "deep", "full")
# Every check and the level that it belongs to, in the order in which they are tried.
CHECKS = {
    "process": "live",
    "version": "ready",
    "capabilities": "ready",
    "database_read": "ready",
    "database_write": "deep",
    "artifacts": "deep",
    "web_page": "deep",
    "schema": "full",
    "foreign_host": "full",
    # Of a deployment that is operated through its runner, seen from the platform.
    "workload": "ready",
    "published": "ready",
    "certificates": "full",
}
OF_THE_PLATFORM = ("workload", "published", "certificates")
_API = "/api/2.0/mlflow"
_TAG = "mlops.mlflow.health"
_FOREIGN_HOST = "rebinding.invalid"
# What the client says of a login that was refused.
_REFUSED = "wants credentials"


@dataclass(frozen=True)
class Check:
    """Its name, whether it held, the seconds it took, and what was seen."""

    name: str
    ok: bool
    seconds: float
    message: str

    @property
    def refused(self) -> bool:
        """Whether who looked was not let in: that says nothing of the server."""
        return not self.ok and _REFUSED in self.message


@dataclass(frozen=True)
class NotTried:
    """A check that could not be tried, and why. Never counted as passed."""

    name: str
    reason: str


class CannotTry(Exception):
    """A check cannot be tried, for a reason that says nothing about the server's health."""


class _NothingThere(Exception):
    """There is nothing that could be checked."""


@dataclass
class Report:
    """What the checks found.

    :param level: that was asked for. A level is reached only when each of its checks, and of those below, was tried.
    :param password_place: where the password that was used lies, for the verdict.
    :param unseen: nothing could be asked here, such as for want of a library: that says nothing of the server.
    :param attention: what will be wrong unless somebody acts, each a sentence.
    """

    level: str
    checks: list[Check] = field(default_factory=list)
    not_tried: list[NotTried] = field(default_factory=list)
    version: str | None = None
    capabilities: dict[str, Any] = field(default_factory=dict)
    password_place: str = ""
    unseen: bool = False
    attention: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Report:
        """The report whose C(as_dict) came from elsewhere."""
        return cls(
            str(found["requested_level"]),
            [Check(**one) for one in found["checks"]],
            [NotTried(**one) for one in found["not_tried"]],
            found.get("version"),
            dict(found.get("capabilities") or {}),
            attention=list(found.get("attention") or []),  # older images say nothing of it
        )

    def run(self, name: str, check: Callable[[], str], patience: float = 0.0) -> bool:
        """Try one check, which returns what it saw, raises an EngineError, or CannotTry; whether it may have held.

        :param patience: seconds in which it is tried again while it does not hold.
        """
        start = time.monotonic()
        while True:
            try:
                message, ok = check(), True
            except CannotTry as skip:
                self.not_tried.append(NotTried(name, str(skip)))
                return True
            except EngineError as error:
                message, ok = str(error), False
            if ok or time.monotonic() - start >= patience:
                break
            time.sleep(min(1.0, patience))
        self.checks.append(Check(name, ok, round(time.monotonic() - start, 4), message))
        return ok

    def explain(self, name: str, reason: str) -> None:
        """Say besides why a check failed, where somebody else knows that."""
        if reason:
            self.checks = [
                replace(one, message=f"{one.message} {reason}") if one.name == name else one for one in self.checks
            ]

    @property
    def healthy(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def reached(self) -> str:
        """The highest level of which nothing is untried, at most the one asked for; empty for none."""
        untried = {CHECKS.get(skip.name, LEVELS[0]) for skip in self.not_tried}
        first = min((LEVELS.index(level) for level in untried), default=len(LEVELS))
        number = min(first - 1, LEVELS.index(self.level))
        return LEVELS[number] if number >= 0 else ""

    @property
    def verdict(self) -> str:
        failed = [check for check in self.checks if not check.ok]
        if failed:
            reasons = "; ".join(f"{check.name}: {check.message}" for check in failed)
            if all(check.refused for check in failed):
                # Nothing is known to be broken: a password that was changed in MLflow is not known to who asks.
                place = self.password_place or "the file that is read here (mlflow_server_auth_password_file)"
                return (
                    f"not allowed to look at level {self.level}: {reasons} Where the administrator's password was "
                    f"changed in MLflow, put the new one into {place}, and deploy again."
                )
            if self.unseen:
                return f"could not look at level {self.level}: {reasons}"
            return f"unhealthy at level {self.level}: {reasons}"
        ran = f"{len(self.checks)} checks in {sum(check.seconds for check in self.checks):.2f} s"
        ran += "".join(f"; {sentence}" for sentence in self.attention)
        if self.reached == self.level:
            return f"healthy at level {self.level}: {ran}"
        untried = "; ".join(f"{skip.name}: {skip.reason}" for skip in self.not_tried)
        reached = f"healthy at level {self.reached}" if self.reached else "nothing is wrong"
        return f"{reached}, but level {self.level} was not reached: {ran}, and not tried were {untried}"

    def inspect_certificates(self, certificates_of: Callable[[], Mapping[str, str]]) -> None:
        """Whether the certificates of a deployment are good for some time yet. One that ends soon is no fault so far.

        :param certificates_of: reads them, as a runner does.
        """

        def ending() -> str:
            try:
                found = certificates_of()
                ended, soon = certificates.ending(found)
            except EngineError as error:
                self.attention.append(f"could not look at the certificates: {error}")
                raise CannotTry(self.attention[-1]) from error
            if not found:
                raise _NothingThere
            remedy = "renew what was given, and deploy again, which renews those of the deployment's own authority"
            if ended:
                raise ServerError(f"of the certificates {', '.join(ended)}: {remedy}")
            if soon:
                self.attention.append(f"of the certificates {', '.join(soon)}: {remedy}")
            return self.attention[-1] if soon else f"{len(found)} are good for more than 30 days"

        with contextlib.suppress(_NothingThere):
            self.run("certificates", ending)

    def as_dict(self) -> dict[str, Any]:
        return {
            "healthy": self.healthy,
            "verdict": self.verdict,
            "level": self.reached,
            "requested_level": self.level,
            "checks": [asdict(check) for check in self.checks],
            # Not "skipped": Ansible takes a result with that key for a task that was skipped.
            "not_tried": [asdict(skip) for skip in self.not_tried],
            "attention": self.attention,
            "version": self.version,
            "capabilities": self.capabilities,
        }


@dataclass(frozen=True)
class Wanted:
    """Which level to check, and what to compare with.

    :param level: one of LEVELS; each includes the ones before it.
    :param version: fail unless the server runs this version.
    :param database_uri: read the schema revision there (level full).
    """

    level: str = "ready"
    version: str | None = None
    database_uri: str | None = None
    database_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise BadInput(f"level is '{self.level}'; offered are {', '.join(LEVELS)}.")


def of_sleeping(level: str, reason: str) -> Report:
    """The report of a server that nobody is to wake: nothing of it was tried, for that reason."""
    levels = LEVELS[: LEVELS.index(level) + 1]
    untried = [name for name, of in CHECKS.items() if of in levels and name not in OF_THE_PLATFORM]
    return Report(level, not_tried=[NotTried(name, reason) for name in untried])


def check(server: Server, wanted: Wanted) -> Report:
    """Check once. Never raises for an unhealthy server: the report says what failed."""
    checks = _Checks(server, wanted)
    try:
        return checks.run()
    finally:
        checks.client.close()


def wait(
    server: Server,
    wanted: Wanted,
    timeout: float,
    sleep: float,
    progress: Callable[[Report], None] | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> Report:
    """Check until healthy or until C(timeout) seconds have passed; the last report is returned.

    Returns as soon as the server is healthy. A refused password does not get better by waiting, so 401 ends it; nor
    does a server of which C(ended) says that it has.
    """
    end = time.monotonic() + timeout
    while True:
        last = ended()  # asked before checking, so that the report is of what it left behind
        report = check(server, wanted)
        hopeless = any(c.refused or "runs version" in c.message for c in report.checks)
        if report.healthy or hopeless or last or time.monotonic() + sleep >= end:
            return report
        if progress:
            progress(report)
        time.sleep(sleep)


class _Checks:
    """The checks of one server, lowest level first."""

    def __init__(self, server: Server, wanted: Wanted) -> None:
        self.client = Client(server)
        self.wanted = wanted
        self.report = Report(wanted.level)
        self.experiment: dict[str, Any] | None = None

    def run(self) -> Report:
        checks: list[tuple[str, Callable[[], str]]] = [
            ("process", self.process),
            ("version", self.version),
            ("capabilities", self.capabilities),
            ("database_read", self.database_read),
            ("database_write", self.database_write),
            ("artifacts", self.artifacts),
            ("web_page", self.web_page),
            ("schema", self.schema),
            ("foreign_host", self.foreign_host),
        ]
        for name, function in checks:
            if LEVELS.index(CHECKS[name]) > LEVELS.index(self.wanted.level):
                break
            if not self.report.run(name, function) and name == "process":
                break  # nothing answers: the others would only repeat it
        return self.report

    def process(self) -> str:
        self.client.get("/health")
        return f"{self.client.address} answers"

    def version(self) -> str:
        found = self.client.get("/version").body.decode("utf-8", "replace").strip()
        self.report.version = found
        if self.wanted.version and found != self.wanted.version:
            raise ServerError(f"the server runs version {found}, not {self.wanted.version}")
        return found

    def capabilities(self) -> str:
        response = self.client.get("/api/3.0/mlflow/server-info", expect=(200, 404))
        if response.status == 404:
            raise CannotTry("this version has no server-info")
        self.report.capabilities = {**response.json(), **self.stored_keys()}
        on = sorted(name for name, value in self.report.capabilities.items() if value is True)
        return f"{self.report.capabilities.get('store_type')}; {', '.join(on) or 'nothing optional'}"

    def stored_keys(self) -> dict[str, bool]:
        """What is wrong with what MLflow stores encrypted, where it says so (C(standalone/stored_keys.py))."""
        gateway = self.client.get("/ajax-api/3.0/mlflow/gateway/secrets/config", expect=None)
        webhooks = self.client.get(f"{_API}/webhooks", {"max_results": 1}, expect=None)
        known = gateway.status == 200 and gateway.json().get("using_default_passphrase") is True
        found = {"using_default_passphrase": known, "unreadable_webhooks": webhooks.status == 500}
        return {name: value for name, value in found.items() if value}

    def database_read(self) -> str:
        answer = self.client.post(f"{_API}/experiments/search", {"max_results": 1}, safe=True)
        if experiments := answer.json().get("experiments"):
            self.experiment = experiments[0]
        told = "one experiment read" if self.experiment else "read, no experiment yet"
        if not (fast := fast_store(answer)):
            return told
        self.report.capabilities["fast_store"] = fast
        return f"{told}; the fast store is on" if fast == "on" else f"{told}; the fast store {fast}"

    def database_write(self) -> str:
        """Set a tag and take it away again: two real transactions, no row left."""
        if self.experiment is None:
            raise CannotTry("there is no experiment to write a tag to")
        target = {"experiment_id": self.experiment["experiment_id"], "key": _TAG}
        if not self.report.capabilities:  # MLflow 2 cannot take a tag away: one that is always the same does not grow
            self.client.post(f"{_API}/experiments/set-experiment-tag", {**target, "value": "probe"})
            return f"the tag {_TAG} written"
        target["key"] += f".{uuid.uuid4().hex}"
        self.client.post(f"{_API}/experiments/set-experiment-tag", {**target, "value": "probe"})
        self.client.post(f"{_API}/experiments/delete-experiment-tag", target)
        return "a tag written and removed"

    def artifacts(self) -> str:
        """Put, get and delete one small object through the server's artifact proxy."""
        if self.report.capabilities.get("artifact_serving_enabled") is False:
            raise CannotTry("the server does not serve artifacts")
        body = os.urandom(1024)
        path = f"/api/2.0/mlflow-artifacts/artifacts/.{_TAG}-{uuid.uuid4().hex}"
        try:
            self.client.request("PUT", path, body, {"Content-Type": "application/octet-stream"})
        except ServerError as error:
            # MLflow 3.17 says it nowhere else.
            if refuses_artifacts(error.status, str(error)):
                raise CannotTry("the server does not serve artifacts") from error
            raise
        try:
            back = self.client.get(path).body
        finally:
            self.client.request("DELETE", path)
        if hashlib.sha256(back).digest() != hashlib.sha256(body).digest():
            raise ServerError("the artifact store gave back something else than was put into it")
        return "1 KiB put, read back and deleted"

    def web_page(self) -> str:
        """Ask as the server's own web page does: browsers add where it comes from, and MLflow judges that."""
        headers = {"Content-Type": "application/json", "Origin": self.client.origin}
        body = json.dumps({"max_results": 1}).encode()
        self.client.request("POST", f"{_API}/experiments/search", body, headers, safe=True)
        return f"requests from pages of {self.client.origin} are taken"

    def schema(self) -> str:
        if not self.wanted.database_uri:
            raise CannotTry("no database_uri was given")
        found = database_schema.read(self.wanted.database_uri, self.wanted.database_password)
        database_schema.require(found, "the backend store", self.report.version or "of the server")
        if found.state == "empty":
            raise ServerError("the database is empty: the server uses another one, or its tables are gone")
        return f"revision {found.revision}"

    def foreign_host(self) -> str:
        response = self.client.get(
            "/api/3.0/mlflow/server-info", headers={"Host": _FOREIGN_HOST}, anonymous=True, expect=None
        )
        if response.status == 404 and self.report.capabilities:
            return "nobody answers to that name"  # a gateway before the server
        if response.status == 404:
            raise CannotTry("this version has no server-info")
        if response.status != 403:
            raise ServerError(
                f"a request for host {_FOREIGN_HOST} was answered with {response.status} instead of 403: web pages "
                f"could reach this server by DNS rebinding. Set mlflow_server_allowed_hosts."
            )
        return "refused, as it must be"
