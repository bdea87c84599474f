"""Why a node ended, read from its console log and the crash file of its Java runtime."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

_TAIL = 2_000  # lines of the console log that are searched
_MAX_CHARS = 300
_STARTED = re.compile(r"\[o\.o\.n\.Node +\].*\] started$")
_CLOSED = re.compile(r"\[o\.o\.n\.Node +\].*\] (stopping \.\.\.|closed)$")
_CRASH = "# A fatal error has been detected by the Java Runtime Environment:"

# An error of these ends the process whenever it occurs.
_FATAL = (
    r"^(fatal error in thread \[.*\]), exiting$",
    r"^(Terminating due to java.lang.OutOfMemoryError.*)",
    r"(.*[Ii]nsufficient memory.*)",
)
# Only a node that has not started ends by these: a running one logs them and continues.
_WHILE_STARTING = (
    r"Likely root cause: (.*)",
    r"(failed to obtain node locks.*)",
    r"Caused by: (.*)",
    r"^(Error.*)",
    r"(.*Exception: .*)",
)


def end_reason(root: Path, pid: int | None = None, *, ended: bool = True) -> str:
    """Return the reason for a node's end, or why it is not ready (not `ended`), with the file that holds it.

    `pid` is the node's process: the crash file of another one is of an earlier start.
    """
    log = root / "console.log"
    crash_file = root / "logs" / f"hs_err_pid{pid}.log"
    if crash_file.exists():
        with crash_file.open(errors="replace") as file:
            crash = _crash([line for line, _ in zip(file, range(60), strict=False)])
        return f"{crash or 'the Java runtime crashed'} (see {crash_file})"
    lines: deque[str] = deque(maxlen=_TAIL)
    started = False
    if log.exists():
        with log.open(errors="replace") as file:
            for line in file:
                lines.append(line.rstrip("\n"))
                started |= bool(_STARTED.search(line))
    return f"{_reason(list(lines), started and ended)} (see {log})"


def _reason(lines: Sequence[str], started: bool) -> str:
    if not lines:
        return "its log is empty"
    found = _crash(lines) or _first_match(_FATAL, lines)
    if found is None and not started:
        found = _first_match(_WHILE_STARTING, lines) or lines[-1]
    if found is None and any(_CLOSED.search(line) for line in lines[-20:]):
        found = "it was told to stop by a signal and closed in order"
    if found is None:
        found = (
            "its log ends without an error, so it was killed from outside: by the system when memory ran out, "
            "by `kill -9`, or with the machine"
        )
    return " ".join(found.split())[:_MAX_CHARS]


def _first_match(patterns: Iterable[str], lines: Sequence[str]) -> str | None:
    """Return the match of the first pattern that a line has; of a fatal error in a thread, the error as well."""
    for pattern in patterns:
        for number, line in enumerate(lines):
            match = re.search(pattern, line)
            if match and pattern is _FATAL[0]:
                error = lines[number + 1] if number + 1 < len(lines) else ""
                return f"{match[1]}: {error}{_advice(error)}"
            if match:
                return match[1]
    return None


def _advice(error: str) -> str:
    if "UnsatisfiedLinkError" in error and "knn" in error:
        return "; a vector field asked for an engine other than lucene, and this node has no native libraries"
    return ""


def _crash(lines: Sequence[str]) -> str | None:
    """Return signal and frame of a crash of the Java runtime, as it reports them; None if there is none."""
    starts = [number for number, line in enumerate(lines) if line.startswith(_CRASH)]
    if not starts:
        return None
    report = [line.lstrip("# ").strip() for line in lines[starts[-1] + 1 :]]
    cause = next((line for line in report if line), "unknown")
    frames = [number for number, line in enumerate(report) if line.startswith("Problematic frame")]
    frame = f" in {report[frames[0] + 1]}" if frames and frames[0] + 1 < len(report) else ""
    return f"the Java runtime crashed: {cause}{frame}"
