"""How fast what a pass shows drifts over the ground, all animals alike: told by everything that the pass saw, at once.

A frame's pose error moves all its boxes alike, and animals that walk as one move alike too; but poses err each frame
anew, while a walk goes on. So where an animal is in one frame is its place, its herd's velocity and its own, each times
the time, the frame's error and the box's (a mixed model: Laird & Ware 1982). Animals that hand on from frame to frame
tie all frames of a pass together, and many frames tell a velocity far better than each track does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import linalg

from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

OWN_SPEED_MPS = 0.05
"""What members differ by in speed, per axis, before they are asked."""

_ROUNDS = 3


@dataclass(frozen=True)
class Followed:
    """Sightings of tracks, (N, ...): `points` in metres as reported, `times` in seconds, the `frame` and the `track`.

    `part` numbers what is told of apart: a herd in a pass. `own_m2` and `pose_m2` are the variances per axis of a box
    and of its frame.
    """

    points: Floats
    times: Floats
    frame: Ints
    track: Ints
    part: Ints
    own_m2: Floats
    pose_m2: Floats

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Followed:
        """Some of the sightings."""
        return Followed(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def pass_drift(seen: Followed, parts: int) -> tuple[Floats, Floats]:
    """Return the velocity (P, 2) of each of so many `parts`, m/s, and the information on it (P,), per axis, s²/m².

    The information is the inverse of the variance; 0 where no track of a part has two sightings.
    """
    key = _numbers(seen.track, seen.part)
    several = np.bincount(key)[key] >= 2
    if not several.any():
        return np.zeros((parts, 2)), np.zeros(parts)
    seen = seen.rows(several)
    model = _Model.of(replace(seen, track=_numbers(seen.track, seen.part)), parts)
    own_speed = OWN_SPEED_MPS**2
    velocity, information, left = model.solved(own_speed)
    for _ in range(_ROUNDS - 1):
        own_speed = model.own_speed(left)
        velocity, information, left = model.solved(own_speed)
    return velocity, information


@dataclass(frozen=True)
class _Model:
    """Tracks of two sightings or more, (T,) and (N,), and pairs of sightings of one track, (K,).

    `since` is the time from the middle of its track, `off` the place from it; `held` is Σ since². `frame` numbers
    frames of parts, (F,), of which `part_of` is the part and `pose_m2` the variance.
    """

    seen: Followed
    parts: int
    number: Ints
    since: Floats
    off: Floats
    held: Floats
    own_m2: Floats
    frame: Ints
    part_of: Ints
    pose_m2: Floats
    one: Ints
    other: Ints

    @classmethod
    def of(cls, seen: Followed, parts: int) -> _Model:
        track, number = seen.track, np.bincount(seen.track)
        since = seen.times - (np.bincount(track, weights=seen.times) / number)[track]
        off = seen.points - _by(track, seen.points)[track] / number[track, None]
        frames, frame = np.unique(np.column_stack([seen.part, seen.frame]), axis=0, return_inverse=True)
        frame = frame.ravel().astype(np.int64)
        order = np.argsort(track, kind="stable")
        start, each = np.cumsum(number) - number, number[track[order]]
        one = np.repeat(order, each)
        step = np.arange(len(one)) - np.repeat(np.cumsum(each) - each, each)
        other = order[np.repeat(start[track[order]], each) + step]
        return cls(
            seen=seen,
            parts=parts,
            number=number,
            since=since,
            off=off,
            held=np.bincount(track, weights=since**2).astype(np.float64),
            own_m2=np.bincount(track, weights=seen.own_m2) / number,
            frame=frame,
            part_of=frames[:, 0],
            pose_m2=np.maximum(np.bincount(frame, weights=seen.pose_m2) / np.bincount(frame), 1e-9),
            one=one,
            other=other,
        )

    def solved(self, own_speed: float) -> tuple[Floats, Floats, Floats]:
        """Velocities (P, 2), information (P,), and what each sighting is off its track, less its frame's error (N, 2).

        Places and own velocities of the animals are taken out of each track in closed form, which leaves the frames.
        """
        track = self.seen.track
        walk = self.own_m2 + own_speed * self.held
        shrunk = own_speed / walk
        of = track[self.one]
        tied = -(1.0 / self.number[of] + shrunk[of] * self.since[self.one] * self.since[self.other])
        tied = (tied + (self.one == self.other)) / self.own_m2[of]
        count = len(self.pose_m2)
        normal = sparse.csc_matrix((tied, (self.frame[self.one], self.frame[self.other])), shape=(count, count))
        lean = np.bincount(self.frame, weights=self.since / walk[track], minlength=count)
        along = _by(track, self.since[:, None] * self.off)
        pull = _by(
            self.frame, (self.off - (shrunk[track] * self.since)[:, None] * along[track]) / self.own_m2[track, None]
        )
        solve = linalg.factorized((normal + sparse.diags(1.0 / self.pose_m2)).tocsc())
        by_lean, by_pull = solve(lean), np.column_stack([solve(pull[:, axis]) for axis in (0, 1)])
        part = np.zeros(len(self.number), dtype=np.int64)
        part[track] = self.seen.part
        told = np.bincount(part, weights=self.held / walk, minlength=self.parts).astype(np.float64)
        told -= np.bincount(self.part_of, weights=lean * by_lean, minlength=self.parts)
        told = np.where(told > 1e-9, told, 0.0)
        moved = _by(part, along / walk[:, None], self.parts) - _by(self.part_of, lean[:, None] * by_pull, self.parts)
        velocity = np.where(told[:, None] > 0, moved / np.maximum(told, 1e-9)[:, None], 0.0)
        pose = by_pull - by_lean[:, None] * velocity[self.part_of]
        left = self.off - pose[self.frame] - velocity[self.seen.part] * self.since[:, None]
        return velocity, told, left

    def own_speed(self, left: Floats) -> float:
        """The variance per axis of the members' own velocities that is left in their tracks, m²/s²."""
        slope = _by(self.seen.track, self.since[:, None] * left) / self.held[:, None]
        squares = float((self.held[:, None] * slope**2).sum()) / 2
        return max(1e-6, (squares - float(self.own_m2.sum())) / float(self.held.sum()))


def _by(key: Ints, values: Floats, count: int = 0) -> Floats:
    """Sums of (N, 2) by key."""
    return np.column_stack([np.bincount(key, weights=values[:, axis], minlength=count) for axis in (0, 1)])


def _numbers(track: Ints, part: Ints) -> Ints:
    return np.unique(np.column_stack([track, part]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
