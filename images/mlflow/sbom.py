"""Prints what an image is made of as one CycloneDX document: its Python packages and Debian's, each with its version.

Runs once, as the last step of a build, with the image's own Python. Standard library only.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from typing import Any
from urllib.parse import quote


def python_packages() -> list[dict[str, Any]]:
    """Those of the environment that runs this."""
    found = {}
    for package in importlib.metadata.distributions():
        # As package URLs want it: https://packaging.python.org/en/latest/specifications/name-normalization/
        name = re.sub(r"[-_.]+", "-", package.name).lower()
        found[name] = _component(name, package.version, f"pkg:pypi/{name}@{quote(package.version)}")
    return [found[name] for name in sorted(found)]


def debian_packages(answer: str) -> list[dict[str, Any]]:
    """What C(dpkg-query) lists, a line each of name, version, and architecture between tabs."""
    rows = [line.split("\t") for line in answer.splitlines()]
    return [
        _component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}")
        for name, version, architecture in sorted(rows)
    ]


def document(components: list[dict[str, Any]], name: str, version: str) -> dict[str, Any]:
    """The same image gives the same document: no time and no random number is in it."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "image", "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main() -> int:
    query = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"]
    answer = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    components = python_packages() + debian_packages(answer)
    version = importlib.metadata.version("mlflow")
    json.dump(document(components, "mlops-mlflow", version), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
