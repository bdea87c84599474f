"""OpenSearch assembled from Maven artifacts: downloaded, verified and unpacked once into a shared cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from vitrine.errors import NodeError
from vitrine.settings import VITRINE_CACHE

from .fetch import ProgressCallback, archive_path, fetch_all
from .files import locked, make_open, sha256_of
from .pinned import (
    ALL,
    LUCENE_ONLY_DESCRIPTOR,
    LUCENE_ONLY_SHA256,
    PLUGINS,
    SERVER,
    SMARTCN,
    SMARTCN_DESCRIPTOR,
    VERSION,
)

LUCENE_ONLY = Path(__file__).with_name("lucene_only") / "lucene-only.jar"
_DESCRIPTOR = "plugin-descriptor.properties"
_UNPACKED_BYTES = 300 << 20  # size of the unpacked distribution, with a margin

# GeoLite data, start scripts for Windows, and the GPU runtime of ONNX models inside the engine
_EXCLUDED = re.compile(r"^(modules/ingest-geoip/|bin/.*\.(bat|exe)$)|(^|/)onnxruntime_gpu-[^/]*\.jar$")


def is_ready(cache: Path) -> bool:
    """Return whether the complete distribution is in the cache, so that nothing has to be downloaded."""
    return (_home(cache) / ".complete").exists()


def distribution(cache: Path, on_progress: ProgressCallback | None = None) -> Path:
    """Return the directory of the complete, read-only distribution, downloaded and unpacked if necessary.

    Raises NodeError when the disk is too small or a file cannot be downloaded completely.
    """
    home = _home(cache)
    if is_ready(cache) and _has_lucene_only(home):
        return home
    try:
        with locked(cache / ".lock"):
            if not is_ready(cache):
                _assemble(cache, home, on_progress or (lambda count: None))
            if not _has_lucene_only(home):  # also into a distribution of an earlier release
                _install_lucene_only(home)
    except OSError as error:
        raise NodeError(
            f"cannot write to {error.filename or cache} ({error.strerror}): "
            f"free space or grant access there, or name another cache directory with {VITRINE_CACHE.name}"
        ) from error
    return home


def missing_bytes(cache: Path) -> int:
    """Return the number of bytes that `distribution` would download."""
    if is_ready(cache):
        return 0
    return sum(artifact.size for artifact in ALL if not archive_path(artifact, cache).exists())


def _home(cache: Path) -> Path:
    # the name depends on all artifacts, so that a newer Vitrine never starts an older distribution
    pins = hashlib.sha256("".join(artifact.sha256 for artifact in ALL).encode()).hexdigest()[:8]
    return cache / "dist" / f"{VERSION}-{pins}"


def _assemble(cache: Path, home: Path, on_progress: ProgressCallback) -> None:
    zips = cache / "zips"
    for directory in (cache, zips, home.parent):
        make_open(directory)
    # parts of a killed download: the caller has the lock, so no other process downloads here
    for part in zips.glob(".part-*"):
        shutil.rmtree(part, ignore_errors=True)
    _check_space(cache)
    files = fetch_all(ALL, cache, on_progress)
    staging = home.with_name(f".{home.name}")
    for incomplete in (staging, home):
        shutil.rmtree(incomplete, ignore_errors=True)
    unpack(files[SERVER.name], staging, strip=1)
    for plugin in PLUGINS:
        install_plugin(files[plugin.name], staging)
    _install_smartcn([files[jar.name] for jar in SMARTCN], staging)
    for folder, _, _ in os.walk(staging):
        Path(folder).chmod(0o755)  # independent of the umask: another user may run the node
    (staging / ".complete").touch()
    (staging / ".complete").chmod(0o644)
    staging.rename(home)
    shutil.rmtree(zips, ignore_errors=True)


def _check_space(cache: Path) -> None:
    needed = missing_bytes(cache) + _UNPACKED_BYTES
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise NodeError(
            f"need {needed >> 20} MiB free under {cache}, but only {free >> 20} MiB are free: "
            f"free space, or name a cache directory on another disk with {VITRINE_CACHE.name}"
        )


def unpack(archive: Path, target: Path, *, strip: int = 0) -> None:
    """Unpack a zip without unneeded files and the first `strip` folders of each path, readable for every user."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            parts = [part for part in entry.filename.split("/") if part][strip:]
            relative = "/".join(parts) + ("/" if entry.is_dir() else "")
            if not parts or _EXCLUDED.search(relative):
                continue
            if ".." in parts:
                raise NodeError(
                    f"{archive.name} contains the path {entry.filename!r}, which leaves its folder"
                )
            path = target.joinpath(*parts)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(entry) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            path.chmod(0o755 if (entry.external_attr >> 16) & 0o111 else 0o644)


def install_plugin(archive: Path, home: Path) -> None:
    """Install a plugin as `opensearch-plugin install` does: unpack it by its descriptor's name, move config and bin."""
    staging = home / "plugins" / ".new"
    unpack(archive, staging)
    name = _properties((staging / _DESCRIPTOR).read_text())["name"]
    for part in ("config", "bin"):
        if (staging / part).is_dir():
            (staging / part).rename(home / part / name)
    staging.rename(home / "plugins" / name)


def _install_smartcn(jars: Sequence[Path], home: Path) -> None:
    _install_jars(home / "plugins" / "analysis-smartcn", jars, SMARTCN_DESCRIPTOR)


def _has_lucene_only(home: Path) -> bool:
    jar = _lucene_only(home) / LUCENE_ONLY.name
    return jar.exists() and sha256_of(jar) == LUCENE_ONLY_SHA256


def _install_lucene_only(home: Path) -> None:
    """Install the plugin that refuses vector fields which need native libraries; a running node is not changed."""
    if sha256_of(LUCENE_ONLY) != LUCENE_ONLY_SHA256:
        raise NodeError(f"{LUCENE_ONLY} is damaged: install Vitrine again")
    staging = home.with_name(f".{home.name}-lucene-only")  # the engine refuses unfinished folders in plugins/
    for obsolete in (staging, _lucene_only(home)):
        shutil.rmtree(obsolete, ignore_errors=True)
    _install_jars(staging, [LUCENE_ONLY], LUCENE_ONLY_DESCRIPTOR)
    staging.rename(_lucene_only(home))


def _lucene_only(home: Path) -> Path:
    return home / "plugins" / _properties(LUCENE_ONLY_DESCRIPTOR)["name"]


def _install_jars(folder: Path, jars: Sequence[Path], descriptor: str) -> None:
    """Make a plugin's folder of its jars and its descriptor, readable for every user."""
    make_open(folder)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)
        (folder / jar.name).chmod(0o644)
    (folder / _DESCRIPTOR).write_text(descriptor)
    (folder / _DESCRIPTOR).chmod(0o644)


def _properties(text: str) -> Mapping[str, str]:
    lines = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in lines}
