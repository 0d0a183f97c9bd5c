# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every error the engine raises on purpose.

A message names the thing, the cause and the remedy, and never holds a secret: modules print it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable


class EngineError(Exception):
    """Base of all errors that a user can act on."""


class BadInput(EngineError):
    """What was asked for is wrong or contradicts itself; nothing was changed."""


class MissingLibrary(EngineError):
    """A Python library that this step needs is not installed for the interpreter in use."""

    def __init__(
        self,
        library: str,
        purpose: str,
        remedy: str = (
            "Install it there, or run the task with the MLflow server's own interpreter (ansible_python_interpreter)."
        ),
    ) -> None:
        super().__init__(
            f"The Python library {library} is needed to {purpose}, and this interpreter does not have it. {remedy}"
        )
        self.library = library


class NotDeployed(EngineError):
    """There is nothing of the deployment that an operation could run in."""


class ServerError(EngineError):
    """The tracking server could not be reached, or answered with an error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SchemaError(EngineError):
    """The database's schema is not the one that this MLflow needs, or could not be read."""


class DatabaseMissing(SchemaError):
    """There is no such database or role, or its password is another. No waiting helps that, unless it is being made."""


class DatabaseUnavailable(SchemaError):
    """The database does not answer now, but may soon: it is starting, out of connections, or out of reach."""


class SnapshotError(EngineError):
    """A snapshot could not be written, read or believed. What is live was not touched, unless the message says so."""


class CannotRead(SnapshotError):
    """What was to be read could not be, such as for want of a connection. That says nothing about it."""


class NotAllowed(CannotRead):
    """What was to be read may not be, with the rights or keys at hand. That says nothing about it."""


class LockHeld(EngineError):
    """Another operation changes the data of the deployment; nothing was changed by this one."""


def with_remedy(text: str, code: str, remedies: Iterable[tuple[tuple[str, ...], str]]) -> str:
    """What a service said as a sentence, and the first remedy of which a word is in the error's code."""
    return sentence(text, next((remedy for words, remedy in remedies if any(word in code for word in words)), ""))


def sentence(text: str, remedy: str) -> str:
    """What a service said, and what helps against it; the remedy may be empty."""
    return f"{text.rstrip('. ')}. {remedy}".strip()


def one_line(said: object, longest: int | None = None) -> str:
    """What somebody else said, in a message: in one line of so many characters at most."""
    return " ".join(str(said).split())[:longest]
