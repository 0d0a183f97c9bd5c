# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an operation runs on a host: a process of the server's environment, with this engine, as the data's owner."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import certificates, programs, proofs, protocol
from ..errors import BadInput, EngineError, NotDeployed
from ..http import answered, directly
from ..progress import Say
from . import inspect

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.cli import main; sys.exit(main())"
)
# What of our own environment an operation needs; everything else could decide what it does.
_INHERITED = (
    "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
)  # fmt: skip
_ITSELF = ("localhost", "127.0.0.1", "::1")
# Beyond the deadline that the operation itself keeps.
_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class HostRunner:
    """A runner on this host.

    :param directory: the server's folder (mlflow_server_dir).
    :param python: interpreter that has the server's libraries; empty for that of the deployed server.
    :param user: who owns the data; empty for the user that we are.
    :param address: where clients find the server.
    """

    name: str
    directory: str
    python: str = ""
    user: str = ""
    supervision: str = "auto"
    address: str = ""

    def require(self) -> None:
        self._interpreter()

    def _interpreter(self) -> str:
        python = self.python or inspect.interpreter_of(self.directory)
        if not python:
            raise NotDeployed(f"No MLflow server is deployed in {self.directory}: deploy it first.")
        if not os.access(python, os.X_OK):
            raise NotDeployed(f"There is no Python at {python}: it was removed, deploy again.")
        return python

    def run(self, request: protocol.Request, say: Say) -> dict[str, Any]:
        python = self._interpreter()
        owner = pwd.getpwuid(os.geteuid()) if not self.user else _user(self.user)
        seconds = (request.deadline or 86400.0) + _GRACE_SECONDS
        with _engine(foreign=owner.pw_uid != os.geteuid()) as root:
            argv = [python, "-I", "-B", "-c", _PROGRAM, root, "run", "--while-connected"]
            said = programs.ask(
                argv, request.line(), seconds=seconds, say=say, env=_environment(owner), identity=_identity(owner)
            )
        return protocol.result_of(said, request.id)

    def asleep(self) -> str:
        return ""

    def workload(self) -> str:
        program, pid, systemd = inspect.supervised(self.directory, self.name, self.supervision)
        supervisor = "systemd" if systemd else "supervisor"
        # Just started, a program is called so for a while, whatever it does.
        if program not in ("RUNNING", "STARTING", "active", "activating"):
            raise EngineError(f"{supervisor} says of {self.name}: {program}")
        return f"{program} under {supervisor}, pid {pid}"

    def published(self) -> str:
        return answered(self.address)

    def certificates(self) -> Mapping[str, str]:
        return certificates.served(self.address)

    def serving(self) -> str:
        folder = Path(self.directory)
        launch = inspect.launch_of(folder)
        return proofs.fingerprint([], [folder / "launch.json", *proofs.files_of(launch)]) if launch else ""

    def proven(self) -> str:
        return proofs.read(Path(self.directory))

    def note_proven(self, fingerprint: str) -> None:
        proofs.note(Path(self.directory), fingerprint)


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise BadInput(f"There is no user {name} on this host, who shall own the data: deploy first.") from None


def _identity(owner: pwd.struct_passwd) -> Mapping[str, Any]:
    if owner.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise BadInput(f"Only root may act as {owner.pw_name}, who owns the data: set ansible_become to true.")
    groups = os.getgrouplist(owner.pw_name, owner.pw_gid)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": groups}


def _environment(owner: pwd.struct_passwd) -> dict[str, str]:
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env |= {**directly(*_ITSELF), "HOME": owner.pw_dir, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**env, "PATH": os.environ.get("PATH") or os.defpath, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def _engine(*, foreign: bool) -> Iterator[str]:
    """What goes onto the path to import this engine: a folder, or the archive that Ansible made of a module.

    :param foreign: whether another user reads it, who may not look into Ansible's own folder.
    """
    root = Path(__file__.partition("ansible_collections")[0])
    if not foreign:
        yield str(root)
        return
    with tempfile.TemporaryDirectory(prefix="mlflow-ops-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103
        if root.is_file():
            copied = shutil.copy(root, folder)
            os.chmod(copied, 0o644)
        else:
            engine = "ansible_collections/mlops/mlflow/plugins/module_utils/_engine"
            copied = folder
            shutil.copytree(root / engine, Path(folder, engine))
            for path, folders, files in os.walk(folder):
                for name in [*folders, *files]:
                    os.chmod(os.path.join(path, name), 0o755 if name in folders else 0o644)
        yield str(copied)
