"""Prints the routes of the server that a launch describes, as it lists them itself: lines of JSON, method and rule.

Runs under the server's own interpreter, with its environment: routes_of_mlflow.py
"""

from __future__ import annotations

import json
import re
from typing import Any

from mlflow.server import app as flask
from mlflow.server.auth import create_app


def methods_of(route: Any) -> list[str]:
    return sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD", "OPTIONS"})


def main() -> None:
    application = create_app()
    found = {
        (method, re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule))
        for rule in flask.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    for route in getattr(application, "routes", []):
        if getattr(route, "path", ""):  # Flask's application is mounted at none
            path = re.sub(r"{([^:{}]+):[^{}]+}", r"{\1}", route.path)
            found |= {(method, path) for method in methods_of(route)}
    for method, rule in sorted(found):
        print(json.dumps([method, rule]))


main()
