"""The client's settings, its JSON, and its errors as one sentence each."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from opensearchpy.exceptions import SerializationError
from opensearchpy.helpers import bulk

from opensearch.client import OrjsonSerializer, connect, connect_async, explained, hosts_of
from opensearch.node.launch import free_ports
from vitrine.errors import EngineError, IndexMissingError

Answer = tuple[int, str]  # status, body
VARIABLES = ("OPENSEARCH_URL", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD", "OPENSEARCH_CA")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


class Server(ThreadingHTTPServer):
    """Returns what `answer` gives for the path of a request, and stores the headers."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.answer, self.headers = answer, list[dict[str, str]]()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def handle_one(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("content-type", "application/json" if body.startswith("{") else "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_POST = do_PUT = do_HEAD = handle_one  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[int, object], Server]]:
    """Start a server that returns one response to every request."""
    servers: list[Server] = []

    def start(status: int, body: object) -> Server:
        text = body if isinstance(body, str) else json.dumps(body)
        servers.append(Server(lambda path: (status, text)))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(kind: str, reason: str, **more: object) -> dict[str, object]:
    cause = {"type": kind, "reason": reason, **more}
    return {"error": {"root_cause": [cause], **cause}, "status": 0}


def sentence(url: str, kind: type[EngineError] = EngineError) -> str:
    with connect(url, retries=0) as client, pytest.raises(kind) as caught, explained(client):
        client.search(index="products", body={})
    return str(caught.value)


# --- JSON

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_json_round_trip(value: object) -> None:
    serializer = OrjsonSerializer()
    text = serializer.dumps([value])
    assert isinstance(text, str)
    assert serializer.loads(text) == [value]
    assert json.loads(text) == [value]


def test_numpy_is_json_too() -> None:
    matrix = np.array([[1.5, -2.0], [0.25, 3.0]], dtype=np.float32)
    document = {
        "row": matrix[0],
        "column": matrix[:, 0],
        "half": matrix[0].astype(np.float16),
        "n": np.int64(7),
    }
    assert json.loads(OrjsonSerializer().dumps(document)) == {
        "row": [1.5, -2.0],
        "column": [1.5, 0.25],
        "half": [1.5, -2.0],
        "n": 7,
    }


def test_text_and_bytes_pass_through_and_the_rest_is_refused() -> None:
    assert OrjsonSerializer().dumps('{"a": 1}') == '{"a": 1}'
    assert OrjsonSerializer().dumps('{"a": "红"}'.encode()) == '{"a": "红"}'
    with pytest.raises(SerializationError):
        OrjsonSerializer().dumps({"a": object()})
    with pytest.raises(SerializationError):
        OrjsonSerializer().loads("{half")


# --- URLs and users


def test_hosts_come_from_the_argument_then_the_environment_then_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert hosts_of() == ["http://127.0.0.1:9200"]
    monkeypatch.setenv("OPENSEARCH_URL", "https://a.example:443/, b:9201 ,http://c")
    assert hosts_of() == ["https://a.example:443", "http://b:9201", "http://c"]
    assert hosts_of("d") == ["http://d"]


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:notaport", "http://a:99999"])
def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(EngineError, match="is not a URL of OpenSearch: write it as"):
        hosts_of(url)
    with pytest.raises(EngineError) as caught:
        hosts_of("ftp://user:secret@a")
    assert "secret" not in str(caught.value)


def test_user_and_password_travel_with_every_request(
    serve: Callable[[int, object], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(200, {"took": 1})
    monkeypatch.setenv("OPENSEARCH_USER", "shop")
    monkeypatch.setenv("OPENSEARCH_PASSWORD", "s:ü")
    with connect(server.address) as client:
        client.search(index="a")

    async def search() -> None:
        async with connect_async(server.address) as client:
            await client.search(index="a")

    asyncio.run(search())
    expected = "Basic " + b64encode("shop:s:ü".encode()).decode()
    assert [headers["authorization"] for headers in server.headers] == [expected, expected]


def test_a_missing_authority_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_CA", "/nowhere/ca.pem")
    with pytest.raises(EngineError, match=r"OPENSEARCH_CA names /nowhere/ca\.pem, which does not exist"):
        connect("https://127.0.0.1:1")


def test_another_host_answers_for_a_dead_one(serve: Callable[[int, object], Server]) -> None:
    server = serve(200, {"took": 3})
    with connect(f"http://127.0.0.1:{free_ports(1)[0]},{server.address}") as client:
        assert [client.search(index="a")["took"] for _ in range(4)] == [3] * 4


# --- errors as sentences

FLOOD = "index [products] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, x];"
CASES = [
    (401, "Unauthorized", "requires a known user: set OPENSEARCH_USER and OPENSEARCH_PASSWORD"),
    (
        403,
        refused("security_exception", "no permissions for [x]"),
        "forbids this to the user '(none)': no permissions",
    ),
    (
        403,
        refused("cluster_block_exception", "index [p] blocked by: [FORBIDDEN/8/index write (api)];"),
        "remove the block (PUT",
    ),
    (
        429,
        refused("cluster_block_exception", FLOOD),
        "set the index read-only because its disk is nearly full",
    ),
    (429, refused("circuit_breaking_exception", "Data too large"), "is overloaded (Data too large): wait"),
    (503, refused("x", "state not recovered"), "is not ready (state not recovered)"),
    (404, "<html>nginx</html>", "answered 404 without an OpenSearch error: check OPENSEARCH_URL"),
    (
        400,
        refused("parsing_exception", "unknown query [foo]"),
        "(400 parsing_exception): unknown query [foo]",
    ),
    (200, "<html>", "or its answer is not JSON"),
]


@pytest.mark.parametrize(("status", "body", "expected"), CASES)
def test_an_answer_becomes_a_sentence(
    status: int, body: object, expected: str, serve: Callable[[int, object], Server]
) -> None:
    server = serve(status, body)
    message = sentence(server.address)
    assert expected in message
    assert server.address in message


def test_the_innermost_cause_completes_the_reason(serve: Callable[[int, object], Server]) -> None:
    cause = {"type": "illegal_argument_exception", "reason": "dimension is 3, not 4"}
    server = serve(400, refused("mapper_parsing_exception", "failed to parse field [vec]", caused_by=cause))
    assert "failed to parse field [vec]: dimension is 3, not 4" in sentence(server.address)


def test_an_unreachable_engine_names_the_command_that_starts_a_node() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    expected = f"no OpenSearch answers at {url}: start one with `vitrine node up`, or set OPENSEARCH_URL"
    assert sentence(url) == expected


def test_a_server_that_hangs_is_abandoned_in_time(serve: Callable[[int, object], Server]) -> None:
    server, go = serve(200, {}), threading.Event()
    server.answer = lambda path: (200, str(go.wait(20)))
    with (
        connect(server.address, timeout=0.2, retries=0) as client,
        explained_error() as caught,
        explained(client),
    ):
        client.info()
    go.set()
    assert "did not answer in time" in str(caught.value)


def explained_error() -> pytest.RaisesExc[EngineError]:
    return pytest.raises(EngineError)


def test_other_exceptions_pass_untouched() -> None:
    with pytest.raises(KeyError), explained():
        raise KeyError("a bug of ours")


def test_explained_decorates_functions_and_async_calls_too() -> None:
    url = f"127.0.0.1:{free_ports(1)[0]}"

    @explained()
    def search() -> None:
        with connect(url, retries=0) as client:
            client.info()

    async def info_async() -> None:
        async with connect_async(url, retries=0) as client:
            with explained(client):
                await client.info()

    with pytest.raises(EngineError, match=r"no OpenSearch answers at http://127\.0\.0\.1:9200"):
        search()
    with pytest.raises(EngineError, match=f"no OpenSearch answers at http://{url}"):
        asyncio.run(info_async())


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the key and certificate of 127.0.0.1, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    )
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*make.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def secured(serve: Callable[[int, object], Server], certificate: Path) -> str:
    server = serve(200, {"took": 1})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    return server.address.replace("http://", "https://")


def test_an_unknown_authority_names_the_variable_and_a_known_one_is_trusted(
    secured: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sentence(secured)
    assert message.startswith(f"the TLS connection to {secured} failed")
    assert "set OPENSEARCH_CA" in message
    monkeypatch.setenv("OPENSEARCH_CA", str(certificate / "cert.pem"))
    with connect(secured) as client:
        assert client.search(index="a") == {"took": 1}

    async def search() -> object:
        async with connect_async(secured) as client:
            return await client.search(index="a")

    assert asyncio.run(search()) == {"took": 1}


def test_a_wrong_url_scheme_is_named(secured: str, serve: Callable[[int, object], Server]) -> None:
    plain = serve(200, {}).address.replace("http://", "https://")
    assert f"{plain} does not speak TLS: write http://" in sentence(plain)
    assert "write https:// instead of http://" in sentence(secured.replace("https://", "http://"))


# --- on the real engine


@pytest.mark.live
def test_a_missing_index_lists_those_that_exist(engine: OpenSearch) -> None:
    engine.indices.create(index="client-index-1", body={"aliases": {"client-alias": {}}})
    engine.indices.create(index="client-plain")
    try:
        with (
            pytest.raises(IndexMissingError, match="there is no index 'client-none' at") as caught,
            explained(engine),
        ):
            engine.search(index="client-none")
        assert "client-alias" in str(caught.value)
        assert "client-plain" in str(caught.value)
        assert "client-index-1" not in str(caught.value)
    finally:
        engine.indices.delete(index="client-index-1,client-plain")


@pytest.mark.live
def test_vectors_and_blocks_on_the_real_engine(engine: OpenSearch) -> None:
    vector = {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "lucene"}}
    body = {"settings": {"index.knn": True}, "mappings": {"properties": {"vec": vector}}}
    engine.indices.create(index="client-vectors", body=body)
    try:
        document = {"_index": "client-vectors", "_id": "1", "vec": np.array([1, 2, 3], dtype=np.float32)}
        assert bulk(engine, [document])[0] == 1
        wrong = {"_index": "client-vectors", "_id": "2", "vec": np.ones(4, dtype=np.float32)}
        expected = r"1 documents were refused, the first \(_id '2'\) because: .*dimension"
        with pytest.raises(EngineError, match=expected), explained(engine):
            bulk(engine, [wrong])
        engine.indices.put_settings(index="client-vectors", body={"index.blocks.write": True})
        with (
            pytest.raises(EngineError, match=r"blocks this request .*index write"),
            explained(engine),
        ):
            engine.index(index="client-vectors", id="3", body={})
    finally:
        engine.indices.delete(index="client-vectors")
