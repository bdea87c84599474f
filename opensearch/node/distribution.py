"""OpenSearch put together from Maven artifacts: fetched, verified, unpacked once into a shared cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from vitrine.errors import NodeError

from .pinned import ALL, PLUGINS, SERVER, SMARTCN, SMARTCN_DESCRIPTOR, VERSION, Artifact

MIRROR = "VITRINE_MAVEN_MIRROR"
CACHE = "VITRINE_CACHE"
_TRIES = 3
_UNPACKED_BYTES = 300 << 20  # what the finished distribution takes, with some room

Arrived = Callable[[int], None]  # told how many more bytes have come (negative: a try was thrown away)


Source = Callable[[Artifact, Path, Arrived], Path]  # puts the artifact's file somewhere under the path

# GeoLite data, another system's start scripts, and the GPU runtime of ONNX models run inside the engine
_LEFT_OUT = re.compile(r"^(modules/ingest-geoip/|bin/.*\.(bat|exe)$)|(^|/)onnxruntime_gpu-[^/]*\.jar$")


def default_cache() -> Path:
    """Give the shared cache: VITRINE_CACHE, else the user's or, for root, the system's."""
    named = os.environ.get(CACHE)
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/vitrine")
    import platformdirs

    return platformdirs.user_cache_path("vitrine")


def is_ready(cache: Path) -> bool:
    """Say whether the distribution lies complete in the cache, so that nothing has to be fetched."""
    return (_home(cache) / ".complete").exists()


def distribution(cache: Path, arrived: Arrived | None = None) -> Path:
    """Give the directory of the complete, read-only distribution; fetch and unpack it when it is not there.

    Raises NodeError when the disk is too small or a file cannot be fetched whole.
    """
    home = _home(cache)
    if is_ready(cache):
        return home
    try:
        with locked(cache / ".lock"):
            if not is_ready(cache):
                _assemble(cache, home, arrived or (lambda count: None))
    except OSError as error:
        raise NodeError(
            f"cannot write to {error.filename or cache} ({error.strerror}): "
            f"make room or give access there, or name another cache directory with {CACHE}"
        ) from error
    return home


def missing_bytes(cache: Path) -> int:
    """Count the bytes that `distribution` would have to fetch."""
    if is_ready(cache):
        return 0
    return sum(artifact.size for artifact in ALL if not _fetched(artifact, cache).exists())


def _home(cache: Path) -> Path:
    # the name changes with the list of artifacts, so that a newer Vitrine never starts an older assembly
    pins = hashlib.sha256("".join(artifact.sha256 for artifact in ALL).encode()).hexdigest()[:8]
    return cache / "dist" / f"{VERSION}-{pins}"


def _assemble(cache: Path, home: Path, arrived: Arrived) -> None:
    zips = cache / "zips"
    for directory in (cache, zips, home.parent):
        make_open(directory)
    for leftover in zips.glob(
        ".part-*"
    ):  # of a killed download: we hold the lock, so nobody is at work there
        shutil.rmtree(leftover, ignore_errors=True)
    _check_space(cache)
    files = fetch_all(ALL, cache, arrived)
    staging = home.with_name(f".{home.name}")
    for remains in (staging, home):
        shutil.rmtree(remains, ignore_errors=True)
    unpack(files[SERVER.name], staging, strip=1)
    for plugin in PLUGINS:
        install_plugin(files[plugin.name], staging)
    _install_smartcn([files[jar.name] for jar in SMARTCN], staging)
    for folder, _, _ in os.walk(staging):
        Path(folder).chmod(0o755)  # whatever the umask: another user may have to read it
    (staging / ".complete").touch()
    (staging / ".complete").chmod(0o644)
    staging.rename(home)
    shutil.rmtree(zips, ignore_errors=True)


def _check_space(cache: Path) -> None:
    needed = missing_bytes(cache) + _UNPACKED_BYTES
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise NodeError(
            f"need {needed >> 20} MiB free under {cache}, there are {free >> 20} MiB: "
            f"make room, or name a cache directory on another disk with {CACHE}"
        )


def fetch_all(artifacts: Sequence[Artifact], cache: Path, arrived: Arrived) -> dict[str, Path]:
    """Fetch several artifacts side by side; give the verified file of each name."""
    given_up = threading.Event()

    def heard(count: int) -> None:
        if given_up.is_set():
            raise InterruptedError
        arrived(count)

    with ThreadPoolExecutor(4) as workers:
        futures = {
            artifact.name: workers.submit(fetch, artifact, cache, heard, stop=given_up)
            for artifact in artifacts
        }
        try:
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            given_up.set()  # the other downloads end at their next chunk, Ctrl-C does not wait for them
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def fetch(
    artifact: Artifact,
    cache: Path,
    arrived: Arrived,
    source: Source | None = None,
    stop: threading.Event | None = None,
) -> Path:
    """Give the verified file of an artifact; nothing that is not whole ever gets its final name.

    Raises NodeError when the file cannot be had or has another checksum after three tries.
    """
    target = _fetched(artifact, cache)
    if target.exists() and sha256_of(target) == artifact.sha256:
        return target
    target.unlink(missing_ok=True)
    make_open(target.parent)
    fault = ""
    for attempt in range(_TRIES):
        # a downloader that is killed leaves half a file: it works in a directory that nobody trusts
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as staging:
            received = _Counter(arrived)
            try:
                file = (source or download)(artifact, Path(staging), received)
            except Exception as error:  # whatever jgo and requests raise
                if stop is not None and stop.is_set():
                    raise
                fault = f"could not be fetched ({_cause(error)})"
            else:
                found = sha256_of(file)
                if found == artifact.sha256:
                    file.replace(target)
                    return target
                fault = f"has sha256 {found}, expected {artifact.sha256}"
            received.forget()
        time.sleep(0.5 * attempt)
    raise NodeError(
        f"{artifact.filename} {fault} after {_TRIES} tries: "
        f"check the network and its proxies, or name a Maven mirror in {MIRROR}; then run the command again"
    )


def download(artifact: Artifact, staging: Path, arrived: Arrived) -> Path:
    """Fetch one file through jgo, from its own default repository or the mirror of VITRINE_MAVEN_MIRROR."""
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def told(filename: str, size: int) -> Iterator[Arrived]:
        yield arrived

    mirror = os.environ.get(MIRROR)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=told),
        repo_cache=staging,
        remote_repos={"central": mirror.rstrip("/")} if mirror else None,
        timeout=60,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(packaging=artifact.packaging).resolve())


class _Counter:
    """Passes counts on and can take back all of them."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived, self._total = arrived, 0

    def __call__(self, count: int) -> None:
        self._total += count
        self._arrived(count)

    def forget(self) -> None:
        if self._total:
            self._arrived(-self._total)


def unpack(archive: Path, target: Path, *, strip: int = 0) -> None:
    """Unpack a zip without its dead weight, dropping `strip` leading folders, readable for every user."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            parts = [part for part in entry.filename.split("/") if part][strip:]
            relative = "/".join(parts) + ("/" if entry.is_dir() else "")
            if not parts or _LEFT_OUT.search(relative):
                continue
            if ".." in parts:
                raise NodeError(f"{archive.name} holds the path {entry.filename!r}, which leaves its folder")
            place = target.joinpath(*parts)
            if entry.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(entry) as packed, place.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            place.chmod(0o755 if (entry.external_attr >> 16) & 0o111 else 0o644)


def install_plugin(archive: Path, home: Path) -> None:
    """Do what `opensearch-plugin install` does: unpack under the descriptor's name, move config and bin."""
    fresh = home / "plugins" / ".new"
    unpack(archive, fresh)
    name = _properties((fresh / "plugin-descriptor.properties").read_text())["name"]
    for part in ("config", "bin"):
        if (fresh / part).is_dir():
            (fresh / part).rename(home / part / name)
    fresh.rename(home / "plugins" / name)


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


def _fetched(artifact: Artifact, cache: Path) -> Path:
    return cache / "zips" / artifact.filename


def sha256_of(file: Path) -> str:
    """Give the hexadecimal SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def make_open(directory: Path) -> None:
    """Make a directory and its missing parents so that every user may enter them, whatever the umask."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file between processes; the next one waits."""
    make_open(path.parent)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cause(error: BaseException) -> str:
    """Name the innermost cause; jgo's own words hold addresses that help nobody."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, RuntimeError) and "not found" in str(error):
        return "the repository does not hold it"
    told = error.strerror if isinstance(error, OSError) else None
    return told or type(error).__name__
