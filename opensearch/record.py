"""What a started node leaves in its directory, and what others read and do by that."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .distribution import locked
from .errors import NodeError
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


def last_words(root: Path) -> str:
    """Give the reason that the node's console names for its end, with the place of the log."""
    log = root / "console.log"
    lines = log.read_text(errors="replace").splitlines()[-400:] if log.exists() else []
    found = (match[1] for reason in _REASONS for line in lines if (match := re.search(reason, line)))
    why = next(found, lines[-1] if lines else "it said nothing")
    return f"{' '.join(why.split())[:300]} (see {log})"


@contextmanager
def starting(root: Path) -> Iterator[Record | None]:
    """Keep a second `up` of one directory waiting; give the record of the node that runs there already."""
    with locked(root / LOCK):
        yield read_record(root, alive=True)


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
