# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: options of modules about fleets. They match the doc fragment fleet."""

from __future__ import annotations

from typing import Any

PATTERN_ARGS: dict[str, Any] = {
    "count": {"type": "int", "default": 0},
    "pattern": {"type": "str", "default": ""},
}
