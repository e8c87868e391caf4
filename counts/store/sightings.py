"""Sightings read back: detections on the ground, each with its capture, its label and its individual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.geopackage import decode_many, raw
from counts.schema import Capture, Detection, Sighting
from counts.store.captures import Keys
from flightplan.frames import Floats


@dataclass(frozen=True)
class SightingTable:
    """Sightings as arrays, in their detections' order.

    `individual_id` is -1 where a sighting belongs to none; `lonlat` (N, 2), longitude first; `covariance_m2` (N, 2, 2)
    in east, north, NaN where unknown.
    """

    detection_id: Keys
    capture_id: Keys
    individual_id: Keys
    label: npt.NDArray[np.str_]
    score: Floats
    lonlat: Floats
    covariance_m2: Floats

    def __len__(self) -> int:
        return len(self.detection_id)


def read_sightings(session: Session, identity_run_id: int) -> SightingTable:
    """Return the sightings of a run; those on captures that were refused since are left out."""
    rows = session.execute(
        select(
            Sighting.detection_id,
            Detection.capture_id,
            Sighting.individual_id,
            Detection.label,
            Detection.score,
            Sighting.variance_east_m2,
            Sighting.variance_north_m2,
            Sighting.covariance_m2,
            raw(Sighting.point),
        )
        .join(Detection, Sighting.detection_id == Detection.fid)
        .join(Capture, Detection.capture_id == Capture.fid)
        .where(Sighting.identity_run_id == identity_run_id, Capture.refused.is_(None))
        .order_by(Sighting.detection_id)
    ).all()
    spread: Floats = np.array([r[5:8] for r in rows], dtype=np.float64).reshape(-1, 3)
    return SightingTable(
        detection_id=np.array([r[0] for r in rows], dtype=np.int64),
        capture_id=np.array([r[1] for r in rows], dtype=np.int64),
        individual_id=np.array([-1 if r[2] is None else r[2] for r in rows], dtype=np.int64),
        label=np.array([r[3] for r in rows], dtype=np.str_),
        score=np.array([r[4] for r in rows], dtype=np.float64),
        lonlat=shapely.get_coordinates(decode_many([r[8] for r in rows])),
        covariance_m2=spread[:, [0, 2, 2, 1]].reshape(-1, 2, 2),
    )
