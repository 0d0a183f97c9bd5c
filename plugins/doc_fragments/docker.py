# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches DOCKER_ARGS of module_utils/_docker.py.
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - The Docker Engine, such as V(unix:///run/user/1000/docker.sock) or V(ssh://user@host). Empty means
        V(unix:///var/run/docker.sock).
      - E(DOCKER_HOST), E(DOCKER_CONTEXT), E(COMPOSE_PROJECT_NAME) and all others like them are not looked at.
    type: str
    default: ''
requirements:
  - Docker Engine with its compose plugin 2.20 or newer
"""
