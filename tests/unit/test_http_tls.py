"""The HTTP client over TLS: an authority of one's own, and a client certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from support.certificates import Authority
from support.loopback import Loopback, serve


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority (ca), a certificate for 127.0.0.1 (server) and one for a client, each with its key."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    for name in ("server", "client"):
        authority.issue(name, "IP:127.0.0.1")
    return authority.folder


def server_context(certificates: Path, wants_client_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if wants_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")
    return context


def ask(loopback: Loopback, **options: object) -> int:
    return Client(Server(loopback.url, retries=0, timeout=5.0, **options)).get("/version").status


def test_a_certificate_of_ones_own_authority_is_trusted_when_it_is_named(certificates: Path) -> None:
    with serve(tls=server_context(certificates)) as loopback:
        assert ask(loopback, ca_path=str(certificates / "ca.pem")) == 200
        with pytest.raises(ServerError, match=r"is not trusted: .*Give its authority as ca_path"):
            ask(loopback)


def test_a_certificate_for_another_name_is_refused(certificates: Path) -> None:
    with serve(tls=server_context(certificates)) as loopback:
        loopback.url = loopback.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ServerError, match="is not trusted"):
            ask(loopback, ca_path=str(certificates / "ca.pem"))


def test_any_certificate_is_taken_only_when_that_is_asked_for(certificates: Path) -> None:
    with serve(tls=server_context(certificates)) as loopback:
        assert ask(loopback, validate_certs=False) == 200


def test_a_server_that_wants_a_client_certificate_gets_it(certificates: Path) -> None:
    authority = {"ca_path": str(certificates / "ca.pem")}
    own = {"client_cert": str(certificates / "client.pem"), "client_key": str(certificates / "client.key")}
    with serve(tls=server_context(certificates, wants_client_certificate=True)) as loopback:
        assert ask(loopback, **authority, **own) == 200
        with pytest.raises(ServerError):
            ask(loopback, **authority)


@pytest.mark.parametrize("option", ["ca_path", "client_cert"])
def test_a_file_that_is_missing_or_no_certificate_is_bad_input(option: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for path in (tmp_path / "missing", tmp_path / "text"):
        with pytest.raises(BadInput, match="ca_path, client_cert or client_key cannot be used"):
            Client(Server("https://127.0.0.1:1", **{option: str(path)}))
