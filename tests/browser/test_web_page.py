"""What a data scientist does on MLflow's page, in a real browser, under the server's own name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from playwright.sync_api import Browser, Error, Page, expect
from support.environments import Environments
from support.host.deployment import Deployment
from support.reverse_proxies import NAME, PREFIX, HAProxy, Nginx
from support.servers import API

PATIENCE = 60_000  # milliseconds
expect.set_options(timeout=PATIENCE)


@dataclass
class Address:
    """Where the page is; C(login) is empty on a server without one. C(client) works beside the page."""

    url: str
    login: tuple[str, str] | None
    client: Client


@pytest.fixture(scope="module")
def open_server(environments: Environments) -> Iterator[Deployment]:
    deployment = Deployment(environments, "light", mlflow_server_allowed_hosts=[NAME])
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(scope="module")
def published_server(environments: Environments) -> Iterator[Deployment]:
    """As docs/reverse_proxy.md says: a login, and a path of its own behind a proxy that ends TLS."""
    deployment = Deployment(
        environments,
        "light",
        mlflow_server_allowed_hosts=[NAME],
        mlflow_server_static_prefix=PREFIX,
        mlflow_server_auth="basic",
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(params=["alone", "nginx", "haproxy"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Address]:
    if request.param == "alone":
        deployment = request.getfixturevalue("open_server")
        yield Address(f"http://{NAME}:{deployment.port}", None, deployment.client())
        return
    deployment = request.getfixturevalue("published_server")
    login = ("admin", deployment.password())
    proxy = (Nginx if request.param == "nginx" else HAProxy)(tmp_path, deployment.port)
    proxy.start()
    try:
        yield Address(proxy.url, login, Client(Server(deployment.url + PREFIX, username=login[0], password=login[1])))
    finally:
        proxy.stop()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    # The certificate is by the test's own authority.
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 760})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    if folder := os.environ.get("TEST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png")
    context.close()


def log_in(page: Page, address: Address) -> None:
    """What the browser's own dialog does, which no test can fill in: it keeps a name and password for the origin."""
    assert address.login
    credentials = ":".join(quote(word, safe="") for word in address.login)
    page.goto(address.url.replace("://", f"://{credentials}@") + "/version")


def test_a_person_works_on_the_page(page: Page, address: Address) -> None:
    refused: list[str] = []
    page.on(
        "response",
        lambda answer: refused.append(f"{answer.status} {answer.url}") if answer.status in (401, 403) else None,
    )
    if address.login:
        asks_for_a_login(page, address)
        refused.clear()
        log_in(page, address)
    page.goto(address.url + "/#/experiments")

    name = f"made on the page {time.time_ns()}"
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_label("Experiment Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    page.wait_for_url("**/experiments/*/**")
    experiment = page.url.split("/experiments/")[1].split("/")[0]
    assert (
        address.client.get(f"{API}/experiments/get", {"experiment_id": experiment}).json()["experiment"]["name"] == name
    )

    train(address.client, experiment)
    page.goto(f"{address.url}/#/experiments/{experiment}/runs")
    page.get_by_role("link", name="trained-elsewhere").first.click()
    expect(page.get_by_text("0.9375").first).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("notes.txt").first.click()
    expect(page.get_by_text("seen in a browser")).to_be_visible()
    assert refused == []

    if address.login:
        log_out(page)
        asks_for_a_login(page, address)


def asks_for_a_login(page: Page, address: Address) -> None:
    """This is what a browser without windows says where others show their dialog."""
    other = page.context.new_page()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        other.goto(address.url + "/")
    other.close()


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Account menu for admin").click()
    # The page asks once more with a name that nobody has, which the browser then keeps instead.
    with page.expect_response(lambda answer: answer.status == 401):
        page.get_by_role("menuitem", name="Logout").click()


def train(client: Client, experiment: str) -> None:
    """What another program of the team writes: a run, a metric, an artifact."""
    run = client.post(f"{API}/runs/create", {"experiment_id": experiment, "run_name": "trained-elsewhere"})
    run_id = run.json()["run"]["info"]["run_id"]
    client.post(f"{API}/runs/log-metric", {"run_id": run_id, "key": "accuracy", "value": 0.9375, "timestamp": 1})
    notes = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/notes.txt"
    client.request("PUT", notes, body=b"seen in a browser")
