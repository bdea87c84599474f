"""OpenSearch assembled from Maven artifacts: downloaded, verified and unpacked once into a shared cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_incrementing

from vitrine.errors import NodeError
from vitrine.settings import VITRINE_CACHE, VITRINE_MAVEN_MIRROR

from .pinned import ALL, PLUGINS, SERVER, SMARTCN, SMARTCN_DESCRIPTOR, VERSION, Artifact

_MAX_ATTEMPTS = 3
_UNPACKED_BYTES = 300 << 20  # size of the unpacked distribution, with a margin

# called with the number of bytes that have arrived; a negative number takes back the bytes of a failed attempt
ProgressCallback = Callable[[int], None]
# writes the file of an artifact into a directory and returns its path
Source = Callable[[Artifact, Path, ProgressCallback], Path]

# GeoLite data, start scripts for Windows, and the GPU runtime of ONNX models inside the engine
_EXCLUDED = re.compile(r"^(modules/ingest-geoip/|bin/.*\.(bat|exe)$)|(^|/)onnxruntime_gpu-[^/]*\.jar$")


class _DownloadError(Exception):
    """One attempt to download an artifact failed, for the reason in the message."""


def is_ready(cache: Path) -> bool:
    """Return whether the complete distribution is in the cache, so that nothing has to be downloaded."""
    return (_home(cache) / ".complete").exists()


def distribution(cache: Path, on_progress: ProgressCallback | None = None) -> Path:
    """Return the directory of the complete, read-only distribution, downloaded and unpacked if necessary.

    Raises NodeError when the disk is too small or a file cannot be downloaded completely.
    """
    home = _home(cache)
    if is_ready(cache):
        return home
    try:
        with locked(cache / ".lock"):
            if not is_ready(cache):
                _assemble(cache, home, on_progress or (lambda count: None))
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
    return sum(artifact.size for artifact in ALL if not _archive(artifact, cache).exists())


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


def fetch_all(artifacts: Sequence[Artifact], cache: Path, on_progress: ProgressCallback) -> dict[str, Path]:
    """Download several artifacts concurrently; return the verified file of each by the artifact's name."""
    cancelled = threading.Event()

    def count_bytes(count: int) -> None:
        if cancelled.is_set():
            raise InterruptedError
        on_progress(count)

    with ThreadPoolExecutor(4) as workers:
        futures = {
            artifact.name: workers.submit(fetch, artifact, cache, count_bytes, stop=cancelled)
            for artifact in artifacts
        }
        try:
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            cancelled.set()  # the other downloads end at their next chunk, so Ctrl-C does not wait for them
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def fetch(
    artifact: Artifact,
    cache: Path,
    on_progress: ProgressCallback,
    source: Source | None = None,
    stop: threading.Event | None = None,
) -> Path:
    """Return the verified file of an artifact; an incomplete file never gets the final name.

    Raises NodeError when the download fails, or has another checksum, three times.
    """
    target = _archive(artifact, cache)
    if target.exists() and sha256_of(target) == artifact.sha256:
        return target
    target.unlink(missing_ok=True)
    make_open(target.parent)
    retrying = Retrying(
        stop=stop_after_attempt(_MAX_ATTEMPTS),
        wait=wait_incrementing(start=0, increment=0.5),
        retry=retry_if_exception_type(_DownloadError),
        reraise=True,
    )
    try:
        return retrying(_fetch_once, artifact, target, on_progress, source or download, stop)
    except _DownloadError as error:
        raise NodeError(
            f"{artifact.filename} {error} after {_MAX_ATTEMPTS} attempts: check the network and its proxies, or "
            f"name a Maven mirror in {VITRINE_MAVEN_MIRROR.name}; then run the command again"
        ) from error


def _fetch_once(
    artifact: Artifact,
    target: Path,
    on_progress: ProgressCallback,
    source: Source,
    stop: threading.Event | None,
) -> Path:
    # a killed download leaves an incomplete file, so it is written in a directory of its own
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as staging:
        counter = _Counter(on_progress)
        try:
            file = source(artifact, Path(staging), counter)
        except Exception as error:  # jgo and requests raise many types
            if stop is not None and stop.is_set():
                raise
            fault = f"could not be fetched ({_cause(error)})"
        else:
            checksum = sha256_of(file)
            if checksum == artifact.sha256:
                file.replace(target)
                return target
            fault = f"has sha256 {checksum}, expected {artifact.sha256}"
        counter.reset()
    raise _DownloadError(fault)  # outside `except`: the traceback of jgo's error would keep its sockets open


def download(artifact: Artifact, staging: Path, on_progress: ProgressCallback) -> Path:
    """Download one file through jgo, from jgo's default repository or the mirror in VITRINE_MAVEN_MIRROR."""
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def report(filename: str, size: int) -> Iterator[ProgressCallback]:
        yield on_progress

    mirror = VITRINE_MAVEN_MIRROR.read()
    context = MavenContext(
        resolver=PythonResolver(progress_callback=report),
        repo_cache=staging,
        remote_repos={"central": mirror.rstrip("/")} if mirror else None,
        timeout=60,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(packaging=artifact.packaging).resolve())


class _Counter:
    """A progress callback that can take back everything it has counted."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self._on_progress, self._total = on_progress, 0

    def __call__(self, count: int) -> None:
        self._total += count
        self._on_progress(count)

    def reset(self) -> None:
        if self._total:
            self._on_progress(-self._total)


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
    name = _properties((staging / "plugin-descriptor.properties").read_text())["name"]
    for part in ("config", "bin"):
        if (staging / part).is_dir():
            (staging / part).rename(home / part / name)
    staging.rename(home / "plugins" / name)


def _install_smartcn(jars: Sequence[Path], home: Path) -> None:
    folder = home / "plugins" / "analysis-smartcn"
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, folder / jar.name)
        (folder / jar.name).chmod(0o644)
    descriptor = folder / "plugin-descriptor.properties"
    descriptor.write_text(SMARTCN_DESCRIPTOR)
    descriptor.chmod(0o644)


def _properties(text: str) -> Mapping[str, str]:
    lines = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in lines}


def _archive(artifact: Artifact, cache: Path) -> Path:
    return cache / "zips" / artifact.filename


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


def _cause(error: BaseException) -> str:
    """Return the innermost cause of an error; jgo's own messages contain only addresses."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, RuntimeError) and "not found" in str(error):
        return "the repository does not contain it"
    message = error.strerror if isinstance(error, OSError) else None
    return message or type(error).__name__
