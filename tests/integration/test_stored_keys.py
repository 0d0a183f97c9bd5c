"""What MLflow stores encrypted, with a real server: own keys, several workers, restarts, and what was there before."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import stored_keys
from support.databases import Databases
from support.environments import Environments
from support.servers import API, RunningServer

GATEWAY = "/ajax-api/3.0/mlflow/gateway/secrets"


@pytest.fixture
def run(
    environments: Environments,
    run_server: Callable[..., RunningServer],
    tmp_path: Path,
) -> Callable[..., RunningServer]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    shutil.copy(Path(str(stored_keys.__file__)), plugins / "mlops_mlflow_keys.py")

    def started(database: dict[str, Any], keys: bool, **settings: Any) -> RunningServer:
        places = {}
        for name, variable in launch.STORED_KEYS.items():
            if keys and not (tmp_path / name).exists():
                (tmp_path / name).write_text(secrets.generate(name))
            places[variable] = {"file": str(tmp_path / name)}
        # The resolver of example.com may be away: MLflow asks where a webhook would go.
        env = {"MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https"}
        profile = settings.pop("profile", "throughput")
        return run_server(
            environments.slim, profile, database, plugins_dir=str(plugins), env=env,
            **({"keys": places} if keys else {}), **settings,
        )  # fmt: skip

    return started


def create_webhook(client: Client, name: str) -> str:
    body = {
        "name": name,
        "url": "http://localhost:9/hook",
        "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}],
        "secret": "of the receiver",
    }
    return str(client.post(f"{API}/webhooks", body).json()["webhook"]["webhook_id"])


def create_key(client: Client, name: str) -> None:
    client.post(f"{GATEWAY}/create", {"secret_name": name, "secret_value": {"api_key": "sk-1234567890"}})


def default_passphrase(client: Client) -> bool:
    return bool(client.get(f"{GATEWAY}/config").json()["using_default_passphrase"])


def readable(server: RunningServer) -> tuple[bool, bool]:
    """Whether the keys of the gateway open with this deployment's passphrase, and with the published one."""
    path = str(server.database["uri"]).removeprefix("sqlite:///")
    rows = sqlite3.connect(path).execute("SELECT wrapped_dek, kek_version FROM secrets").fetchall()
    assert rows
    code = (
        "import json, sys; from mlflow.utils.crypto import *\n"
        "def opens(row, phrase):\n"
        "    try: unwrap_dek(bytes.fromhex(row[0]), KEKManager(phrase, row[1]).get_kek()); return True\n"
        "    except Exception: return False\n"
        "rows, own = json.loads(sys.argv[1])\n"
        "print(json.dumps([all(opens(r, own) for r in rows), all(opens(r, DEFAULT_KEK_PASSPHRASE) for r in rows)]))"
    )
    launched = json.loads(server.launch_file.read_text())
    place = launched["secrets"].get("MLFLOW_CRYPTO_KEK_PASSPHRASE", {}).get("file", "/dev/null")
    argument = json.dumps([[[bytes(row[0]).hex(), row[1]] for row in rows], Path(place).read_text() or "none"])
    done = subprocess.run(
        [launched["argv"][0], "-c", code, argument], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    own, known = json.loads(done.stdout.splitlines()[-1])
    return own, known


def test_webhooks_are_listed_by_every_worker_and_after_a_restart(
    databases: Databases, run: Callable[..., RunningServer]
) -> None:
    server = run(databases.connection(databases.copy("keys")), keys=True)
    for restarted in (False, True):
        if restarted:
            server.stop()
            server.start()
        else:
            client = Client(server.server())
            webhook = create_webhook(client, "told")
            create_key(client, "openai")
            assert not default_passphrase(client)
            client.close()
        statuses = []
        for _turn in range(12):  # each its own connection: two workers take turns
            client = Client(server.server())
            statuses.append(client.get(f"{API}/webhooks", expect=None).status)
            statuses.append(client.get(f"{API}/webhooks/{webhook}", expect=None).status)
            client.close()
        assert set(statuses) == {200}, statuses
    assert "mlops.mlflow:" not in server.log.read_text(), "there is nothing to be said"


def test_what_was_stored_under_the_published_passphrase_stays_readable_and_is_told(
    tmp_path: Path, run: Callable[..., RunningServer]
) -> None:
    database = {"type": "sqlite", "uri": f"sqlite:///{tmp_path}/mlflow.db"}
    before = run(database, keys=False, profile="light")
    client = Client(before.server())
    create_key(client, "old")
    webhook = create_webhook(client, "old")
    assert default_passphrase(client)
    client.close()
    before.stop()
    after = run(database, keys=True, profile="light")
    client = Client(after.server())
    assert default_passphrase(client), "kept, because another could not read what is there"
    create_key(client, "new")
    client.close()
    assert readable(after) == (False, True)
    said = after.log.read_text()
    assert "1 keys of the gateway are encrypted with MLflow's published default passphrase" in said
    assert "1 webhooks have secrets that this deployment's key does not open" in said and webhook in said
    # Once nothing is left of it, the next start takes the deployment's own.
    after.stop()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("DELETE FROM secrets")
        connection.execute(f"DELETE FROM webhooks WHERE webhook_id IN ('{webhook}')")
    after.start()
    client = Client(after.server())
    assert not default_passphrase(client)
    create_key(client, "newest")
    client.close()
    assert readable(after) == (True, False)
