"""What kube-score calls critical in the rendered objects is what docs/target_kubernetes.md explains, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.kubernetes import score

pytestmark = pytest.mark.cluster

GOLDEN = Path(__file__).parents[1] / "unit" / "golden" / "kubernetes"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
# Suspended, they never start by themselves. The scheduled one is not among them.
STARTED_BY_OTHERS = [f"CronJob/{name}-{what}" for name in ("mlflow", "tracking") for what in ("schema", "trial")]
POSTGRESQL = "StatefulSet/mlflow-database"
GATEWAY = "Deployment/mlflow-artifacts"
# Of every case; the cases render images that were brought to the nodes, and are not pulled.
PULLED_ONCE = "container-image-pull-policy"
EXPLAINED = {
    *(("cronjob-has-deadline", name) for name in STARTED_BY_OTHERS),
    ("container-security-context-user-group-id", POSTGRESQL),
    ("pod-probes-identical", GATEWAY),
    # Pods that only CloudNativePG makes.
    ("networkpolicy-targets-pod", "NetworkPolicy/mlflow-database"),
}
# OpenShift gives each namespace its numbers.
NUMBERED_BY_OPENSHIFT = "container-security-context-user-group-id"


def test_there_are_cases() -> None:
    assert {"defaults", "everything", "openshift"} <= set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_what_is_critical_is_explained(case: str) -> None:
    found = score.critical(yaml.safe_load((GOLDEN / f"{case}.yaml").read_text()).values())
    strange = {
        (check, name)
        for check, name in found - EXPLAINED
        if check != PULLED_ONCE and not (check == NUMBERED_BY_OPENSHIFT and case == "openshift")
    }
    assert found and not strange


def test_the_servers_of_images_that_are_pulled_have_no_critical_finding() -> None:
    objects = yaml.safe_load((GOLDEN / "everything.yaml").read_text())
    for container in objects["Deployment/mlflow"]["spec"]["template"]["spec"]["containers"]:
        container["imagePullPolicy"] = "Always"
    assert not {check for check, name in score.critical(objects.values()) if name == "Deployment/mlflow"}
