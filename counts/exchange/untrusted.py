"""Files of others, read without trusting them: sizes, names, depths and entities can all lie."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from flightplan.errors import UnreadableFileError

MAX_FILE_BYTES = 1 << 28
MAX_XML_BYTES = 1 << 26
_MAX_MEMBERS = 200_000
_MAX_XML_DEPTH = 64
_BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError,
)  # fmt: skip


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return a file's bytes. Raises UnreadableFileError where it is no file, cannot be read, or is over the limit."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFileError("is not a file", where=str(path))
        if found.st_size > limit:
            raise UnreadableFileError(f"the file is over {limit >> 20} MB", where=str(path))
        return path.read_bytes()
    except UnreadableFileError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"cannot be read ({error.strerror or error})", where=str(path)) from error


def as_text(content: bytes, where: str) -> str:
    """Return UTF-8 text, with or without a byte order mark. Raises UnreadableFileError for anything else."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"is not UTF-8 text (byte {error.start})", where=where, hint="Save it again as UTF-8"
        ) from error


def as_json(content: bytes, where: str) -> Any:
    """Return a JSON document. Raises UnreadableFileError for what is none, or nests without end."""
    try:
        return json.loads(as_text(content, where))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"this is not JSON ({error})", where=where) from error


def as_xml(content: bytes, where: str) -> Element:
    """Return the root of an XML document. Raises UnreadableFileError for entities, for depth, and for what is none."""
    if len(content) > MAX_XML_BYTES:
        raise UnreadableFileError(f"the XML is over {MAX_XML_BYTES >> 20} MB", where=where)
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError, LookupError) as error:
        reason = "it declares entities or a DTD" if isinstance(error, DefusedXmlException) else str(error)
        raise UnreadableFileError(f"this is not XML that can be read ({reason})", where=where) from error
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > _MAX_XML_DEPTH:
            raise UnreadableFileError(f"the XML nests deeper than {_MAX_XML_DEPTH} elements", where=where)
        level = [child for element in level for child in element]
    return root


def local_name(element: Element) -> str:
    """Return an element's name without its namespace, which changes with the version of who wrote it."""
    return element.tag.rsplit("}", 1)[-1]


MAX_CELL = 131_072
"""Characters in one cell of a table: more is a quote that was never closed."""


def csv_rows(text: str, where: str, delimiter: str | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, cells by column) of a CSV table; the first pair has line 1 and the columns as its keys.

    Without a `delimiter` it is the first line's most frequent of comma, semicolon and tab. A row with too few or too
    many cells has the key "" with what is wrong, and nothing else. Raises UnreadableFileError for what is no table.
    """
    if delimiter is None:
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(rows, [])]
        if len(set(header)) != len(header) or not any(header):
            raise UnreadableFileError("this is no table: its first line does not name its columns once", where=where)
        yield 1, dict.fromkeys(header, "")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            # The csv module's own limit is one for the whole program, and anybody's library may lift it.
            if max(map(len, cells)) > MAX_CELL:
                raise UnreadableFileError(
                    f"this is not a CSV table (line {rows.line_num}: a cell of more than {MAX_CELL} characters)",
                    where=where,
                )
            if len(cells) != len(header):
                yield rows.line_num, {"": f"it has {len(cells)} cells, the header {len(header)}"}
            else:
                yield rows.line_num, dict(zip(header, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise UnreadableFileError(f"this is not a CSV table (line {rows.line_num}: {error})", where=where) from error


def check_row(cells: Mapping[str, str]) -> None:
    """Raise ValueError, with what is wrong, for a row of `csv_rows` that has not one cell for each column."""
    if "" in cells and len(cells) == 1:
        raise ValueError(cells[""])


class Package:
    """A folder, or a zip that holds one, of which single files are read by their name; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._root = ""
        self._sizes: dict[str, int] | None = None
        if path.is_dir():
            return
        try:
            with zipfile.ZipFile(path) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        except _BROKEN_ZIP as error:
            raise UnreadableFileError(
                f"is neither a folder nor a zip that can be read ({error})", where=self.where
            ) from error
        if len(entries) > _MAX_MEMBERS:
            raise UnreadableFileError(
                f"the zip holds {len(entries)} files; {_MAX_MEMBERS} is the most", where=self.where
            )
        self._sizes = {entry.filename: entry.file_size for entry in entries}

    def descend_to(self, name: str) -> None:
        """Take the folder that holds `name` as the root: a zip often has one folder at its top."""
        if self._sizes is None or name in self._sizes:
            return
        found = [n for n in self._sizes if n.endswith(f"/{name}") and n.count("/") == 1]
        if len(found) == 1:
            self._root = found[0][: -len(name)]

    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """Return a file of the package, unpacked when it is gzipped.

        Raises UnreadableFileError for a name that leads out of the package, one that is not there, and what unpacks to
        more than the limit.
        """
        parts = PurePosixPath(name).parts
        if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\\" in name:
            raise UnreadableFileError(f"names a file outside of itself: {name!r}", where=self.where)
        content = self._from_folder(name, limit) if self._sizes is None else self._from_zip(self._root + name, limit)
        if not name.endswith(".gz"):
            return content
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                unpacked = packed.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFileError(f"{name} cannot be unpacked ({error})", where=self.where) from error
        return self._within(name, unpacked, limit)

    def content_hash(self, names: Mapping[str, bytes]) -> str:
        """Return the SHA-256 of what was read, whether it came from a folder or a zip."""
        return content_hash(names)

    def _from_folder(self, name: str, limit: int) -> bytes:
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise UnreadableFileError(f"names a file outside of itself: {name!r}", where=self.where)
        return read_bytes(path, limit)

    def _from_zip(self, name: str, limit: int) -> bytes:
        if self._sizes is None or name not in self._sizes:
            raise UnreadableFileError(f"there is no {name!r} in it", where=self.where)
        try:
            # The size that a zip declares can lie, so the reading itself stops at the limit.
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as member:
                content = member.read(limit + 1)
        except _BROKEN_ZIP as error:
            raise UnreadableFileError(f"{name} cannot be unpacked ({error})", where=self.where) from error
        return self._within(name, content, limit)

    def _within(self, name: str, content: bytes, limit: int) -> bytes:
        if len(content) > limit:
            raise UnreadableFileError(f"{name} unpacks to more than {limit >> 20} MB", where=self.where)
        return content


def content_hash(parts: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of named contents; of one, that of the content alone."""
    if len(parts) == 1:
        return hashlib.sha256(next(iter(parts.values()))).hexdigest()
    said = [[name, hashlib.sha256(content).hexdigest()] for name, content in sorted(parts.items())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def moment(text: str, zone: tzinfo | None = UTC) -> datetime:
    """Return a moment in UTC; one without a zone is in `zone`. Raises ValueError for what is none, or before 1971.

    With `zone` None a moment has to say its zone itself.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()[:40]!r} is no time in ISO 8601") from None
    if not 1970 < found.year < 2200:
        raise ValueError(f"the year {found.year} cannot be")
    if found.tzinfo is None:
        if zone is None:
            raise ValueError(f"the time {text.strip()[:40]!r} has no time zone")
        found = found.replace(tzinfo=zone)
    return found.astimezone(UTC)


def whole(text: str, least: int = 0) -> int | None:
    """Return a whole number, None for an empty cell. Raises ValueError for anything else or less than `least`."""
    if not text.strip():
        return None
    number = float(text)
    if not number.is_integer() or not least <= number <= 1e9:
        raise ValueError(f"{text.strip()[:40]!r} is no number of {least} or more")
    return int(number)
