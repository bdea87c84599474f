"""Images from the web: every address is checked before it is contacted, and a host is not overloaded.

Not urllib3: it looks a name up again when it connects, so the address that was checked is not the one that is used
(DNS rebinding), and its timeouts do not bound a response that drips.
"""

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

from vitrine import __version__
from vitrine.errors import ImageError

AGENT = f"Vitrine/{__version__} (product images for a search index)"
_REDIRECTS = 5
_HOST_CONNECTIONS = 4
_MAX_FAILURES = 20  # of a host in a row, after which it is not contacted again in this run
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass
class _Host:
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_HOST_CONNECTIONS))
    failures: int = 0


class Fetcher:
    """Fetches the bytes of http and https URLs; safe between threads.

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
        """Return the bytes at a URL. Raises ImageError with the reason."""
        for _ in range(_REDIRECTS + 1):
            body_or_location = self._from_host(_parts(url))
            if isinstance(body_or_location, bytes):
                return body_or_location
            url = urljoin(url, body_or_location)
        raise ImageError(f"the URL redirects more than {_REDIRECTS} times")

    def _from_host(self, parts: SplitResult) -> bytes | str:
        """Return the body, or the location of a redirect."""
        with self._lock:
            host = self._hosts[parts.netloc.lower()]
        with host.slots:
            if host.failures >= _MAX_FAILURES:
                raise ImageError(
                    f"{parts.hostname} failed {_MAX_FAILURES} times in a row and is not contacted again in this run"
                )
            deadline = time.monotonic() + self.seconds
            try:
                body_or_location = self._request(parts, deadline)
            except (OSError, http.client.HTTPException) as error:
                host.failures += 1
                is_late = time.monotonic() >= deadline  # the alarm has shut the socket
                cause = TimeoutError() if is_late else error
                raise ImageError(_reason(cause, parts.hostname or "", self.seconds)) from error
            host.failures = 0
            return body_or_location

    def _request(self, parts: SplitResult, deadline: float) -> bytes | str:
        while True:
            connection = self._connect(parts, deadline)
            # a host that sends one byte at a time never exceeds the socket's own timeout
            alarm = threading.Timer(_left(deadline), _shut, [connection.sock])
            alarm.daemon = True
            alarm.start()
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                headers = {"User-Agent": AGENT, "Accept": "image/*"}
                connection.request("GET", quote(target, safe=_SAFE), headers=headers)
                response = connection.getresponse()
                location = response.getheader("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    return quote(location.encode("latin-1"), safe=f"{_SAFE}#")  # the header's bytes
                if response.status == 200:
                    return self._body(response)
                if response.status not in (429, 503) or not _pause(response, deadline):
                    raise ImageError(f"the URL answers {response.status} {response.reason}".rstrip())
            finally:
                alarm.cancel()
                connection.close()

    def _connect(self, parts: SplitResult, deadline: float) -> http.client.HTTPConnection:
        """Return a connection to a checked address; the name is not looked up a second time."""
        name = parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        private = next((str(a[0]) for *_, a in addresses if not is_public(str(a[0]))), None)
        if private and not self.allow_private:
            raise ImageError(
                f"{name} is the private address {private}, which is not contacted; --allow-private-urls allows it"
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

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        if response.headers.get_content_type() == "text/html":
            raise ImageError("the URL answers with an HTML page, not an image")
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(1 << 16):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.max_bytes:
                raise ImageError(
                    f"the URL sends more than the {self.max_bytes >> 20} MB that an image may have"
                )
        if response.length:  # the announced rest of the body is missing
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(chunks)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _pause(response: http.client.HTTPResponse, deadline: float) -> bool:
    """Wait for the time that a busy host requests; return False when the deadline comes before."""
    retry_after = response.getheader("Retry-After") or ""
    seconds = max(float(retry_after), 0.5) if retry_after.isdecimal() else 1.0
    if time.monotonic() + seconds >= deadline:
        return False
    time.sleep(seconds)
    return True


_SAFE = "/%:@!$&'()*+,;=~-._?[]"


def is_public(address: str) -> bool:
    """Return whether an address is public: not private, local or reserved, nor one of those wrapped in IPv6."""
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


def _reason(error: Exception, host: str, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"{host} did not send the image within {seconds:g} seconds"
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not known"
    if isinstance(error, ssl.SSLError):
        return f"the TLS connection to {host} failed ({error.reason or error})"
    if isinstance(error, http.client.IncompleteRead):
        return f"{host} closed the connection in the middle of the image"
    return f"{host} cannot be reached ({error or type(error).__name__})"
