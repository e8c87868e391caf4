"""What is inside a zip, read without trusting it: names, sizes and depths can all lie."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from pathlib import Path

from flightplan.area_features import MAX_BYTES, printable
from flightplan.errors import UnreadableFileError

_MAX_MEMBERS = 1_000
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
)


def member_names(path: Path) -> list[str]:
    """Return the names of a zip's files, as written: for choosing one, never for writing to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [i.filename for i in archive.infolist() if not i.is_dir()]
    except _BROKEN as error:
        raise UnreadableFileError(f"is not a readable zip: {printable(str(error))}", where=str(path)) from error
    if len(names) > _MAX_MEMBERS:
        raise UnreadableFileError(f"holds {len(names)} files; the limit is {_MAX_MEMBERS}", where=str(path))
    return names


def read_member(path: Path, name: str) -> bytes:
    """Return one file of a zip; raise UnreadableFileError when it is damaged, encrypted or unpacks without end."""
    try:
        # The declared size can lie, so the reading itself stops at the limit.
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            data = member.read(MAX_BYTES + 1)
    except _BROKEN as error:
        raise UnreadableFileError(
            f"is not a readable zip: {printable(name)}: {printable(str(error))}", where=str(path)
        ) from error
    if len(data) > MAX_BYTES:
        raise UnreadableFileError(f"{printable(name)} unpacks to more than {MAX_BYTES / 1e6:.0f} MB", where=str(path))
    return data
