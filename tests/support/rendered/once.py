"""What was rendered stays until something changes of which it was made."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from importlib.util import source_from_cache
from pathlib import Path

import pytest

from ..cache import alone


def digest(file: Path) -> bytes:
    content = file.read_bytes() if file.is_file() else b""
    return hashlib.sha256(os.fsencode(file) + b"\0" + content).digest()


def made(place: Path, state: bytes, make: Callable[[Path], None]) -> Path:
    """
    :param state: changes with everything that decides what is made, but for the collection's code and its roles.
    :param make: called with an empty folder, unless what it made is still of this state and of what it read of code and
        roles, which without_forks.py writes down.
    """
    folder, complete, read = place / "made", place / "complete", place / "read"
    with alone(place):
        if not (complete.exists() and read.exists() and complete.read_text() == _key(state, read)):
            for file in (complete, read):
                file.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("MLOPS_TEST_CODE_READ", str(read))
                make(folder)
            complete.write_text(_key(state, read))
    return folder


def _key(state: bytes, read: Path) -> str:
    paths = {Path(line).resolve() for line in read.read_text().splitlines()}
    code = sorted(Path(source_from_cache(path)) if path.suffix == ".pyc" else path for path in paths)
    return hashlib.sha256(state + b"".join(map(digest, code))).hexdigest()
