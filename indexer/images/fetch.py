"""Pictures from the web, politely and warily: every address is checked before it is asked."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from vitrine.errors import ImageError

AGENT = "Vitrine/0.1 (product pictures for a search index)"
_REDIRECTS = 5
_HOST_CONNECTIONS = 4
_GIVE_UP = 20  # failures of a host in a row, after which it is not asked again in this run
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass
class _Host:
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_HOST_CONNECTIONS))
    failures: int = 0


class Fetcher:
    """Gives the bytes of http and https URLs; safe in many threads.

    `seconds` bounds each request, from the connection to the last byte.
    """

    def __init__(
        self, *, allow_private: bool = False, seconds: float = 15.0, max_bytes: int = 64 << 20
    ) -> None:
        self.allow_private = allow_private
        self.seconds = seconds
        self.max_bytes = max_bytes
        self._tls = ssl.create_default_context()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._lock = threading.Lock()

    def __call__(self, url: str) -> bytes:
        """The bytes at a URL; PictureError says why there are none."""
        for _ in range(_REDIRECTS + 1):
            found = self._from_host(_parts(url))
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise ImageError(f"the URL redirects more than {_REDIRECTS} times")

    def _from_host(self, parts: SplitResult) -> bytes | str:
        """The body, or where the host redirects to."""
        with self._lock:
            host = self._hosts[parts.netloc.lower()]
        with host.slots:
            if host.failures >= _GIVE_UP:
                raise ImageError(
                    f"{parts.hostname} failed {_GIVE_UP} times in a row and is not asked again in this run"
                )
            deadline = time.monotonic() + self.seconds
            try:
                found = self._ask(parts, deadline)
            except (OSError, http.client.HTTPException) as error:
                host.failures += 1
                late = time.monotonic() >= deadline  # the socket was shut under the reader
                known = TimeoutError() if late else error
                raise ImageError(_why(known, parts.hostname or "", self.seconds)) from error
            host.failures = 0
            return found

    def _ask(self, parts: SplitResult, deadline: float) -> bytes | str:
        while True:
            connection = self._connect(parts, deadline)
            # a host that drips one byte at a time never runs into a timeout of the socket
            alarm = threading.Timer(_left(deadline), _shut, [connection.sock])
            alarm.daemon = True
            alarm.start()
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                headers = {"User-Agent": AGENT, "Accept": "image/*"}
                connection.request("GET", quote(target, safe=_SAFE), headers=headers)
                answer = connection.getresponse()
                location = answer.getheader("Location")
                if answer.status in (301, 302, 303, 307, 308) and location:
                    return location
                if answer.status == 200:
                    return self._body(answer)
                if answer.status not in (429, 503) or not _pause(answer, deadline):
                    raise ImageError(f"the URL answers {answer.status} {answer.reason}".rstrip())
            finally:
                alarm.cancel()
                connection.close()

    def _connect(self, parts: SplitResult, deadline: float) -> http.client.HTTPConnection:
        """A connection to an address that was checked: the name is not looked up a second time."""
        name = parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        private = next((str(a[0]) for *_, a in addresses if not is_public(str(a[0]))), None)
        if private and not self.allow_private:
            raise ImageError(
                f"{name} is the private address {private}, which is not asked; --allow-private-urls allows it"
            )
        last: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in addresses:
            raw = socket.socket(family, kind, protocol)
            try:
                raw.settimeout(_left(deadline))
                raw.connect(address)
                sock = self._tls.wrap_socket(raw, server_hostname=name) if secure else raw
            except OSError as error:
                raw.close()
                last = error
                continue
            connection = (
                http.client.HTTPSConnection(name, port, context=self._tls)
                if secure
                else http.client.HTTPConnection(name, port)
            )
            connection.sock = sock
            return connection
        raise last

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        if answer.headers.get_content_type() == "text/html":
            raise ImageError("the URL answers with an HTML page, not a picture")
        chunks: list[bytes] = []
        size = 0
        while chunk := answer.read1(1 << 16):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.max_bytes:
                raise ImageError(
                    f"the URL sends more than the {self.max_bytes >> 20} MB that a picture may have"
                )
        if answer.length:  # what was promised and did not come
            raise http.client.IncompleteRead(b"", answer.length)
        return b"".join(chunks)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _pause(answer: http.client.HTTPResponse, deadline: float) -> bool:
    """Waits as long as a busy host asks for; False when the deadline does not leave the time."""
    asked = answer.getheader("Retry-After") or ""
    seconds = max(float(asked), 0.5) if asked.isdecimal() else 1.0
    if time.monotonic() + seconds >= deadline:
        return False
    time.sleep(seconds)
    return True


_SAFE = "/%:@!$&'()*+,;=~-._?[]"


def is_public(address: str) -> bool:
    """Whether an address is anybody's: not private, local, reserved, nor one of those wrapped in IPv6."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        valid = False
    if not valid:
        raise ImageError(f"{url[:100]!r} is not an http or https URL")
    return parts


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _why(error: Exception, host: str, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not send the picture within {seconds:g} seconds"
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not known"
    if isinstance(error, ssl.SSLError):
        return f"the TLS connection to {host} failed ({error.reason or error})"
    if isinstance(error, http.client.IncompleteRead):
        return f"{host} broke off in the middle of the picture"
    return f"{host} cannot be reached ({error or type(error).__name__})"
