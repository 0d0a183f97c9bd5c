# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches RUN_AS_ARGS of module_utils/_module.py.
    DOCUMENTATION = r"""
options:
  run_as:
    description:
      - User of the host who owns what is read and written. Where the module runs as root, what it does is done by a child
        with this user's rights, so that a link in a folder of that user leads no further than the user could go.
      - Without it, and where the module does not run as root, it is done as the user that the module runs as.
    type: str
"""
