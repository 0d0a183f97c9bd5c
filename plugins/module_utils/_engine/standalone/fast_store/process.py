# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server process does besides, once it has its store: what was imported stays out of garbage collections, and
JSON has no spaces for the eye.

A full collection goes through everything that was imported, 0.2 s in the middle of some request. Answers that are not
indented are half as long, and Python writes them with its encoder in C; programs read the same of both.
"""

from __future__ import annotations

import functools
import gc
from typing import Any


def tune() -> None:
    from mlflow.server import handlers

    write = handlers.message_to_json
    if not hasattr(write, "__wrapped__"):

        @functools.wraps(write)
        def compact(message: Any, **options: Any) -> Any:
            return write(message, **{**options, "pretty": False})

        handlers.message_to_json = compact
    gc.collect()
    gc.freeze()
