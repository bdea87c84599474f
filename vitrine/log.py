"""Trouble told on stderr, each kind at most once in ten seconds: a dead engine must not fill the disk."""

from __future__ import annotations

import time

import click

PAUSE_S = 10.0


class Complaints:
    """Tells trouble by kind, and how much of it was kept back since it was last told."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._told_at: dict[str, float] = {}
        self._kept: dict[str, int] = {}

    def tell(self, kind: str, text: str) -> None:
        now = time.monotonic()
        if now - self._told_at.get(kind, -self._pause_s) < self._pause_s:
            self._kept[kind] = self._kept.get(kind, 0) + 1
            return
        kept = self._kept.pop(kind, 0)
        self._told_at[kind] = now
        click.echo(f"{kind}: {text}{f' (and {kept} more since)' if kept else ''}", err=True)


complaints = Complaints()
