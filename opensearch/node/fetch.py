"""Downloads pinned Maven artifacts into the cache and verifies their checksums."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_incrementing

from vitrine.errors import NodeError
from vitrine.settings import VITRINE_MAVEN_MIRROR

from .files import make_open, sha256_of
from .pinned import Artifact

_MAX_ATTEMPTS = 3

# called with the number of bytes that have arrived; a negative number takes back the bytes of a failed attempt
ProgressCallback = Callable[[int], None]
# writes the file of an artifact into a directory and returns its path
Source = Callable[[Artifact, Path, ProgressCallback], Path]


class _DownloadError(Exception):
    """One attempt to download an artifact failed, for the reason in the message."""


def archive_path(artifact: Artifact, cache: Path) -> Path:
    """Return the path of a downloaded artifact in the cache."""
    return cache / "zips" / artifact.filename


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
    target = archive_path(artifact, cache)
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


def _cause(error: BaseException) -> str:
    """Return the innermost cause of an error; jgo's own messages contain only addresses."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, RuntimeError) and "not found" in str(error):
        return "the repository does not contain it"
    message = error.strerror if isinstance(error, OSError) else None
    return message or type(error).__name__
