# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - Where the tracking server is. May end in its static prefix.
      - Without it http://127.0.0.1:5000, or what a module's option C(runner) says.
    type: str
  username:
    description:
      - User for basic authentication.
    type: str
  password:
    description:
      - Password of O(username). Prefer O(password_file), which keeps it out of the task.
    type: str
  password_file:
    description:
      - File on the host that holds the password of O(username).
    type: path
  token:
    description:
      - Bearer token, instead of O(username).
    type: str
  ca_path:
    description:
      - File with the certificates of the authorities to trust, instead of the host's own.
    type: path
  client_cert:
    description:
      - Client certificate (PEM) for servers that ask for one.
    type: path
  client_key:
    description:
      - Private key of O(client_cert).
    type: path
  validate_certs:
    description:
      - Whether the server's certificate must be valid.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that each request may take.
    type: float
    default: 10.0
"""
