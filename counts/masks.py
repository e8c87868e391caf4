"""Masks: ground within the strata that holds no animals of the survey, and ground that nobody could see.

No habitat (a lake, a town) is no part of the stratum: its area goes out of the stratum and of the search. What was not
seen (cloud, smoke, glint, closed canopy) stays in the stratum, and its animals are taken to stand as densely as where
the ground was seen: its area goes out of the search alone. Animals counted on either are no part of the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from counts.store import MaskEntry
from flightplan.area_checks import check_polygon
from flightplan.area_crs import to_wgs84
from flightplan.area_formats import read_features
from flightplan.areas import StudyArea
from flightplan.errors import AreaError
from flightplan.frames import LocalFrame

NO_HABITAT, NOT_SEEN = KINDS = ("no habitat", "not seen")

Geometries = npt.NDArray[np.object_]


def read_masks_file(path: Path, kind: str, area: StudyArea) -> tuple[MaskEntry, ...]:
    """Read the polygons of a vector file as masks of one of `KINDS`; the file's name and content name their source.

    Lines and points are passed over, and what lies beyond the study area's bounds is left out. Raises AreaError where
    no polygon reaches the area, and for what `flightplan.area_formats.read_features` refuses.
    """
    if kind not in KINDS:
        raise AreaError(f"a mask is one of {', '.join(KINDS)}, not {kind!r}", where=str(path))
    near = area.bounds_deg(0.0)
    found = []
    for feature in read_features(path, near=near):
        geometry = to_wgs84(feature, None, path).geometry
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            continue
        polygon = check_polygon(geometry, f"{path}, {feature.label}")
        if shapely.box(*near).intersects(polygon):
            found.append(MaskEntry(kind, polygon, path.name, feature.label or None))
    if not found:
        raise AreaError("no polygon of the mask lies in the study area", where=str(path))
    return tuple(found)


@dataclass(frozen=True)
class MaskedLand:
    """The strata (S,) in metres, less what the masks say.

    `habitat` is the land whose animals are estimated, `searchable` the part of it that could be seen; `no_habitat_m2`
    and `not_seen_m2` (S,) are what went out of each.
    """

    habitat: Geometries
    searchable: Geometries
    no_habitat_m2: npt.NDArray[np.float64]
    not_seen_m2: npt.NDArray[np.float64]


def mask_strata(strata: Sequence[shapely.Geometry], masks: Iterable[MaskEntry], frame: LocalFrame) -> MaskedLand:
    """Take masks (geographic) off strata (S,), polygons in the metres of `frame`."""
    whole = np.array(list(strata), dtype=object)
    local: dict[str, list[shapely.Geometry]] = {kind: [] for kind in KINDS}
    for mask in masks:
        # A kind that an older census has is ground that could not be seen: nothing is known of its animals.
        local[NO_HABITAT if mask.kind == NO_HABITAT else NOT_SEEN].append(frame.localise(mask.polygon))
    habitat = shapely.difference(whole, shapely.union_all(local[NO_HABITAT])) if local[NO_HABITAT] else whole
    searchable = shapely.difference(habitat, shapely.union_all(local[NOT_SEEN])) if local[NOT_SEEN] else habitat
    return MaskedLand(
        habitat,
        searchable,
        shapely.area(whole) - shapely.area(habitat),
        shapely.area(habitat) - shapely.area(searchable),
    )
