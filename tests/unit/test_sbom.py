"""The list of what is in an image is a CycloneDX document that other programs read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).parents[2] / "images/mlflow/sbom.py"
DPKG = "zlib1g\t1:1.3.dfsg+really1.3.1-1+b1\tamd64\nadduser\t3.152\tall\n"


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def error_in(document: object) -> object:
    # Two seconds of each process that collects tests, were it on top.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_the_list_follows_the_schema_and_names_each_package_with_its_version() -> None:
    sbom = program()
    components = sbom.python_packages() + sbom.debian_packages(DPKG)
    document = sbom.document(components, "mlops-mlflow", "3.17.2")
    assert error_in(document) is None
    versions = {one["purl"].partition("@")[0]: one["version"] for one in document["components"]}
    assert versions["pkg:pypi/pytest"] == importlib.metadata.version("pytest")
    assert versions["pkg:deb/debian/adduser"] == "3.152"
    assert document["components"][-1]["purl"] == "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64"
    assert len({one["bom-ref"] for one in document["components"]}) == len(components)


def test_a_broken_list_is_noticed() -> None:
    document = program().document([{"type": "library", "bom-ref": "nameless"}], "mlops-mlflow", "3.17.2")
    assert error_in(document) is not None
