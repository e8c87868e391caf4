"""The wind that a multirotor leans against, where its autopilot does not estimate it.

ArduCopter tells a wind of exactly 0 unless its drag was measured (EK3_DRAG_*): in the recording with 8 m/s of turbulent
wind too. A multirotor's thrust tilts it against the drag of the air it flies through, and by what it accelerates:
g tan(tilt) − dv/dt = k (v − w), with the ground speed v, the wind w and one drag k of the airframe (linear drag of
rotors: Martin and Salaün 2010, "The true role of accelerometer feedback in quadrotor control"). k comes from changes
of speed over the whole flight by least squares, w from the last seconds. On the recordings: 8.0 m/s (median) for 8,
never more than 1.0 m/s for none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flightplan.frames import Floats

_GRAVITY_MPS2 = 9.81
_TOGETHER_MS = 400
_LONGEST_S = 3.0
_LEAST_SAMPLES, _LEAST_SPREAD = 20, 4.0
_LEAST_DRAG = 0.05
_MEAN_S = 10.0
_LEAST_HEIGHT_MM = 5000


class TiltWind:
    """Takes ATTITUDE and GLOBAL_POSITION_INT as they come, once a second or more often.

    `mean_mps` is the wind's (north, east), the direction it blows to, over about 10 s; None until changes of speed have
    told the drag.
    """

    def __init__(self) -> None:
        self.mean_mps: Floats | None = None
        self._attitude: Any = None
        self._place: Any = None
        self._last: tuple[float, Floats, Floats] | None = None
        self._normal, self._right = np.zeros((3, 3)), np.zeros(3)
        self._count, self._sum, self._squares = 0, np.zeros(2), 0.0

    @property
    def speed_mps(self) -> float | None:
        """How strong the mean wind is."""
        return None if self.mean_mps is None else float(np.hypot(*self.mean_mps))

    def hear(self, message: Any) -> None:
        """Take one message of the autopilot; which of the two comes first does not matter."""
        if message.get_type() == "ATTITUDE":
            self._attitude = message
        elif message.get_type() == "GLOBAL_POSITION_INT":
            self._place = message
        if self._attitude is None or self._place is None:
            return
        apart_ms = abs(self._place.time_boot_ms - self._attitude.time_boot_ms)
        if apart_ms <= _TOGETHER_MS and self._place.relative_alt > _LEAST_HEIGHT_MM:
            place, self._place = self._place, None
            self._sample(place)

    def _sample(self, place: Any) -> None:
        time_s, v = place.time_boot_ms / 1000, np.array([place.vx, place.vy]) / 100
        pull = _pull(self._attitude)
        if self._last is not None and 0 < time_s - self._last[0] <= _LONGEST_S:
            seconds = time_s - self._last[0]
            drag = (pull + self._last[2]) / 2 - (v - self._last[1]) / seconds
            self._learn((v + self._last[1]) / 2, drag, seconds)
        self._last = time_s, v, pull

    def _learn(self, v: Floats, drag: Floats, seconds: float) -> None:
        rows = np.array([[v[0], -1.0, 0.0], [v[1], 0.0, -1.0]])
        self._normal += rows.T @ rows
        self._right += rows.T @ drag
        self._count += 1
        self._sum += v
        self._squares += float(v @ v)
        mean = self._sum / self._count
        if self._count < _LEAST_SAMPLES or self._squares / self._count - float(mean @ mean) < _LEAST_SPREAD:
            return
        k = float(np.linalg.solve(self._normal, self._right)[0])
        if k < _LEAST_DRAG:
            return
        wind = v - drag / k
        if self.mean_mps is None:
            self.mean_mps = wind
        else:
            self.mean_mps = self.mean_mps + (wind - self.mean_mps) * (1 - math.exp(-seconds / _MEAN_S))


def _pull(attitude: Any) -> Floats:
    """Return the horizontal part of the thrust that carries the vehicle, (north, east) in m/s²."""
    ahead, right = -math.tan(attitude.pitch), math.tan(attitude.roll) / math.cos(attitude.pitch)
    cos, sin = math.cos(attitude.yaw), math.sin(attitude.yaw)
    return _GRAVITY_MPS2 * np.array([ahead * cos - right * sin, ahead * sin + right * cos])
