# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths that people give, as every program that is told one of them reads it."""

from __future__ import annotations

from .errors import BadInput

# What files of systemd, cron, supervisor and Compose, and URIs read in another way.
_TAKEN = frozenset("\"'\\$`%?#;*")


def absolute_path(text: str, variable: str) -> str:
    """A file or folder as every program finds it, whichever file names it.

    :raises BadInput: it is relative, or some of them would read another path.
    """
    if not text.startswith("/"):
        raise BadInput(f"{variable} is '{text}'; it must be an absolute path, and ~ is none.")
    if strange := sorted({character for character in text if character in _TAKEN or not character.isprintable()}):
        raise BadInput(
            f"{variable} is {text!r}, which holds {' '.join(map(repr, strange))}: systemd, cron, supervisor, Compose "
            f"or the URI of a database would take that for their own. Choose a path without it."
        )
    return text
