# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(mlflow-ops): the engine's door for containers, beside the Ansible modules.

The last line on stdout is the JSON that the module of the same name returns, behind PREFIX, because pod logs merge
stdout and stderr. Secrets come from the environment (C(PGPASSWORD), C(MLFLOW_TRACKING_PASSWORD)) or from files, never
from arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import health, info, schema, smoke, starter
from .errors import EngineError
from .http import Server

PREFIX = "mlflow-ops: "
# The role refuses an image whose major number is another.
INTERFACE = "1.0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status 0: it held; 1: it did not, and the JSON says why; 2: usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], dict[str, Any]] = options.command
    try:
        result = command(options)
    except EngineError as error:
        result = {"failed": True, "msg": str(error)}
    sys.stdout.write(PREFIX + json.dumps(result) + "\n")
    sys.stdout.flush()
    return 1 if result.get("failed") else 0


def result_of(log: str) -> dict[str, Any]:
    """The result in a container's log.

    :raises EngineError: there is none, because the command died; the end of the log is in the message.
    """
    for line in reversed(log.splitlines()):
        if line.startswith(PREFIX):
            found: dict[str, Any] = json.loads(line.removeprefix(PREFIX))
            return found
    end = " | ".join(log.strip().splitlines()[-5:])
    raise EngineError(f"mlflow-ops ended without a result. The end of its log: {end or 'it is empty'}")


def _exec(options: argparse.Namespace) -> dict[str, Any]:
    starter.start(Path(options.launch))


def _version(_options: argparse.Namespace) -> dict[str, Any]:
    return {"interface": INTERFACE, "schema": schema.expected_revision(), "python": sys.version.split()[0]}


def _schema(options: argparse.Namespace) -> dict[str, Any]:
    return schema.ensure(
        options.uri,
        os.environ.get("PGPASSWORD"),
        grantee=options.grantee,
        auth_uri=options.auth_uri,
        admin=options.admin_username,
        admin_password=os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD"),
        dry_run=options.check,
    )


def _health(options: argparse.Namespace) -> dict[str, Any]:
    wanted = health.Wanted(options.level, options.version, options.database_uri, os.environ.get("PGPASSWORD"))
    report = health.wait(_server(options), wanted, options.wait_timeout, 0.5)
    return {**report.as_dict(), **({} if report.healthy else {"failed": True, "msg": report.verdict})}


def _smoke(options: argparse.Namespace) -> dict[str, Any]:
    return {"steps": smoke.run(_server(options))}


def _info(options: argparse.Namespace) -> dict[str, Any]:
    return info.read(_server(options))


def _server(options: argparse.Namespace) -> Server:
    return Server(
        url=options.url,
        username=os.environ.get("MLFLOW_TRACKING_USERNAME"),
        password=os.environ.get("MLFLOW_TRACKING_PASSWORD"),
        token=os.environ.get("MLFLOW_TRACKING_TOKEN"),
        timeout=options.timeout,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlflow-ops", description="Operate MLflow from inside a container.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], dict[str, Any]], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("exec", _exec, "become the server that a launch file describes").add_argument("launch")
    add("version", _version, "say which interface, schema and Python this image has")
    create = add("schema", _schema, "create the database schema where it is empty, refuse one that does not fit")
    create.add_argument("--uri", required=True)
    create.add_argument("--grantee")
    create.add_argument("--auth-uri")
    create.add_argument("--admin-username", default="admin")
    create.add_argument("--check", action="store_true", help="look only")
    asked = [
        add("health", _health, "climb the ladder of checks"),
        add("smoke", _smoke, "prove the server with the real client"),
        add("info", _info, "say what the server is and holds"),
    ]
    for command in asked:
        command.add_argument("--url", default="http://127.0.0.1:5000")
        command.add_argument("--timeout", type=float, default=10.0)
    asked[0].add_argument("--level", choices=health.LEVELS, default="ready")
    asked[0].add_argument("--version")
    asked[0].add_argument("--database-uri")
    asked[0].add_argument("--wait-timeout", type=float, default=0.0)
    return parser
