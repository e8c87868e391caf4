"""A link in simulated time that loses, doubles, reorders and delays messages, drawn from a seed."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import Generic, TypeVar

import numpy as np

from sim.vehicle.faults import Faults

T = TypeVar("T")
_LATEST_S = 1.0


class FaultyLink(Generic[T]):
    """One direction of a link in simulated time: messages in, and out again late, twice, in another order, or never."""

    def __init__(self, faults: Faults, seed: list[int]) -> None:
        self._faults = faults
        self._rng = np.random.default_rng(seed)
        self._on_the_way: list[tuple[float, int, T]] = []
        self._number = count()

    def send(self, now_s: float, message: T) -> None:
        """Hand over a message."""
        faults = self._faults
        if self._rng.random() < faults.loss:
            return
        for _ in range(1 + (self._rng.random() < faults.double)):
            late_s = _LATEST_S * self._rng.random() if self._rng.random() < faults.reorder else 0.0
            heapq.heappush(self._on_the_way, (now_s + faults.delay_s + late_s, next(self._number), message))

    @property
    def next_s(self) -> float:
        """When the next message arrives; infinity when none is on its way."""
        return self._on_the_way[0][0] if self._on_the_way else math.inf

    def due(self, now_s: float) -> list[T]:
        """Take out what has arrived by now."""
        arrived = []
        while self._on_the_way and self._on_the_way[0][0] <= now_s + 1e-9:
            arrived.append(heapq.heappop(self._on_the_way)[2])
        return arrived
