# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches PATTERN_ARGS of module_utils/_fleet.py: the names of a fleet's instances.
    DOCUMENTATION = r"""
options:
  count:
    description:
      - How many instances O(pattern) makes.
    type: int
    default: 0
  pattern:
    description:
      - Their names, with V(#) for each digit of the number, which begins at 1.
    type: str
    default: ""
"""
