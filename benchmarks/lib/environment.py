# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environments: MLflow installed as the role mlflow_server does, and as a user without us would."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
_ROLE = ROOT / "roles" / "mlflow_server"
# What most people install for PostgreSQL; the same on both sides.
_DRIVER = "psycopg2-binary"
# What the role adds to MLflow: see vars/main.yml of mlflow_server. `plain` is `pip install mlflow` and the driver.
_ADDED = {"plain": [_DRIVER], "slim": [_DRIVER, "uvloop", "httptools", "Flask-WTF"]}
_ADDED["full"] = _ADDED["slim"]


def version() -> str:
    """The version of MLflow that the role pins."""
    text = (_ROLE / "vars" / "main" / "version.yml").read_text()
    return re.findall(r"^_mlflow_server_pinned_version: (\S+)$", text, re.MULTILINE)[0]


def install(flavor: str) -> str:
    """Make the environment C(plain), C(full) or C(slim) unless it is there, and return its interpreter.

    All have the same pinned versions and compiled bytecode. Files are copied, not linked, so that a server that runs
    elsewhere on this machine shares no page with ours.
    """
    files = _ROLE / "files"
    # Python executes such files at each start of an environment that holds them.
    starts = sorted(files.glob("*.pth")) if flavor != "plain" else []
    requirements = [f"mlflow=={version()}", *_ADDED[flavor]]
    lists = ["--constraints", str(files / "constraints.txt")]
    lists += ["--excludes", str(files / "slim-excludes.txt")] if flavor == "slim" else []
    texts = [Path(name).read_text() for name in lists[1::2]] + [start.read_text() for start in starts]
    content = [sys.version, *requirements, *texts]
    name = f"{flavor}-{hashlib.sha256(repr(content).encode()).hexdigest()[:10]}"
    folder = CACHE / "environments" / name
    python = str(folder / "bin" / "python")
    if not (folder / ".complete").exists():
        print(f"installing {name} ...", file=sys.stderr, flush=True)
        uv = [str(Path(sys.executable).with_name("uv"))]
        _run([*uv, "venv", "--quiet", "--clear", "--no-config", "--python", sys.executable, str(folder)])
        _run([*uv, "pip", "install", "--quiet", "--no-config", "--compile-bytecode", "--link-mode", "copy",
              "--python", python, *lists, *requirements])  # fmt: skip
        for start in starts:
            for packages in folder.glob("lib/python*/site-packages"):
                shutil.copy(start, packages)
        (folder / ".complete").touch()
    return python


def _run(argv: list[str]) -> None:
    try:
        subprocess.run(argv, check=True)
    except FileNotFoundError:
        sys.exit(f"{argv[0]} is missing: run 'make bench', which makes the environment that has it.")
