"""The record of a started node in its directory; status, start lock and stop by that record."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from vitrine.errors import NodeError

from .end_reason import end_reason
from .files import locked, make_open
from .launch import LOOPBACK, identity

LOCK = ".lock"
GRACE_S = 30.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Record:
    """One start of a node, as in `node.json` of its directory."""

    pid: int
    http: int
    transport: int
    version: str
    heap: str
    java_home: str
    java: str
    vector: bool  # whether Java's vector API is on

    @property
    def url(self) -> str:
        """The URL of the node's HTTP port."""
        return f"http://{LOOPBACK}:{self.http}"


def write_record(root: Path, record: Record) -> None:
    """Write node.json in one step, so that no reader sees a part of it."""
    staging = root / ".node.json"
    staging.write_text(json.dumps(asdict(record)))
    staging.replace(root / "node.json")


def read_record(root: Path, *, alive: bool) -> Record | None:
    """Return the record in node.json; with `alive` only if its process runs and is the node of this directory."""
    try:
        record = Record(**json.loads((root / "node.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if alive and identity(root) not in _arguments(record.pid):
        return None
    return record


def _arguments(pid: int) -> list[str]:
    """Return the command line of a process; empty when it has ended."""
    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def get_json(url: str, path: str, timeout_s: float = 5.0) -> Any:
    """Return the JSON response of a node of this machine, past any proxy. Raises OSError or ValueError."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url}{path}", timeout=timeout_s) as response:
        return json.load(response)


def describe(root: Path) -> dict[str, Any]:
    """Return the values of `vitrine node status`; `why` if no node runs in `root`."""
    record = read_record(root, alive=True)
    if record is None:
        why = f"no node runs in {root}: start one with `vitrine node up`"
        last = read_record(root, alive=False)
        if last is not None:
            why = (
                f"the node in {root} ended unexpectedly ({end_reason(root, last.pid)}): "
                "start it again with `vitrine node up`; its data are intact"
            )
        return {"running": False, "why": why, "directory": str(root)}
    try:
        health = get_json(record.url, "/_cluster/health?timeout=1s")["status"]
    except (OSError, ValueError, KeyError):
        health = "does not answer"
    return {
        "running": True,
        "url": record.url,
        "health": health,
        "process": record.pid,
        "version": record.version,
        "heap": record.heap,
        "java": f"{record.java} ({record.java_home})",
        "vector_api": record.vector,
        "data": str(root / "data"),
        "log": str(root / "console.log"),
    }


@contextmanager
def starting(root: Path) -> Iterator[Record | None]:
    """Lock the directory against a second start for the block; yield the record of a node that already runs there.

    Raises NodeError when the directory cannot be created, or when the running node does not answer.
    """
    try:
        make_open(root)
    except OSError as error:
        raise NodeError(
            f"cannot create the directory {root} ({error.strerror}): name another with --dir"
        ) from error
    with locked(root / LOCK):
        record = read_record(root, alive=True)
        if record is not None:
            _check_answers(record)
        yield record


def _check_answers(record: Record) -> None:
    try:
        get_json(record.url, "/")
    except (OSError, ValueError) as error:
        raise NodeError(
            f"process {record.pid} runs but does not answer at {record.url}: "
            "stop it with `vitrine node down`, then start it again"
        ) from error


def stop_recorded(root: Path, grace_s: float = GRACE_S) -> bool:
    """Stop the node that another process started in `root`; return False if none runs there."""
    record = read_record(root, alive=True)
    if record is not None:
        _signal(record.pid, signal.SIGTERM)
        until = time.monotonic() + grace_s
        # not psutil's wait, which would reap a child of the calling program
        while read_record(root, alive=True) and time.monotonic() < until:
            time.sleep(0.05)
        if read_record(root, alive=True):
            _signal(record.pid, signal.SIGKILL)
    (root / "node.json").unlink(missing_ok=True)
    return record is not None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has just ended
    except PermissionError as error:
        raise NodeError(f"the node (process {pid}) belongs to another user: stop it as that user") from error
