"""The bytes of a catalogue file, unpacked: gzip, zstd, bzip2, xz, or a zip archive with one file in it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from vitrine.errors import CatalogueError

# Raised while a damaged file is unpacked; zipfile raises RuntimeError for an encrypted file.
DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
)

_ZIP_MAGIC = b"PK\x03\x04"
_EMPTY_ZIP_MAGIC = b"PK\x05\x06"
_BLOCK_BYTES = 1 << 20
_MAX_LISTED_FILES = 10
_WORKBOOK = "xl/workbook.xml"


@dataclass(frozen=True)
class Packing:
    """A compression of one file: the bytes that it begins with, its file suffix, and how it is opened."""

    magic: bytes
    suffix: str
    open: Callable[[IO[bytes]], Any]


def _open_zstd(file: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


PACKINGS = (
    Packing(b"\x1f\x8b", ".gz", lambda file: gzip.GzipFile(fileobj=file)),
    Packing(b"\x28\xb5\x2f\xfd", ".zst", _open_zstd),
    Packing(b"BZh", ".bz2", bz2.BZ2File),
    Packing(b"\xfd7zXZ\x00", ".xz", lzma.LZMAFile),
)


class _Parts(io.RawIOBase):
    """The bytes of a packed file as they are unpacked, so that those before a damaged place are read."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as the buffer holds."""
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class UnpackedFile(io.BufferedReader):
    """The unpacked bytes of a catalogue file; `catalogue_name` is its name, without the suffix of a packing."""

    def __init__(self, raw: Any, name: str, packed: IO[bytes] | None = None) -> None:
        super().__init__(raw)
        self.catalogue_name = name
        self.packed = packed

    def close(self) -> None:
        """Close the file and the one that it is packed in."""
        super().close()
        if self.packed:
            self.packed.close()


def open_catalogue(path: Path) -> UnpackedFile:
    """Return the file opened for reading unpacked bytes; a packing is recognized by content.

    Raises CatalogueError for a zip archive that does not hold exactly one file, and for a damaged beginning.
    """
    file = _open_archive(path) if _begins_with(path, (_ZIP_MAGIC, _EMPTY_ZIP_MAGIC)) else None
    file = file or UnpackedFile(path.open("rb", buffering=0), path.name)
    try:
        magic = file.peek(8)
        for packing in PACKINGS:
            if magic.startswith(packing.magic):
                name = file.catalogue_name.removesuffix(packing.suffix)
                file = UnpackedFile(_Parts(packing.open(file)), name, packed=file)
                file.peek(1)  # a damaged beginning is an error here
                break
    except DAMAGE as error:
        file.close()
        raise damaged(path, error) from error
    return file


def open_seekable(path: Path) -> IO[bytes]:
    """Return the unpacked bytes as a file with random access: the file itself, or a temporary copy of what it packs."""
    with closing(open_catalogue(path)) as file:
        if file.packed is None and file.catalogue_name == path.name:
            return path.open("rb")
        copy = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115  # the caller closes it
        try:
            shutil.copyfileobj(file, copy, _BLOCK_BYTES)
        except DAMAGE as error:
            copy.close()
            raise damaged(path, error) from error
    copy.seek(0)
    return copy


def damaged(path: Path, error: BaseException) -> CatalogueError:
    """Return the error for a file that cannot be unpacked."""
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return CatalogueError(f"{path} is encrypted; unpack it with its password and name the file in it")
    return CatalogueError(f"{path} cannot be unpacked ({error}); write it again")


def count_lines(path: Path) -> int | None:
    """Return the number of line ends in a text file; None when the file cannot be unpacked to its end."""
    line_feeds = carriage_returns = 0
    try:
        with closing(open_catalogue(path)) as file:
            for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
                line_feeds += block.count(b"\n")
                carriage_returns += block.count(b"\r") if not line_feeds else 0
    except (CatalogueError, *DAMAGE):
        return None
    return line_feeds or carriage_returns


def _begins_with(path: Path, magics: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith(magics)


def _open_archive(path: Path) -> UnpackedFile | None:
    """Return the only file of a zip archive; None when the archive is a workbook, which is read as a whole."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise CatalogueError(
            f"{path} begins like a zip archive and is damaged ({error}); write it again"
        ) from error
    with archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if _WORKBOOK in names or "mimetype" in names:
            return None
        names = [
            name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")
        ]
        if len(names) != 1:
            raise CatalogueError(_not_one_file(path, names))
        try:
            # The opened file keeps the archive's file open until it is closed itself.
            return UnpackedFile(_Parts(archive.open(names[0])), Path(names[0]).name)
        except DAMAGE as error:
            raise damaged(path, error) from error


def _not_one_file(path: Path, names: list[str]) -> str:
    if not names:
        return f"{path} is a zip archive with no file in it; expected one catalogue"
    more = ", ..." if len(names) > _MAX_LISTED_FILES else ""
    return (
        f"{path} is a zip archive of {len(names)} files ({', '.join(names[:_MAX_LISTED_FILES])}{more});"
        " unpack it and name the one with the products"
    )
