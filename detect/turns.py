"""Headings that the pictures contradict by a half or a quarter turn, and the size of the ground they show.

Two overlapping pictures say how one is turned against the other; where both were taken says how the pair is turned
against north. So even a line that is flipped as a whole is found, and a camera mounted sideways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from detect.matching import Ints, Matches
from flightplan.frames import Floats

_CLEAR_DEG = 30.0
"""A turn this far from a whole quarter says nothing of quarters."""

_WRONG_SHARE = 0.25
"""Places this far apart, in widths of the picture, are as wrong as they can be."""

_BETTER = 0.6
_SINGLE_ROUNDS = 3


@dataclass(frozen=True)
class Links:
    """Pairs of views that show the same ground, a row each.

    `turn_deg` (P,) is how far the second is turned against the first, by the pictures and clockwise, less what their
    headings say; `spans` (P, 2) complex: the middle of the matches from the point below each camera, metres forward + i
    to the right; `count` (P,) the matches.
    """

    first: Ints
    second: Ints
    turn_deg: Floats
    spans: npt.NDArray[np.complex128]
    count: Ints

    @classmethod
    def of(cls, matches: Matches, yaw_deg: Floats) -> Links:
        """Return the links of matches between views with headings (N,)."""
        total = len(yaw_deg)
        key, count = np.unique(matches.first * total + matches.second, return_counts=True)
        first, second = key // total, key % total
        where = np.searchsorted(key, matches.first * total + matches.second)
        places = matches.level @ np.array([1, 1j])
        spans = np.zeros((len(key), 2), dtype=np.complex128)
        np.add.at(spans, where, places)
        spans /= count[:, None]
        arms = places - spans[where]
        turn = np.zeros(len(key), dtype=np.complex128)
        np.add.at(turn, where, arms[:, 1] * np.conj(arms[:, 0]))
        told = yaw_deg[first] - yaw_deg[second]
        return cls(first, second, _wrapped(np.degrees(np.angle(turn)) - told), spans, count)


def find_turns(links: Links, positions_m: Floats, yaw_deg: Floats, widths_m: Floats) -> Ints:
    """Quarter turns (N,), 0 to 3, to add to each heading; 0 where the pictures do not say otherwise clearly.

    `positions_m` (N, 2) east and north; `widths_m` (N,) of the pictures on the ground. Among pictures that hang
    together the relative turns are followed along the pairs with most matches; which of the four ways round they are as
    a whole is decided by where they were taken, and left as read unless that is clearly better.
    """
    count = len(yaw_deg)
    quarters = np.rint(links.turn_deg / 90).astype(np.int64)
    clear = np.abs(links.turn_deg - 90 * quarters) <= _CLEAR_DEG
    state = np.zeros(count, dtype=np.int64)
    if not clear.any():
        return state
    weights = coo_array((1 / links.count[clear], (links.first[clear], links.second[clear])), shape=(count, count))
    tree = minimum_spanning_tree(weights.tocsr())
    relative = dict(zip(zip(links.first.tolist(), links.second.tolist(), strict=True), quarters.tolist(), strict=True))
    kinds, group = connected_components(tree, directed=False)
    position = positions_m @ np.array([1j, 1])
    for kind in range(kinds):
        members = np.flatnonzero(group == kind)
        if len(members) < 2:
            continue
        order, before = breadth_first_order(tree, int(members[0]), directed=False)
        for view in order[1:].tolist():
            root = int(before[view])
            # Turned against each other: first + its turn = second + its turn + what the pictures say.
            state[view] = (
                state[root] - relative[root, view] if (root, view) in relative else state[root] + relative[view, root]
            ) % 4
        state[members] = _turned_as_a_whole(links, position, yaw_deg, widths_m, state, members)
    return _one_by_one(links, position, yaw_deg, widths_m, state)


def _turned_as_a_whole(
    links: Links, position: npt.NDArray[np.complex128], yaw_deg: Floats, widths_m: Floats, state: Ints, members: Ints
) -> Ints:
    mine = np.isin(links.first, members)
    costs = np.array([_costs(links, position, yaw_deg, widths_m, state + k)[mine].sum() for k in range(4)])
    # As read unless clearly better: the way round in which most stay as they are.
    modest = int(-np.bincount(state[members], minlength=4).argmax()) % 4
    best = int(costs.argmin())
    chosen = best if costs[best] < _BETTER * costs[modest] else modest
    return np.asarray((state[members] + chosen) % 4)


def _one_by_one(
    links: Links, position: npt.NDArray[np.complex128], yaw_deg: Floats, widths_m: Floats, state: Ints
) -> Ints:
    """Undo turns that help none of a view's pairs: what a false link made of it."""
    for _ in range(_SINGLE_ROUNDS):
        done = True
        for view in np.flatnonzero(state).tolist():
            mine = (links.first == view) | (links.second == view)
            trial = state.copy()
            trial[view] = 0
            now, without = (_costs(links, position, yaw_deg, widths_m, s)[mine].sum() for s in (state, trial))
            if not now < _BETTER * without:
                state, done = trial, False
        if done:
            break
    return state


def _costs(
    links: Links, position: npt.NDArray[np.complex128], yaw_deg: Floats, widths_m: Floats, state: Ints
) -> Floats:
    """What each link costs: how far apart the middle of its matches lies from both views, at most as `_WRONG_SHARE`.

    The relative turn counts as well, for at the middle of both pictures a turn does not show.
    """
    heading = np.exp(1j * np.radians(yaw_deg + 90.0 * state))
    a, b = links.first, links.second
    apart = np.abs(position[a] + heading[a] * links.spans[:, 0] - position[b] - heading[b] * links.spans[:, 1])
    width = np.minimum(widths_m[a], widths_m[b])
    turn = np.abs(_wrapped(links.turn_deg - 90.0 * (state[a] - state[b])))
    wrong = np.minimum(apart / (width * _WRONG_SHARE), 1.0) + np.minimum(turn / 90.0, 1.0)
    return np.asarray(np.sqrt(links.count) * wrong)


@dataclass(frozen=True)
class GroundScale:
    """How large the ground is that pictures show, against what height and camera say: 1 where they agree.

    `error` is its standard deviation; `pairs` how many pairs of pictures say so.
    """

    ratio: float
    error: float
    pairs: int


def ground_scale(
    links: Links, positions_m: Floats, yaw_deg: Floats, widths_m: Floats, position_error_m: float
) -> GroundScale | None:
    """Return the ground's size from where pictures were taken and how far apart they show the same ground.

    Headings must have been put right. None where no two pictures are far enough apart for their positions to say.
    """
    heading = np.exp(1j * np.radians(yaw_deg))
    position = positions_m @ np.array([1j, 1])
    way = position[links.second] - position[links.first]
    shown = heading[links.first] * links.spans[:, 0] - heading[links.second] * links.spans[:, 1]
    long = (np.abs(way) > 4 * position_error_m) & (np.abs(shown) > 0.1 * np.minimum(*widths_m[_ends(links)]))
    if long.sum() < 2:
        return None
    ratio = np.abs(way[long]) / np.abs(shown[long])
    middle = float(np.median(ratio))
    scatter = 1.4826 * float(np.median(np.abs(ratio - middle)))
    # A capture is in several pairs: they are not as many witnesses as they are pairs.
    captures = len(np.unique(np.concatenate([links.first[long], links.second[long]])))
    expected = float(np.median(np.sqrt(2.0) * position_error_m / np.abs(shown[long])))
    return GroundScale(middle, 1.2533 * max(scatter, expected) / float(np.sqrt(captures / 2)), int(long.sum()))


def _ends(links: Links) -> Ints:
    return np.stack([links.first, links.second])


def _wrapped(angle_deg: Floats) -> Floats:
    return np.asarray((angle_deg + 180.0) % 360.0 - 180.0)
