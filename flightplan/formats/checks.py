"""What every reader of mission files checks: files are untrusted, and a place is named in each refusal."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from flightplan.errors import MissionFormatError, UnreadableFileError
from flightplan.mission import FenceCircle, FencePolygon, Frame, MissionItem, RallyPoint

MAX_BYTES = 20_000_000
"""The largest mission file, unpacked, that is read: a hundred times a board's fill."""

MAX_ITEMS = 65_535
"""MAVLink counts items in 16 bits."""

_MAX_ARCHIVE_FILES = 1_000
# What every program takes for a number; Python's float also takes 1_000 and the digits of all scripts.
_DECIMAL = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.ASCII | re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"\s*[+-]?nan\s*", re.ASCII | re.IGNORECASE)
_LOWEST_M, _HIGHEST_M = -1_000.0, 50_000.0
_LARGEST = 1e10
_GLOBAL_FRAMES = frozenset({0, 3, 5, 6, 10, 11})
# MAV_CMD values whose parameters 5 and 6 are a latitude and a longitude (`hasLocation` in MAVLink's common.xml and
# ardupilotmega.xml).
_WITH_POSITION = frozenset(
    (16, 17, 18, 19, 21, 22, 23, 24, 25, 31, 34, 35, 36, 80, 81, 82, 84, 85, 94, 179, 188, 189, 192, 195, 201, 252)
) | {4001, 4501, 5000, 5001, 5002, 5003, 5004, 5100, 30001, *range(31000, 31010), 43003}


def refuse(what: str, where: str, hint: str | None = None) -> NoReturn:
    """Raise a MissionFormatError."""
    raise MissionFormatError(what, where=where, hint=hint)


def number(value: Any, what: str, where: str, low: float = -_LARGEST, high: float = _LARGEST) -> float:
    """Return a finite number within limits, or refuse it. Text counts as the number it spells."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            refuse(f"{what} is {_shown(value)}, not a number", where)
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"{what} is {_shown(value)}, not a number", where)
    if isinstance(value, int) and abs(value) > _LARGEST:
        refuse(f"{what} is far too large", where)
    if not low <= value <= high:
        refuse(f"{what} is {value:g}, not within {low:g} and {high:g}", where)
    return float(value)


def whole(value: Any, what: str, where: str, low: int = 0, high: int = MAX_ITEMS) -> int:
    """Return a whole number within limits, or refuse it."""
    found = number(value, what, where, low, high)
    if found != int(found):
        refuse(f"{what} is {found:g}, not a whole number", where)
    return int(found)


def parameter(value: Any, what: str, where: str) -> float:
    """Return a command's parameter; null and NaN mean "leave as it is" (`math.nan`, always the same object)."""
    if value is None:
        return math.nan
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    if isinstance(value, str) and _NOT_A_NUMBER.fullmatch(value):
        return math.nan
    return number(value, what, where)


def name_or_none(value: Any, what: str, where: str) -> str | None:
    """Return a name, or None; refuse what is neither, or holds half a character, which no file can be written with."""
    if value is None:
        return None
    if not isinstance(value, str):
        refuse(f"{what} is {_shown(value)}, not a name", where)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        refuse(f"{what} is {_shown(value)}, not text", where)
    return value


def longitude(value: Any, where: str) -> float:
    """Return a longitude in degrees, or refuse it."""
    return number(value, "the longitude", where, -180.0, 180.0)


def latitude(value: Any, where: str) -> float:
    """Return a latitude in degrees, or refuse it."""
    return number(value, "the latitude", where, -90.0, 90.0)


def altitude(value: Any, where: str, what: str = "the altitude") -> float:
    """Return a height in metres that something can fly at, or refuse it."""
    return number(value, what, where, _LOWEST_M, _HIGHEST_M)


def speed(value: Any, what: str, where: str) -> float | None:
    """Return a speed in metres a second; None for 0, which ground stations write for unset."""
    return number(value, what, where, 0.0, 500.0) or None


def mission_item(
    command: int,
    frame: int,
    params: list[Any],
    where: str,
    *,
    autocontinue: bool = True,
    transect: str | None = None,
) -> MissionItem:
    """Build an item from MAVLink's seven parameters, the last three a position or not, as the command has it.

    Latitude and longitude both 0, or NaN, mean "where the vehicle is" and become None.
    """
    if len(params) != 7:
        refuse(f"{len(params)} parameters instead of 7", where)
    values = [parameter(v, f"parameter {n}", where) for n, v in enumerate(params, start=1)]
    first = (values[0], values[1], values[2], values[3])
    five, six, seven = values[4:]
    unset = all(math.isnan(v) or v == 0.0 for v in (five, six))
    if command in _WITH_POSITION or (not _is_known_without_position(command) and frame in _GLOBAL_FRAMES):
        height = altitude(0.0 if math.isnan(seven) and unset else seven, where)
        if unset:
            return MissionItem(command, frame, first, None, None, height, transect, (0.0, 0.0), autocontinue)
        lon, lat = longitude(six, where), latitude(five, where)
        return MissionItem(command, frame, first, lon, lat, height, transect, (0.0, 0.0), autocontinue)
    return MissionItem(command, frame, first, None, None, seven, transect, (five, six), autocontinue)


def command_item(command: int, params: tuple[float, float, float, float], seventh: float = 0.0) -> MissionItem:
    """Build an item without a position."""
    return MissionItem(command, Frame.MISSION, params, altitude_m=seventh)


def seven_params(item: MissionItem) -> list[float]:
    """Return an item's parameters 1 to 7 as MAVLink orders them."""
    if item.longitude_deg is None or item.latitude_deg is None:
        return [*item.params, *item.params_5_6, item.altitude_m]
    return [*item.params, item.latitude_deg, item.longitude_deg, item.altitude_m]


def fence_polygon(points: list[tuple[Any, Any]], inclusion: bool, where: str) -> FencePolygon:
    """Build a fence polygon from (longitude, latitude) points, closed or not."""
    ring = [(longitude(lon, where), latitude(lat, where)) for lon, lat in points]
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    if len(set(ring)) < 3:
        refuse("a fence polygon needs three corners", where)
    return FencePolygon(tuple(ring), inclusion)


def fence_circle(lon: Any, lat: Any, radius: Any, inclusion: bool, where: str) -> FenceCircle:
    """Build a circular fence."""
    radius_m = number(radius, "the radius", where, 0.01, 1e6)
    return FenceCircle(longitude(lon, where), latitude(lat, where), radius_m, inclusion)


def rally_point(lon: Any, lat: Any, height: Any, where: str) -> RallyPoint:
    """Build a rally point."""
    return RallyPoint(longitude(lon, where), latitude(lat, where), altitude(height, where))


def plain(value: float) -> str:
    """Return the shortest decimal text that reads back as the same number, without an exponent; NaN as NaN."""
    if math.isnan(value):
        return "NaN"
    return str(np.format_float_positional(value, trim="-")) if value else "0"


def read_bytes(path: Path) -> bytes:
    """Return a file's content, unless it is missing or too large."""
    try:
        if path.is_dir():
            raise UnreadableFileError("a folder, not a mission file", where=str(path))
        if path.exists() and not path.is_file():
            raise UnreadableFileError("not a file that ends", where=str(path))
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFileError("too large for a mission file", where=str(path))
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"cannot be read: {error.strerror}", where=str(path)) from error


def text_of(data: bytes, where: str) -> str:
    """Decode a text file; ground stations write UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse("not a text file in UTF-8", where)


def json_of(text: str, where: str) -> Any:
    """Parse JSON; NaN and Infinity, which it does not have, and keys said twice are refused."""

    def no_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
            refuse(f"{_shown(twice)} is said twice in one object", where)
        return found

    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=once)
    except MissionFormatError:
        raise
    except (ValueError, RecursionError) as error:
        refuse(f"not JSON: {error or 'nested too deeply'}", where)


def xml_of(data: bytes, where: str) -> Element:
    """Parse XML; entities and document types are refused."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        refuse("its XML defines entities or a document type, which mission files have no use for", where)
    except (XmlParseError, ValueError, LookupError, RecursionError) as error:
        refuse(f"not XML: {error}", where)
    return root


def archive_of(data: bytes, where: str) -> dict[str, bytes]:
    """Unpack the XML files of a KMZ in memory, within limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [i for i in archive.infolist() if i.filename.lower().endswith((".kml", ".wpml"))]
            if len(archive.infolist()) > _MAX_ARCHIVE_FILES:
                refuse("the archive holds far too many files", where)
            found: dict[str, bytes] = {}
            room = MAX_BYTES
            for member in members:
                if _leaves_its_folder(member.filename):
                    refuse(f"the archive holds {_shown(member.filename)}, a name outside of it", where)
                if member.filename in found:
                    refuse(f"the archive holds {_shown(member.filename)} twice", where)
                with archive.open(member) as stream:
                    content = stream.read(room + 1)
                if len(content) > room:
                    refuse("the archive unpacks to far more than a mission", where)
                room -= len(content)
                found[member.filename] = content
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        if isinstance(error, MissionFormatError):
            raise
        refuse(f"a damaged archive: {error}", where)
    except Exception as error:
        # zlib.error and lzma's own are not OSErrors; what a decompressor says of hostile bytes is not ours to list.
        refuse(f"a damaged archive: {error}", where)


def mapping(value: Any, what: str, where: str) -> Mapping[str, Any]:
    """Return a JSON object, or refuse what is none."""
    if not isinstance(value, dict):
        refuse(f"{what} is missing" if value is None else f"{what} is {_shown(value)}, not an object", where)
    return value


def sequence(value: Any, what: str, where: str, most: int = MAX_ITEMS) -> list[Any]:
    """Return a JSON list of at most so many entries, or refuse it."""
    if not isinstance(value, list):
        refuse(f"{what} is missing" if value is None else f"{what} is {_shown(value)}, not a list", where)
    if len(value) > most:
        refuse(f"{what} has {len(value)} entries, more than {most}", where)
    return value


def _leaves_its_folder(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or ":" in parts[0]


def _is_known_without_position(command: int) -> bool:
    return command not in _WITH_POSITION and (command < 260 or 500 <= command < 3000 or 42000 <= command < 43000)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
