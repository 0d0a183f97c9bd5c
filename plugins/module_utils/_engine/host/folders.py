# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folders of a deployment on a host: made with the right owner, and removed only where it made them.

With a system user, programs and configuration are root's, for its group to read; data is the user's. The home that
holds both is root's and sticky, as /tmp is: the user may move its own folders in it, and nobody else's. Root follows no
link there. What was made is noted in a file in the home that only root may write.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadInput

NOTES = ".mlops-mlflow.json"
# The comment of an account that the role host_prerequisites makes.
ACCOUNT = "MLflow tracking server (mlops.mlflow)"
MADE, EXISTING = "made", "existing"
_SNAPSHOTS = {"manifests", "artifacts", "lists", "packs", "indexes", "marks", "incoming"}
_HARMLESS = {"lost+found"}
# What programs of a user leave in its home; they go with it.
_TRACES = {".cache", ".config", ".local"}


@dataclass(frozen=True)
class Folders:
    """What a deployment has on a host.

    :param home: the folder of the deployment (mlflow_data_dir); it need not hold the others.
    :param programs: folders of programs, configuration and secrets: root's where there is a C(user).
    :param data: folders of the C(user).
    :param snapshots: the same; several deployments may share one.
    :param user: the system user; empty: everything is that of the user who runs this.
    :param user_existing: whether that may be an account that this deployment did not make.
    :param existing: whether folders may be used that hold what this deployment did not put there.
    :param name: of the deployment; empty where that is not said.
    """

    home: str
    programs: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    user: str = ""
    user_existing: bool = False
    existing: bool = False
    name: str = ""

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        try:
            return pwd.getpwnam(self.user) if self.user else None
        except KeyError:
            return None

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([self.home, *self.programs, *self.data, *self.snapshots]))

    def errors(self) -> list[str]:
        """Why they cannot be made so, in sentences. The account may still be missing: it is made before the folders."""
        if self.user and os.geteuid() != 0:
            return [
                f"mlflow_system_user is {self.user}, but Ansible is not root on this host: set ansible_become: true, "
                f"or leave mlflow_system_user empty."
            ]
        notes = read_notes(self.home)
        if other := another_deployment(self.home, self.name):
            return [other]
        # What is wrong with the account or the home would be said of every folder again.
        first = self._account_errors() or list(filter(None, [self._error(self.home, notes)]))
        return first or [error for path in self.all if (error := self._error(path, notes))]

    def make(self, dry_run: bool = False) -> list[str]:
        """Make what is missing, and give each the owner, group and mode that it must have. Returns what was changed.

        :raises BadInput: what C(errors) says.
        """
        errors = self.errors()
        if self.user and not self.account and not dry_run:
            errors.append(f"There is no user {self.user}: the role host_prerequisites makes it.")
        if errors:
            raise BadInput(" ".join(errors))
        notes = read_notes(self.home)
        if notes and not dry_run:
            _write_notes(self.home, notes, self.name)  # of an older collection, they do not say whose they are
        changed = []
        for path in self.all:
            there, noted = os.path.exists(path), path in notes
            if not there and not dry_run:
                _make_parents(Path(path).parent)
                os.mkdir(path, 0o700)
            if not noted:
                notes[path] = EXISTING if there and self._content(path) else MADE
                if not dry_run:
                    _write_notes(self.home, notes, self.name)
            # What was there before keeps its mode; the errors have looked at its owner.
            adjusted = notes[path] == MADE and (bool(self.user) or not there) and self._adjust(path, dry_run)
            if adjusted or not there or not noted:
                changed.append(path)
        return changed

    def _account_errors(self) -> list[str]:
        if not self.user:
            return []
        try:
            group: grp.struct_group | None = grp.getgrnam(self.user)
        except KeyError:
            group = None
        if self.account is None:
            if self.user_existing:
                return [f"mlflow_system_user_existing is true, but there is no user {self.user} on this host."]
            if group and group.gr_mem:
                return [
                    f"There is a group {self.user} with the members {', '.join(group.gr_mem)}, who could read the "
                    f"secrets: set mlflow_system_user to another name."
                ]
            return []
        if self.account.pw_uid == 0:
            return [f"mlflow_system_user is {self.user}, which is root: set it to another name."]
        if not self.user_existing and not made_account(self.account, self.home):
            return [
                f"The user {self.user} exists (home {self.account.pw_dir}, shell {self.account.pw_shell}), and this "
                f"deployment did not make it. Set mlflow_system_user to another name; or, where MLflow may run as it, "
                f"say mlflow_system_user_existing: true. It is used as it is then, and never removed."
            ]
        if group is None or group.gr_gid != self.account.pw_gid:
            return [
                f"The user {self.user} must have a group of its own called {self.user}, which may read the secrets: "
                f"groupadd --system {self.user}; usermod --gid {self.user} {self.user}"
            ]
        return []

    def _owned_by_user(self, path: str) -> bool:
        return bool(self.user) and path in (*self.data, *self.snapshots)

    def _owner(self, path: str) -> int | None:
        """The number that must own it; none where the account is still to be made."""
        if not self._owned_by_user(path):
            return os.geteuid()
        return self.account.pw_uid if self.account else None

    def _mode(self, path: str) -> int:
        if path == self.home:
            return 0o1771 if self.user else 0o755
        return 0o700 if not self.user or self._owned_by_user(path) else 0o750

    def _content(self, path: str) -> list[str]:
        """What it holds that makes it somebody's."""
        ours = _HARMLESS | (_SNAPSHOTS if path in self.snapshots else set())
        return sorted(set(os.listdir(path)) - ours)

    def _error(self, path: str, notes: dict[str, str]) -> str | None:
        if not os.path.isabs(path):
            return f"{path} is not an absolute path."
        if self.user and (other := _in_others_hands(Path(path))):
            return (
                f"{path} cannot be a folder of a deployment with mlflow_system_user: {other}. Root must own what is "
                f"above it, and nobody else may write there."
            )
        try:
            found = os.lstat(path) if self.user else os.stat(path)
        except FileNotFoundError:
            return f"{path} is a link that leads nowhere." if os.path.islink(path) else None
        except OSError as error:
            return f"{path} cannot be used: {error.strerror}."
        if not stat.S_ISDIR(found.st_mode):
            return (
                f"{path} is {'a link' if stat.S_ISLNK(found.st_mode) else 'no folder'}: move it away, or use another."
            )
        content = self._content(path)
        if path not in notes and content and not self.existing:
            return (
                f"{path} holds what this deployment did not put there ({', '.join(content[:3])}"
                f"{' ...' if len(content) > 3 else ''}). Use another folder; or, where MLflow may use what is there, "
                f"say mlflow_data_existing: true. Nothing of it is ever removed then."
            )
        if not self.user or found.st_uid == self._owner(path):
            return None
        if path not in notes and not content and found.st_uid == 0:
            return None
        return self._owner_error(path, found.st_uid)

    def _owner_error(self, path: str, uid: int) -> str:
        goal = self.user if self._owned_by_user(path) else "root"
        if goal == self.user and not self.account:
            return (
                f"{path} belongs to {_name(uid)}, and there is no user {self.user} any more. Make it with that number: "
                f"groupadd --system --gid {uid} {self.user}; useradd --system --uid {uid} --gid {uid} "
                f"--no-create-home --home-dir {self.home} --shell /usr/sbin/nologin --comment '{ACCOUNT}' {self.user}"
            )
        return (
            f"{path} belongs to {_name(uid)} and not to {goal}. If it is this deployment's: "
            f"chown --recursive --no-dereference {goal}:{self.user} {path}"
        )

    def _adjust(self, path: str, dry_run: bool) -> bool:
        """Owner, group and mode; whether one of them was another."""
        owner, mode = self._owner(path), self._mode(path)
        group = self.account.pw_gid if self.account else -1
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if self.user else 0))
        except FileNotFoundError:
            return True  # in check mode
        try:
            found = os.fstat(descriptor)
            same = found.st_uid == owner and group in (-1, found.st_gid) and stat.S_IMODE(found.st_mode) == mode
            if not same and not dry_run:
                if self.user and owner is not None:
                    os.fchown(descriptor, owner, group)
                os.fchmod(descriptor, mode)
            return not same
        finally:
            os.close(descriptor)


@dataclass
class Removal:
    """C(removed), C(kept) with the reason, and all that is C(left) of the deployment on the host."""

    removed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def another_deployment(home: str, name: str) -> str:
    """What is wrong with a home that is another deployment's, in a sentence; empty where it is not."""
    other = _whose(home)
    if not name or other in ("", name):
        return ""
    return (
        f"{home} is the folder of the deployment {other}, and this one is {name}: set mlflow_data_dir to that of "
        f"{name}, or mlflow_name to {other}."
    )


def remove(home: str, paths: list[str], dry_run: bool = False, name: str = "") -> Removal:
    """Remove folders that this deployment made, and say what was left where it was.

    The home goes last, when it holds nothing else and nothing is left elsewhere.

    :raises BadInput: it is another deployment's.
    """
    if other := another_deployment(home, name):
        raise BadInput(other)
    notes, result = read_notes(home), Removal()
    gone: set[str] = set()
    for path in dict.fromkeys(paths):
        if path == home or not os.path.lexists(path):
            continue
        if reason := _reason_to_keep(path, notes):
            result.kept[path] = reason
            continue
        result.removed.append(path)
        gone |= {path} | {other for other in notes if other.startswith(f"{path}/")}
        if not dry_run:
            _remove_folder(path)
    notes = {path: how for path, how in notes.items() if path not in gone}
    left = sorted({p for p in [*notes, *_entries(home)] if p not in gone and p != home and os.path.lexists(p)})
    result.left = [path for path in left if not any(path.startswith(f"{other}/") for other in left)]
    if not dry_run and gone:
        _write_notes(home, notes)
    if home in paths and os.path.isdir(home):
        if result.left:
            result.kept[home] = "it holds what is left"
        elif notes.get(home) != MADE:
            result.kept[home] = "this deployment did not make it"
        else:
            result.removed.append(home)
        if not dry_run and not result.left:
            for trace in _TRACES & set(os.listdir(home)) if notes.get(home) == MADE else ():
                _remove_folder(f"{home}/{trace}")
            Path(home, NOTES).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another user's folder that was empty, or a mount
                os.rmdir(home)
    return result


def made_account(account: pwd.struct_passwd, home: str) -> bool:
    """Whether this deployment made a user: only root can write what it is told by."""
    return account.pw_gecos.split(",")[0] == ACCOUNT and account.pw_dir == home


def holds_something(home: str) -> bool:
    """Whether there is a deployment in a home, or something of somebody."""
    return os.path.lexists(Path(home, NOTES)) or bool(_entries(home))


def read_notes(home: str) -> dict[str, str]:
    """What the deployment in a home has made: C(made) or C(existing) by path.

    :raises BadInput: the notes are not of whom they must be, or damaged.
    """
    found = _read(home)
    try:
        folders: dict[str, str] = {} if found is None else found["folders"]
        return {str(path): str(how) for path, how in folders.items()}
    except (KeyError, AttributeError, TypeError) as error:
        raise _damaged(Path(home, NOTES), error) from error


def _whose(home: str) -> str:
    """The name of the deployment in a home; empty where nobody said it."""
    return str((_read(home) or {}).get("deployment") or "")


def _read(home: str) -> dict[str, Any] | None:
    """What the notes say; None where there are none."""
    file = Path(home, NOTES)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    with os.fdopen(descriptor) as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise BadInput(
                f"{file} says what this deployment made, and others can write it: look at it, and remove it."
            )
        try:
            said = json.load(opened)
            if not isinstance(said, dict):
                raise ValueError("they hold no names")
            return said
        except ValueError as error:
            raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> BadInput:
    return BadInput(f"{file} is damaged ({error}): remove it, and say mlflow_data_existing: true.")


def _write_notes(home: str, notes: dict[str, str], name: str = "") -> None:
    """
    :param name: of the deployment; what the notes say of that stays where it is not given.
    """
    if not os.path.isdir(home):
        return
    whose = _whose(home) or name
    content = {"format": 1, **({"deployment": whose} if whose else {}), "folders": notes}
    if _read(home) == content:
        return
    new = Path(home, f"{NOTES}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o644)
        json.dump(content, file, indent=2)
    new.replace(Path(home, NOTES))


def _entries(home: str) -> list[str]:
    try:
        return [f"{home}/{name}" for name in os.listdir(home) if name not in (NOTES, *_HARMLESS, *_TRACES)]
    except OSError:
        return []


def _reason_to_keep(path: str, notes: dict[str, str]) -> str | None:
    if path not in notes:
        return "this deployment did not make it"
    if notes[path] != MADE:
        return "it was there before this deployment"
    if os.path.islink(path):
        return f"it is a link to {os.path.realpath(path)}"
    return None


def _remove_folder(path: str) -> None:
    """All by the open folder: whoever may rename it cannot lead us elsewhere meanwhile."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in os.listdir(folder):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
    with contextlib.suppress(OSError):  # a mount stays, empty
        os.rmdir(path)


def _make_parents(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_parents(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o755)
        folder.chmod(0o755)


def _in_others_hands(path: Path) -> str | None:
    """Why somebody else than root could put another folder at this path; None where nobody can."""
    real = Path(os.path.realpath(path.parent))
    for above in [*reversed(path.parents), *reversed(real.parents), real]:
        try:
            link, found = os.lstat(above), os.stat(above)
        except OSError:
            continue  # it will be made by root
        for one in (link, found):
            if one.st_uid != 0:
                return f"{above} belongs to {_name(one.st_uid)}"
        if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
            return f"others than root may write to {above}"
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the number {uid}"
