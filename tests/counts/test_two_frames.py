"""Groups of two frames that are matched all at once come out as those that are followed one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counts.following import Component, follow
from counts.likelihood import components, density_within
from counts.nearby import near_pairs
from counts.observed import Observed
from counts.two_frames import in_two_frames, match_two

GATE = 11.6
ACROSS_M, ALONG_M, OVERLAP_M = 96.0, 72.0, 30.0


def herds(seed: int, *, footprints: bool, spacing_m: float, speed_mps: float) -> Observed:
    """Sixty pairs of frames far apart, each over a herd of which some walk, some are missed and some come anew."""
    rng = np.random.default_rng([41, seed])
    points, frames, corners = [], [], []
    corner = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * [ACROSS_M, ALONG_M]
    for pair in range(60):
        number = int(rng.integers(1, 9))
        herd = rng.normal(0, spacing_m * np.sqrt(number), (number, 2)) + np.array([5_000.0 * pair, 0.0])
        herd[:, 1] = np.clip(herd[:, 1], -OVERLAP_M / 2, OVERLAP_M / 2)
        for turn in (0, 1):
            seen = herd[rng.random(number) < 0.85] + turn * rng.normal(0, 1.5 * speed_mps, 2)
            seen = seen + rng.normal(0, 1.0, 2) + rng.normal(0, 0.3, seen.shape)
            points.append(seen)
            frames.append(np.full(len(seen), 2 * pair + turn))
            middle = [5_000.0 * pair, (turn - 0.5) * (ALONG_M - OVERLAP_M)]
            corners.append(np.broadcast_to(corner + middle, (len(seen), 4, 2)))
    where, frame = np.concatenate(points), np.concatenate(frames)
    count = len(where)
    s = Observed.checked(
        where,
        np.broadcast_to(np.eye(2) * (1.0 + 0.09), (count, 2, 2)),
        1000.0 * (frame // 2) + 4.8 * (frame % 2),
        frame,
        np.zeros(count, dtype=np.int64),
        np.full(count, "zebra"),
        np.linspace(0.3, 0.9, count),
        speed_mps,
        shared_within_frame=0.9,
        detection=0.85,
    )
    return replace(s, corners=np.concatenate(corners)[s.order]) if footprints else s


@pytest.mark.parametrize("footprints", [True, False])
@pytest.mark.parametrize(("spacing_m", "speed_mps"), [(0.5, 0.0), (2.0, 0.3), (8.0, 1.5)])
def test_herds_in_two_frames_are_told_apart_alike_all_at_once_and_one_by_one(
    footprints: bool, spacing_m: float, speed_mps: float
) -> None:
    s = herds(int(10 * spacing_m), footprints=footprints, spacing_m=spacing_m, speed_mps=speed_mps)
    density = density_within(s.points, s.layers)
    first, second, _ = near_pairs(s.points, 200.0, lambda a, b: np.where(s.frames[a] == s.frames[b], np.inf, 1.0), 1.0)
    component = components(len(s), first, second)
    ordered = np.lexsort((s.frames, s.times, component))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(component))])
    two, before = in_two_frames(s.frames[ordered], bounds, np.diff(bounds) > 2)
    rows = ordered[np.repeat(two, np.diff(bounds))]
    one, other = match_two(s, density, rows, before[two], (np.diff(bounds) - before)[two], GATE)
    found = dict(zip(other.tolist(), one.tolist(), strict=True))
    expected = {}
    for index in np.flatnonzero(two).tolist():
        inside = ordered[bounds[index] : bounds[index + 1]]
        own = s.own[inside]
        followed = follow(
            Component(
                points=s.points[inside],
                own=own,
                shared=s.covariances[inside] - own,
                times=s.times[inside],
                frames=s.frames[inside],
                density=density[inside],
                drift_variance=float(s.drift_variance[0]),
                detection=float(s.detection[0]),
                gate=GATE,
                corners=None if s.corners is None else s.corners[inside],
            )
        )
        merged = np.flatnonzero(followed.track != np.arange(len(inside)))
        expected |= dict(zip(inside[merged].tolist(), inside[followed.track[merged]].tolist(), strict=True))
    assert two.sum() > 20
    assert len(expected) > 20
    assert found == expected


def test_what_three_frames_show_or_one_is_not_matched_as_two() -> None:
    frames = np.array([4, 4, 7, 4, 7, 9, 3, 3, 3, 5, 6])
    two, before = in_two_frames(frames, np.array([0, 3, 6, 9, 11]), np.array([True, True, True, False]))
    assert two.tolist() == [True, False, False, False]
    assert before[0] == 2
