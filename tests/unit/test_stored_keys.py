"""Keys of what MLflow stores encrypted: made for each deployment, unless what is there would become unreadable."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import files
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import stored_keys
from support.intents import AUTH, computed
from support.plans import planned

PLACES = {variable: {"file": f"/srv/secrets/{name}"} for name, variable in launch.STORED_KEYS.items()}
NAMES = list(PLACES)
ENV = {stored_keys.PASSPHRASE: "own", stored_keys.WEBHOOK_KEY: "own"}


def without(
    monkeypatch: pytest.MonkeyPatch, gateway: list[str], webhooks: list[str], names: list[str] = NAMES
) -> tuple[list[str], str]:
    """C(gateway) and C(webhooks) say what opens each row."""
    known = stored_keys._KNOWN_PASSPHRASE
    monkeypatch.setattr(
        stored_keys, "_unwraps", lambda phrase, row, _version: {"own": "own", known: "known"}.get(phrase) == row
    )
    monkeypatch.setattr(stored_keys, "_decrypts", lambda key, row: key == row)
    rows = {
        stored_keys._GATEWAY: [(row, 1) for row in gateway],
        stored_keys._WEBHOOKS: [(row, row) for row in webhooks],
    }
    gone, sentences = stored_keys.without(ENV, names, rows.__getitem__)
    return gone, " ".join(sentences)


def test_what_everybody_could_read_stays_readable_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without(monkeypatch, [], []) == ([], "")
    assert without(monkeypatch, ["own", "own"], ["own"]) == ([], "")
    gone, said = without(monkeypatch, ["known", "known"], [])
    assert gone == [stored_keys.PASSPHRASE] and "2 keys of the gateway" in said and "published default" in said
    # What was stored since under the deployment's own is not given up for it.
    gone, said = without(monkeypatch, ["known", "own"], [])
    assert gone == [] and "1 keys of the gateway are encrypted with another passphrase" in said
    gone, said = without(monkeypatch, ["neither"], ["lost"])
    assert gone == [] and "another passphrase" in said and "table webhooks and make them anew: 'lost'" in said


def test_a_key_given_by_hand_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without(monkeypatch, ["known"], ["lost"], []) == ([], "")


def test_a_database_without_the_tables_holds_nothing(tmp_path: Path) -> None:
    rows = stored_keys._reader(f"sqlite:///{tmp_path}/mlflow.db?timeout=5")
    assert rows(stored_keys._GATEWAY) == [] and not (tmp_path / "mlflow.db").exists()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE webhooks (webhook_id TEXT)")  # of a version without secrets
    assert rows(stored_keys._GATEWAY) == rows(stored_keys._WEBHOOKS) == []


def test_a_database_that_does_not_answer_is_waited_for_and_named() -> None:
    answers: list[Any] = [OSError("refused\nSELECT secret"), [("row", 1)]]

    def rows(_query: str) -> list[tuple[Any, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return list(answer)

    assert stored_keys.patient(rows)("") == [("row", 1)]
    answers.append(OSError("refused\nSELECT secret"))
    with pytest.raises(SystemExit, match=r"^mlops\.mlflow: cannot read the database: refused$"):
        stored_keys.patient(rows, patience=-1.0)("")


def test_launch_names_both_keys_and_what_judges_them() -> None:
    started = computed(keys=PLACES, python="/env/bin/python", auth=AUTH).as_dict()
    assert {name: started["secrets"][name] for name in NAMES} == PLACES
    assert started["keys"] == ["/env/bin/python", "-m", "mlops_mlflow_keys", *NAMES]
    assert computed().keys == []


def test_keys_given_by_hand_win() -> None:
    by_hand = {"secret_env": {NAMES[0]: {"file": "/srv/mine"}}, "env": {NAMES[1]: "mine"}}
    started = computed(keys=PLACES, **by_hand).as_dict()
    assert started["secrets"][NAMES[0]] == {"file": "/srv/mine"} and started["env"][NAMES[1]] == "mine"
    assert started["keys"] == [] and NAMES[1] not in started["secrets"]


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
@pytest.mark.parametrize("auth", ["none", "basic"])
def test_every_platform_makes_and_fingerprints_them(platform: str, auth: str) -> None:
    found = planned(platform, {"auth": auth})
    assert set(launch.STORED_KEYS.values()) <= set(found["launch"]["secrets"])
    restored = found["connection"]["restored_secrets"]
    assert set(restored) == {*launch.STORED_KEYS, *(["flask-secret-key"] if auth == "basic" else [])}
    made = found["compose"]["generated"] if platform == "compose" else found["secrets"]
    for name, place in restored.items():
        assert (place["file"] in made) if platform == "compose" else (name in made)
    by_hand = planned(platform, {"auth": auth, "env": dict.fromkeys(NAMES, "mine")})
    assert set(by_hand["connection"]["restored_secrets"]) == set(restored) - set(launch.STORED_KEYS)


@pytest.mark.parametrize("name", ["admin-password", "webhook-key"])
def test_generated_secrets_are_letters_and_digits_and_the_webhook_key_is_fernets(name: str) -> None:
    made = {secrets.generate(name) for _turn in range(50)}
    assert len(made) == 50
    for one in made:
        assert one.removesuffix("=").isalnum()
        assert name != "webhook-key" or len(base64.urlsafe_b64decode(one)) == 32


def test_compose_makes_the_webhook_key_in_its_form(tmp_path: Path) -> None:
    key = tmp_path / "secrets" / "webhook-key"
    files.ensure(tmp_path / "project", {}, {"secrets/server/KEY": str(key)}, [str(key)])
    assert len(base64.urlsafe_b64decode(key.read_text())) == 32


def test_a_secret_variable_cannot_be_one_of_launch() -> None:
    place = {"file": "/srv/x"}
    for name in ("_MLFLOW_X", "MLFLOW_SERVER_ALLOWED_HOSTS"):
        with pytest.raises(BadInput, match=f"mlflow_server_secret_env may not set {name}"):
            computed(secret_env={name: place})
    with pytest.raises(BadInput, match="A of mlflow_server_secret_env must be"):
        computed(secret_env={"A": "text"})


def test_secret_variables_are_files_on_hosts_and_compose_and_secrets_on_kubernetes() -> None:
    name = "OPENAI_API_KEY"
    file, key = {"file": "/srv/openai"}, {"secret": "openai", "key": "api-key"}
    assert planned("host", {"secret_env": {name: file}})["launch"]["secrets"][name] == file
    compose = planned("compose", {"secret_env": {name: file}})
    assert compose["launch"]["secrets"][name] == {"file": f"/run/secrets/{name}"}
    copies = {path: source for path, source in compose["secrets"].items() if path.endswith(name)}
    assert copies == {f"secrets/server/{name}": "/srv/openai", f"secrets/trial/{name}": "/srv/openai"}
    assert "/srv/openai" not in compose["compose"]["generated"], "who gives a file has made it"
    pods = planned("kubernetes", {"secret_env": {name: key}})
    assert pods["launch"]["secrets"][name] == key
    assert {"name": name, "valueFrom": {"secretKeyRef": {"name": "openai", "key": "api-key"}}} in pods["kubernetes"][
        "env"
    ]
    for platform, wrong in (("host", key), ("compose", key), ("kubernetes", file), ("host", "sk-123"), ("compose", {})):
        (error,) = planned(platform, {"secret_env": {name: wrong}})["errors"]
        assert f"mlflow_server_secret_env: {name} must name a " in error and "sk-123" not in error
