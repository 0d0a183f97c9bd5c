"""Certificates of a deployment's own servers: whom they satisfy, and that they are made once and renewed in time."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.certificates import Pair
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.runner import ComposeRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.runner import HostRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.certificates import (
    ensure_certificate,
    of_secrets,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster
from support.fake_cluster import NAMESPACE, Api

NAMES = ["db", "db.team-a.svc"]
NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


def shaken(folder: Path, server: Pair, trusted: str, name: str) -> str:
    """A handshake of Python's own client, as strict as it can be, with such a server: the version of TLS."""
    chain = folder / "server.pem"
    chain.write_text(server.certificate + server.key)
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(chain)
    asking = ssl.create_default_context(cadata=trusted)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=name)
    peer = accepting.wrap_bio(there, back, server_side=True)
    for _flight in range(4):
        for side in (client, peer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return str(client.version())


@pytest.mark.parametrize("days", [-400, 0, 400, 40_000])
def test_when_a_certificate_ends_is_read_without_a_library(days: int) -> None:
    """After 2049 the time is written otherwise."""
    authority = certificates.new_authority("mlflow authority", NOW + timedelta(days=days))
    server = certificates.issue(authority, NAMES, NOW + timedelta(days=days))
    for pair in (authority, server):
        assert certificates.end_of(pair.certificate) == _parsed(pair).not_valid_after_utc
    assert (
        certificates.end_of(f"text\n{server.certificate}{authority.certificate}") == _parsed(server).not_valid_after_utc
    )


def test_a_damaged_certificate_is_one_sentence() -> None:
    whole = ssl.PEM_cert_to_DER_cert(certificates.new_authority("mlflow authority").certificate)
    damaged = [whole[:length] for length in range(0, 200, 7)]
    damaged += [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(0, 24)]
    for data in damaged:
        try:
            assert certificates.ending({"x": ssl.DER_cert_to_PEM_cert(data)}, NOW) is not None
        except BadInput as error:
            assert str(error) == "the certificate in x cannot be read"


def test_the_certificate_of_a_host_or_a_load_balancer_is_the_one_that_clients_see(tmp_path: Path) -> None:
    """Not that in the file, which may be a newer one."""
    authority = certificates.new_authority("mlflow authority")
    server = certificates.issue(authority, ["localhost"], NOW - 3 * YEAR + timedelta(days=9, hours=1))
    chain = tmp_path / "server.pem"
    chain.write_text(server.certificate + server.key)
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/mlflow"

        def shake() -> None:
            for _client in range(2):
                with contextlib.suppress(OSError):
                    accepting.wrap_socket(listener.accept()[0], server_side=True).close()

        shaking = threading.Thread(target=shake, daemon=True)
        shaking.start()
        runners: list[Any] = [
            HostRunner("mlflow", str(tmp_path), address=url),
            ComposeRunner("mlflow", str(tmp_path / "compose.yaml"), address=url),
        ]
        for runner in runners:
            _ended, [soon] = certificates.ending(runner.certificates(), NOW)
            assert soon.startswith(f"that in {url} ends on ") and soon.endswith("in 9 days")
        shaking.join()
    with pytest.raises(BadInput, match="shows no certificate"):
        runners[0].certificates()
    assert HostRunner("mlflow", str(tmp_path), address="http://127.0.0.1:5000").certificates() == {}


@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_the_authority_reach_each_name(name: str, tmp_path: Path) -> None:
    authority = certificates.new_authority("mlflow authority")
    assert shaken(tmp_path, certificates.issue(authority, NAMES), authority.certificate, name) == "TLSv1.3"


def test_another_name_and_another_authority_are_refused(tmp_path: Path) -> None:
    authority, other = (certificates.new_authority("mlflow authority") for _number in range(2))
    server = certificates.issue(authority, NAMES)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shaken(tmp_path, server, authority.certificate, "db.team-b.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(tmp_path, server, other.certificate, "db")


def test_a_renewed_authority_and_the_one_before_trust_what_either_has_signed(tmp_path: Path) -> None:
    before = certificates.new_authority("mlflow authority")
    after = certificates.renewed(before, NOW + 5 * YEAR)
    assert after.certificate != before.certificate and "mlflow authority" in str(_parsed(after).subject)
    assert _parsed(after).not_valid_after_utc > _parsed(before).not_valid_after_utc + 4 * YEAR
    assert shaken(tmp_path, certificates.issue(before, NAMES), certificates.renewed(before).certificate, "db")
    assert shaken(tmp_path, certificates.issue(certificates.renewed(before), NAMES), before.certificate, "db")


def test_a_certificate_is_for_addresses_too(tmp_path: Path) -> None:
    authority, names = certificates.new_authority("mlflow authority"), ["mlflow", "localhost", "127.0.0.1"]
    server = certificates.issue(authority, names)
    for name in names:
        assert shaken(tmp_path, server, authority.certificate, name) == "TLSv1.3"
    assert certificates.is_good(server, authority, names)
    assert not certificates.is_good(server, authority, names[:2]), "an address that is no longer meant"


@pytest.mark.parametrize(
    ("left", "ended", "soon"),
    [
        (timedelta(days=31), "", ""),
        (timedelta(days=29, hours=1), "", "that in a Secret ends on 2026-12-25, in 29 days"),
        (timedelta(hours=1), "", "in 0 days"),
        (timedelta(0), "that in a Secret ended on 2026-11-26", ""),
    ],
)
def test_what_ends_within_a_month_is_spoken_of(left: timedelta, ended: str, soon: str) -> None:
    end = datetime(2026, 11, 26, 12, tzinfo=UTC) + left
    pair = certificates.issue(certificates.new_authority("a", end - YEAR), ["db"], end - 3 * 365 * timedelta(days=1))
    found = certificates.ending({"a Secret": pair.certificate}, end - left)
    assert [bool(one) for one in found] == [bool(ended), bool(soon)]
    assert ended in "".join(found[0]) and soon in "".join(found[1])


def test_a_certificate_that_cannot_be_read_is_named_and_no_verdict() -> None:
    with pytest.raises(BadInput, match="the certificate in a Secret cannot be read"):
        certificates.ending({"a Secret": "nothing"})


@pytest.mark.parametrize(
    ("later", "good"), [(timedelta(0), True), (1.9 * YEAR, True), (2.1 * YEAR, False), (4 * YEAR, False)]
)
def test_a_certificate_is_good_while_a_third_of_its_term_is_left(later: timedelta, good: bool) -> None:
    authority = certificates.new_authority("mlflow authority")
    server = certificates.issue(authority, NAMES)
    assert certificates.is_good(server, authority, NAMES, NOW + later) is good


def test_no_certificate_outlives_its_authority() -> None:
    authority = certificates.new_authority("mlflow authority", NOW - 9 * YEAR)
    end = _parsed(certificates.issue(authority, NAMES)).not_valid_after_utc
    assert end == _parsed(authority).not_valid_after_utc < NOW + 2 * YEAR


def test_a_key_is_shown_by_nothing_that_prints_a_pair() -> None:
    pair = certificates.new_authority("mlflow authority")
    assert "PRIVATE" in pair.key and "PRIVATE" not in repr(pair) + str(pair)


class Storing(Api):
    """A cluster that keeps Secrets."""

    def _answer(self, path: str, method: str, body: Any, listed: bool = False) -> Any:
        answer = super()._answer(path, method, body, listed)
        if method in ("POST", "PUT") and "/secrets" in path:
            self.answers[f"{NAMESPACE}/secrets/{body['metadata']['name']}"] = body
        return answer

    def secret(self, name: str) -> dict[str, str]:
        data = self.answers[f"{NAMESPACE}/secrets/{name}"]["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def pair(self, name: str) -> Pair:
        found = self.secret(name)
        return Pair(found["tls.crt"], found["tls.key"])

    def put(self, name: str, pair: Pair) -> None:
        values = {"tls.crt": pair.certificate, "tls.key": pair.key}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.answers[f"{NAMESPACE}/secrets/{name}"]["data"] = encoded

    def take_over(self, name: str) -> None:
        self.answers[f"{NAMESPACE}/secrets/{name}"]["metadata"]["labels"] = {}


AUTHORITY = ["mlflow-authority/tls.crt", "mlflow-authority/tls.key"]
TRUSTED, SERVER = ["mlflow-ca/ca.crt"], ["mlflow-database-tls/tls.crt", "mlflow-database-tls/tls.key"]
STORE = ["mlflow-artifacts-tls/tls.crt", "mlflow-artifacts-tls/tls.key"]


def ensured(api: Api, component: str = "database", dry_run: bool = False) -> list[str]:
    return ensure_certificate(Cluster(api), "team-a", "mlflow", component, f"mlflow-{component}", dry_run=dry_run)


@pytest.fixture
def api() -> Storing:
    """One that a deploy has been to."""
    cluster = Storing()
    assert ensured(cluster) == [*AUTHORITY, *TRUSTED, *SERVER]
    return cluster


def test_a_first_run_makes_what_the_pods_need(api: Storing, tmp_path: Path) -> None:
    made = {body["metadata"]["name"]: body for _method, _path, body in api.changes}
    assert {name: body["type"] for name, body in made.items()} == {
        "mlflow-authority": "kubernetes.io/tls",
        "mlflow-ca": "Opaque",
        "mlflow-database-tls": "kubernetes.io/tls",
    }
    component = "app.kubernetes.io/component"
    assert made["mlflow-database-tls"]["metadata"]["labels"][component] == "database", (
        "it goes with the database's data"
    )
    assert set(made["mlflow-ca"]["data"]) == {"ca.crt"}, "what every pod mounts holds no key"
    for name in ("mlflow-database", "mlflow-database.team-a", "mlflow-database.team-a.svc.cluster.local"):
        assert shaken(tmp_path, api.pair("mlflow-database-tls"), api.secret("mlflow-ca")["ca.crt"], name)


def test_a_second_run_changes_nothing(api: Storing) -> None:
    changes = len(api.changes)
    assert ensured(api) == [] and len(api.changes) == changes


def test_the_components_of_a_deployment_share_its_authority(api: Storing, tmp_path: Path) -> None:
    assert ensured(api, "artifacts") == STORE
    assert shaken(tmp_path, api.pair("mlflow-artifacts-tls"), api.secret("mlflow-ca")["ca.crt"], "mlflow-artifacts")


def test_a_certificate_may_lie_elsewhere_and_be_for_more_names(api: Storing, tmp_path: Path) -> None:
    def made() -> list[str]:
        more = {"secret": "mlflow-server-tls", "others": ["127.0.0.1"]}
        return ensure_certificate(Cluster(api), "team-a", "mlflow", "server", "mlflow", **more)

    assert made() == ["mlflow-server-tls/tls.crt", "mlflow-server-tls/tls.key"] and made() == []
    for name in ("mlflow.team-a.svc", "127.0.0.1"):
        assert shaken(tmp_path, api.pair("mlflow-server-tls"), api.secret("mlflow-ca")["ca.crt"], name)


def test_all_certificates_of_a_deployment_are_found_whoever_made_them(api: Storing) -> None:
    api.take_over("mlflow-database-tls")
    found = of_secrets(Cluster(api), "team-a", "mlflow", ["mlflow-ca", "mlflow-database-tls", "mlflow-server-tls"])
    assert set(found) == {"the Secret team-a/mlflow-ca", "the Secret team-a/mlflow-database-tls"}
    assert all("BEGIN CERTIFICATE" in text for text in found.values()) and "PRIVATE" not in str(found)
    assert of_secrets(Cluster(Storing()), "team-a", "mlflow", []) == {}, "and nothing is asked without TLS"


def test_check_mode_tells_what_a_first_run_would_make() -> None:
    api = Storing()
    assert ensured(api, dry_run=True) == [*AUTHORITY, *TRUSTED, *SERVER] and api.changes == []


def test_a_certificate_with_less_than_a_third_left_is_renewed(api: Storing, tmp_path: Path) -> None:
    authority = api.pair("mlflow-authority")
    names = ["mlflow-database", *(f"mlflow-database.team-a{end}" for end in ("", ".svc", ".svc.cluster.local"))]
    old = certificates.issue(authority, names, NOW - 2.1 * YEAR)
    api.put("mlflow-database-tls", old)
    assert ensured(api, dry_run=True) == SERVER and api.pair("mlflow-database-tls") == old
    assert ensured(api) == SERVER and ensured(api) == []
    new = api.pair("mlflow-database-tls")
    assert new.key != old.key and api.pair("mlflow-authority") == authority
    assert shaken(tmp_path, new, authority.certificate, "mlflow-database")


def test_an_authority_is_renewed_with_its_key_and_what_it_signed_stays(api: Storing, tmp_path: Path) -> None:
    old = certificates.new_authority("mlflow authority", NOW - 7 * YEAR)
    api.put("mlflow-authority", old)
    assert ensured(api) == [*AUTHORITY, *TRUSTED, *SERVER], "the one before had another key"
    api.put("mlflow-authority", certificates.renewed(api.pair("mlflow-authority"), NOW - 7 * YEAR))
    server = api.pair("mlflow-database-tls")
    assert ensured(api) == [*AUTHORITY, *TRUSTED] and ensured(api) == []
    assert api.pair("mlflow-authority").key == old.key and api.pair("mlflow-database-tls") == server
    assert shaken(tmp_path, server, api.secret("mlflow-ca")["ca.crt"], "mlflow-database")


@pytest.mark.parametrize("lost", ["mlflow-authority", "mlflow-ca", "mlflow-database-tls"])
def test_what_was_lost_or_damaged_comes_back_and_fits(api: Storing, lost: str, tmp_path: Path) -> None:
    for damage in (None, {"tls.crt": "bm90aGluZw==", "tls.key": "bm90aGluZw==", "ca.crt": "bm90aGluZw=="}):
        if damage:
            api.answers[f"{NAMESPACE}/secrets/{lost}"]["data"] = damage
        else:
            del api.answers[f"{NAMESPACE}/secrets/{lost}"]
        assert any(key.startswith(f"{lost}/") for key in ensured(api)) and ensured(api) == []
        trusted = api.secret("mlflow-ca")["ca.crt"]
        assert shaken(tmp_path, api.pair("mlflow-database-tls"), trusted, "mlflow-database")


def test_a_run_that_ended_in_its_midst_is_completed(api: Storing, tmp_path: Path) -> None:
    del api.answers[f"{NAMESPACE}/secrets/mlflow-authority"]
    api.refusals[f"{NAMESPACE}/secrets/mlflow-ca"] = ConnectionError("cut off")
    with pytest.raises(Exception, match="cut off"):
        ensured(api)
    api.refusals.clear()
    assert ensured(api) == [*TRUSTED, *SERVER]
    assert shaken(tmp_path, api.pair("mlflow-database-tls"), api.secret("mlflow-ca")["ca.crt"], "mlflow-database")


def test_what_somebody_else_provides_is_left_alone(api: Storing) -> None:
    for name in ("mlflow-ca", "mlflow-database-tls"):
        api.take_over(name)
    del api.answers[f"{NAMESPACE}/secrets/mlflow-authority"]
    changes = len(api.changes)
    assert ensured(api) == [] and len(api.changes) == changes


def test_who_provides_one_is_told_what_else_to_provide(api: Storing) -> None:
    api.take_over("mlflow-ca")
    with pytest.raises(BadInput) as refused:
        ensured(api, "artifacts")
    for words in ("team-a/mlflow-ca was not made by this deployment", "mlflow-artifacts-tls/tls.crt", "provide that"):
        assert words in str(refused.value)


def _parsed(pair: Pair) -> Any:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pair.certificate.encode())
