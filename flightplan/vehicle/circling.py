"""Whether a fixed wing that has come home only goes round and round."""

from __future__ import annotations

from collections import deque

_MODES = frozenset({"RTL", "LOITER", "HOLD", "CIRCLE"})
_LOOKED_AT_S = 60.0
_SPREAD_M = 150.0
_OVER_HOME_M = 400.0
_DOWN_M = 10.0


class Circling:
    """Looks at how far from home a vehicle is: over a minute, one on its way has come 300 m nearer or further."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def goes_round(self, mode: str | None, at_the_end: bool, away_m: float, height_m: float, now_s: float) -> bool:
        """Note where it is; say whether it has circled for a minute, with nothing to follow.

        `at_the_end` is on the last item of its mission, which a return from there does not always leave.
        """
        if height_m < _DOWN_M or (mode not in _MODES and not at_the_end):
            self._seen.clear()
            return False
        self._seen.append((now_s, away_m))
        while self._seen and now_s - self._seen[0][0] > _LOOKED_AT_S:
            self._seen.popleft()
        away = [m for _, m in self._seen]
        return now_s - self._seen[0][0] >= 0.9 * _LOOKED_AT_S and max(away) - min(away) <= _SPREAD_M

    def where(self, away_m: float) -> str:
        """Say where it circles."""
        return "over home" if away_m <= _OVER_HOME_M else f"{away_m:.0f} m from home"
