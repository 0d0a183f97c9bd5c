"""CrateDB's statements as SQLite reads them, and its values as Python and SQLite have them."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from typing import Any

_SUBSCRIPTS = re.compile(r"""((?:\w+\.)*(?:\w+|"[^"]+"))((?:\['[^']+'\])+)""")
_LITERAL = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""")
_WORDS = (
    (re.compile(r"\bCURRENT_TIMESTAMP\b|\bnow\(\)", re.IGNORECASE), "milliseconds()"),
    (re.compile(r"\$(\d+)"), r"?\1"),
    (re.compile(r"\bOBJECT\s*\(\s*\w+\s*\)", re.IGNORECASE), "OBJECT"),
    (re.compile(r"\bCLUSTERED INTO \d+ SHARDS\b", re.IGNORECASE), ""),
    (re.compile(r"\bGEN_RANDOM_TEXT_UUID\(\)", re.IGNORECASE), "(lower(hex(randomblob(16))))"),
    (re.compile(r"\bILIKE\b", re.IGNORECASE), "REGEXP"),
    # A column of sys.shards.
    (re.compile(r"\bprimary\b(?!\s+KEY)", re.IGNORECASE), '"primary"'),
)


def translated(statement: str) -> str:
    statement = _SUBSCRIPTS.sub(_of_object, statement)
    parts = _LITERAL.split(statement)
    for number in range(0, len(parts), 2):
        for word, other in _WORDS:
            parts[number] = word.sub(other, parts[number])
    return "".join(parts)


def _of_object(found: re.Match[str]) -> str:
    path = "".join(f'."{key}"' for key in re.findall(r"\['([^']+)'\]", found[2]))
    return f"json_extract({found[1]}, '${path}')"


def bound(values: list[Any]) -> list[Any]:
    return [json.dumps(value) if isinstance(value, dict | list) else value for value in values]


def teach(connection: sqlite3.Connection) -> None:
    """The functions that statements are translated to. C(LIKE) of CrateDB tells capitals from small letters."""
    connection.create_function("milliseconds", 0, lambda: int(time.time() * 1000))
    connection.create_function("like", 2, _like(0))
    connection.create_function("like", 3, _like(0))
    connection.create_function("regexp", 2, _like(re.IGNORECASE))


def _like(flags: int) -> Callable[..., bool | None]:
    def like(pattern: Any, value: Any, escape: str = "\\") -> bool | None:
        if pattern is None or value is None:
            return None
        meant = {"%": ".*", "_": "."}
        words = re.findall(f"{re.escape(escape)}.|.", str(pattern), re.DOTALL)
        wanted = "".join(meant.get(word) or re.escape(word[-1]) for word in words)
        return re.fullmatch(wanted, str(value), re.DOTALL | flags) is not None

    return like


# By the first word of a column's type: JSON says true and false, and objects as they are.
_READ: dict[str, Callable[[bytes], Any]] = {
    "BOOLEAN": lambda raw: raw == b"1",
    "OBJECT": json.loads,
    "ARRAY": json.loads,
    "TIMESTAMP": int,
}
for _name, _read in _READ.items():
    sqlite3.register_converter(_name, _read)
