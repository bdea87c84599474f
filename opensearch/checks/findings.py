"""What the doctor says: one finding a line, with what to do when it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` says what to do, and is empty when nothing needs doing."""

    level: Level
    subject: str
    found: str
    advice: str = ""


def ok(subject: str, found: str, advice: str = "") -> Finding:
    return Finding("ok", subject, found, advice)


def warn(subject: str, found: str, advice: str) -> Finding:
    return Finding("warn", subject, found, advice)


def fail(subject: str, found: str, advice: str) -> Finding:
    return Finding("fail", subject, found, advice)
