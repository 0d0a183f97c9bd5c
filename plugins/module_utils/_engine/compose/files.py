# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a compose project: texts, generated secrets, and copies of secrets that containers can read.

All at once, because a module for each file costs fifty times as much as the file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import secrets
from ..errors import BadInput

COMPOSE_FILE = "compose.yaml"


def ensure(
    folder: Path,
    files: Mapping[str, str],
    copies: Mapping[str, str],
    generated: Iterable[str],
    own: Iterable[str] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    """Let a folder hold these files, and write only what differs.

    :param files: text by path in the folder; everybody may read them, who may enter the folder: its owner alone.
    :param copies: files with secrets, by the path of their copy. What is mounted into a container must be open to
        its user; the folder that only its owner can enter protects it on the host.
    :param generated: those of them that are made where they do not exist.
    :param own: folders in it where nothing else is: a copy of a secret that is not needed any more is removed.
    :returns: C(existed) (whether there was a compose file before), C(written) (paths in the folder of what was
        written or removed), C(generated) (files), C(before) and C(after) (texts of C(written), without secrets).
    :raises BadInput: a file with a secret does not exist, or cannot be read.
    """
    existed = (folder / COMPOSE_FILE).exists()
    made = [path for path in generated if not Path(path).exists()]
    if not dry_run:
        for path in made:
            _generate(Path(path))
    wanted = {path: text.encode() for path, text in files.items()}
    for path, source in copies.items():
        # Before the first deployment a check run cannot tell a secret that another role would generate from a lost one.
        missing = dry_run and not Path(source).exists() and (source in made or not existed)
        wanted[path] = b"" if missing else _secret(source)
    written = [path for path, content in wanted.items() if _content(folder / path) != content]
    stale = [path for path in _held(folder, own) if path not in wanted]
    before = {path: (_content(folder / path) or b"").decode(errors="replace") for path in written if path in files}
    if not dry_run:
        _make_folder(folder, 0o700)
        for path, content in wanted.items():
            parts = Path(path).parts[:-1]
            for depth in range(len(parts)):
                _make_folder(folder.joinpath(*parts[: depth + 1]), 0o755)
            mode = 0o444 if path in copies else 0o644
            if path in written:
                _write(folder / path, content, mode)
            elif (folder / path).stat().st_mode & 0o777 != mode:
                (folder / path).chmod(mode)
        for path in stale:
            (folder / path).unlink()
    return {
        "existed": existed,
        "written": written + stale,
        "generated": made,
        "before": before,
        "after": {path: files[path] for path in before},
    }


def _held(folder: Path, own: Iterable[str]) -> list[str]:
    """Files in these folders of a folder."""
    found = [path for name in own for path in (folder / name).rglob("*") if path.is_file() or path.is_symlink()]
    return sorted(str(path.relative_to(folder)) for path in found)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _secret(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"The file {path}, which is to hold a secret, cannot be read: {error.strerror}.") from error


def _generate(path: Path) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o700)
    _write(path, secrets.generate(path.name).encode(), 0o600)


def _make_folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_mode & 0o777 != mode:
        path.chmod(mode)


def _write(path: Path, content: bytes, mode: int) -> None:
    """All of it or nothing, and never readable by more than it is to be."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
