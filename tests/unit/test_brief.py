"""The callback of a clone shows messages line by line, and no command to the terminal that reads them."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.callback.brief import CallbackModule


def test_what_clients_have_named_reaches_no_terminal_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    callback = CallbackModule()
    callback._shows_progress = False
    monkeypatch.setattr(callback._display, "display", lambda text, **_how: shown.append(text))
    callback._line("experiment \x1b[2J\x1b]0;owned\x07 a\r\n  and its next line", "red")
    (text,) = shown
    assert text.split("\n")[1] == "  and its next line"
    assert all(line.isprintable() for line in text.split("\n"))
