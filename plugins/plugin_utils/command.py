# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command that runs another playbook on the deployment that this one runs on, as a person can type it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import advice
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import secret_in

COLLECTION = "mlops.mlflow"
# Set by the Makefile of a clone: its targets, and what they say by themselves.
RUN_BY = "MLOPS_MLFLOW_RUN_BY"
_MADE: dict[str, dict[str, Any]] = {"health": {}, "status": {}, "destroy": {"mlflow_destroy": True}}
_MADE_INVENTORY = "inventories/local"

# Variables that say what one run shall do, not what a deployment is. The next command says its own.
_OF_ONE_RUN = re.compile(
    r"mlflow_(destroy|remove_\w+|backup_remove_data|restore(_\w+)?|snapshot|upgrade(_\w+)?|gc|zone|zone_state"
    r"|load_test_allowed|accept_\w+)"
)
_SECRET = re.compile(r"pass(word|wd|phrase)?$|pw$|secret|token|credential|[^a-z]key$|^key$", re.IGNORECASE)
_NO_SECRET = re.compile(r"_(file|dir|path|name)$")
# A value that Ansible reads from `-e name=value` as it stands.
_PLAIN = re.compile(r"[\w@%+=:,./-]+")

# Options of ansible-playbook that decide which deployment is meant and whether it can be reached.
_OPTIONS = {
    "subset": "--limit",
    "vault_ids": "--vault-id",
    "vault_password_files": "--vault-password-file",
    "ask_vault_pass": "--ask-vault-pass",
    "connection": "--connection",
    "remote_user": "--user",
    "private_key_file": "--private-key",
    "ask_pass": "--ask-pass",
    "become": "--become",
    "become_user": "--become-user",
    "become_method": "--become-method",
    "become_ask_pass": "--ask-become-pass",
}
_USUAL = {"connection": "ssh", "become_method": "sudo"}


@dataclass(frozen=True)
class Called:
    """How this run was called. C(arguments) is Ansible's own record of its command line; C(extra) is what each C(-e)
    said, in their order because the last one wins: variables, or the path of a file; C(host) is set where other hosts
    take part in the play."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    extra: Sequence[Mapping[str, Any] | str] = ()
    host: str = ""
    by_make: bool = False

    def command(self, playbook: str, variables: Mapping[str, Any]) -> str:
        """:param playbook: its name, such as health. :param variables: what it is told beside what this run was."""
        if self.by_make and playbook in _MADE and not self.host:
            own = {name: value for name, value in variables.items() if name not in _MADE[playbook]}
            if made := self._make(playbook, [*self._repeated(own), *_extra(own)]):
                return made
        words = [_program(self.by_make)]
        for inventory in _listed(self.arguments.get("inventory")):
            words += ["-i", inventory if inventory.endswith(",") else _near(inventory)]
        words += self._options()
        for said in (*self._repeated(variables), *_extra(variables)):
            words += ["-e", said]
        return shlex.join([*words, self._path(playbook)])

    def typed(self, text: str) -> str:
        """The text, with each command that it advises as it is typed here."""
        for words, playbook, variables in advice.commands(text):
            text = text.replace(words, self.command(playbook, variables), 1)
        return text

    def _repeated(self, variables: Mapping[str, Any]) -> Iterator[str]:
        """What this run was told of the deployment, but for what the next one is told otherwise."""
        for said in self.extra:
            if isinstance(said, str):
                yield f"@{_near(said)}"
            else:
                gone = {name for name in said if name in variables or _OF_ONE_RUN.fullmatch(name)}
                yield from _extra({name: value for name, value in said.items() if name not in gone})

    def _make(self, playbook: str, said: Sequence[str]) -> str:
        """Empty for what make would take apart at its spaces, or read as its own."""
        words = ["make", playbook]
        inventories = [_near(inventory) for inventory in _listed(self.arguments.get("inventory"))]
        if len(inventories) > 1 or not all(_PLAIN.fullmatch(word) for word in (*inventories, *said)):
            return ""
        if inventories and inventories != [_MADE_INVENTORY]:
            words.append(f"INVENTORY={inventories[0]}")
        if said:
            words.append("VARS=" + " ".join(said))
        return shlex.join(words)

    def _options(self) -> Iterator[str]:
        for name, option in _OPTIONS.items():
            given = self.arguments.get(name)
            if name == "subset" and self.host:
                given = self.host
            for value in _listed(given):
                if value is True:
                    yield option
                elif value and value != _USUAL.get(name):
                    yield from (option, str(value))

    def _path(self, playbook: str) -> str:
        """Beside the one that runs, as it was typed; else the collection's own."""
        running = next(iter(self.arguments.get("args") or ()), "")
        sibling = Path(running).with_name(f"{playbook}.yml")
        return str(sibling) if running.endswith((".yml", ".yaml")) and sibling.exists() else f"{COLLECTION}.{playbook}"


def called(variables: Mapping[str, Any]) -> Called:
    """:param variables: of the host that a task works on."""
    return Called(
        arguments=context.CLIARGS,
        extra=[_parsed(words) for words in context.CLIARGS.get("extra_vars") or ()],
        host=str(variables["inventory_hostname"]) if len(variables.get("ansible_play_hosts_all") or ()) > 1 else "",
        by_make=os.environ.get(RUN_BY) == "make",
    )


def _parsed(words: str) -> Mapping[str, Any] | str:
    """What one C(-e) says, as Ansible reads it; of a file its path."""
    if words.startswith("@"):
        return words[1:]
    found: Mapping[str, Any] = DataLoader().load(words) if words.startswith(("{", "[")) else parse_kv(words)
    return found


def _program(by_make: bool) -> str:
    """The environment of a clone is not on the path of a person who typed make."""
    return _near(str(Path(sys.executable).with_name("ansible-playbook"))) if by_make else "ansible-playbook"


def _near(path: str) -> str:
    """As seen from here, where it is below here."""
    here = os.path.relpath(path)
    return path if here.startswith("..") else here


def _listed(value: Any) -> list[Any]:
    if value is None or value is False:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _extra(variables: Mapping[str, Any]) -> list[str]:
    """The words of each C(-e)."""
    return [_assigned(name, value) for name, value in variables.items()]


def _assigned(name: str, value: Any) -> str:
    if _is_secret(name, value):
        return f"{name}=..."
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if isinstance(value, bool | int):
        return f"{name}={json.dumps(value)}"
    return json.dumps({name: value})


def _is_secret(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(_SECRET.search(name)) or any(_is_secret(str(key), inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(_is_secret(name, inner) for inner in value)
    return (bool(_SECRET.search(name)) and not _NO_SECRET.search(name)) or bool(secret_in(str(value)))
