"""The JDK of this machine, for the tests that compile the packaged Java sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def compiler() -> tuple[str, int] | None:
    """The javac of the newest installed JDK and its major version."""
    places = [shutil.which("javac"), *map(str, Path("/usr/lib/jvm").glob("*/bin/javac"))]
    versions = []
    for place in filter(None, places):
        result = subprocess.run([place, "-version"], capture_output=True, text=True)
        words = (result.stdout or result.stderr).split()
        if len(words) == 2 and words[1].split(".")[0].isdigit():
            versions.append((int(words[1].split(".")[0]), place))
    return (max(versions)[1], max(versions)[0]) if versions else None
