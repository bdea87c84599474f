"""The lock of an alias: one command at a time changes it, and the lock of a killed command is taken over.

The lock is a document of the engine. Its holder extends it while it works; all times are those of the engine, so that the
clocks of two machines need not agree. The lock of a process that has ended is taken over at once on the same machine, and
elsewhere `LEASE_S` after it was extended last.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from opensearchpy.exceptions import NotFoundError

from opensearch.index.create import ensure_index, strict_body
from vitrine.errors import AliasBusyError, EngineError

from .client import explained

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

logger = logging.getLogger(__name__)

LOCKS = "vitrine-locks"
LEASE_S = 60.0  # how long a lock that is not extended lasts
EXTEND_S = 10.0  # between two extensions
_POLL_S = 1.0  # between two attempts of a command that waits

T = TypeVar("T")

_PROPERTIES: dict[str, Any] = {
    "owner": {"type": "keyword"},
    "command": {"type": "keyword"},
    "host": {"type": "keyword"},
    "machine": {"type": "keyword"},
    "pid": {"type": "long"},
    "started": {"type": "date"},
    "expires": {"type": "long"},  # milliseconds since 1970, by the engine's clock
}

# The engine runs an update script on the newest document only, so that of two commands one wins.
_ACQUIRE = """
Map lock = ctx._source;
boolean free = lock.owner == null || lock.owner == params.lock.owner || lock.owner == params.ended;
if (free || lock.expires < ctx._now) {
  lock.putAll(params.lock);
  lock.expires = ctx._now + params.lease_ms;
} else {
  ctx.op = 'none';
}
"""
_RELEASE = "ctx.op = ctx._source.owner == params.owner ? 'delete' : 'none'"


class AliasLock:
    """The lock of one alias while a command holds it."""

    def __init__(self, client: OpenSearch, alias: str, command: str) -> None:
        self.alias = alias
        self.client = client
        self._values = {
            "owner": uuid.uuid4().hex,
            "command": command,
            "host": socket.gethostname(),
            "machine": _machine(),
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._taken_by: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._extend, name="alias-lock", daemon=True)

    def acquire(self, wait_s: float = 0.0) -> None:
        """Take the lock, waiting up to `wait_s` for another holder. Raises AliasBusyError that names the holder."""
        with explained(self.client):
            ensure_index(self.client, LOCKS, strict_body(_PROPERTIES))
        deadline = time.monotonic() + wait_s
        waiting = False
        while holder := self._attempt():
            if _has_ended(holder) and not (holder := self._attempt(ended=holder["owner"])):
                break
            if time.monotonic() >= deadline:
                raise AliasBusyError(_busy(self.alias, holder))
            if not waiting:
                logger.warning("waiting up to %g s: %s", wait_s, _held_by(self.alias, holder))
                waiting = True
            time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))
        self._thread.start()

    def release(self) -> None:
        """Give the lock back; one that cannot be released expires by itself."""
        self._stop.set()
        self._thread.join()
        script = {"source": _RELEASE, "params": {"owner": self._values["owner"]}}
        with suppress(EngineError), explained(self.client), suppress(NotFoundError):
            self.client.update(index=LOCKS, id=self.alias, body={"script": script}, params=_RETRY)

    def problem(self) -> str | None:
        """Return the sentence that says which other command has taken the lock over; None while it is held.

        That happens only to a holder that did not extend its lock in time, such as a process that was suspended.
        """
        if self._taken_by is None:
            return None
        return (
            f"this run did not extend its lock for {LEASE_S:g} s, and {_held_by(self.alias, self._taken_by)}: "
            "run the same command again when that one has ended"
        )

    def guard(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items while the lock is held. Raises AliasBusyError when another command has taken it over."""
        for item in items:
            if problem := self.problem():
                raise AliasBusyError(problem)
            yield item

    def _attempt(self, ended: str | None = None) -> dict[str, Any] | None:
        """Take or extend the lock and return None, or return the lock of another holder."""
        parameters = {"lock": self._values, "ended": ended, "lease_ms": round(LEASE_S * 1000)}
        body = {
            "scripted_upsert": True,
            "upsert": {},
            "script": {"source": _ACQUIRE, "params": parameters},
        }
        with explained(self.client):
            response = self.client.update(
                index=LOCKS, id=self.alias, body=body, params={**_RETRY, "_source": "true"}
            )
        lock: dict[str, Any] = response["get"]["_source"]
        return None if lock["owner"] == self._values["owner"] else lock

    def _extend(self) -> None:
        while not self._stop.wait(EXTEND_S):
            try:
                self._taken_by = self._attempt()
            except EngineError as error:  # tried again; meanwhile no other command reaches the engine either
                logger.info("the lock of %s was not extended: %s", self.alias, error)
            if self._taken_by is not None:
                return


_RETRY = {"retry_on_conflict": 20}


@contextmanager
def alias_lock(client: OpenSearch, alias: str, command: str, *, wait_s: float = 0.0) -> Iterator[AliasLock]:
    """Hold the lock of the alias in the block; `command` is what others are told about its holder.

    Raises AliasBusyError when another command holds it for `wait_s` seconds.
    """
    lock = AliasLock(client, alias, command)
    lock.acquire(wait_s)
    try:
        yield lock
    finally:
        lock.release()


def _busy(alias: str, holder: dict[str, Any]) -> str:
    return (
        f"nothing was done, because {_held_by(alias, holder)}: run this command again when that one has ended, or let it "
        f"wait with --wait SECONDS (the lock of a killed command ends after {LEASE_S:g} s)"
    )


def _held_by(alias: str, holder: dict[str, Any]) -> str:
    return (
        f"another run is changing {alias}: `{holder['command']}`, process {holder['pid']} on {holder['host']}, "
        f"since {holder['started']}"
    )


@cache
def _machine() -> str:
    """Return what two processes share exactly when each sees the other's process id."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # Linux: the boot, and the namespace of process ids (one per container)
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        parts.append(Path("/proc/self/ns/pid").readlink().name)
    return " ".join(parts)


def _has_ended(holder: dict[str, Any]) -> bool:
    """Return whether the holder was a process of this machine that runs no more."""
    if os.name != "posix" or holder["machine"] != _machine():
        return False
    try:
        os.kill(holder["pid"], 0)  # signal 0 only asks
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
