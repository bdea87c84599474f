"""What a started node leaves in its directory, and what others read and do by that."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitrine.errors import NodeError

from .distribution import locked, make_open
from .launch import LOOPBACK, identity

LOCK = ".lock"
GRACE_S = 30.0  # between asking a node to end and ending it without mercy

_REASONS = (
    r"Likely root cause: (.*)",
    r"(failed to obtain node locks.*)",
    r"Caused by: (.*)",
    r"(.*insufficient memory.*)",
    r"^(Terminating due to java.lang.OutOfMemoryError.*)",
    r"^(Error.*)",
    r"(.*Exception: .*)",
)


@dataclass(frozen=True)
class Record:
    """One start of a node: `node.json` of its directory."""

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
        return f"http://{LOOPBACK}:{self.http}"


def write_record(root: Path, record: Record) -> None:
    """Write node.json so that nobody ever reads half of it."""
    staging = root / ".node.json"
    staging.write_text(json.dumps(asdict(record)))
    staging.replace(root / "node.json")


def read_record(root: Path, *, alive: bool) -> Record | None:
    """Read node.json; with `alive` only while the process is still this very node and not another's."""
    try:
        record = Record(**json.loads((root / "node.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if alive and identity(root) not in _arguments(record.pid):
        return None
    return record


def _arguments(pid: int) -> list[str]:
    """List the command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        if Path("/proc/self").exists():
            return []
    told = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return told.stdout.split()


def ask(url: str, path: str, timeout_s: float = 5.0) -> Any:
    """Give the JSON that a node of this machine answers, past any proxy; OSError or ValueError otherwise."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url}{path}", timeout=timeout_s) as answer:
        return json.load(answer)


def describe(root: Path) -> dict[str, Any]:
    """Give the facts of `vitrine node status`; `why` when no node runs in `root`."""
    record = read_record(root, alive=True)
    if record is None:
        why = f"no node runs in {root}: start one with `vitrine node up`"
        if read_record(root, alive=False) is not None:
            why = (
                f"the node in {root} ended unbidden ({last_words(root)}): "
                "start it again with `vitrine node up`, its data are kept"
            )
        return {"running": False, "why": why, "directory": str(root)}
    try:
        health = ask(record.url, "/_cluster/health?timeout=1s")["status"]
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


def last_words(root: Path) -> str:
    """Give the reason that the node's console names for its end, with the place of the log."""
    log = root / "console.log"
    lines = log.read_text(errors="replace").splitlines()[-400:] if log.exists() else []
    found = (match[1] for reason in _REASONS for line in lines if (match := re.search(reason, line)))
    why = next(found, lines[-1] if lines else "it said nothing")
    return f"{' '.join(why.split())[:300]} (see {log})"


@contextmanager
def starting(root: Path) -> Iterator[Record | None]:
    """Keep a second `up` of one directory waiting; give the record of the node that runs there already.

    Raises NodeError when the directory cannot be made, or when the node there does not answer.
    """
    try:
        make_open(root)
    except OSError as error:
        raise NodeError(
            f"cannot make the directory {root} ({error.strerror}): name another with --dir"
        ) from error
    with locked(root / LOCK):
        record = read_record(root, alive=True)
        if record is not None:
            _check_answers(record)
        yield record


def _check_answers(record: Record) -> None:
    try:
        ask(record.url, "/")
    except (OSError, ValueError) as error:
        raise NodeError(
            f"process {record.pid} runs but does not answer at {record.url}: "
            "stop it with `vitrine node down`, then start it again"
        ) from error


def stop_recorded(root: Path, grace_s: float = GRACE_S) -> bool:
    """End the node that another process started in `root`; False when none runs there."""
    record = read_record(root, alive=True)
    if record is not None:
        _signal(record.pid, signal.SIGTERM)
        until = time.monotonic() + grace_s
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
        return  # it ended by itself just now
    except PermissionError as error:
        raise NodeError(f"the node (process {pid}) belongs to another user: stop it as that user") from error
