"""Names: what is written for MLflow lets in what browsers and programs send, and nothing else.

What MLflow and Flask-CORS do with an entry is written down here; tests/integration asks them themselves.
"""

from __future__ import annotations

import fnmatch
import re

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import image_names, names
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.names import Host, ListenAddress, Origin
from support.intents import computed


def matches(value: str, entries: list[str]) -> bool:
    """As MLflow's `is_allowed_host_header` and `should_block_cors_request` do it."""
    return any(fnmatch.fnmatchcase(value, entry) if "*" in entry else value == entry for entry in entries)


def readable(origin: str, entries: list[str]) -> bool:
    """As Flask-CORS decides whether a page may read answers: entries that look like expressions have no end."""
    return any(
        bool(re.match(entry, origin, re.IGNORECASE)) if set("*\\]?$^[()") & set(entry) else entry.lower() == origin
        for entry in entries
    )


def served(allowed: str, header: str) -> bool:
    return matches(header, Host.parse(allowed, "x").allowed())


@pytest.mark.parametrize(
    ("allowed", "header"),
    [
        ("mlflow.example.com", "mlflow.example.com"),
        ("mlflow.example.com", "mlflow.example.com:5401"),
        ("MLflow.Example.COM", "mlflow.example.com:5401"),
        ("MLflow.Example.COM", "MLflow.Example.COM:5401"),
        ("mlflow.example.com.", "mlflow.example.com"),
        ("mlflow.example.com:*", "mlflow.example.com"),
        ("mlflow.example.com:5000", "mlflow.example.com:5000"),
        ("mlflow.example.com:80", "mlflow.example.com"),
        ("mlflow.example.com:443", "mlflow.example.com"),
        ("*.example.com", "mlflow.example.com:5000"),
        ("10.*", "10.1.2.3:5000"),
        ("192.0.2.10", "192.0.2.10:5000"),
        ("::1", "[::1]"),
        ("::1", "[::1]:5000"),
        ("[::1]:*", "[::1]:5000"),
        ("[FD00:0:0::5]:5000", "[fd00::5]:5000"),
        ("[fd00:*]", "[fd00::77]:5000"),
        ("my_server", "my_server:5000"),
        ("bücher.example", "xn--bcher-kva.example:80"),
        ("*", "anything.example:1"),
    ],
)
def test_a_client_that_uses_the_name_is_served(allowed: str, header: str) -> None:
    assert served(allowed, header)


@pytest.mark.parametrize(
    ("allowed", "header"),
    [
        ("mlflow.example.com", "mlflow.example.com.evil.example"),
        ("mlflow.example.com", "mlflow-example.com"),
        ("mlflow.example.com:5000", "mlflow.example.com:5001"),
        ("mlflow.example.com:5000", "mlflow.example.com"),
        ("*.example.com", "example.com.evil.example"),
        ("::1", "1:5000"),
        ("::1", ":"),
    ],
)
def test_a_client_that_uses_another_name_is_not(allowed: str, header: str) -> None:
    assert not served(allowed, header)


ORIGINS = [
    ("mlflow.example.com", "http://mlflow.example.com"),
    ("mlflow.example.com", "https://mlflow.example.com"),
    ("mlflow.example.com", "http://mlflow.example.com:5401"),
    ("mlflow.example.com", "https://mlflow.example.com:8443"),
    ("MLFLOW.example.com", "http://mlflow.example.com:5401"),
    ("mlflow.example.com:8080", "https://mlflow.example.com:8080"),
    ("mlflow.example.com:80", "http://mlflow.example.com"),
    ("mlflow.example.com:443", "https://mlflow.example.com"),
    ("*.example.com", "https://a.b.example.com"),
    ("*.example.com", "https://a.example.com:8443"),
    ("fd00::5", "http://[fd00::5]:5000"),
    ("[fd00::5]:8080", "http://[fd00::5]:8080"),
    ("10.0.0.5", "http://10.0.0.5:5000"),
    ("mlflow.example.com.", "http://mlflow.example.com"),
    ("mlflow.example.com.", "http://mlflow.example.com."),
    ("MLflow.Example.COM.", "https://mlflow.example.com.:8443"),
]


@pytest.mark.parametrize(("allowed", "origin"), ORIGINS)
def test_the_web_page_under_an_allowed_name_may_send_its_requests(allowed: str, origin: str) -> None:
    entries = computed(allowed_hosts=[allowed]).env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert matches(origin, entries)


@pytest.mark.parametrize(
    "origin",
    [
        "http://mlflow.example.com.evil.example",
        "http://mlflow-example.com:5000",
        "http://mlflowxexample.com:5000",
        "http://mlflow.example.com.evil.example:5000",
        "https://xexample.com",
        "https://evil.example",
        "http://evil.example:80",
        "null",
    ],
)
@pytest.mark.parametrize("allowed", ["mlflow.example.com", "*.example.com", "*", "fd00::5"])
def test_pages_from_elsewhere_may_neither_send_nor_read(allowed: str, origin: str) -> None:
    entries = Host.parse(allowed, "x").origins()
    assert not matches(origin, entries)
    assert not readable(origin, entries)


def test_no_pattern_makes_regular_expressions_complain(recwarn: pytest.WarningsRecorder) -> None:
    for allowed, _origin in ORIGINS:
        for entry in Host.parse(allowed, "x").origins():
            re.compile(entry)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("https://Notebooks.Example.com", "https://notebooks.example.com"),
        ("https://notebooks.example.com:443", "https://notebooks.example.com"),
        ("http://notebooks.example.com:8888", "http://notebooks.example.com:8888"),
        ("HTTP://[FD00::0:1]:80", "http://[fd00::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_say_it(given: str, written: str) -> None:
    assert str(Origin.parse(given, "x")) == written


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("*:5000", "at one port only"),
        ("fe80::1%eth0", "holds a zone"),
        ("[fe80::1%eth0]:5000", "holds a zone"),
        ("example.com:" + "9" * 5000, "no number"),
        ("example.com:٣", "no number"),
        ("example.com:70000", "not between 1 and 65535"),
        ("straße.example", "send differently"),  # to browsers xn--strae-oqa, to Python strasse
        ("STRASẞE.example", "send differently"),
        ("a\u200db.example", "send differently"),
        ("**", "every web page change data"),
        ("*.*", "every web page change data"),
        ("*.*:5000", "every web page change data"),
    ],
)
def test_a_name_that_no_client_sends_is_refused(name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Host.parse(name, "mlflow_server_allowed_hosts")


@pytest.mark.parametrize(
    "url",
    ["http://mlflow\n.example.com", "http://mlflow.example.com\t/x", "http://mlflow.example.com:0", "http://a/b c"],
)
def test_a_url_that_its_readers_would_read_differently_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="mlflow_server_url"):
        names.host_of_url(url, "mlflow_server_url")


def test_an_address_of_ipv4_in_one_of_ipv6_is_written_as_browsers_do() -> None:
    assert Host.parse("::FFFF:192.0.2.10", "x").name == "::ffff:c000:20a"


def test_a_star_lets_every_page_in_and_stands_alone() -> None:
    env = computed(cors_origins="*", allowed_hosts=["mlflow.example.com"]).env
    assert env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "*"


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (None, []),
        ("", []),
        ("[]", []),
        ("a, b", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        (["a,b", " c "], ["a", "b", "c"]),
        ("[::1], b", ["[::1]", "b"]),
        ('[ "a", "b" ]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
    ],
)
def test_a_list_may_be_text(given: object, items: list[str]) -> None:
    assert names.as_list(given, "x") == items


@pytest.mark.parametrize(
    ("host", "local", "bound"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000/p", "127.0.0.1:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000/p", "0.0.0.0:5000"),
        ("::", "http://[::1]:5000/p", "[::]:5000"),
        ("[::1]", "http://[::1]:5000/p", "[::1]:5000"),
        ("Host.Example", "http://host.example:5000/p", "host.example:5000"),
    ],
)
def test_an_address_to_listen_on_is_written_for_each_reader(host: str, local: str, bound: str) -> None:
    address = ListenAddress.parse(host, "x")
    assert (address.url("http", 5000, "/p"), address.with_port(5000)) == (local, bound)


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    "registry", ["", "docker.io/library/", "registry.example.com:5000/team-a/", "localhost/", "r:5000/"]
)
@pytest.mark.parametrize("rest", ["", ":3.17.2", f"@{DIGEST}", f":3.17.2-slim_1@{DIGEST}"])
def test_an_image_has_a_tag_a_digest_both_or_neither(registry: str, rest: str) -> None:
    assert image_names.checked(f"{registry}mlops-mlflow{rest}", "mlflow_image") == f"{registry}mlops-mlflow{rest}"


@pytest.mark.parametrize(
    "text",
    [
        "", " mlflow", "mlflow ", "MLflow", "mlflow:", "mlflow@", ":3.17.2", f"@{DIGEST}", "mlflow:3.17.2@", "-mlflow",
        f"mlflow@{DIGEST[:-1]}", f"mlflow@{DIGEST}0", f"mlflow@{DIGEST.upper()}", f"mlflow@{DIGEST}:3.17.2",
        f"mlflow:{DIGEST}", "mlflow@md5:d41d8cd98f00b204e9800998ecf8427e", f"mlflow@{DIGEST}@{DIGEST}", "a//b",
        "https://registry.example.com/mlflow:1", "mlflow:3.17.2\n", "--privileged", "mlflow:$(id)",
        f"mlflow:{'t' * 129}", "registry.example.com:5000:5000/mlflow", "mlflow:\u0661",
    ],
)  # fmt: skip
def test_what_no_program_takes_for_an_image_is_refused_by_its_variable(text: str) -> None:
    with pytest.raises(BadInput, match=r"(?s)^mlflow_image is '.*no image can be called so"):
        image_names.checked(text, "mlflow_image")
