"""What people have answered about pairs of sightings: the same animal, or two. It stands above what is worked out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from counts.likelihood import components
from counts.observed import Observed

Ints = npt.NDArray[np.int64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Decided:
    """Pairs of sightings, by their row, that a person called `same` or `different`; those that `contradict` others."""

    same: tuple[Pair, ...]
    different: tuple[Pair, ...]
    contradict: tuple[Pair, ...] = ()

    @classmethod
    def checked(cls, s: Observed, same: Iterable[Pair], different: Iterable[Pair]) -> Decided:
        """Return what can be heeded together, in rows of the fixed order.

        Answers that make the same what has two boxes in one frame, two labels or two transects, or what was called
        different too, contradict, and are left out.
        """
        row = np.empty(len(s), dtype=np.int64)
        row[s.order] = np.arange(len(s))
        apart = tuple(sorted({_pair(int(row[a]), int(row[b])) for a, b in different}))
        kept: list[Pair] = []
        refused: list[Pair] = []
        for pair in sorted({_pair(int(row[a]), int(row[b])) for a, b in same}):
            group = _groups(len(s), [*kept, pair])
            members = np.flatnonzero(group == group[pair[0]])
            crowded = len(np.unique(s.frames[members])) < len(members)
            strange = len(np.unique(s.labels[members])) > 1 or len(np.unique(s.transects[members])) > 1
            if crowded or strange or any(group[a] == group[b] for a, b in apart):
                refused.append(pair)
            else:
                kept.append(pair)
        return cls(tuple(kept), apart, tuple((int(s.order[a]), int(s.order[b])) for a, b in refused))

    def heeded(self, s: Observed, track: Ints) -> Ints:
        """Return the tracks (N,), named by their first rows, as the answers have them; none holds two of one frame.

        Where two sightings are the same whose tracks both have a place in some frame, the tracks exchange sightings.
        """
        if not self.same and not self.different:
            return track
        track, group = track.copy(), _groups(len(s), self.same)
        for value in np.unique(group[[a for a, _ in self.same]]).tolist():
            _join(s, track, group, value)
        for a, b in self.different:
            _part(s, track, group, a, b)
        _, number = np.unique(track, return_inverse=True)
        first = np.full(int(number.max()) + 1, len(s), dtype=np.int64)
        np.minimum.at(first, number, np.arange(len(s)))
        return np.asarray(first[number], dtype=np.int64)


def _join(s: Observed, track: Ints, group: Ints, value: int) -> None:
    """Bring the sightings of a group into one track, and with them what was in their tracks, as far as it fits.

    A sighting goes with the member of the group that is next to it in time if they were in one track. What does not fit
    stays together where it can. Sightings of other groups are moved as a whole.
    """
    members = np.flatnonzero(group == value)
    if len(np.unique(track[members])) == 1:
        return
    around = np.flatnonzero(np.isin(track, track[members]) & (group != value))
    units = [around[group[around] == unit] for unit in np.unique(group[around]).tolist()]
    nearest = [members[np.argmin(np.abs(s.times[members] - s.times[unit].mean()))] for unit in units]
    with_it = [track[unit[0]] == track[near] for unit, near in zip(units, nearest, strict=True)]
    taken, rest = list(members), []
    for unit in [u for u, yes in zip(units, with_it, strict=True) if yes] + [
        u for u, yes in zip(units, with_it, strict=True) if not yes
    ]:
        if np.isin(s.frames[unit], s.frames[taken]).any():
            rest.append(unit)
        else:
            taken.extend(unit.tolist())
    left = np.concatenate(rest) if rest else np.empty(0, dtype=np.int64)
    fresh = _unused(track)
    track[taken] = fresh
    if len(np.unique(s.frames[left])) == len(left):
        track[left] = fresh + 1


def _part(s: Observed, track: Ints, group: Ints, a: int, b: int) -> None:
    """Make two tracks of one that holds both sightings: each other sighting goes to the one nearer to it in time."""
    if track[a] != track[b]:
        return
    inside, fresh = np.flatnonzero(track == track[a]), _unused(track)
    for value in np.unique(group[inside]).tolist():
        members = inside[group[inside] == value]
        time = float(s.times[members].mean())
        nearer = abs(time - float(s.times[b])) < abs(time - float(s.times[a]))
        if value == group[b] or (value != group[a] and nearer):
            track[members] = fresh


def _unused(track: Ints) -> int:
    return int(track.max()) + 1


def _groups(count: int, same: Iterable[Pair]) -> Ints:
    pairs = np.array(list(same), dtype=np.int64).reshape(-1, 2)
    return components(count, pairs[:, 0], pairs[:, 1])


def _pair(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
