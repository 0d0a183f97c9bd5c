# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(mlflow-ops): the engine's entry point for containers, alongside the Ansible modules.

The last line on stdout is the JSON that the module of the same name returns, behind PREFIX, because pod logs merge
stdout and stderr; in a pod it also becomes the container's termination message. Secrets come from the environment
(C(PGPASSWORD), C(MLFLOW_TRACKING_PASSWORD)) or from files (C(PGPASSWORD_FILE)), never from arguments.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import deadline, operations, progress, protocol, secrets
from .database import revisions, waiting
from .errors import BadInput, EngineError
from .http import ask_directly
from .server import health, trial
from .standalone import starter

_BEING_CREATED = "wait also for databases and roles that do not exist yet"
_TERMINATION_MESSAGE = Path("/dev/termination-log")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status 0: it held; 1: it did not, and the JSON says why; 2: usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], dict[str, Any]] = options.command
    try:
        secrets.take_from_files(os.environ)
        # MLflow's own clients ask for it, too.
        ask_directly(os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
        result = command(options)
    except (EngineError, protocol.Ended) as error:
        result = {"failed": True, "msg": str(error)}
    line = protocol.result_line(result, getattr(options, "request_id", ""))
    sys.stdout.write(line)
    sys.stdout.flush()
    if os.getpid() == 1 and os.access(_TERMINATION_MESSAGE, os.W_OK):
        _TERMINATION_MESSAGE.write_text(line)
    return 1 if result.get("failed") else 0


def _exec(options: argparse.Namespace) -> dict[str, Any]:
    if options.drain:
        _keep(options)
    password = os.environ.get("PGPASSWORD")
    uri = trial.read_launch(options.launch)["env"]["_MLFLOW_SERVER_FILE_STORE"]
    uris = {"the backend store": (uri, revisions.TRACKING), "the user database": (options.auth_uri, revisions.AUTH)}
    for what, (database, kind) in uris.items():
        if database:
            if options.being_created:
                waiting.wait_until_reachable(database, password, options.wait_timeout, _say, True, None)
            waiting.wait_until_current(database, password, kind, what, options.wait_timeout, _say)
    starter.start(Path(options.launch))


def _keep(options: argparse.Namespace) -> NoReturn:
    """Become the drain wrapper, which runs this command again without C(--drain)."""
    own = [word for word in sys.argv[1:] if not word.startswith("--drain")]
    writer = [sys.executable, "-I", str(Path(__file__).with_name("standalone") / "drain.py")]
    place = [f"--port={options.drain_port}", f"--seconds={options.drain}"]
    os.execv(writer[0], [*writer, *place, "--", sys.argv[0], *own])  # noqa: S606


def _say(text: str) -> None:
    sys.stdout.write(f"mlflow-ops waits: {text}\n")
    sys.stdout.flush()


def _version(_options: argparse.Namespace) -> dict[str, Any]:
    return {
        "version": importlib.metadata.version("mlflow"),
        "schema": revisions.expected(),
        "python": sys.version.split()[0],
    }


def _backup_info(options: argparse.Namespace) -> dict[str, Any]:
    found = _operation(options)
    return {**found, **({} if found["healthy"] else {"failed": True, "msg": "; ".join(found["problems"])})}


def _export(options: argparse.Namespace) -> NoReturn:
    from .monitoring import exporter
    from .monitoring.settings import Settings

    settings = Settings.read(options.settings)
    if options.once:
        sys.stdout.write(exporter.once(settings, _warn))
    else:
        exporter.serve(settings, _warn)
    raise SystemExit(0)  # what was printed is for Prometheus, and no result comes behind it


def _warn(text: str) -> None:
    sys.stderr.write(f"mlflow-ops export: {text}\n")
    sys.stderr.flush()


def _restore(options: argparse.Namespace) -> dict[str, Any]:
    if options.replaced:
        options.state = "cleaned"
    return _operation(options)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """The request on standard input, of which one line is read, or in a file."""
    try:
        if options.request:
            with open(options.request, encoding="utf-8") as file:
                line = file.readline(protocol.LONGEST_REQUEST + 1)
        else:
            line = sys.stdin.readline(protocol.LONGEST_REQUEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The request cannot be read: {error}.") from error
    if len(line) > protocol.LONGEST_REQUEST:
        raise BadInput(f"The request has more than {protocol.LONGEST_REQUEST} characters.")
    options.request_id = protocol.id_of(line)
    request = protocol.Request.parse(line)
    told = f"{request.operation} was told to end before it had."
    signal.signal(signal.SIGTERM, lambda *_received: deadline.end(told))
    if options.while_connected is not None:
        threading.Thread(target=_end_when_alone, args=(options.while_connected,), daemon=True).start()
    with deadline.kept(request):
        return operations.run(request, progress.Lines(), os.environ)


def _end_when_alone(silence: float) -> None:
    """Whoever asked keeps the other end of standard input open; when it is gone, nobody waits for the result.

    :param silence: seconds without a word after which it counts as gone; 0 where the end of the input tells it.
    """
    while select.select([0], [], [], silence or None)[0] and os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _operation(options: argparse.Namespace) -> dict[str, Any]:
    """An operation whose options are flags."""
    known = protocol.OPERATIONS[options.operation].options
    given = {name: value for name, value in vars(options).items() if name in known and value is not None}
    return operations.run(protocol.Request(options.operation, given, options.check), progress.Lines(), os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlflow-ops", description="Operate MLflow from inside a container.")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], dict[str, Any]], text: str) -> argparse.ArgumentParser:
        # An abbreviation would take a --password for a --password-file, and the error would repeat it.
        added = subcommands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(command=command)
        return added

    become = add("exec", _exec, "wait for the database schema, then become the server that a launch file describes")
    become.add_argument("launch")
    become.add_argument("--auth-uri")
    become.add_argument("--wait-timeout", type=float, default=600.0)
    become.add_argument("--being-created", action="store_true", help=_BEING_CREATED)
    become.add_argument("--drain", type=float, default=0.0, help="seconds from SIGTERM until the server is told")
    become.add_argument(
        "--drain-port", type=int, default=5001, help="where a load balancer asks whether to send requests"
    )
    exported = add("export", _export, "answer Prometheus with what the deployment is like, until it is told to end")
    exported.add_argument("--settings", required=True, help="JSON file that says what is measured, and where to listen")
    exported.add_argument("--once", action="store_true", help="measure once, and print what a scrape would get")
    add("version", _version, "say which interface, schema and Python this image has")
    create = add("schema", _operation, "create the database schema where it is empty, refuse one that does not fit")
    create.set_defaults(operation="schema")
    create.add_argument("--uri", dest="database_uri", required=True)
    create.add_argument("--grantee")
    create.add_argument("--auth-uri")
    create.add_argument("--admin-username", default="admin")
    create.add_argument("--migrate", action="store_true", help="bring an older schema to what this MLflow needs")
    create.add_argument("--check", action="store_true", help="inspect only")
    create.add_argument("--being-created", action="store_true", help=_BEING_CREATED)
    create.add_argument("--while-reserved", action="store_true", help="create it also as part of an upgrade")
    create.add_argument("--connections", type=int, default=0, help="how many connections the database must offer")
    create.add_argument("--wait-timeout", type=float, default=0.0, help="seconds for the database to come up")
    inspected = add("schema-info", _operation, "say which schema there is, and what migrations would do")
    inspected.set_defaults(operation="schema-info", check=False)
    inspected.add_argument("--uri", dest="database_uri", required=True)
    inspected.add_argument("--auth-uri")
    store = add("bucket", _operation, "prove that an S3 bucket can be used")
    store.set_defaults(operation="bucket", check=False)
    store.add_argument("--uri", required=True)
    store.add_argument("--create", action="store_true", help="create it where it is missing")
    store.add_argument("--wait-timeout", type=float, default=0.0, help="seconds for the endpoint to answer")
    written = add("backup", _operation, "write a snapshot")
    written.set_defaults(operation="backup")
    written.add_argument("--version", help="of the MLflow that serves, where it is not that of the settings")
    written.add_argument("--prune", action="store_true", default=None, help="remove old snapshots afterwards")
    written.add_argument(
        "--low-priority", action="store_true", default=None, help="yield to whatever needs a processor"
    )
    written.add_argument("--check", action="store_true", help="check only whether it could begin")
    listed = add("backup-info", _backup_info, "list snapshots, and read them again")
    listed.set_defaults(operation="backup-info", check=False)
    listed.add_argument("--verify", choices=["none", "sample", "all"])
    listed.add_argument("--sample-percent", type=float)
    restores = [
        add("restore", _restore, "bring a snapshot back"),
        add("drill", _restore, "prove that one could be restored"),
    ]
    for restored, drill in zip(restores, (None, True), strict=True):
        restored.set_defaults(operation="restore", drill=drill)
        restored.add_argument("--databases-only", action="store_true", default=None, help="leave the artifacts alone")
        restored.add_argument("--check", action="store_true", help="check only whether it would be refused")
        text = "remove what an earlier restore moved aside, by its name"
        restored.add_argument("--cleaned", dest="replaced", action="append", metavar="NAME", help=text)
    for one in (written, listed, *restores):
        one.add_argument("--settings", required=True, help="JSON file with options of the modules for snapshots")
    for one in (listed, *restores):
        one.add_argument("--snapshot")
    asked = add("run", _run, "carry out one request, a line of JSON on standard input")
    asked.add_argument("--request", help="file with the request")
    asked.add_argument(
        "--while-connected",
        metavar="SECONDS",
        type=float,
        nargs="?",
        const=0.0,
        help="end when standard input is closed, or says nothing for so many seconds",
    )
    texts = {
        "health": "run the checks of a level",
        "smoke": "prove the server with the real client",
        "info": "say what the server is and holds",
        "clean-load": "remove what a load test made and left",
        "gc": "remove for good what users deleted",
    }
    servers = {name: add(name, _operation, text) for name, text in texts.items()}
    for name, command in servers.items():
        command.set_defaults(operation=name)
        command.add_argument("--check", action="store_true", help="say only what would be done")
    servers["trial"] = add(
        "trial", _operation, "start a launch file's server where no client finds it, prove it, end it"
    )
    for command in servers.values():
        command.add_argument("--url", default="http://127.0.0.1:5000")
        command.add_argument("--timeout", type=float)
        command.add_argument("--username")
        command.add_argument("--password-file")
    servers["clean-load"].add_argument("--run", required=True, help="with what the name of everything begins")
    servers["gc"].add_argument("--database-uri", required=True)
    servers["gc"].add_argument("--artifacts", help="folder of the artifacts, where they are files")
    servers["gc"].add_argument("--older-than", default="30d", help="how long ago it was deleted, such as 1d12h")
    servers["health"].add_argument("--level", choices=health.LEVELS, default="ready")
    servers["trial"].set_defaults(operation="trial", check=False)
    servers["trial"].add_argument("launch_file", metavar="LAUNCH")
    servers["trial"].add_argument("--no-smoke", dest="smoke_test", action="store_false")
    for name, seconds in (("health", 0.0), ("trial", 120.0)):
        servers[name].add_argument("--version")
        servers[name].add_argument("--database-uri")
        servers[name].add_argument("--wait-timeout", type=float, default=seconds)
    return parser
