"""What collars tell a count: how fast animals go, where they are at each hour, and which marked ones were there.

Fixes of one animal are not independent, so an animal is the unit of every standard error here: with fewer than two
animals there is none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod

from counts.store.received import AnimalTrack
from flightplan.errors import EstimateError, Skip
from flightplan.frames import Floats

MAX_GAP_S = 3600.0
MAX_SPEED_MPS = 20.0
EVERY_HOUR = tuple((hour, hour + 1) for hour in range(24))
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Speeds:
    """Quantiles of speed in m/s of one taxon, each animal with the same weight however often its collar reports.

    A straight line between two fixes is the least an animal can have gone, so these are floors, and the more so the
    longer the `typical_gap_s` between fixes.
    """

    taxon: str | None
    animals: int
    steps: int
    typical_gap_s: float
    probabilities: tuple[float, ...]
    quantiles_mps: tuple[float, ...]
    skips: tuple[Skip, ...]

    def at(self, probability: float) -> float:
        """Return the quantile asked for before."""
        return self.quantiles_mps[self.probabilities.index(probability)]


@dataclass(frozen=True)
class HourShare:
    """The share of animals' time in view from `hour` until `until` of the local day, its error, and from how many.

    `se` is between animals: None with fewer than two. `share` is None where there is no fix (or depth). `until` None is
    one hour later; before `hour` it is over midnight.
    """

    hour: int
    share: float | None
    se: float | None
    animals: int
    fixes: int
    until: int | None = None

    @property
    def hours(self) -> tuple[int, int]:
        """From when until when."""
        return self.hour, self.hour + 1 if self.until is None else self.until


@dataclass(frozen=True)
class Mark:
    """A marked animal at the time of a survey: `inside` says whether it was in the area, by its fix nearest in time."""

    individual: str
    taxon: str | None
    inside: bool
    longitude_deg: float
    latitude_deg: float
    gap_s: float


def speed_quantiles(
    tracks: Sequence[AnimalTrack],
    probabilities: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    *,
    max_gap_s: float = MAX_GAP_S,
) -> tuple[Speeds, ...]:
    """Return the speeds of each taxon, by its name; those of animals without one come as None.

    Steps longer than `max_gap_s` say too little of an animal's speed and are left out; faster than 20 m/s is a wrong
    fix, which is left out and named. Raises EstimateError for a probability outside 0 to 1.
    """
    if not all(0 <= p <= 1 for p in probabilities):
        raise EstimateError("a probability is outside 0 to 1")
    by_taxon: dict[str | None, list[AnimalTrack]] = {}
    for track in tracks:
        by_taxon.setdefault(track.taxon, []).append(track)
    found = []
    for taxon in sorted(by_taxon, key=lambda t: (t is None, t or "")):
        values, weights, gaps, skips = [], [], [], []
        for track in by_taxon[taxon]:
            speeds, seconds = _steps(track)
            usable = seconds <= max_gap_s
            wild = usable & (speeds > MAX_SPEED_MPS)
            if wild.any():
                skips.append(Skip(track.individual, f"{int(wild.sum())} steps are faster than {MAX_SPEED_MPS:g} m/s"))
            usable &= ~wild
            if usable.any():
                values.append(speeds[usable])
                weights.append(np.full(int(usable.sum()), 1.0 / usable.sum()))
                gaps.append(seconds[usable])
        if values:
            quantiles = _weighted_quantiles(np.concatenate(values), np.concatenate(weights), probabilities)
            found.append(
                Speeds(
                    taxon=taxon,
                    animals=len(values),
                    steps=sum(map(len, values)),
                    typical_gap_s=float(np.median(np.concatenate(gaps))),
                    probabilities=tuple(probabilities),
                    quantiles_mps=quantiles,
                    skips=tuple(skips),
                )
            )
    return tuple(found)


def availability_by_hour(
    tracks: Sequence[AnimalTrack],
    place: Any,
    *,
    within: Any = None,
    utc_offset_h: float | None = None,
    blocks: Sequence[tuple[int, int]] = EVERY_HOUR,
) -> tuple[HourShare, ...]:
    """Return for each block of local hours the share of fixes inside a polygon: open ground, a stratum.

    `place` and `within` are geographic polygons, longitude first; with `within` only fixes inside it count, so that
    animals outside the park do not make those inside look hidden. Each animal has the same weight. `utc_offset_h` is
    the local time's offset; without it local time is the sun's, from the fixes' mean longitude, as `overfly count
    --availability` takes it (see `availability_file`).
    """
    shapely.prepare(place)
    seen = []
    if utc_offset_h is None:
        every = np.concatenate([t.lonlat for t in tracks]) if tracks else np.empty((0, 2))
        utc_offset_h = float(every[:, 0].mean()) / 15 if len(every) else 0.0
    for track in tracks:
        counted = np.ones(len(track), dtype=bool)
        if within is not None:
            counted = np.asarray(shapely.contains_xy(within, track.lonlat[:, 0], track.lonlat[:, 1]))
        inside = np.asarray(shapely.contains_xy(place, track.lonlat[:, 0], track.lonlat[:, 1]))
        seen.append((track.times_utc[counted], inside[counted]))
    return shares_by_hour(seen, utc_offset_h=utc_offset_h, blocks=blocks)


def shares_by_hour(
    seen: Sequence[tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_]]],
    *,
    utc_offset_h: float,
    blocks: Sequence[tuple[int, int]] = EVERY_HOUR,
) -> tuple[HourShare, ...]:
    """Return for each block of local hours the share of records in view: of each animal its times and which were.

    Raises EstimateError for hours outside 0 to 24.
    """
    if any(not 0 <= hour <= 24 for block in blocks for hour in block):
        raise EstimateError("hours are whole numbers from 0 to 24", where="availability")
    found: list[list[tuple[float, int]]] = [[] for _ in blocks]
    for times, in_view in seen:
        seconds = times.astype("datetime64[s]").astype(np.int64) + round(utc_offset_h * 3600)
        hours = seconds // 3600 % 24
        for own, (start, until) in zip(found, blocks, strict=True):
            rows = (hours - start) % 24 < ((until - start) % 24 or 24)
            if rows.any():
                own.append((float(in_view[rows].mean()), int(rows.sum())))
    return tuple(_share(*block, own) for block, own in zip(blocks, found, strict=True))


def availability_file(
    species: str, shares: Sequence[HourShare], source: str, *, stratum: str | None = None
) -> tuple[str, tuple[Skip, ...]]:
    """Return what `overfly count --availability` reads, a value for each block of hours, and those that have none.

    An hour without a fix, with fewer than two animals, or in which no animal could be seen has no value to divide by.
    All values have one source, because they are from the same animals: their errors move together.
    """
    tables, skips = [], []
    for hour in shares:
        start, until = hour.hours
        name = f"hour {start}" if hour.until is None else f"hours {start} to {until}"
        name = name if stratum is None else f"{stratum}, {name}"
        if hour.share is None:
            skips.append(Skip(name, "no animal has a fix in it"))
        elif hour.se is None:
            skips.append(Skip(name, "one animal says nothing of how animals differ"))
        elif hour.share == 0:
            skips.append(Skip(name, "no animal could be seen in it"))
        else:
            of = "" if stratum is None else f"stratum = {_text(stratum)}\n"
            tables.append(
                f"# {hour.fixes} records of {hour.animals} animals\n[[availability]]\nspecies = {_text(species)}\n"
                f"value = {hour.share:.6g}\nstandard_error = {hour.se:.6g}\nsource = {_text(source)}\n"
                f"hours = [{start}, {until}]\n{of}"
            )
    return "\n".join(tables), tuple(skips)


def marks_present(
    tracks: Sequence[AnimalTrack], area: Any, start_utc: datetime, end_utc: datetime, *, max_gap_s: float = 6 * 3600.0
) -> tuple[Mark, ...]:
    """Return the marked animals whose whereabouts during a survey are known: the M of mark-resight, with names.

    An animal is placed by its fix nearest to the middle of the survey; one without a fix within `max_gap_s` of the
    survey's span is not told of, for nobody knows where it was.
    """
    start, end = (_moment(t) for t in (start_utc, end_utc))
    middle = start + (end - start) / 2
    found = []
    for track in tracks:
        if not len(track):
            continue
        row = int(np.abs(track.times_utc - middle).argmin())
        moment = track.times_utc[row]
        outside = max((start - moment) / np.timedelta64(1, "s"), (moment - end) / np.timedelta64(1, "s"), 0.0)
        if outside > max_gap_s:
            continue
        longitude, latitude = track.lonlat[row].tolist()
        is_inside = bool(shapely.contains_xy(area, longitude, latitude))
        found.append(Mark(track.individual, track.taxon, is_inside, longitude, latitude, float(outside)))
    return tuple(found)


def _steps(track: AnimalTrack) -> tuple[Floats, Floats]:
    """Return the speed in m/s and the seconds (N-1,) of each step between neighbouring fixes."""
    lon, lat = track.lonlat[:, 0], track.lonlat[:, 1]
    _, _, metres = _GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    seconds = np.diff(track.times_utc) / np.timedelta64(1, "s")
    return np.asarray(metres, dtype=np.float64) / seconds, np.asarray(seconds, dtype=np.float64)


def _weighted_quantiles(values: Floats, weights: Floats, probabilities: Sequence[float]) -> tuple[float, ...]:
    """Return the least value up to which a share of the weight lies: the inverse of the weighted distribution."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    rows = np.minimum(np.searchsorted(reached, np.asarray(probabilities) - 1e-12), len(values) - 1)
    return tuple(float(v) for v in values[order][rows])


def _text(words: str) -> str:
    """A TOML string: a JSON string is one."""
    return json.dumps(words, ensure_ascii=False)


def _share(hour: int, until: int, found: list[tuple[float, int]]) -> HourShare:
    end = None if until == hour + 1 else until
    if not found:
        return HourShare(hour, None, None, 0, 0, end)
    shares = np.array([share for share, _ in found])
    se = float(shares.std(ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else None
    return HourShare(hour, float(shares.mean()), se, len(found), sum(fixes for _, fixes in found), end)


def _moment(time: datetime) -> np.datetime64:
    return np.datetime64(round(time.timestamp() * 1000), "ms")
