# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of whom a token (JWT) says that it is. Never verified here: whoever is shown it does that, and messages only tell
it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from .errors import one_line


def claims(token: str) -> dict[str, Any]:
    """What a token claims; {} where it is none."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def whose(token: str) -> dict[str, str]:
    """C(sub), C(aud) and C(iss) for messages, each in one line."""
    said = claims(token)
    found = {name: said.get(name, "nobody") for name in ("sub", "aud", "iss")}
    return {
        name: one_line(", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in found.items()
    }
