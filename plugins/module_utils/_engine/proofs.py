# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was last proven, noted in a file that only the operator reads and writes. See C(protocol.Runner)."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

_FILE = "proven"


def fingerprint(texts: Iterable[str], files: Iterable[Path]) -> str:
    """Of texts and the contents of files; one that cannot be read counts as such."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            content = type(error).__name__.encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def files_of(launch: Mapping[str, Any]) -> list[Path]:
    """Files besides the launch itself that a server reads at its start: its secrets, what its users may do, and its
    certificate."""
    places = [place.get("file") for _name, place in sorted((launch.get("secrets") or {}).items())]
    options = dict(pairwise(map(str, launch.get("argv") or [])))
    places += [options.get(f"--{way}{what}") for way in ("ssl-", "") for what in ("certfile", "keyfile")]
    named = [(launch.get("env") or {}).get("MLFLOW_AUTH_CONFIG_PATH"), *places]
    return [Path(path) for path in named if path]


def read(folder: Path) -> str:
    try:
        return (folder / _FILE).read_text().strip()
    except OSError:
        return ""


def note(folder: Path, text: str) -> None:
    if not text:
        with contextlib.suppress(FileNotFoundError):
            (folder / _FILE).unlink()
        return
    handle = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{text}\n")
