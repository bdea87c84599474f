"""Images from the web: private addresses, redirects, and hosts that hang, drip or fail, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from encoders.images.fetch import Fetcher, is_public
from vitrine.errors import ImageError

Answer = Callable[[socket.socket, bytes], None]


@contextmanager
def host(answer: Answer) -> Iterator[str]:
    """A web host on loopback whose every connection is answered by a function of the socket and the request."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection, connection.recv(65536))

    def serve() -> None:
        while not stop.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def fetcher(seconds: float = 5.0) -> Fetcher:
    return Fetcher(allow_private=True, seconds=seconds, max_bytes=100_000)


def test_a_request_has_a_user_agent_and_the_path_of_the_image() -> None:
    requests: list[bytes] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        requests.append(request)
        connection.sendall(reply("200 OK", b"picture", "Content-Type: image/png"))

    with host(answer) as url:
        assert fetcher()(f"{url}/a b/ü.png?w=5&h=6#part") == b"picture"
    assert requests[0].startswith(b"GET /a%20b/%C3%BC.png?w=5&h=6 HTTP/1.1\r\n")
    assert b"User-Agent: Vitrine" in requests[0]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_are_known_in_every_dress(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


def test_private_hosts_are_not_contacted_unless_allowed() -> None:
    requests: list[bytes] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        requests.append(request)

    with host(answer) as url:
        port = url.rsplit(":", 1)[1]
        for name in ("127.0.0.1", "localhost", "0x7f.1", "2130706433"):
            with pytest.raises(ImageError, match=r"private address|is not known"):
                Fetcher()(f"http://{name}:{port}/a.png")
    assert requests == []


def test_redirects_are_followed_a_few_times_and_checked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        path = request.split()[1].decode()
        if path == "/a":
            connection.sendall(reply("302 Found", b"", "Location: /b c/ü.png"))
        elif path == "/b%20c/%C3%BC.png":
            connection.sendall(reply("200 OK", b"picture"))
        elif path == "/file":
            connection.sendall(reply("301 Moved", b"", "Location: file:///etc/passwd"))
        else:
            connection.sendall(reply("307 Again", b"", "Location: /loop"))

    with host(answer) as url:
        assert fetcher()(f"{url}/a") == b"picture"
        with pytest.raises(ImageError, match="redirects more than 5 times"):
            fetcher()(f"{url}/loop")
        with pytest.raises(ImageError, match="not an http or https URL"):
            fetcher()(f"{url}/file")

    def inward(connection: socket.socket, request: bytes) -> None:
        connection.sendall(reply("302 Found", b"", "Location: http://10.0.0.1/secret.png"))

    # the first host passes for a public one, as a real one would; the second must be checked all the same
    monkeypatch.setattr("encoders.images.fetch.is_public", lambda address: address == "127.0.0.1")
    with host(inward) as url, pytest.raises(ImageError, match=r"10\.0\.0\.1 is the private address"):
        Fetcher()(f"{url}/a.png")


def test_a_host_that_hangs_or_drips_is_an_error_at_the_deadline() -> None:
    def hang(connection: socket.socket, request: bytes) -> None:
        time.sleep(5)

    def drip(connection: socket.socket, request: bytes) -> None:
        for sign in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
            connection.sendall(bytes([sign]))
            time.sleep(0.05)

    for answer in (hang, drip):
        with (
            host(answer) as url,
            pytest.raises(ImageError, match=r"did not send the image within 0\.5 seconds"),
        ):
            fetcher(0.5)(f"{url}/a.png")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (reply("404 Not Found"), "answers 404 Not Found"),
        (reply("200 OK", b"<html>", "Content-Type: text/html; charset=utf-8"), "HTML page"),
        (reply("200 OK", b"x" * 100_001), "sends more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "closed the connection"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be reached"),
        (b"", "cannot be reached"),
    ],
)
def test_responses_that_are_not_an_image_are_refused(sent: bytes, reason: str) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(sent)

    with host(answer) as url, pytest.raises(ImageError, match=reason):
        fetcher()(f"{url}/a.png")


def test_a_busy_host_is_requested_again_after_its_delay() -> None:
    times: list[float] = []

    def answer(connection: socket.socket, request: bytes) -> None:
        times.append(time.monotonic())
        busy = reply("429 Too Many", b"", "Retry-After: 1")
        connection.sendall(busy if len(times) == 1 else reply("200 OK", b"picture"))

    with host(answer) as url:
        assert fetcher()(f"{url}/a.png") == b"picture"
    assert times[1] - times[0] >= 1


def test_a_dead_host_is_not_contacted_after_twenty_failures() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    fetch = fetcher()
    reasons = []
    for n in range(25):
        with pytest.raises(ImageError) as caught:
            fetch(f"http://127.0.0.1:{port}/{n}.png")
        reasons.append(str(caught.value))
    assert "cannot be reached" in reasons[19]
    assert "not contacted again in this run" in reasons[20]


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://host:0/", "http://host:99999/a", "http://a..b/c"]
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ImageError, match="is not an http or https URL"):
        fetcher()(url)
