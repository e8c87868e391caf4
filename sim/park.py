"""The demo park: an invented reserve with two strata, a village inside it and a bite out of its border."""

from __future__ import annotations

import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.frames import LocalFrame

PARK_CENTRE = (34.83, -2.33)
"""Longitude and latitude."""

# Metres east and north of the centre. The river between the strata runs from west to east through the middle.
_RIVER = ((-2750, 40), (-1900, -60), (-900, 30), (150, -40), (1200, 60), (2000, -20), (2750, 30))
_NORTH = ((2700, 560), (2750, 905), (1500, 950), (300, 900), (-900, 955), (-2050, 890), (-2720, 930))
# The border steps back around farms in the south: a concavity some 700 m wide and 450 m deep.
_SOUTH = (
    (-2700, -880),
    (-1300, -930),
    (-450, -905),
    (-380, -470),
    (330, -455),
    (420, -915),
    (1700, -940),
    (2720, -870),
)
_VILLAGE = ((1050, 330), (1420, 300), (1500, 480), (1390, 640), (1120, 610))
_CAMP = (-300, 10)


def demo_area() -> StudyArea:
    """Return the demo park: about 9.6 km², strata "woodland" (north) and "floodplain" (south), one launch site."""
    frame = LocalFrame(*PARK_CENTRE)
    river, north, south, village = (_lonlat(frame, ring) for ring in (_RIVER, _NORTH, _SOUTH, _VILLAGE))
    camp = _lonlat(frame, (_CAMP,))[0]
    return StudyArea(
        name="overfly demo park",
        strata=(
            Stratum("woodland", shapely.Polygon([*river, *north], holes=[village])),
            Stratum("floodplain", shapely.Polygon([*south, *reversed(river)])),
        ),
        exclusions=(shapely.Polygon(village),),
        launch_sites=(LaunchSite("camp", *camp),),
    )


def _lonlat(frame: LocalFrame, points: tuple[tuple[int, int], ...]) -> list[tuple[float, float]]:
    # Rounded to a centimetre, so that every machine draws the same park.
    return [(round(float(lon), 7), round(float(lat), 7)) for lon, lat in frame.to_lonlat(points)]
