# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches TAGS_ARGS of module_utils/_aws.py. The names are those of amazon.aws.
    DOCUMENTATION = r"""
options:
  tags:
    description:
      - Its tags. Without it, they stay as they are.
    type: dict
    aliases: [resource_tags]
  purge_tags:
    description:
      - Whether tags that O(tags) does not name are removed. AWS's own, which begin with C(aws:), stay.
    type: bool
    default: true
"""
