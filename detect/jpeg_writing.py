"""Writing a JPEG as a drone does: with EXIF (CIPA DC-008) and an XMP packet in DJI's namespace."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

NAMESPACES = {
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "drone-autel": "http://www.autelrobotics.com/drone-autel/1.0/",
    "drone-skydio": "https://www.skydio.com/drone-skydio/1.0/",
    "drone-parrot": "http://www.parrot.com/drone-parrot/1.0/",
    "pix4d-camera": "http://pix4d.com/camera/1.0/",
    "sensefly": "http://ns.sensefly.com/sensefly/1.0/",
}
_DJI = "drone-dji"


def write_jpeg(
    path: Path,
    pixels: npt.NDArray[np.uint8],
    exif: Image.Exif,
    fields: Mapping[str, str | Mapping[str, str]],
    *,
    quality: int,
) -> None:
    """Write pixels (h, w, 3) with EXIF and XMP fields; the file appears whole or not at all.

    A field is `PREFIX:NAME` with a prefix of `NAMESPACES`, or a bare name of DJI's; one of several parts is a mapping.
    """
    packet = b"http://ns.adobe.com/xap/1.0/\0" + _xmp(fields).encode()
    marker = b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality, exif=exif, extra=marker)
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content.getvalue())
    partial.replace(path)


def put_position(exif: Image.Exif, longitude_deg: float, latitude_deg: float, altitude_msl_m: float | None) -> None:
    """Put a position into EXIF's GPS tags: angles to 0.03 mm on the ground, the altitude to a millimetre."""
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSVersionID] = b"\x02\x03\x00\x00"
    place[ExifTags.GPS.GPSLatitudeRef] = "N" if latitude_deg >= 0 else "S"
    place[ExifTags.GPS.GPSLatitude] = _sexagesimal(latitude_deg)
    place[ExifTags.GPS.GPSLongitudeRef] = "E" if longitude_deg >= 0 else "W"
    place[ExifTags.GPS.GPSLongitude] = _sexagesimal(longitude_deg)
    if altitude_msl_m is not None:
        place[ExifTags.GPS.GPSAltitudeRef] = b"\x01" if altitude_msl_m < 0 else b"\x00"
        place[ExifTags.GPS.GPSAltitude] = IFDRational(round(abs(altitude_msl_m) * 1000), 1000)


def _sexagesimal(angle_deg: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    micro_seconds = round(abs(angle_deg) * 3600e6)
    minutes, rest = divmod(micro_seconds, 60_000_000)
    degrees, minutes = divmod(minutes, 60)
    return IFDRational(degrees, 1), IFDRational(minutes, 1), IFDRational(rest, 1_000_000)


def _xmp(fields: Mapping[str, str | Mapping[str, str]]) -> str:
    named = {name if ":" in name else f"{_DJI}:{name}": value for name, value in fields.items()}
    prefixes = dict.fromkeys(name.split(":")[0] for name in named) or {_DJI: None}
    spaces = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in prefixes)
    attributes = "\n".join(f'   {name}="{value}"' for name, value in named.items() if isinstance(value, str))
    elements = ""
    for name, parts in named.items():
        if not isinstance(parts, str):
            prefix = name.split(":")[0]
            inner = "".join(f"<{prefix}:{part}>{value}</{prefix}:{part}>" for part, value in parts.items())
            elements += f'   <{name} rdf:parseType="Resource">{inner}</{name}>\n'
    end = f">\n{elements}  </rdf:Description>" if elements else "/>"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""{spaces}\n'
        f"{attributes}{end}\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )
