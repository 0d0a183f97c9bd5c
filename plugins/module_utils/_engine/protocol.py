# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said between who starts an operation and C(mlflow-ops), which carries it out.

A request is ONE line of JSON. The result is one line behind PREFIX that repeats the request's id; every other line is
log, whatever it looks like. Below the platforms, which carry requests, and below the command line, which answers: so
the table of operations holds data only, and C(operations.py) binds the functions.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import BadInput, EngineError
from .progress import Say
from .quantities import number, whole

PREFIX = "mlflow-ops: "
# Of a line that says how one of several instances fared, before the result of all.
PART_PREFIX = "mlflow-ops-part: "
# The number of the protocol, and the interface of the old flags. An image whose major number is another is refused.
VERSION = 2
INTERFACE = "2.0"
# The one before had flags instead of requests.
SERVED = (1, VERSION)
LONGEST_REQUEST = 1 << 20

# Options of every operation that asks a server.
_SERVER = frozenset(
    {"url", "username", "password_file", "ca_path", "client_cert", "client_key", "validate_certs", "timeout"}
)
_DATABASE = frozenset({"database_uri", "database_password_file"})


class Ended(BaseException):
    """An operation was told to end, or its time is over. No check may take it for a finding: not an Exception."""


# Where snapshots are kept, what they are of, and what else the operations on them take.
DESTINATION = frozenset(
    {"destination", "endpoint", "region", "access_key_file", "secret_key_file", "encryption", "kms_key", "account"}
) | {"account_key_file"}
_DATA = frozenset(
    {"name", "database_uri", "auth_uri", "database_password_file", "secrets", "pg_bindir", "jobs", "scratch_dir"}
) | {
    f"artifacts_{name}"
    for name in ("uri", "endpoint", "region", "access_key_file", "secret_key_file", "account", "account_key_file")
}
_SNAPSHOT = DESTINATION | _DATA | {"settings", "result_file"}
_BACKUP = frozenset({"version", "reread", "max_hours", "keep_days", "keep_count", "prune", "low_priority", "state"}) | {
    "min_age_hours"
}
_BACKUP_INFO = frozenset({"snapshot", "verify", "sample_percent", "max_age_hours"})
_RESTORE = frozenset(
    {"snapshot", "drill", "grantee", "keep_replaced", "replaced", "databases_only", "journal_dir", "state"}
)
_SCHEMA = frozenset({"database_uri", "database_password_file", "auth_uri"})
_CREATION = frozenset(
    {"grantee", "admin_username", "admin_password_file", "migrate", "connections", "being_created", "wait_timeout"}
    | {"while_reserved"}
)
_BUCKET = frozenset({"uri", "create", "wait_timeout", "endpoint", "region", "access_key_file", "secret_key_file"})
_TENANT = frozenset({"server_uri", "database_uri", "owner_uri", "auth_uri", "admin_username", "fleet", "state"})
_EACH = frozenset({"operation", "names", "mark", "options", "env", "secrets"})
_RESERVE = frozenset({"purpose", "holder", "kept", "instead_of", "state"})
_TRIAL = frozenset({"launch", "launch_file", "starter", "version", "wait_timeout", "smoke_test"})
_SMOKE = "an experiment and a model, which it removes again"
# What a file with settings may hold: it serves all of them.
SETTINGS = (_SNAPSHOT | _BACKUP | _BACKUP_INFO | _RESTORE) - {"settings"}


@dataclass(frozen=True)
class Operation:
    """What is to be known of an operation before it runs.

    :param identity: whose secrets and rights it has: C(ops), C(schema), C(backup), C(trial),
        C(experiment) or C(databases); C(each) has that of what it carries out.
    :param options: names that it takes.
    :param long: whether it can take longer than people wait without a word.
    :param changes: what it changes, in words; empty for nothing.
    :param replaces: whether it writes where the servers' data is.
    """

    identity: str
    options: frozenset[str]
    long: bool = False
    changes: str = ""
    replaces: bool = False


OPERATIONS: dict[str, Operation] = {
    "health": Operation("ops", _SERVER | _DATABASE | {"level", "version", "wait_timeout", "wait_sleep"}),
    "info": Operation("ops", _SERVER | {"count_limit"}),
    "smoke": Operation("ops", _SERVER | _DATABASE, changes=_SMOKE),
    "clean-load": Operation("ops", _SERVER | {"run"}, changes="what a load test made and left"),
    "backup": Operation("backup", _SNAPSHOT | _BACKUP, long=True, changes="adds a snapshot, and removes old ones"),
    "backup-info": Operation("backup", _SNAPSHOT | _BACKUP_INFO, long=True),
    "restore": Operation(
        "backup", _SNAPSHOT | _RESTORE, long=True, changes="the data of the deployment", replaces=True
    ),
    "reserve": Operation("backup", _SNAPSHOT | _RESERVE, changes="who may change the data of the deployment"),
    "schema": Operation("schema", _SCHEMA | _CREATION, long=True, changes="the schema of the databases"),
    "schema-info": Operation("schema", _SCHEMA),
    "tune": Operation("schema", _DATABASE | {"indexes"}, long=True, changes="indexes, statistics and dead rows"),
    "bucket": Operation("ops", _BUCKET, changes="an object that it removes again, and a bucket that is missing"),
    "trial": Operation("trial", _SERVER | _DATABASE | _TRIAL, long=True, changes=_SMOKE),
    "experiment": Operation("experiment", _SERVER | {"script", "parameters"}, long=True, changes="what a script does"),
    "databases": Operation("databases", _TENANT, changes="databases and roles in a server that others share"),
    "each": Operation("fleet", _EACH, long=True, changes="what the operation that it carries out does"),
    "gc": Operation("ops", _SERVER | _DATABASE | {"older_than", "artifacts"}, long=True, changes="what users deleted"),
}


@dataclass(frozen=True)
class Request:
    """One operation, asked for.

    :param options: what the operation takes; no secrets, only where they lie.
    :param check: whether it only says what it would do.
    :param deadline: seconds after which it ends itself; 0 for never.
    :param login: C(username), C(password) or C(token), where nothing beside the server holds them. Never shown.
    :param reservation: id of the reservation as part of which it is asked for; see C(database/reservation.py).
    """

    operation: str
    options: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    deadline: float = 0.0
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    reservation: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def line(self) -> str:
        """As it travels. Holds the login, so it goes to standard input or a file of the operator only."""
        said = {"protocol": VERSION, "id": self.id, "operation": self.operation, "options": dict(self.options)}
        said |= {"check": self.check, "deadline": self.deadline, "reservation": self.reservation}
        return json.dumps({**said, **({"login": dict(self.login)} if self.login else {})}) + "\n"

    @classmethod
    def parse(cls, line: str) -> Request:
        """
        :raises BadInput: it is no request, of a protocol that is not served, or has an operation or options that nobody
            knows.
        """
        try:
            said = json.loads(line)
            version = whole(said["protocol"], "protocol")
            request = cls(
                operation=str(said["operation"]),
                options=dict(said.get("options") or {}),
                check=said.get("check") is True,
                deadline=number(said.get("deadline") or 0, "deadline", 0),
                login={str(name): str(value) for name, value in dict(said.get("login") or {}).items()},
                reservation=str(said.get("reservation") or ""),
                id=str(said["id"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(
                f"The request is not one line of JSON as the protocol has it: {type(error).__name__}."
            ) from None
        if version not in SERVED:
            raise BadInput(f"The request is of protocol {version}; this image serves {', '.join(map(str, SERVED))}.")
        check_options(request.operation, request.options)
        return request


class Runner(Protocol):
    """Where operations run: on a host, alongside the servers on compose, in the cluster."""

    def require(self) -> None:
        """That there is a deployment, before anything of this host is read for it.

        :raises NotDeployed: there is none.
        """

    def run(self, request: Request, say: Say) -> dict[str, Any]:
        """Carry the request out there.

        :returns: what the operation found; C(failed) and C(msg) where it found something wrong.
        :raises EngineError: it could not be run, or did not end in time; then nothing of it runs any more.
        """

    def asleep(self) -> str:
        """Why no server runs, where one comes with the next request; empty where servers are to run."""

    def workload(self) -> str:
        """What the platform shows of the deployment.

        :raises EngineError: what does not run as it should, and why.
        """

    def published(self) -> str:
        """Where clients find the deployment.

        :raises EngineError: they do not find it there.
        """

    def certificates(self) -> Mapping[str, str]:
        """The certificates that clients see, and those of the deployment's own authority and of what that signed, as
        PEM by where each is; {} where there are none.

        :raises EngineError: they cannot be read.
        """

    def serving(self) -> str:
        """A fingerprint of what serves: of what servers are started with, their version and their secrets. Empty where
        nothing is deployed."""

    def proven(self) -> str:
        """The fingerprint that was noted last; empty for none."""

    def note_proven(self, fingerprint: str) -> None:
        """Note what was proven; an empty one forgets it."""


def id_of(line: str) -> str:
    """The id of a request, also of one that nobody understands; empty where there is none."""
    try:
        return str(json.loads(line)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def check_options(operation: str, options: Mapping[str, Any]) -> None:
    """
    :raises BadInput: there is no such operation, or it does not take one of the options.
    """
    if operation not in OPERATIONS:
        raise BadInput(
            f"There is no operation '{operation}'. Known are {', '.join(sorted(OPERATIONS))}. An image that lacks one "
            f"is built anew with the playbook images of this collection."
        )
    if unknown := sorted(set(options) - OPERATIONS[operation].options):
        raise BadInput(f"The operation {operation} has no option {', '.join(unknown)}.")


def result_line(result: Mapping[str, Any], request_id: str = "") -> str:
    """The line that says how an operation ended."""
    return PREFIX + json.dumps({"interface": INTERFACE, "id": request_id, **result}) + "\n"


def part_line(name: str, part: Mapping[str, Any], request_id: str) -> str:
    """The line that says how one instance fared."""
    return PART_PREFIX + json.dumps({"id": request_id, "name": name, **part})


def part_of(line: str, request_id: str) -> tuple[str, dict[str, Any]] | None:
    """The name of an instance and how it fared; None where the line is log."""
    if not line.startswith(PART_PREFIX):
        return None
    try:
        part: dict[str, Any] = json.loads(line.removeprefix(PART_PREFIX))
        answered, name = part.pop("id"), str(part.pop("name"))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return (name, part) if answered == request_id else None


def result_of(log: str, request_id: str = "") -> dict[str, Any]:
    """The result in what an operation printed.

    :param request_id: of the request that was made; a line with another is log.
    :raises EngineError: there is none, because the command died (the end of the log is in the message); or the image
        is another generation's.
    """
    for line in reversed(log.splitlines()):
        if line.startswith(PREFIX):
            try:
                found: dict[str, Any] = json.loads(line.removeprefix(PREFIX))
                interface, answered = found.pop("interface", "none"), found.pop("id", "")
            except (ValueError, AttributeError, TypeError, RecursionError):
                continue  # cut off, or another stream wrote into it
            ours = str(interface).partition(".")[0] == INTERFACE.partition(".")[0]
            if ours and request_id and answered != request_id:
                continue  # log, whoever wrote it
            if not ours:
                raise EngineError(
                    f"The image's mlflow-ops speaks interface {interface}, this collection {INTERFACE}: build the "
                    f"image anew with the playbook images of this collection."
                )
            return found
    if "invalid choice: 'run'" in log:
        raise EngineError(
            f"The image's mlflow-ops knows no requests, this collection speaks interface {INTERFACE}: build the image "
            f"anew with the playbook images of this collection."
        )
    end = " | ".join(log.strip().splitlines()[-5:])
    raise EngineError(f"mlflow-ops ended without a result. The end of its log: {end or 'it is empty'}")
