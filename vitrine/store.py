"""The artifact store: immutable directories by kind and name, in a folder or at any fsspec URL.

Encoders, models, item tables and behaviour snapshots are such directories; indexer and rerank share no other files.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import fsspec
import platformdirs

from . import settings
from .errors import VitrineError


@dataclass(frozen=True)
class ArtifactSet:
    """The names of the three immutable artifacts that rank an alias; the item table and snapshot name the model."""

    model: str
    items: str
    behaviour: str


class Store:
    """Artifacts under one URL: `put` writes an artifact once, `get` returns a local directory to read."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._local = "file" in self._fs.protocol

    def put(self, kind: str, name: str, directory: Path) -> None:
        """Copy `directory` to `kind/name`, whole or not at all; an existing artifact is not changed."""
        target = f"{self._root}/{kind}/{name}"
        if self._fs.exists(f"{target}/.complete"):
            return
        if self._local:
            parent = Path(target).parent
            parent.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(dir=parent, prefix=".staged-"))
            shutil.copytree(directory, staged, dirs_exist_ok=True)
            (staged / ".complete").touch()
            staged.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)  # a killed writer leaves a directory without .complete
            staged.rename(target)
            return
        self._fs.put(f"{directory}/", f"{target}/", recursive=True)
        self._fs.touch(f"{target}/.complete")

    def has(self, kind: str, name: str) -> bool:
        """Return whether the complete artifact is in the store."""
        return bool(self._fs.exists(f"{self._root}/{kind}/{name}/.complete"))

    def names(self, kind: str) -> list[str]:
        """Return the names of the complete artifacts of a kind, sorted."""
        if not self._fs.exists(f"{self._root}/{kind}"):
            return []
        names = (str(path).rsplit("/", 1)[-1] for path in self._fs.ls(f"{self._root}/{kind}", detail=False))
        return sorted(name for name in names if self.has(kind, name))

    def get(self, kind: str, name: str) -> Path:
        """Return the artifact's directory on this machine; a remote one is copied once into the user's cache.

        Raises VitrineError for an artifact that is not in the store.
        """
        if not self.has(kind, name):
            raise VitrineError(
                f"artifact {kind}/{name} is not in the store {self.url}; set VITRINE_STORE to the store that has it"
            )
        if self._local:
            return Path(f"{self._root}/{kind}/{name}")
        key = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        cached = Path(platformdirs.user_cache_dir("vitrine")) / "artifacts" / key / kind / name
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            staged = tempfile.mkdtemp(dir=cached.parent, prefix=".staged-")
            self._fs.get(f"{self._root}/{kind}/{name}/", f"{staged}/", recursive=True)
            try:
                Path(staged).rename(cached)
            except OSError:  # another process was first; its copy is the same, because artifacts never change
                shutil.rmtree(staged, ignore_errors=True)
        return cached


def open_store(url: str | None = None) -> Store:
    """The store at `url`, else at VITRINE_STORE, else a folder in the user's data directory."""
    return Store(url or settings.store_url())


def content_name(prefix: str, directory: Path) -> str:
    """Return `prefix-` and 12 hex digits of the SHA-256 over the files' names and bytes."""
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(directory)).encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{prefix}-{digest.hexdigest()[:12]}"
