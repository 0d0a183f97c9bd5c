# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    # Matches PROGRESS_ARGS of module_utils/_module.py.
    DOCUMENTATION = r"""
options:
  progress_file:
    description:
      - File on the host to which lines about the progress are appended. The module's action plugin chooses one and shows
        the lines while the module works; give one to keep it.
    type: path
"""
