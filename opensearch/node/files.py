"""Files shared by several users and processes: checksums, directories open to all, locks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


def sha256_of(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def make_open(directory: Path) -> None:
    """Create a directory and its missing parents so that every user may enter them, independent of the umask."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a file exclusively between processes for the block; other processes wait."""
    make_open(path.parent)
    with FileLock(path):
        yield
