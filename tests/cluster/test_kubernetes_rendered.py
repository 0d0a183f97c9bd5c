"""What the roles render is what a real API server, with the definitions of operators and gateways, takes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kubernetes import schemas
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl
from support.kubernetes.upgrades import OLD
from support.rendered import manifests as rendered

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, rendered.Deployment]:
    folder = tmp_path_factory.mktemp("rendered")
    rendered.render(folder)
    return rendered.read(folder)


@pytest.fixture(scope="module")
def namespaces(cluster: Kubectl, deployments: dict[str, rendered.Deployment]) -> Iterator[None]:
    """A trial in a namespace that does not exist is refused."""
    wanted = {one["metadata"]["namespace"] for each in deployments.values() for one in each.of("Deployment")}
    made = [name for name in sorted(wanted) if not cluster.has_namespace(name)]
    try:
        for name in made:
            cluster("create", "namespace", name)
        yield
    finally:
        for name in made:
            cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def definitions(cluster: Kubectl) -> Iterator[None]:
    with schemas.installed(cluster):
        yield


@pytest.mark.usefixtures("namespaces", "definitions")
@pytest.mark.parametrize("name", list(rendered.CASES))
def test_a_real_api_server_takes_every_rendered_object(
    name: str, cluster: Kubectl, deployments: dict[str, rendered.Deployment]
) -> None:
    objects = deployments[name].objects
    said = _try(cluster, deployments[name])
    assert said.count("serverside-applied") == len(objects) >= 10
    # Unknown fields would be refused; what Pod Security or a deprecation objects to is a warning.
    assert "Warning" not in said, said


@pytest.mark.usefixtures("namespaces", "definitions")
@pytest.mark.parametrize("name", list(rendered.CASES))
def test_the_api_server_tells_every_field_back_as_it_was_rendered(
    name: str, cluster: Kubectl, deployments: dict[str, rendered.Deployment]
) -> None:
    """Otherwise each apply of files would find that field changed, for ever."""
    told = {_key(one): one for one in json.loads(_try(cluster, deployments[name], as_json=True))["items"]}
    differing = {_key(one): list(_otherwise(one, told[_key(one)])) for one in deployments[name].objects}
    assert not {key: found for key, found in differing.items() if found}


@pytest.mark.usefixtures("namespaces", "definitions")
def test_an_unknown_field_would_be_noticed(cluster: Kubectl, deployments: dict[str, rendered.Deployment]) -> None:
    assert "spec.instancez" in _try(cluster, deployments["cloudnative-pg"], ("instances: 2", "instancez: 2"))


def test_files_for_gitops_are_taken_the_first_time_and_again_with_another_version(
    make: Callable[..., Deployment], tmp_path: Path
) -> None:
    deployment = make("t-gitops", mlflow_server_replicas=1, mlflow_server_max_replicas=1)
    folder, kubectl = tmp_path / "files", deployment.kubectl
    said = deployment.deploy(mlflow_render_dir=str(folder)).succeeded().output
    first = kubectl("apply", "--kustomize", str(folder))
    assert "namespace/t-gitops created" in first and "deployment.apps/mlflow created" in first
    # Whoever does what the end says has a server.
    places: dict[str, list[str]] = {}
    for secret, key, command in re.findall(r"^\W*(\S+), key ([\w-]+)(?:: ([^\"']+))?", said, re.MULTILINE):
        value = subprocess.run(["sh", "-c", command or f"echo a-{key}"], capture_output=True, text=True, check=True)
        places.setdefault(secret, []).append(f"--from-literal={key}={value.stdout.strip()}")
    assert set(places) == {"mlflow-database", "mlflow-artifacts", "mlflow-auth"}
    for secret, literals in places.items():
        kubectl("create", "secret", "generic", secret, *literals)
    kubectl("rollout", "status", "deployment/mlflow", "--timeout=400s")
    again = kubectl("apply", "--kustomize", str(folder))
    assert "configured" not in again and "created" not in again, again
    deployment.deploy(mlflow_render_dir=str(folder), **OLD).succeeded()
    changed = kubectl("apply", "--kustomize", str(folder))
    assert "deployment.apps/mlflow configured" in changed and "job.batch/mlflow-setup-" in changed


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _otherwise(rendered: Any, told: Any, path: str = "") -> Iterator[str]:
    """Where what is told is not what was rendered; it may have more."""
    if isinstance(rendered, dict) and isinstance(told, dict):
        for key, value in rendered.items():
            yield from _otherwise(value, told.get(key), f"{path}.{key}")
    elif isinstance(rendered, list) and isinstance(told, list) and len(rendered) == len(told):
        for number, (one, other) in enumerate(zip(rendered, told, strict=True)):
            yield from _otherwise(one, other, f"{path}[{number}]")
    elif rendered != told:
        yield f"{path}: {rendered!r} is told as {told!r}"


def _try(
    cluster: Kubectl, deployment: rendered.Deployment, change: tuple[str, str] | None = None, *, as_json: bool = False
) -> str:
    text = "\n---\n".join(deployment.texts.values())
    if change:
        assert change[0] in text
        text = text.replace(*change)
    namespace = deployment.of("Deployment")[0]["metadata"]["namespace"]
    trial = ["--server-side", "--dry-run=server", "--validate=strict", "--field-manager=test", "--force-conflicts"]
    trial += ["--output=json"] if as_json else []
    return cluster.within(namespace)("apply", *trial, "--filename=-", stdin=text, check=not change)
