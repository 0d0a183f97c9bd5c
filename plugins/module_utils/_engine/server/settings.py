# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one reader of the settings of a server, and the list of what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import names, quantities
from ..errors import BadInput


class Errors:
    """Validation errors: each once, in the order in which they were found. A text names the variables."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, text: str, when: bool = True) -> None:
        if when:
            self._found[text] = None

    def as_list(self) -> list[str]:
        return list(self._found)


class Settings:
    """The role's variables without their prefix, whatever type an inventory, a survey or -e gave them.

    :param errors: where what cannot be read, or is rejected, becomes an error; it reads as the default from then on, so
        that one mistake is one error. Without it, the first one is raised.
    """

    def __init__(self, values: Mapping[str, Any], errors: Errors | None = None) -> None:
        self._values, self._errors = values, errors
        self._rejected: set[str] = set()

    def reject(self, name: str, error: str) -> None:
        """
        :raises BadInput: nobody collects errors.
        """
        if self._errors is None:
            raise BadInput(error)
        self._errors.add(error)
        self._rejected.add(name)

    def get(self, name: str) -> Any:
        return None if name in self._rejected else self._values.get(name)

    def text(self, name: str, default: str = "") -> str:
        value = self.get(name)
        if isinstance(value, (Mapping, list, tuple)):
            self.reject(name, f"mlflow_server_{name} must be a text, not a {type(value).__name__}.")
            return default
        return default if value is None or value == "" else str(value)

    def number(self, name: str, default: int = 0) -> int:
        value = self.text(name)
        try:
            return quantities.whole(value, f"mlflow_server_{name}") if value else default
        except BadInput as error:
            self.reject(name, str(error))
            return default

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name).lower()
        if value in ("true", "yes", "on", "1"):
            return True
        if value and value not in ("false", "no", "off", "0"):
            self.reject(name, f"mlflow_server_{name} must be true or false.")
        return default if not value else False

    def items(self, name: str) -> list[str]:
        """A list, also where it is given as text with commas."""
        try:
            return names.as_list(self.get(name), f"mlflow_server_{name}")
        except BadInput as error:
            self.reject(name, str(error))
            return []

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.get(name) or {}
        if isinstance(value, Mapping):
            return value
        self.reject(name, f"mlflow_server_{name} must be a dict.")
        return {}
