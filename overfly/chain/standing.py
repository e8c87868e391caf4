"""What the pictures of a survey stand over: level ground, or an elevation model with the take-off of each sortie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import shapely
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from counts.schema import Capture as CaptureRow
from counts.schema import Footprint
from counts.store import read_area, read_flights
from detect.captures import Capture
from detect.standpoints import OVER_MODEL, Standpoint, pose_of
from flightplan.errors import CensusError
from flightplan.terrain import Terrain

LonLat = tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """How high captures are over what ground.

    `ground_msl_m` is the level of the ground where captures have no height above take-off and there is no `terrain`.
    `takeoffs` are where sorties took off from (longitude, latitude), by name; None is for all others.
    """

    ground_msl_m: float | None = None
    terrain: Terrain | None = None
    takeoffs: Mapping[str | None, LonLat] = field(default_factory=dict)

    def of(self, capture: Capture, sortie: str | None) -> Standpoint:
        """Where a capture stands. Raises GeoreferenceError where that is unknown."""
        takeoff = self.takeoffs.get(sortie, self.takeoffs.get(None))
        return pose_of(capture, terrain=self.terrain, takeoff=takeoff, ground_msl_m=self.ground_msl_m)


def read_standing(
    session: Session, survey_id: int, *, ground_msl_m: float | None = None, terrain: Terrain | None = None
) -> Standing:
    """What a survey's captures stand over; take-offs are where the tracks begin, else its one launch site."""
    if terrain is None:
        return Standing(ground_msl_m)
    takeoffs: dict[str | None, LonLat] = {}
    for flight in read_flights(session, survey_id):
        if flight.track is not None:
            longitude, latitude = shapely.get_coordinates(flight.track)[0]
            takeoffs[flight.sortie] = (float(longitude), float(latitude))
    area = read_area(session, survey_id)
    sites = () if area is None else area.launch_sites
    if len(sites) == 1:
        takeoffs[None] = (sites[0].longitude_deg, sites[0].latitude_deg)
    return Standing(ground_msl_m, terrain, takeoffs)


def over_model(session: Session, survey_id: int) -> int:
    """How many of a survey's footprints were worked out over an elevation model."""
    return session.scalars(
        select(func.count())
        .select_from(Footprint)
        .join(CaptureRow, Footprint.capture_id == CaptureRow.fid)
        .where(CaptureRow.survey_id == survey_id, Footprint.height_source.endswith(OVER_MODEL))
    ).one()


def check_standing(session: Session, survey_id: int, standing: Standing) -> None:
    """Raise CensusError where footprints lie over an elevation model and finds would not, or the other way round."""
    modelled = over_model(session, survey_id)
    if modelled and standing.terrain is None:
        raise CensusError(
            f"{modelled} pictures were placed over an elevation model", hint="Name it again: --terrain DEM"
        )
    if not modelled and standing.terrain is not None:
        raise CensusError(
            "the pictures were placed over level ground",
            hint="Bring them in again with it: overfly ingest --terrain DEM",
        )
