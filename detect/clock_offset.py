"""The offset between a camera's clock and a log's, found from the pattern of intervals between exposures.

A picture says when it was taken by a clock that nobody set; a log says when the camera was triggered, by GPS. The gaps
between exposures (turns, wind, pauses) are the same in both, and only one shift lays one on the other, unless the
pattern repeats. Then nothing is decided: the rivals are named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats
from flightplan.messages import Message, message

Ints = npt.NDArray[np.int64]

LEAST_MATCHES = 4
_GAIN, _SHOT_LOST, _PICTURE_ODD = 4.0, 1.5, 1.0
_LEAD = 6.0
_CANDIDATES = 80
_PAIRS = 4_000_000
_LEAST_SHARE = 0.5
_LEAST_WHOLE_S = 1.3


@dataclass(frozen=True)
class ClockOffset:
    """How far a camera's clock is ahead of the log's, and which picture is which shot.

    `picture` and `shot` (K,) are indices into what was given; `scatter_s` is the standard deviation of what is left
    between them.
    """

    offset_s: float
    picture: Ints
    shot: Ints
    scatter_s: float


@dataclass(frozen=True)
class NoOffset:
    """Why no offset was chosen, in one sentence, and the rivals between which something else may choose."""

    reason: Message
    rivals: tuple[ClockOffset, ...] = ()


def find_offset(picture_s: Floats, shot_s: Floats, *, whole_seconds: bool = False) -> ClockOffset | NoOffset:
    """Find the offset that lays the times of pictures (N,) on those of shots (M,), in seconds of either clock.

    Any offset is looked for; shots without a picture and pictures without a shot are allowed. `whole_seconds` says that
    the camera writes no fractions. Of two offsets one is chosen when its likelihood is e⁶ times the other's, with
    scatter of 0.3 s (0.12 s where fractions are written), one shot in five lost and one picture in fifty odd.
    """
    pictures, shots = (np.sort(np.asarray(times, dtype=np.float64)) for times in (picture_s, shot_s))
    if min(len(pictures), len(shots)) < LEAST_MATCHES:
        return NoOffset(
            message(
                "{pictures} pictures and {shots} shots are too few to tell an offset by",
                pictures=len(pictures),
                shots=len(shots),
            )
        )
    usual_s = float(np.median(np.diff(shots)))
    if whole_seconds and usual_s < _LEAST_WHOLE_S:
        return NoOffset(
            message(
                "the camera writes whole seconds, and shots {apart:.1f} s apart cannot be told by them", apart=usual_s
            )
        )
    # A clock that shows whole seconds shows on average half a second less.
    pictures = pictures + (0.5 if whole_seconds else 0.0)
    spread_s = 0.3 if whole_seconds else 0.12
    tried = [_Trial.of(offset, pictures, shots, spread_s) for offset in _candidates(pictures, shots, 3.0 * spread_s)]
    tried.sort(key=lambda trial: -trial.score)
    best = tried[0]
    needed = max(LEAST_MATCHES, round(_LEAST_SHARE * min(len(pictures), len(shots))))
    if len(best.picture) < needed:
        return NoOffset(
            message(
                "no offset lays the pictures on the log: at best {number} of {all} pictures fall on one of {shots}"
                " shots",
                number=len(best.picture),
                all=len(pictures),
                shots=len(shots),
            )
        )
    order_p, order_s = np.argsort(picture_s, kind="stable"), np.argsort(shot_s, kind="stable")

    def told_as(trial: _Trial) -> ClockOffset:
        return ClockOffset(trial.offset_s, order_p[trial.picture], order_s[trial.shot], trial.scatter_s)

    rivals = [t for t in tried[1:] if abs(t.offset_s - best.offset_s) > 2.0 * spread_s]
    if rivals and best.score - rivals[0].score < _LEAD:
        return NoOffset(
            message(
                "the pattern of exposures fits more than one offset of the camera's clock: {one:+.1f} s ({of_one} of"
                " {all}) or {other:+.1f} s ({of_other} of {all}); their likelihoods are 1 to {less:.0f}, and 1 to"
                " {asked:.0f} is asked for",
                one=float(best.offset_s),
                of_one=len(best.picture),
                other=float(rivals[0].offset_s),
                of_other=len(rivals[0].picture),
                all=len(pictures),
                less=float(np.exp(best.score - rivals[0].score)),
                asked=float(np.exp(_LEAD)),
            ),
            tuple(told_as(t) for t in (best, *rivals) if len(t.picture) >= needed),
        )
    return told_as(best)


@dataclass(frozen=True)
class _Trial:
    offset_s: float
    picture: Ints
    shot: Ints
    scatter_s: float
    score: float

    @classmethod
    def of(cls, offset_s: float, pictures: Floats, shots: Floats, spread_s: float) -> _Trial:
        """Lay the pictures on the shots at about this offset, move it to where they fit best, and judge it."""
        reach = 3.5 * spread_s
        for _ in range(4):
            picture, shot, left = _nearest(pictures - offset_s, shots, reach)
            if not len(left):
                return cls(offset_s, picture, shot, np.inf, -np.inf)
            offset_s += float(np.median(left))
        picture, shot, left = _nearest(pictures - offset_s, shots, reach)
        if not len(left):
            return cls(offset_s, picture, shot, np.inf, -np.inf)
        lost = int(shot[-1] - shot[0] + 1 - len(shot))
        odd = int(picture[-1] - picture[0] + 1 - len(picture))
        score = float((_GAIN - left**2 / (2 * spread_s**2)).sum()) - _SHOT_LOST * lost - _PICTURE_ODD * odd
        return cls(offset_s, picture, shot, float(left.std()), score)


def _nearest(pictures: Floats, shots: Floats, reach_s: float) -> tuple[Ints, Ints, Floats]:
    """Pairs that are each other's nearest and within reach: indices (K,) of both, and picture less shot (K,)."""
    forth, back = _closest(pictures, shots), _closest(shots, pictures)
    picture = np.flatnonzero(back[forth] == np.arange(len(pictures)))
    left = pictures[picture] - shots[forth[picture]]
    near = np.abs(left) <= reach_s
    return picture[near], forth[picture][near], left[near]


def _closest(of: Floats, among: Floats) -> Ints:
    after = np.clip(np.searchsorted(among, of), 1, max(len(among) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(among) - 1)
    return np.where(of - among[before] <= among[after] - of, before, after).astype(np.int64)


def _candidates(pictures: Floats, shots: Floats, window_s: float) -> list[float]:
    """Offsets at which many pairs agree, the best first: peaks of the differences between all pictures and shots."""
    some = pictures
    if len(pictures) * len(shots) > _PAIRS:
        # A stretch in a row keeps its pattern; where intervals vary most it says most.
        length = max(50, _PAIRS // len(shots))
        gaps = np.abs(np.diff(pictures, n=2))
        sums = np.convolve(np.minimum(gaps, 60.0), np.ones(min(length, len(gaps))), mode="valid")
        first = int(sums.argmax())
        some = pictures[first : first + length]
    apart = np.sort((some[:, None] - shots[None, :]).ravel())
    count = np.searchsorted(apart, apart + window_s, side="right") - np.arange(len(apart))
    found: list[float] = []
    taken = np.zeros(len(apart), dtype=np.bool_)
    for at in np.argsort(-count, kind="stable")[: 50 * _CANDIDATES].tolist():
        if taken[at]:
            continue
        found.append(float(np.median(apart[at : at + count[at]])))
        low, high = np.searchsorted(apart, [apart[at] - window_s, apart[at] + window_s])
        taken[low:high] = True
        if len(found) == _CANDIDATES:
            break
    return found
