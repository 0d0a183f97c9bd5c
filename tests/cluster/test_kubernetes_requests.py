"""What a deploy asks of the API server: a budget, because API servers are shared, and requests are throttled.

    pytest tests/cluster -m cluster -k budget -s

The API server itself counts, in its audit log, the requests of an account that nobody else uses. The autoscaler,
kubelet and controllers are not counted: they come with any deployment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from support.kubernetes import requests
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl
from support.playbooks import PlayResult

pytestmark = pytest.mark.cluster

FIRST_DEPLOY, SECOND_RUN = 150, 60
# The parts of a deploy, by words of their tasks' names; the first that fits.
PARTS = {
    "wait": ("Wait until",),
    "health": ("in depth", "Prove the server"),
    "preflight": ("Inspect", "Create the namespace", "Check"),
    "secrets": ("Generate", "secret", "password", "keys"),
    "apply": ("Apply", "Remove"),
}


@pytest.fixture(scope="module")
def counted(
    cluster: Kubectl, make: Callable[..., Deployment], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    prepared = make("t-requests")
    account = requests.account(cluster, tmp_path_factory.mktemp("access"))
    prepared.variables["mlflow_cluster"] = {"kubeconfig": str(account.kubeconfig), "context": account.context}
    with pytest.MonkeyPatch.context() as patch:
        # A machine that has never seen this cluster: kubernetes.core keeps there what it discovered.
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("empty")))
        yield prepared
        requests.remove_account(cluster)


def told(run: Callable[[], PlayResult], title: str) -> int:
    """How many requests a run made, after printing them by part."""
    before = {(one.at, one.uri) for one in requests.seen()}
    result = run().succeeded()
    made = [one for one in requests.seen() if (one.at, one.uri) not in before]
    tasks = requests.by_task(made, result)
    parts: Counter[str] = Counter()
    for task, number in tasks.items():
        parts[next((part for part, words in PARTS.items() if any(word in task for word in words)), "other")] += number
    print(f"\n{title}: {len(made)} requests: {', '.join(f'{part} {number}' for part, number in parts.most_common())}")
    for task, number in tasks.items():
        print(f"  {number:4}  {task}")
    return len(made)


def test_a_first_deploy_and_a_second_run_stay_within_their_budgets_of_requests(counted: Deployment) -> None:
    first = told(counted.deploy, "first deploy")
    second = told(counted.deploy, "second run")
    assert 0 < first <= FIRST_DEPLOY
    assert 0 < second <= SECOND_RUN
