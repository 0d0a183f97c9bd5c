"""What a store says of an error is what people are told, not the URL that was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import CannotRead
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import cloud

ANSWER = (
    b'<?xml version="1.0" encoding="utf-8"?><Error>\n<Code>InvalidBlockList</Code>'
    b"<Message>The specified block list is invalid.\nRequestId:1</Message></Error>"
)


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(400)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "place",
    [
        {"uri": "s3://b/p", "region": "us-east-1", "access_key": "key", "secret_key": "secret"},
        {"uri": "az://b/p", "account": "a", "account_key": "a2V5"},
    ],
    ids=["s3", "azure"],
)
def test_a_refusal_is_told_in_the_words_of_the_store(endpoint: str, place: dict[str, str]) -> None:
    with pytest.raises(CannotRead) as refused:
        list(cloud.connect(cloud.Place(endpoint=endpoint, **place)).list(""))
    assert ": InvalidBlockList: The specified block list is invalid. RequestId:1." in str(refused.value)
    assert endpoint.removeprefix("http://") not in str(refused.value).partition(": ")[2]
