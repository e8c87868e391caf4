"""Sightings as identity is resolved from them: checked, and in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from counts.passes import Passes
from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Observed:
    """The input in one fixed order: transect, label, time, frame, position. `order` leads back.

    `own` is the part of `covariances` that is a box's within its frame; the rest all boxes of the frame share.
    `detection` is the chance that an animal of the sighting's label is found in a frame that shows it.
    """

    order: Ints
    points: Floats
    covariances: Floats
    times: Floats
    frames: Ints
    groups: Ints
    scores: Floats
    drift_variance: Floats
    labels: npt.NDArray[np.str_]
    transects: npt.NDArray[np.generic]
    passes: Ints
    own: Floats
    detection: Floats
    corners: Floats | None = None

    @classmethod
    def checked(
        cls,
        points: npt.ArrayLike,
        covariances: npt.ArrayLike,
        times_s: npt.ArrayLike,
        frame_ids: npt.ArrayLike,
        transect_ids: npt.ArrayLike,
        labels: Sequence[str] | npt.NDArray[np.str_],
        scores: npt.ArrayLike,
        speed_limit_mps: Mapping[str, float] | float,
        passes: Passes | None = None,
        shared_within_frame: float = 0.0,
        detection: Mapping[str, float] | float = 0.9,
    ) -> Observed:
        """Return the input of `counts.identity.resolve` in order; raises EstimateError for what does not match."""
        where = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        count = len(where)
        spread = np.asarray(covariances, dtype=np.float64).reshape(-1, 2, 2)
        times, score = np.asarray(times_s, dtype=np.float64), np.asarray(scores, dtype=np.float64)
        names, transects = np.asarray(labels, dtype=np.str_), np.asarray(transect_ids)
        frames = np.unique(np.asarray(frame_ids), return_inverse=True)[1].astype(np.int64)
        for what, array in (("covariances", spread), ("times", times), ("frames", frames), ("scores", score)):
            if len(array) != count:
                raise EstimateError(f"{count} points but {len(array)} {what}", where="identity")
        if len(names) != count or len(transects) != count:
            raise EstimateError(f"{count} points but {len(names)} labels, {len(transects)} transects", where="identity")
        if not (np.isfinite(where).all() and np.isfinite(spread).all() and np.isfinite(times).all()):
            raise EstimateError("a sighting has no position, covariance or time", where="identity")
        determinant = spread[:, 0, 0] * spread[:, 1, 1] - spread[:, 0, 1] * spread[:, 1, 0]
        if np.any(determinant <= 0) or np.any(spread[:, 0, 0] <= 0):
            raise EstimateError("a covariance is not positive definite", where="identity")
        label_values, label = np.unique(names, return_inverse=True)
        _, transect = np.unique(transects, return_inverse=True)
        speed = _speeds(label_values, speed_limit_mps)[label] if count else np.empty(0)
        found = _detection(label_values, detection)[label] if count else np.empty(0)
        flown = np.zeros(count, dtype=np.int64) if passes is None else passes.of_sighting
        # The last figure of a group is its pass: what is told apart first is seen from one pass.
        group = (transect * max(len(label_values), 1) + label) * (1 if passes is None else len(passes.corners)) + flown
        order = np.lexsort((score, where[:, 1], where[:, 0], frames, times, group))
        if count and len(np.unique(np.column_stack([frames, times]), axis=0)) > frames.max() + 1:
            raise EstimateError("a frame has two times", where="identity")
        return cls(
            order=order.astype(np.int64),
            points=where[order],
            covariances=spread[order],
            times=times[order],
            frames=frames[order],
            groups=group[order].astype(np.int64),
            scores=score[order],
            drift_variance=(speed[order] ** 2) / CHI2_95,
            labels=names[order],
            transects=transects[order],
            passes=flown[order],
            own=(1 - shared_within_frame) * spread[order],
            detection=found[order],
        )

    @property
    def layers(self) -> Ints:
        """A number (N,) that sightings of one frame, label and pass have in common."""
        frames = int(self.frames.max()) + 1 if len(self) else 1
        return np.asarray(np.unique(self.groups * frames + self.frames, return_inverse=True)[1], dtype=np.int64)

    def rows(self, chosen: Ints) -> Observed:
        """Some of the sightings, in the same order."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: array[chosen] for name, array in held.items() if array is not None})

    def __len__(self) -> int:
        return len(self.order)


CHI2_95 = float(stats.chi2.ppf(0.95, 2))


def _detection(labels: npt.NDArray[np.str_], probability: Mapping[str, float] | float) -> Floats:
    by_label = probability if isinstance(probability, Mapping) else dict.fromkeys(labels.tolist(), probability)
    if missing := [str(name) for name in labels if str(name) not in by_label]:
        raise EstimateError(f"no detection probability for {', '.join(missing)}", where="identity")
    for value in by_label.values():
        if not 0 < value < 1:
            raise EstimateError(f"the detection probability is between 0 and 1, not {value:g}", where="identity")
    return np.array([by_label[str(name)] for name in labels], dtype=np.float64)


def _speeds(labels: npt.NDArray[np.str_], limit: Mapping[str, float] | float) -> Floats:
    if isinstance(limit, Mapping):
        missing = [str(name) for name in labels if str(name) not in limit]
        if missing:
            raise EstimateError(f"no speed limit for {', '.join(missing)}", where="identity")
        speeds = np.array([limit[str(name)] for name in labels], dtype=np.float64)
    else:
        speeds = np.full(len(labels), float(limit))
    if np.any(~np.isfinite(speeds)) or np.any(speeds < 0):
        raise EstimateError("a speed limit is negative or unknown", where="identity")
    return speeds
