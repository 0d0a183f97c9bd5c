# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The functions behind the table of operations in C(protocol.py).

Each imports what it needs when it is called: AnsiballZ finds imports inside functions too, and asking for the version
of a server needs no driver of a database.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import protocol, quantities, secrets
from .errors import BadInput, EngineError, LockHeld
from .http import DEFAULT_URL, Server
from .progress import Say, silent


@dataclass(frozen=True)
class Call:
    """One operation as its function sees it: checked options, and where progress goes."""

    options: Mapping[str, Any]
    check: bool = False
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    reservation: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    say: Say = silent
    id: str = ""
    deadline: float = 0.0

    def text(self, name: str) -> str | None:
        value = self.options.get(name)
        return None if value in (None, "") else str(value)

    def number(self, name: str, default: float) -> float:
        """
        :raises BadInput: it is no number, or negative.
        """
        value = self.options.get(name)
        return quantities.number(default if value in (None, "") else value, name, 0)

    def server(self, timeout: float = 10.0) -> Server:
        """The server that is asked: with the login of the request, else of the options, else of the environment."""
        username = self.login.get("username") or self.text("username") or self.env.get("MLFLOW_TRACKING_USERNAME")
        password = self.login.get("password")
        if password is None and (file := self.text("password_file")):
            password = secrets.read(file, "password_file")
        return Server(
            url=self.text("url") or DEFAULT_URL,
            username=username,
            password=self.env.get("MLFLOW_TRACKING_PASSWORD") if password is None else password,
            token=self.login.get("token") or (None if username else self.env.get("MLFLOW_TRACKING_TOKEN")),
            ca_path=self.text("ca_path"),
            client_cert=self.text("client_cert"),
            client_key=self.text("client_key"),
            validate_certs=bool(self.options.get("validate_certs", True)),
            timeout=self.number("timeout", timeout),
        )

    def database_password(self) -> str | None:
        if file := self.text("database_password_file"):
            return secrets.read(file, "database_password_file")
        return self.env.get("PGPASSWORD")


def run(request: protocol.Request, say: Say = silent, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Carry a request out here, and return what it found.

    :param env: where secrets are that the request does not name, by the names that MLflow and PostgreSQL know.
    :raises EngineError: it cannot be done; nothing is raised for an operation that found something wrong and says so.
    """
    protocol.check_options(request.operation, request.options)
    told = (request.options, request.check, request.login, request.reservation)
    call = Call(*told, env=env or {}, say=say, id=request.id, deadline=request.deadline)
    return _FUNCTIONS[request.operation](call)


@contextlib.contextmanager
def _alone(
    call: Call, operation: str, uri: str, password: str | None, *, wanted: bool = True, shared: bool = False
) -> Iterator[None]:
    """With the lock of the deployment, unless the operation only says what it would do.

    :param shared: whether others of the same kind may work meanwhile.
    :raises LockHeld: another operation has it, or it is reserved for something that this is no part of.
    """
    if not (wanted and uri) or call.check:
        yield
        return
    from .database import lock

    with lock.held(uri, password, operation, shared=shared, reservations=(call.reservation,)):
        yield


def health(call: Call) -> dict[str, Any]:
    from .server import health as checks

    level = call.text("level") or "ready"
    if call.check and checks.LEVELS.index(level) > checks.LEVELS.index("ready"):
        level = "ready"  # the levels above write
    wanted = checks.Wanted(level, call.text("version"), call.text("database_uri"), call.database_password())
    report = checks.wait(call.server(), wanted, call.number("wait_timeout", 0), call.number("wait_sleep", 0.5))
    if any(one.name == "artifacts" and not one.ok for one in report.checks):
        report.explain("artifacts", _why_refused(call))
    return {**report.as_dict(), **({} if report.healthy else {"failed": True, "msg": report.verdict})}


def _why_refused(call: Call) -> str:
    """Why a pod's servers cannot reach their artifacts, where they do by an identity of a cloud; empty elsewhere."""
    from .azure import identity as of_azure
    from .server import trial as attempt
    from .storage import identity

    try:
        launch = attempt.read_launch(str(attempt.LAUNCH))
    except EngineError:
        return ""  # no pod's: what there is to say, the check has said
    where = launch["env"].get("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "")
    return identity.explain(where, call.env) or of_azure.explain(where, call.env)


def info(call: Call) -> dict[str, Any]:
    from .server import info as reading

    return reading.read(call.server(), int(call.number("count_limit", 10000)))


def smoke(call: Call) -> dict[str, Any]:
    from .server import smoke as proof

    if call.check:
        return {"steps": []}
    database = call.text("database_uri")
    return {"steps": proof.run(call.server(timeout=30), database, call.database_password() if database else None)}


def clean_load(call: Call) -> dict[str, Any]:
    from .load import targets

    made = call.text("run")
    if not made:
        raise BadInput("run is empty: say with which name everything begins that the load test made.")
    return {} if call.check else targets.clean_up(call.server(), made).as_dict()


def gc(call: Call) -> dict[str, Any]:
    from .server import gc as removal
    from .server import uploads

    uri = _database_uri(call)
    removal.require_offered(uri)
    older_than = call.text("older_than") or "30d"
    server = call.server(timeout=120)
    password = call.database_password()
    with _alone(call, "gc", uri, password):
        result = removal.run(server, uri, password, older_than, check=call.check, say=call.say)
        if folder := call.text("artifacts"):
            result["uploads"] = uploads.remove(folder, check=call.check)
            result["changed"] = result["changed"] or bool(result["uploads"])
    problems = result.get("problems")
    return {**result, **({"failed": True, "msg": " ".join(problems)} if problems else {})}


def schema(call: Call) -> dict[str, Any]:
    from .database import changes, kinds, reservation, waiting

    uri, auth_uri, grantee = _database_uri(call), call.text("auth_uri"), call.text("grantee")
    password, seconds = call.database_password(), call.number("wait_timeout", 0)
    being_created = bool(call.options.get("being_created"))
    for one in filter(None, (uri, auth_uri)) if seconds or being_created else ():
        waiting.wait_until_reachable(one, password, seconds, call.say, being_created, grantee)
    migrate = bool(call.options.get("migrate"))
    if migrate and not call.check:
        call.say("migrating the databases")
    if not migrate and not call.check and not call.options.get("while_reserved"):
        # Servers are about to be started: not in the midst of an upgrade. The lock would also exclude backups.
        reservation.require(kinds.database(uri, password), call.reservation)
    with _alone(call, "migration", uri, password, wanted=migrate):
        result = changes.ensure(
            uri,
            password,
            grantee=grantee,
            auth_uri=auth_uri,
            admin=call.text("admin_username") or "admin",
            admin_password=_admin_password(call),
            migrate=migrate,
            dry_run=call.check,
        )
    planned, offered = int(call.number("connections", 0)), result["max_connections"]
    if planned and offered is not None and offered < planned:
        raise EngineError(
            f"The database offers {offered} connections, but {planned} were planned with. Set "
            f"mlflow_database_max_connections to {offered}, or raise max_connections of the database."
        )
    return result


def _database_uri(call: Call) -> str:
    uri = call.text("database_uri")
    if not uri:
        raise BadInput("database_uri is empty: say which database it is.")
    return uri


def _admin_password(call: Call) -> str | None:
    file = call.text("admin_password_file")
    if file and not call.check:  # a deployment that is only looked at may not have it yet
        return secrets.read(file, "admin_password_file")
    return call.env.get("MLFLOW_AUTH_ADMIN_PASSWORD")


def schema_info(call: Call) -> dict[str, Any]:
    import importlib.metadata

    from .database import migrations

    found = migrations.inspect(_database_uri(call), call.database_password(), call.text("auth_uri"))
    return {**found, "version": importlib.metadata.version("mlflow")}


def tune(call: Call) -> dict[str, Any]:
    from .database import indexes, kinds

    uri, password = _database_uri(call), call.database_password()
    names = call.options.get("indexes")
    wanted = None if names is None else indexes.check(names)
    with _alone(call, "tuning", uri, password):
        result = kinds.database(uri, password).tune(wanted, dry_run=call.check, say=call.say)
    problems = result["problems"]
    return {**result, **({"failed": True, "msg": " ".join(problems)} if problems else {})}


def bucket(call: Call) -> dict[str, Any]:
    from .storage import bucket as store
    from .storage import identity

    keys = store.Keys(
        endpoint=call.text("endpoint") or call.env.get("MLFLOW_S3_ENDPOINT_URL"),
        region=call.text("region"),
        access_key=_secret(call, "access_key_file"),
        secret_key=_secret(call, "secret_key_file"),
    )
    create, seconds = bool(call.options.get("create")), call.number("wait_timeout", 0)
    try:
        return store.ensure(call.text("uri") or "", keys, create=create, wait_seconds=seconds, check=call.check)
    except store.BucketError as error:
        reason = "" if keys.access_key else identity.refused(call.env)
        raise store.BucketError(f"{error} {reason}".strip()) from error


def _secret(call: Call, option: str) -> str | None:
    file = call.text(option)
    return secrets.read(file, option) if file else None


def trial(call: Call) -> dict[str, Any]:
    from .server import health as checks
    from .server import trial as attempt

    launch = call.options.get("launch") or attempt.read_launch(call.text("launch_file") or "")
    if call.check:
        return {}
    database = call.text("database_uri")
    return attempt.run(
        launch,
        call.text("starter") or attempt.own_starter(),
        # The certificate is for the name under which clients reach it, not for loopback.
        dataclasses.replace(call.server(timeout=30), validate_certs=False),
        checks.Wanted("full", call.text("version"), database, call.database_password() if database else None),
        seconds=call.number("wait_timeout", 120),
        smoke_test=bool(call.options.get("smoke_test", True)),
    )


def experiment(call: Call) -> dict[str, Any]:
    from .server import experiment as client

    script, parameters = call.text("script") or "", call.options.get("parameters") or {}
    if call.check:
        return {}
    return client.run(call.server(), script, parameters, call.say, call.deadline or None)


def _settings(call: Call) -> dict[str, Any]:
    """Of snapshots: what the file C(settings) holds, and before it what the request says."""
    from .snapshot import commands

    given = {name: value for name, value in call.options.items() if value is not None and name != "settings"}
    file = call.text("settings")
    return {**(commands.read(file) if file else {}), **given}


def backup(call: Call) -> dict[str, Any]:
    import os

    from .snapshot import commands, results, throttle

    settings = _settings(call)
    low_priority = bool(settings.pop("low_priority", False))
    pruning = bool(settings.pop("prune", False))
    if low_priority:
        os.nice(throttle.NICENESS)
    try:
        if settings.get("state") == "pruned":
            return _pruned(call, settings)
        if recent := commands.recent(settings):
            return {"changed": False, "snapshot": recent}
        with _alone(call, "backup", *commands.database(settings), shared=True):
            result = commands.create_backup(settings, check=call.check, low_priority=low_priority, say=call.say)
        if pruning and not call.check:
            result |= {**_pruned(call, settings), "changed": True}
    except EngineError as error:
        commands.record_result(settings, {"failed": True, "msg": str(error)})
        if not call.check:
            results.note(settings, "backup", False, call.say)
        raise
    if not call.check:
        commands.record_result(settings, result)
    return result


def _pruned(call: Call, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing while an upgrade is under way: what would be removed may be its way back."""
    from .database import kinds, reservation
    from .snapshot import commands

    uri, password = commands.database(settings)
    try:
        if uri and not call.check:
            reservation.require(kinds.database(uri, password), call.reservation)
    except LockHeld as reserved:
        call.say(f"No snapshot is removed now. {reserved}")
        return {"changed": False}
    return commands.prune_snapshots(settings, check=call.check, say=call.say)


def reserve(call: Call) -> dict[str, Any]:
    from .database import kinds, lock, reservation
    from .snapshot import commands

    settings = _settings(call)
    uri, password = commands.database(settings)
    database, ids = kinds.database(uri, password), (call.reservation, str(settings.get("instead_of") or ""))
    absent = settings.get("state") == "absent"
    before = reservation.read(database)
    ours = before is not None and before.id in filter(None, ids)
    revision = commands.revision(settings)
    if call.check or (absent and not ours):
        held = before.as_dict() if before else {}
        refused = "" if absent else reservation.refusal(database, before, *ids)
        return {"changed": ours or not (absent or refused), "held": held, "revision": revision, "refused": refused}
    after = None
    with lock.held(uri, password, str(settings.get("purpose") or "an operation"), reservations=ids):
        if not absent:
            kept = settings.get("kept") or (before.kept if before else {})
            after = reservation.new(call.reservation, str(settings["purpose"]), str(settings["holder"]), kept, revision)
        database.reserve(after.text() if after else None)
    return {"changed": True, "held": after.as_dict() if after else {}, "revision": revision, "refused": ""}


def backup_info(call: Call) -> dict[str, Any]:
    from .snapshot import commands

    settings = _settings(call)
    verify, percent = str(settings.pop("verify", None) or "none"), settings.pop("sample_percent", 10)
    return commands.describe(settings, verify=verify, sample_percent=percent, say=call.say)


def restore(call: Call) -> dict[str, Any]:
    from .snapshot import commands, results

    settings = _settings(call)
    if settings.pop("databases_only", False):
        settings = {name: value for name, value in settings.items() if not name.startswith("artifacts_")}
    drill = bool(settings.get("drill")) and settings.get("state") != "cleaned"
    try:
        with _alone(call, "restore", *commands.database(settings), wanted=not settings.get("drill")):
            result = commands.restore_snapshot(settings, check=call.check, say=call.say)
    except EngineError:
        if drill and not call.check:
            results.note(settings, "drill", False, call.say)
        raise
    if drill and not call.check:
        results.note(settings, "drill", True, call.say)
    return result


def databases(call: Call) -> dict[str, Any]:
    from .database import tenants

    return tenants.run(call.options, call.env, check=call.check)


def each(call: Call) -> dict[str, Any]:
    from .fleet import each as instances

    def carry_out(request: protocol.Request, env: Mapping[str, str]) -> dict[str, Any]:
        return run(request, call.say, env)

    return instances.run(call.options, call.id, carry_out, call.say, check=call.check)


_FUNCTIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "health": health,
    "info": info,
    "smoke": smoke,
    "clean-load": clean_load,
    "gc": gc,
    "schema": schema,
    "schema-info": schema_info,
    "tune": tune,
    "bucket": bucket,
    "trial": trial,
    "experiment": experiment,
    "databases": databases,
    "each": each,
    "backup": backup,
    "backup-info": backup_info,
    "restore": restore,
    "reserve": reserve,
}
