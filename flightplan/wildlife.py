"""Wildlife: how high and how to fly over a species, and how large it appears.

Only species that somebody flew a drone over and reported on are listed; for the rest the right height is not known, and
the table does not guess it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from flightplan.errors import PlanError
from flightplan.messages import message

_BENNITT = "Bennitt et al. 2019, Scientific Reports 9: 2142 (PMC6375938), Moremi, two multirotors"
_HARTMANN = "Hartmann, Fishlock & Leslie 2021, Koedoe 63(1): a1687, Malawi, one quadcopter"
_BRUNTON = "Brunton et al. 2019, Drones 3(2): 41, Queensland"
_MCEVOY = "McEvoy, Hall & McDonald 2016, PeerJ 4: e1831, New South Wales, fixed wings and multirotors"
_BECH_HANSEN = "Bech-Hansen et al. 2020, Bird Conservation International, foraging flocks, one quadcopter"
_BARR = "Barr et al. 2020, Scientific Reports 10 (PMC7052279), mixed colonies flown at 46, 61, 91 and 122 m"
_DEMMER = "Demmer, Demmer & McIntyre 2024, Ecology and Evolution 14(2): e10990, South Africa"
_AUBIN = "Aubin et al. 2023, Marine Mammal Science, St. Lawrence, and a review of cetaceans"
_RAMOS = "Ramos et al. 2018, Frontiers in Marine Science 5: 316, Belize, quadcopters"
_KRAUSE = "Krause et al. 2021, Frontiers in Marine Science 8: 648772, Cape Shirreff, 268 approaches"
_LENZI = "Lenzi et al. 2022, Drones 6(6), North Dakota, one fixed wing at 120 m"
_SCHROEDER = "Schroeder & Panebianco 2021, Scientific Reports 11 (PMC8536753), Argentina"


@dataclass(frozen=True)
class Species:
    """What is known of a species seen from a drone.

    `min_height_agl_m` is the least height that a study found to be borne or advises, `source` which study, and
    `evidence` what is known of flights below it. `rules` say how to approach. Lengths and widths are round figures for
    the body of an adult seen from above, to plan with.
    """

    name: str
    scientific_name: str
    min_height_agl_m: float
    length_m: float
    width_m: float
    source: str
    rules: tuple[str, ...] = ()
    evidence: str = message("lower, most react")

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
    Species(
        "waterfowl",
        "Anatidae",
        60.0,
        0.5,
        0.2,
        _MCEVOY,
        (
            f"40 m above them was enough for multirotors, 60 m for fixed wings; never straight at them, and no sudden"
            f" climb, descent or turn near them ({_MCEVOY})",
        ),
        message("lower, flocks swim away or fly up"),
    ),
    Species(
        "geese",
        "Anserini",
        100.0,
        0.8,
        0.3,
        _BECH_HANSEN,
        (f"take off 500 m away from them; they are watchful from about 300 m ({_BECH_HANSEN})",),
        message("lower, flocks fly up more often"),
    ),
    Species(
        "colonial waterbirds",
        "Ardeidae and others",
        61.0,
        0.9,
        0.3,
        _BARR,
        (f"laughing gulls are touchier than the rest of a mixed colony ({_BARR})",),
        message("at 46 m nesting birds were disturbed half as much again"),
    ),
    Species(
        "grey crowned crane",
        "Balearica regulorum",
        50.0,
        1.0,
        0.35,
        _DEMMER,
        (f"large flocks move off sooner; on a nest the angle of approach matters ({_DEMMER})",),
        message("only above 50 m do flocks hardly react"),
    ),
    Species(
        "chinstrap penguin",
        "Pygoscelis antarcticus",
        30.0,
        0.7,
        0.3,
        _KRAUSE,
        evidence=message("at 30 m they were as without a drone; lower, they reacted more"),
    ),
    Species(
        "Antarctic fur seal",
        "Arctocephalus gazella",
        30.0,
        1.5,
        0.5,
        _KRAUSE,
        evidence=message("at 30 m they were as without a drone; lower, they reacted more"),
    ),
    Species(
        "leopard seal",
        "Hydrurga leptonyx",
        30.0,
        3.0,
        0.8,
        _KRAUSE,
        evidence=message("at 30 m they were as without a drone; lower, they reacted more"),
    ),
    Species(
        "beluga",
        "Delphinapterus leucas",
        25.0,
        4.0,
        1.0,
        _AUBIN,
        (f"approach larger groups with care: most sudden dives were at a drone's first approach ({_AUBIN})",),
        message("below 23 m they dive"),
    ),
    Species(
        "whale",
        "Cetacea",
        30.0,
        12.0,
        3.0,
        _AUBIN,
        evidence=message("of all cetaceans studied, hardly any were disturbed above 30 m"),
    ),
    Species(
        "bottlenose dolphin",
        "Tursiops truncatus",
        30.0,
        2.5,
        0.6,
        _RAMOS,
        (f"single animals and small groups react most ({_RAMOS})",),
        message("they react at 11 to 30 m"),
    ),
    Species(
        "Antillean manatee",
        "Trichechus manatus manatus",
        105.0,
        3.0,
        0.9,
        _RAMOS,
        (f"do not follow or circle them: those that reacted fled ({_RAMOS})",),
        message("many react strongly, at any height up to 104 m"),
    ),
    Species(
        "feral horse",
        "Equus caballus",
        120.0,
        2.4,
        0.6,
        _LENZI,
        (),
        message("none fled at 120 m, and no other was flown"),
    ),
    Species("bison", "Bison bison", 120.0, 3.0, 1.0, _LENZI, (), message("none fled at 120 m, and no other was flown")),
    Species(
        "guanaco",
        "Lama guanicoe",
        154.0,
        1.8,
        0.5,
        _SCHROEDER,
        (f"large groups react from further away than small ones: 344 m for mixed groups ({_SCHROEDER})",),
        message("the boldest, single animals, react from 154 m away"),
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
