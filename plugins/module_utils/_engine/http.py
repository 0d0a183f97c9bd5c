# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP client for one MLflow tracking server.

Standard library only, because modules run on hosts that have nothing else. Proxies from the environment are not
used: health must see the server itself.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import BadInput, ServerError, one_line
from .names import Host, Origin

# No answer of MLflow's API is longer, nor one of those files that are read back here.
_LONGEST_ANSWER = 64 << 20
_RETRIED_STATUS = frozenset({429, 502, 503, 504})

_RESOLVER, _LONGEST_RESOLVER = "/etc/resolv.conf", 1 << 16

DEFAULT_URL = "http://127.0.0.1:5000"


def directly(*hosts: str) -> dict[str, str]:
    """The variables by which other programs, too, ask these hosts through no proxy, besides those that are said."""
    said = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, dict.fromkeys([*said, *hosts]))))


def ask_directly(url: str | None) -> None:
    """Let this process ask a URL through no proxy, by whichever library, where only this network knows its name.

    Docker gives containers the proxies of its own configuration, and some clusters their pods. A proxy knows no other
    container and no Service, such as the store of a deployment; a store elsewhere may be reached through it alone.
    """
    host = urlsplit(url or "").hostname or ""
    if host and _is_of_this_network(host):
        os.environ.update(directly(host))


def _is_of_this_network(host: str) -> bool:
    """A name of one word, as containers have, or one that a pod's search domains complete to that of a Service."""
    if not set(".:") & set(host):
        return True
    return any(_resolves(f"{host.removesuffix('.svc')}.{domain}.") for domain in _domains_of_services())


def _domains_of_services() -> list[str]:
    try:
        with open(_RESOLVER, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file.read(_LONGEST_RESOLVER).splitlines()]
    except OSError:
        return []
    return [word for first, *words in filter(None, lines) if first == "search" for word in words if word[:4] == "svc."]


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


@dataclass(frozen=True)
class Server:
    """Where a tracking server is and how to speak to it.

    C(url) may end in the server's static prefix. Use C(username) with C(password), or C(token), or neither.
    C(gateway), C(host:port), is asked in place of the host that C(url) names, by that name: what publishes servers,
    where their names lead nowhere yet. Not with https, whose names are the certificate's.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True
    timeout: float = 10.0
    retries: int = 2
    gateway: str = ""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            looks_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, or a bracket without its other half
            looks_right = False
        if not looks_right:
            raise BadInput(
                "The server's url must look like http://host:5000 or https://host/prefix; what was given does not."
            )
        if self.gateway and parts.scheme == "https":
            raise BadInput(f"A gateway is asked by plain HTTP alone, and {self.url} is https: let its name lead there.")
        if self.gateway and not gateway_of(self.gateway):
            raise BadInput(f"The gateway '{self.gateway}' must look like 10.0.0.1:80 or gateway.example.com.")
        if parts.username or parts.password:
            raise BadInput("The server's url holds credentials. Give them as username and password instead.")
        if self.token and self.username:
            raise BadInput("Give either a token or a username with its password, not both.")
        if self.username and self.password is None:
            raise BadInput(f"A password is needed for user {self.username}: give password or password_file.")

    def environment(self) -> dict[str, str | None]:
        """What MLflow's own client reads all this from. A variable that is None must not be set."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": self.username,
            "MLFLOW_TRACKING_PASSWORD": self.password,
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_TRACKING_INSECURE_TLS": None if self.validate_certs else "true",
            "MLFLOW_TRACKING_SERVER_CERT_PATH": self.ca_path,
            "MLFLOW_TRACKING_CLIENT_CERT_PATH": self.client_cert,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(max(self.timeout, 1))),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(self.retries),
        }


def gateway_of(text: str) -> tuple[str, int] | None:
    """Host and port of a gateway; None where the text is neither."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or port == 0 or parts.netloc != text or "@" in text:
        return None
    return host, port or 80


@dataclass(frozen=True)
class Response:
    """An answer: status code, body, the seconds it took, and its headers."""

    status: int
    body: bytes
    seconds: float
    headers: Message = field(default_factory=Message)

    def json(self) -> dict[str, Any]:
        """The JSON object that every call of MLflow's API answers with."""
        try:
            answer = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ServerError(f"The answer is not JSON: {self.excerpt()}", self.status) from error
        if not isinstance(answer, dict):
            raise ServerError(f"The answer is not a JSON object: {self.excerpt()}", self.status)
        return answer

    def excerpt(self, limit: int = 200) -> str:
        """The answer's own error message where it has one, else the start of its text."""
        text = self.body.decode("utf-8", "replace")
        try:
            parsed = json.loads(text)
            text = str(parsed.get("message") or parsed.get("error_code") or text)
        except (ValueError, AttributeError, RecursionError):
            pass
        text = one_line(text)
        return text if len(text) <= limit else text[: limit - 1] + "…"


class Client:
    """Speaks to one server over one kept-alive connection. Not for use from several threads."""

    def __init__(self, server: Server) -> None:
        self.server = server
        parts = urlsplit(server.url)
        self._host = parts.hostname or ""  # Server has refused a url without one
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path.rstrip("/")
        # Where it is asked, and the name by which then.
        self._at = gateway_of(server.gateway) or (self._host, self._port)
        self._named = {"Host": parts.netloc} if server.gateway else {}
        self._context = self._ssl_context() if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def origin(self) -> str:
        """What a browser says of the server's own web page at this url."""
        return str(Origin(urlsplit(self.server.url).scheme, Host(self._host, self._port)))

    def get(self, path: str, query: Mapping[str, Any] | None = None, **kwargs: Any) -> Response:
        return self.request("GET", path + (f"?{urlencode(query, doseq=True)}" if query else ""), **kwargs)

    def post(self, path: str, payload: Mapping[str, Any], **kwargs: Any) -> Response:
        return self.request("POST", path, json.dumps(payload).encode(), {"Content-Type": "application/json"}, **kwargs)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        safe: bool | None = None,
        anonymous: bool = False,
        expect: tuple[int, ...] | None = (200,),
    ) -> Response:
        """Send one request, and retry it when that cannot do harm.

        :param safe: whether a repetition is harmless; by default only GET and HEAD are.
        :param anonymous: send no credentials.
        :param expect: statuses that are not an error; None accepts any.
        :raises ServerError: unreachable, no answer in time, or a status that was not expected.
        """
        if safe is None:
            safe = method in ("GET", "HEAD")
        attempts = 1 + (self.server.retries if safe else 0)
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = self._send(method, path, body, headers or {}, anonymous)
            except ServerError:
                if last:
                    raise
            else:
                if last or response.status not in _RETRIED_STATUS:
                    return self._checked(method, path, response, expect)
            # Full jitter: many clients that were cut off together do not come back together.
            time.sleep(random.uniform(0.05, 0.2 * 2**attempt))  # noqa: S311
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _checked(self, method: str, path: str, response: Response, expect: tuple[int, ...] | None) -> Response:
        if expect is None or response.status in expect:
            return response
        what = f"{method} {path.partition('?')[0]} at {self.address} answered {response.status}"
        if response.status == 401:
            raise ServerError(f"{what}: the server wants credentials, or refused those it got.", 401)
        if response.status == 403 and b"Invalid Host" in response.body:
            raise ServerError(
                f"{what}: the server does not know itself by the name {self._host}. "
                f"Add it to mlflow_server_allowed_hosts.",
                403,
            )
        if response.status == 403 and b"Cross-origin" in response.body:
            raise ServerError(
                f"{what}: browsers cannot use the web page under the name {self._host}, because the server refuses "
                f"what the page sends. Add the name to mlflow_server_allowed_hosts, or set mlflow_server_url.",
                403,
            )
        raise ServerError(f"{what}: {response.excerpt()}", response.status)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], anonymous: bool
    ) -> Response:
        sent = {**self._named, **({} if anonymous else self._credentials()), **headers}
        start = time.monotonic()
        # A kept-alive connection may have been closed by the server between two requests: that is no failure
        # of this request, so it is sent once more on a new connection.
        for fresh in (self._connection is None, True):
            connection = self._connect()
            try:
                connection.request(method, self._prefix + path, body=body, headers=sent)
                answer = connection.getresponse()
                payload = answer.read(_LONGEST_ANSWER + 1)
                if len(payload) > _LONGEST_ANSWER or answer.will_close:
                    self.close()
                if len(payload) > _LONGEST_ANSWER:
                    raise ServerError(
                        f"{self.address} answered {method} {path.partition('?')[0]} with more than "
                        f"{_LONGEST_ANSWER >> 20} MiB: that is no MLflow.",
                        answer.status,
                    )
                return Response(answer.status, payload, time.monotonic() - start, answer.headers)
            except TimeoutError as error:
                self.close()
                raise ServerError(
                    f"{self.address} accepted the connection but gave no answer to {method} {path.partition('?')[0]} "
                    f"within {self.server.timeout:g} s: the server is frozen or overloaded."
                ) from error
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                self.close()
                if fresh:
                    raise ServerError(f"{self.address} closed the connection without an answer.") from error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise ServerError(f"Could not speak to {self.address}: {error}.") from error
        raise AssertionError("unreachable: the second turn always returns or raises")

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._context is not None:
                self._connection = http.client.HTTPSConnection(
                    *self._at, timeout=self.server.timeout, context=self._context
                )
            else:
                self._connection = http.client.HTTPConnection(*self._at, timeout=self.server.timeout)
            try:
                self._connection.connect()
            except TimeoutError as error:
                self.close()
                raise ServerError(
                    f"{self.address} did not accept a connection within {self.server.timeout:g} s."
                ) from error
            except ssl.SSLCertVerificationError as error:
                self.close()
                raise ServerError(
                    f"The certificate of {self.address} is not trusted: {error.verify_message}. "
                    f"Give its authority as ca_path."
                ) from error
            except OSError as error:
                self.close()
                raise ServerError(
                    f"Nothing accepts connections on {self.address}: {error.strerror or error}."
                ) from error
        return self._connection

    def _credentials(self) -> dict[str, str]:
        if self.server.token:
            return {"Authorization": f"Bearer {self.server.token}"}
        if self.server.username:
            pair = f"{self.server.username}:{self.server.password}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        return {}

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.server.ca_path)
            if not self.server.validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.server.client_cert:
                context.load_cert_chain(self.server.client_cert, self.server.client_key)
        except OSError as error:
            raise BadInput(f"ca_path, client_cert or client_key cannot be used: {error.strerror or error}.") from error
        return context


def answered(url: str, seconds: float = 10.0) -> str:
    """Whether clients find a server at this address. Its certificate is not judged: we may not know its authority.

    :raises ServerError: nothing answers there, or with an error.
    """
    client = Client(Server(url, validate_certs=False, timeout=seconds))
    try:
        client.get("/health", anonymous=True)
    finally:
        client.close()
    return f"{client.address} answers"
