"""When a picture was taken, out of its tags: by the camera's clock, its zone, and GPS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detect.fields import Fields
from detect.metadata import Metadata

FIRST_YEAR = 2000
"""Pictures said to be older come from a clock that was reset."""


def read_time(metadata: Metadata, fields: Fields, clock_utc_offset: timedelta | None) -> None:
    """Put the time of the exposure into `fields`; `clock_utc_offset` is used where the file names no zone."""
    for tag in ("drone-dji:UTCAtExposure", "sensefly:UTCTime"):
        exact = _iso_time(metadata.text(tag))
        if exact is not None and exact.year >= FIRST_YEAR:
            fields.know(
                "time_utc", exact.replace(tzinfo=UTC) if exact.tzinfo is None else exact.astimezone(UTC), f"XMP {tag}"
            )
            return
    local, gps = camera_clock(metadata), _gps_time(metadata)
    if local is not None and local.year < FIRST_YEAR:
        fields.findings.append(f"the camera's clock says {local:%Y-%m-%d}: it was reset")
        if gps is None:
            fields.miss("the camera's clock was reset", "time_utc")
        local = None
    if local is None:
        if gps is not None:
            fields.know("time_utc", gps, "EXIF GPS time")
        fields.miss("no date and time in EXIF or XMP", "time_utc")
        return
    offset, source = _zone(metadata, local, gps, clock_utc_offset)
    if offset is None:
        fields.findings.append("no time zone is written: the camera's clock is taken as UTC")
        offset, source = timedelta(), "EXIF, taken as UTC"
    fields.know("time_utc", (local - offset).replace(tzinfo=UTC), source)


def _zone(
    metadata: Metadata, local: datetime, gps: datetime | None, clock_utc_offset: timedelta | None
) -> tuple[timedelta | None, str]:
    written = _utc_offset(metadata.text("OffsetTimeOriginal") or metadata.text("OffsetTime"))
    if written is not None:
        return written, "EXIF with its time zone"
    if gps is not None:
        ahead = local.replace(tzinfo=UTC) - gps
        quarters = round(ahead / timedelta(minutes=15))
        # Zones are whole quarters of an hour; what is left over is the clock's own error, a few seconds at most.
        if abs(quarters) <= 14 * 4 and abs(ahead - quarters * timedelta(minutes=15)) < timedelta(seconds=90):
            return quarters * timedelta(minutes=15), "EXIF, zone from the GPS time"
        return ahead, "EXIF GPS time"
    if clock_utc_offset is not None:
        return clock_utc_offset, f"EXIF, clock said to be {clock_utc_offset / timedelta(hours=1):+g} h from UTC"
    return None, ""


def camera_clock(metadata: Metadata) -> datetime | None:
    """What the camera's own clock showed at the exposure, without a zone, right or wrong."""
    for tag, fraction in (
        ("DateTimeOriginal", "SubsecTimeOriginal"),
        ("DateTimeDigitized", "SubsecTimeDigitized"),
        ("DateTime", "SubsecTime"),
    ):
        text = metadata.text(tag)
        try:
            moment = datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        digits = metadata.text(fraction) or ""
        return moment + timedelta(seconds=float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0)
    return None


def _gps_time(metadata: Metadata) -> datetime | None:
    stamp, clock = metadata.text("GPSDateStamp"), metadata.exif.get("GPSTimeStamp")
    if stamp is None or not isinstance(clock, tuple) or len(clock) != 3:
        return None
    try:
        day = datetime.strptime(stamp.replace("-", ":"), "%Y:%m:%d").replace(tzinfo=UTC)
        moment = day + timedelta(hours=float(clock[0]), minutes=float(clock[1]), seconds=float(clock[2]))
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment.year >= FIRST_YEAR else None


def _iso_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _utc_offset(text: str | None) -> timedelta | None:
    try:
        return datetime.strptime(text or "", "%z").utcoffset()
    except ValueError:
        return None
