"""Which pictures are of heat: what the maker wrote, and the temperatures that a radiometric JPEG carries beside them.

The pictures themselves are ordinary greys or false colours, and are looked at as they are; the temperatures stay in the
file. FLIR puts them into APP1 segments that begin with "FLIR", DJI (R-JPEG) into APP3 and those after it.
"""

from __future__ import annotations

from detect.fields import Fields
from detect.metadata import Metadata

THERMAL = "thermal"
_WORDS = ("infrared", "thermal")
_APP1, _APP3, _APP5 = 0xE1, 0xE3, 0xE5
_MOST_SEGMENTS = 2000


def read_spectrum(metadata: Metadata, data: bytes, fields: Fields) -> None:
    """Put `spectrum` into `fields`, "thermal", for a picture that says it is one of heat; of others nothing is said."""
    radiometry = radiometric_segments(data)
    tail = f"; temperatures in {radiometry}" if radiometry else ""
    written = metadata.xmp.get("drone-dji:ImageSource", "")
    if any(word in written.lower() for word in _WORDS):
        fields.know("spectrum", THERMAL, f"XMP drone-dji:ImageSource{tail}")
    elif radiometry is not None:
        fields.know("spectrum", THERMAL, radiometry)


def radiometric_segments(data: bytes) -> str | None:
    """Which segments of a JPEG hold temperatures, None for other files and pictures without any."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    dji = 0
    for _ in range(_MOST_SEGMENTS):
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] in (0xDA, 0xD9):
            break
        kind, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _APP1 and data[at + 4 : at + 9] == b"FLIR\0":
            return "FLIR's APP1 segments"
        # A DJI R-JPEG's raw counts take hundreds of kilobytes; a lone small APP3 is something else's.
        dji += size if _APP3 <= kind <= _APP5 else 0
        at += 2 + max(size, 2)
    return "DJI's APP3 segments" if dji > 100_000 else None
