"""Where marked animals were: the fixes of collars, whoever's service they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from counts.exchange.untrusted import MAX_FILE_BYTES, as_text, read_bytes
from flightplan.errors import Skip
from flightplan.frames import Floats

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Fix:
    """One row of a source on its way into a track. `item` names it in messages."""

    item: str
    individual: str
    time_utc: datetime
    longitude_deg: float
    latitude_deg: float
    taxon: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Track:
    """One animal's fixes in the order of their times, each time once.

    `individual` is the animal, never its collar, which may go from one animal to another: `tags` are those it wore.
    `times_utc` (N,) has milliseconds; `lonlat` is (N, 2) on WGS 84, longitude first; `fix_tags` has each fix's tag.
    `taxon` is None where the source does not say it.
    """

    individual: str
    taxon: str | None
    tags: tuple[str, ...]
    times_utc: npt.NDArray[np.datetime64]
    lonlat: Floats
    fix_tags: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.times_utc)

    @property
    def speeds_mps(self) -> Floats:
        """The speed (N-1,) between neighbouring fixes in a straight line: the animal's own is that or more."""
        _, _, metres = _GEOD.inv(self.lonlat[:-1, 0], self.lonlat[:-1, 1], self.lonlat[1:, 0], self.lonlat[1:, 1])
        seconds = np.diff(self.times_utc) / np.timedelta64(1, "s")
        return np.asarray(metres, dtype=np.float64) / seconds


@dataclass(frozen=True)
class Tracks:
    """The tracks of a source, by the name of the animal, and the fixes that could not be used, each with its reason."""

    tracks: tuple[Track, ...]
    skips: tuple[Skip, ...]


def make_tracks(fixes: Iterable[Fix], skips: Iterable[Skip] = ()) -> Tracks:
    """Sort fixes into tracks. Of two fixes of one animal at one time the first is kept, the other skipped by name."""
    animals: dict[str, dict[int, Fix]] = {}
    left_out = list(skips)
    for fix in fixes:
        own = animals.setdefault(fix.individual, {})
        moment = round(fix.time_utc.timestamp() * 1000)
        if moment in own:
            left_out.append(Skip(fix.item, f"{own[moment].item} is of the same animal at the same time"))
        else:
            own[moment] = fix
    tracks = []
    for individual, own in sorted(animals.items()):
        moments = sorted(own)
        kept = [own[moment] for moment in moments]
        tracks.append(
            Track(
                individual=individual,
                taxon=next((f.taxon for f in kept if f.taxon), None),
                tags=tuple(dict.fromkeys(f.tag for f in kept if f.tag)),
                times_utc=np.array(moments, dtype="datetime64[ms]"),
                lonlat=np.array([(f.longitude_deg, f.latitude_deg) for f in kept], dtype=np.float64),
                fix_tags=tuple(f.tag for f in kept),
            )
        )
    return Tracks(tuple(tracks), tuple(left_out))


def read_text(path: Path) -> str:
    """Read a file of tracks. Raises UnreadableFileError where it is missing, over 256 MB or not UTF-8."""
    return as_text(read_bytes(path, MAX_FILE_BYTES), str(path))


def checked_place(longitude: float, latitude: float) -> tuple[float, float]:
    """Return a place on the globe. Raises ValueError for anything else, and for 0, 0, which collars write for none."""
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise ValueError("the place is not a number")
    if abs(longitude) > 180 or abs(latitude) > 90:
        raise ValueError(f"longitude {longitude:g}, latitude {latitude:g} is not on the globe")
    if longitude == 0 and latitude == 0:
        raise ValueError("longitude 0, latitude 0 is what a collar without a fix writes")
    return longitude, latitude


def checked_time(text: str) -> datetime:
    """Return a moment in UTC; one without a zone is UTC. Raises ValueError for what is none, or outside 1971-2199."""
    moment = datetime.fromisoformat(text.strip())
    if not 1970 < moment.year < 2200:
        raise ValueError(f"the year {moment.year} is no year of a collar")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
