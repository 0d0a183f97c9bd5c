"""The examples of a module's documentation, to be run as they are written."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .deployment import Deployment
from .playbooks import REPOSITORY, PlayResult, run_playbook

MODULES = REPOSITORY / "plugins" / "modules"
# The tests that run them, of each place.
TESTS = {
    "host": "integration/test_examples.py",
    "compose": "compose/test_compose_examples.py",
    "prometheus": "compose/test_compose_own_prometheus.py",
    "benchmark": "compose/test_compose_benchmark.py",
    "kubernetes": "cluster/test_kubernetes_examples.py",
    "knative": "cluster/test_kubernetes_fleet.py",
    "aws": "aws/test_eks.py",
    "azure": "azure/test_target.py",
}
# Where the examples of each module run, in this order, because later ones work on what the former left.
PLACES = {
    "host": [
        "mlflow_info",
        "mlflow_health",
        "mlflow_host_info",
        "mlflow_host_user_info",
        "mlflow_host_folders",
        "mlflow_compose_files",
        "mlflow_schema",
        "mlflow_schema_info",
        "mlflow_tune",
        "mlflow_smoke_test",
        "mlflow_bucket",
        "mlflow_backup",
        "mlflow_backup_info",
        "mlflow_gc",
        "mlflow_load_test",
        "mlflow_experiments",
        "mlflow_trial",
        "mlflow_reservation",
        "mlflow_restore",
    ],
    "compose": [
        "mlflow_compose_image",
        "mlflow_compose_volume",
        "mlflow_compose_info",
        "mlflow_compose_load_balancer",
        "mlflow_compose_load_test",
        "mlflow_compose_kill",
        "mlflow_compose_project",
        "mlflow_compose_network",
    ],
    "prometheus": ["mlflow_compose_check", "mlflow_compose_reload"],
    "benchmark": ["mlflow_benchmark_report"],
    "kubernetes": [
        "mlflow_kubernetes_namespace",
        "mlflow_kubernetes_info",
        "mlflow_kubernetes_secret",
        "mlflow_kubernetes_certificate",
        "mlflow_kubernetes_apply",
        "mlflow_kubernetes_wait",
        "mlflow_kubernetes_load_test",
        "mlflow_workload",
        "mlflow_kubernetes_remove",
    ],
    "knative": ["mlflow_fleet", "mlflow_fleet_health", "mlflow_fleet_info", "mlflow_fleet_operation"],
    "aws": [
        "aws_ownership",
        "eks_access_entry",
        "eks_addon",
        "eks_cluster_config",
        "eks_cluster_info",
        "eks_nodegroup_version",
        "eks_oidc_provider",
    ],
    "azure": ["aks_cluster_info", "azure_resources"],
}
# Examples that need another place than the others of their module.
ELSEWHERE = {
    "Prove the bucket of a deployment in containers, whose keys it has": "compose",
    "Try it in a container, as the compose file says": "compose",
    "Say what could be done about the database of a deployment of any platform": "compose",
    "Inspect them on Kubernetes with the image of another version, which is what an upgrade to it would find": (
        "kubernetes"
    ),
    "Train with two depths at once, alongside the servers": "kubernetes",
    "Start a Service of Knative that was stopped": "knative",
}


def of(module: str, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tasks. C(places): what a name in the documentation, such as C(db.example.com:5432), is here."""
    for node in ast.parse((MODULES / f"{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            text = str(ast.literal_eval(node.value))
            for said, here in sorted(places.items(), key=lambda place: -len(place[0])):
                text = text.replace(said, here)
            return list(yaml.safe_load(text))
    raise AssertionError(f"{module} documents no EXAMPLES")


def modules() -> set[str]:
    return {path.stem for path in Path(MODULES).glob("*.py")}


def at(place: str, places: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """All tasks that run there, by their names: first those that modules of other places leave to it."""
    home = {module: where for where, listed in PLACES.items() for module in listed}
    ordered = [*sorted(modules() - set(PLACES[place])), *PLACES[place]]
    tasks = [(module, example) for module in ordered for example in of(module, places)]
    return {task["name"]: task for module, task in tasks if ELSEWHERE.get(task["name"], home[module]) == place}


def play(
    deployment: Deployment,
    tasks: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    connections: bool = True,
    **environment: str,
) -> PlayResult:
    """Run tasks on a deployment as its day-2 playbooks do: with its inventory, and with the module defaults of these.

    :param connections: whether tasks know how what was deployed is reached, as these playbooks do.
    """
    [like] = yaml.safe_load((REPOSITORY / "playbooks" / "health.yml").read_text())
    known = {"ansible.builtin.include_tasks": str(REPOSITORY / "playbooks" / "tasks" / "connections.yml")}
    examples = {
        **{key: like[key] for key in ("hosts", "gather_facts", "module_defaults")},
        "name": "Examples",
        "environment": environment,
        "tasks": [known, *tasks] if connections else list(tasks),
    }
    playbook = folder / "examples.yml"
    playbook.write_text(json.dumps([examples]))
    small = [f"-e@{deployment.small}"] if deployment.small else []
    return run_playbook(
        playbook, deployment.inventory, deployment.variables, *small, program=deployment.program, timeout=1200
    )


def results(played: PlayResult, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each of these examples returned; all of them ran, in this order, and none failed."""
    assert [failure.get("msg") for failure in played.failures] == [], played.output[-3000:]
    # What was included before may have a task of the same name.
    ran = [(name, result) for name, result in played.results if name in names and not result.get("skipped")]
    assert [name for name, _result in ran][-len(names) :] == list(names)
    return dict(ran[-len(names) :])


def run(
    deployment: Deployment,
    tasks: Mapping[str, Mapping[str, Any]],
    changes: Mapping[str, bool],
    folder: Path,
    *,
    before: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    connections: bool = True,
) -> dict[str, dict[str, Any]]:
    """What those returned that C(changes) names, in its order: each changed something, or nothing, as it says there.

    :param before: tasks that come before an example.
    """
    listed = [task for one in changes for task in [*(before or {}).get(one, []), tasks[one]]]
    found = results(play(deployment, listed, folder, connections=connections), list(changes))
    assert {one: result["changed"] for one, result in found.items()} == changes
    return found
