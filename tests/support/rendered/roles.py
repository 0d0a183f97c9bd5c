"""Templates of roles that use no filter of Ansible's, rendered without it."""

from __future__ import annotations

import json
from typing import Any

import jinja2

from ..playbooks import REPOSITORY


def rendered(template: str, **variables: Any) -> str:
    """
    :param template: its path below C(roles).
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["to_json"] = json.dumps
    return environment.from_string((REPOSITORY / "roles" / template).read_text()).render(**variables)
