"""The captures of a flight that can be placed on the ground, as a refinement of their poses takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detect.captures import Capture
from detect.pose_errors import PoseErrors
from detect.standpoints import pose_of
from detect.stations import Station, above_ground_m
from flightplan.errors import OverflyError, Skip
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain


@dataclass(frozen=True)
class PlacedFlight:
    """The captures of a flight that can be placed: `used` are their indices, `stations` their poses as read."""

    used: tuple[int, ...]
    stations: tuple[Station, ...]
    paths: tuple[Path, ...]
    frame: LocalFrame
    skipped: tuple[Skip, ...]

    @classmethod
    def of(
        cls,
        captures: Sequence[Capture],
        terrain: Terrain | None,
        takeoff: tuple[float, float] | None,
        ground_msl_m: float | None,
    ) -> PlacedFlight:
        """Place captures; those that cannot be are in `skipped`. See `detect.standpoints.pose_of`."""
        used, stations, skipped = [], [], []
        grounds: dict[tuple[float, str | None], Terrain] = {}
        for index, capture in enumerate(captures):
            try:
                if capture.camera is None:
                    skipped.append(Skip(str(capture.path), "its camera is unknown"))
                    continue
                stand = pose_of(capture, terrain=terrain, takeoff=takeoff, ground_msl_m=ground_msl_m)
            except OverflyError as error:
                skipped.append(Skip(str(capture.path), str(error)))
                continue
            ground = stand.terrain
            if ground.is_flat:
                ground = grounds.setdefault((ground.range_m[0], ground.datum), ground)
            errors = replace(PoseErrors.of(capture), refined=None)
            used.append(index)
            stations.append(Station(capture.camera, stand.pose, ground, errors))
        first = stations[0].pose if stations else None
        frame = (
            LocalFrame(0.0, 0.0) if first is None else LocalFrame(float(first.longitude_deg), float(first.latitude_deg))
        )
        paths = tuple(captures[n].path for n in used)
        return cls(tuple(used), tuple(stations), paths, frame, tuple(skipped))

    def without(self, unread: dict[int, Skip]) -> PlacedFlight:
        """The flight without some captures, by their indices."""
        kept = [n for n, index in enumerate(self.used) if index not in unread]
        return replace(
            self,
            used=tuple(self.used[n] for n in kept),
            stations=tuple(self.stations[n] for n in kept),
            paths=tuple(self.paths[n] for n in kept),
        )

    @property
    def positions_m(self) -> Floats:
        """Where the cameras were, (N, 2) in the frame."""
        lonlat = [[float(s.pose.longitude_deg), float(s.pose.latitude_deg)] for s in self.stations]
        return self.frame.to_local(np.array(lonlat).reshape(-1, 2))

    @property
    def yaw_deg(self) -> Floats:
        """Their headings as read, (N,)."""
        return np.array([float(s.pose.yaw_deg) for s in self.stations])

    @property
    def widths_m(self) -> Floats:
        """How wide each picture is on the ground, the root of its two sides' product."""
        return np.array(
            [
                above_ground_m(s)
                * np.sqrt(s.camera.image_width_px * s.camera.image_height_px)
                / s.camera.focal_length_px
                for s in self.stations
            ]
        )
