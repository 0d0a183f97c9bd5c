# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a compose project: texts, generated secrets, and copies of secrets that containers can read.

All at once, because a module for each file costs fifty times as much as the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import secrets
from ..errors import BadInput

COMPOSE_FILE = "compose.yaml"
# As the filter compose writes it.
_PROJECT = re.compile(r"""^name: ["']?([a-z0-9_-]+)["']?$""", re.MULTILINE)
_LONGEST = 1 << 20


def ensure(
    folder: Path,
    files: Mapping[str, str],
    copies: Mapping[str, str],
    generated: Iterable[str],
    own: Iterable[str] = (),
    dry_run: bool = False,
    project: str = "",
) -> dict[str, Any]:
    """Let a folder hold these files, and write only what differs.

    :param files: text by path in the folder; everybody may read them, who may enter the folder: its owner alone.
    :param copies: files with secrets, by the path of their copy. What is mounted into a container must be open to
        its user; the folder that only its owner can enter protects it on the host.
    :param generated: those of them that are made where they do not exist.
    :param own: folders in it where nothing else is: a copy of a secret that is not needed any more is removed.
    :param project: of the compose file; a folder that holds anything else than that project is somebody's.
    :returns: C(existed) (whether there was a compose file before), C(written) (paths in the folder of what was
        written or removed), C(generated) (files), C(before) and C(after) (texts of C(written), without secrets).
    :raises BadInput: a file with a secret does not exist, or cannot be read; the folder is somebody else's.
    """
    if project and (others := _of_others(folder, project)):
        raise BadInput(
            f"{folder} holds what the compose project {project} did not put there ({others}), and is not touched: set "
            f"mlflow_data_dir to another folder, or move that away."
        )
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


def remove(folder: Path, project: str, generated: Iterable[str], dry_run: bool = False) -> list[str]:
    """Remove the folder of a compose project, where it is that, and secrets that were generated; returns their paths.

    A folder in which the project is another one, or none, is left as it is: a path alone says nothing.
    """
    found = [path for path in generated if os.path.isfile(path)]
    ours = _project_of(folder) == project
    if not dry_run:
        for path in found:
            os.unlink(path)
            with contextlib.suppress(OSError):  # others are there, too
                os.rmdir(os.path.dirname(path))
        if ours:
            # The file that says whose the folder is goes last: who is cut off can go on.
            for entry in folder.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != COMPOSE_FILE:
                    entry.unlink()
            (folder / COMPOSE_FILE).unlink()
            folder.rmdir()
    return [*([str(folder)] if ours else []), *found]


def _project_of(folder: Path) -> str:
    """Which compose project a folder holds; empty for none."""
    try:
        if not stat.S_ISREG((folder / COMPOSE_FILE).lstat().st_mode):
            return ""
        with (folder / COMPOSE_FILE).open(errors="replace") as file:
            named = _PROJECT.search(file.read(_LONGEST))
    except OSError:
        return ""
    return named[1] if named else ""


def _of_others(folder: Path, project: str) -> str:
    """What is in a folder that is not this project's; empty for nothing."""
    if _project_of(folder) == project:
        return ""
    try:
        # What a first write that was killed has left is ours.
        names = sorted(name for name in os.listdir(folder) if not name.startswith(f".{COMPOSE_FILE}-"))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error.strerror)
    return ", ".join(names[:3])


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
