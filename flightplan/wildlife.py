"""Wildlife: how high and how to fly over a species, and how large it appears.

Only species that somebody flew a drone over and reported on are listed; for the rest the right height is not known, and
the table does not guess it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from flightplan.errors import PlanError

_BENNITT = "Bennitt et al. 2019, Scientific Reports 9: 2142 (PMC6375938), Moremi, two multirotors"
_HARTMANN = "Hartmann, Fishlock & Leslie 2021, Koedoe 63(1): a1687, Malawi, one quadcopter"
_BRUNTON = "Brunton et al. 2019, Drones 3(2): 41, Queensland"


@dataclass(frozen=True)
class Species:
    """What is known of a species seen from a drone.

    `min_height_agl_m` is the height below which most groups reacted, `source` who found so. `rules` say how to
    approach. Lengths and widths are round figures for the body of an adult seen from above, to plan with.
    """

    name: str
    scientific_name: str
    min_height_agl_m: float
    length_m: float
    width_m: float
    source: str
    rules: tuple[str, ...] = ()

    def size_px(self, gsd_cm: float) -> tuple[float, float]:
        """Return the length and width of an adult in pixels at a ground sampling distance."""
        if not gsd_cm > 0:
            raise PlanError(f"a ground sampling distance of {gsd_cm:g} cm is not one")
        return self.length_m * 100 / gsd_cm, self.width_m * 100 / gsd_cm


_KEEP_OFF = f"launch and turn 100 m or more away from them ({_BENNITT})"
_MOST_AFFECTED = "among the four of seven species that reacted most"
_LEAST_AFFECTED = "among the two of seven species that reacted least; the 60 m are those for most species"

_TABLE = (
    Species(
        "elephant",
        "Loxodonta africana",
        60.0,
        5.5,
        2.4,
        _BENNITT,
        (
            f"launch 100 m or more away from them, climb to 50 m before approaching, and approach at 2 m/s or less"
            f" and at 45° or less; once over them, speed made no difference ({_HARTMANN})",
            _MOST_AFFECTED,
        ),
    ),
    Species("giraffe", "Giraffa camelopardalis", 60.0, 4.0, 1.0, _BENNITT, (_KEEP_OFF, _MOST_AFFECTED)),
    Species("wildebeest", "Connochaetes taurinus", 60.0, 2.0, 0.6, _BENNITT, (_KEEP_OFF, _MOST_AFFECTED)),
    Species("zebra", "Equus quagga", 60.0, 2.3, 0.7, _BENNITT, (_KEEP_OFF, _MOST_AFFECTED)),
    Species("tsessebe", "Damaliscus lunatus", 60.0, 1.8, 0.5, _BENNITT, (_KEEP_OFF,)),
    Species("impala", "Aepyceros melampus", 60.0, 1.4, 0.4, _BENNITT, (_KEEP_OFF, _LEAST_AFFECTED)),
    Species("lechwe", "Kobus leche", 60.0, 1.6, 0.5, _BENNITT, (_KEEP_OFF, _LEAST_AFFECTED)),
    Species(
        "eastern grey kangaroo",
        "Macropus giganteus",
        60.0,
        1.2,
        0.4,
        _BRUNTON,
        (f"watchful at any height, in flight mostly at 30 m; 60 to 100 m disturb least ({_BRUNTON})",),
    ),
)


def species_table() -> tuple[Species, ...]:
    """Return every species of the table."""
    return _TABLE


def species_named(name: str) -> Species:
    """Return the species of that common or scientific name; capitals, spaces and hyphens do not matter.

    Raises PlanError, naming what is known, when there is none.
    """
    by_name = {_plain(n): s for s in _TABLE for n in (s.name, s.scientific_name)}
    wanted = _plain(name)
    if wanted in by_name:
        return by_name[wanted]
    near = dict.fromkeys(by_name[n].name for n in difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.6))
    raise PlanError(
        f"no study of drones over {name!r} is in the table, so its least height is not known",
        hint=f"Did you mean {' or '.join(near)}?" if near else f"Known are: {', '.join(s.name for s in _TABLE)}",
    )


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
