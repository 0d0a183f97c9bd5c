# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schema revisions that the installed MLflow knows.

Imports no MLflow: they are read from the names in its migration scripts, in milliseconds.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ..errors import MissingLibrary, SchemaError

# Where the scripts are, and the table in which a database notes its revision.
TRACKING = ("store/db_migrations/versions", "alembic_version")
AUTH = ("server/auth/db/migrations/versions", "alembic_version_auth")


def expected(kind: tuple[str, str] = TRACKING) -> str:
    """The schema revision that the MLflow of this interpreter needs."""
    return head(known(kind))


def state_of(revision: str, kind: tuple[str, str] = TRACKING) -> str:
    """Whether the installed MLflow finds a revision C(current), C(older) or C(newer) (which is: does not know it)."""
    revisions = known(kind)
    return "current" if revision == head(revisions) else "older" if revision in revisions else "newer"


def between(revision: str | None, kind: tuple[str, str] = TRACKING) -> list[str]:
    """The migrations after a revision, in the order in which they would run."""
    before = known(kind)
    chain: list[str] = []
    step: str | None = head(before)
    while step and step != revision:
        chain.insert(0, step)
        step = before[step]
    return chain


def known(kind: tuple[str, str]) -> dict[str, str | None]:
    """Every revision that the installed MLflow knows, with the one before it."""
    spec = find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise MissingLibrary("mlflow", "know which database schema it expects")
    scripts = Path(next(iter(spec.submodule_search_locations)), kind[0])
    found: dict[str, str | None] = {}
    for script in scripts.glob("*.py"):
        text = script.read_text(encoding="utf-8")
        revision = re.search(r"^revision\s*(?::[^=]*)?=\s*[\"'](\w+)[\"']", text, re.MULTILINE)
        before = re.search(r"^down_revision\s*(?::[^=]*)?=\s*(?:[\"'](\w+)[\"']|None)", text, re.MULTILINE)
        if revision and before:
            found[revision[1]] = before[1]
    if not found:
        raise SchemaError(f"The installed MLflow has no migration scripts in {kind[0]}: is the installation complete?")
    return found


def head(revisions: dict[str, str | None]) -> str:
    """The last one."""
    heads = sorted(set(revisions) - set(revisions.values()))
    if len(heads) != 1:
        raise SchemaError(f"The installed MLflow's migrations have {len(heads)} ends instead of one: {heads}.")
    return heads[0]
