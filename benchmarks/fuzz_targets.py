"""What is fuzzed: each parser, and the files that broken ones are made from: made here, and real ones if there are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from counts.availability import read_availability
from counts.census import Census
from counts.exchange.camtrapdp import read_camtrap_dp
from counts.exchange.checklist import read_checklist
from counts.exchange.earthranger_subjects import read_earthranger
from counts.exchange.movebank import read_movebank
from counts.exchange.reported import read_reported_csv, read_reported_geojson
from counts.exchange.smart_model import read_data_model
from counts.exchange.smart_patrols import read_smart_patrols
from counts.review.basemap import BaseMap
from counts.store import latest_survey
from counts.table_design import read_table_design
from detect.calibration import read_calibration
from detect.captures import read_capture
from detect.detection_files import read_detections
from detect.detectors import load_detector
from detect.flight_logs import read_log
from detect.images import decode, open_raster
from detect.labels import read_labels
from detect.subtitles import read_subtitles
from flightplan.areas import read_area_parts
from flightplan.cameras import camera_from_file
from flightplan.drones import drone_from_file
from flightplan.earlier import read_earlier
from flightplan.formats import SUFFIXES, read_mission
from flightplan.plan_files import load_plan
from flightplan.terrain import Terrain
from sim.virtual.world_file import read_world


@dataclass(frozen=True)
class Parser:
    """A parser, and the suffix of its files."""

    suffix: str
    read: Callable[[Path], Any]


def _read_raster(path: Path) -> None:
    with open_raster(path) as raster:
        raster.read(0, 0, 64, 64)


def _read_calibration(path: Path) -> None:
    with suppress(ValueError):  # What it says of text that is none; its caller names the model.
        read_calibration(path.read_text(errors="replace"))


def _read_base_map(path: Path) -> None:
    opened = BaseMap.open(path)
    opened.facts()
    opened.tile(0, 0, 0)


def _read_census(path: Path) -> None:
    with Census.open(path, create=False) as census, census.reading() as session:
        latest_survey(session)


def _in_utc(read: Callable[[Path, tzinfo], Any]) -> Callable[[Path], Any]:
    return lambda path: read(path, UTC)


PARSERS = {
    **{f"area {suffix}": Parser(suffix, read_area_parts) for suffix in
       (".geojson", ".kml", ".kmz", ".csv", ".poly", ".gpkg", ".fgb", ".zip")},
    **{f"mission {suffix}": Parser(suffix, read_mission) for suffix in SUFFIXES},
    "plan": Parser(".json", load_plan),
    "terrain": Parser(".tif", Terrain.from_file),
    "drone": Parser(".toml", drone_from_file),
    "camera": Parser(".toml", camera_from_file),
    "earlier survey": Parser(".csv", read_earlier),
    "metadata of a picture": Parser(".jpg", read_capture),
    "pixels of a picture": Parser(".jpg", decode),
    "metadata of a mosaic": Parser(".tif", read_capture),
    "pixels of a mosaic": Parser(".tif", _read_raster),
    "subtitles": Parser(".srt", read_subtitles),
    "telemetry log": Parser(".tlog", read_log),
    "dataflash log": Parser(".bin", read_log),
    **{f"labels {suffix}": Parser(suffix, read_labels) for suffix in (".json", ".csv", ".xml")},
    **{f"detections {suffix}": Parser(suffix, read_detections) for suffix in (".json", ".csv")},
    "calibration": Parser(".json", _read_calibration),
    "model": Parser(".onnx", load_detector),
    "Movebank": Parser(".csv", read_movebank),
    "EarthRanger": Parser(".json", read_earthranger),
    "sightings .csv": Parser(".csv", _in_utc(read_reported_csv)),
    "sightings .json": Parser(".json", _in_utc(read_reported_geojson)),
    **{f"SMART patrol {suffix}": Parser(suffix, _in_utc(read_smart_patrols)) for suffix in (".csv", ".json", ".gpx")},
    "SMART data model": Parser(".xml", read_data_model),
    "checklist": Parser(".csv", read_checklist),
    "Camtrap DP": Parser(".zip", read_camtrap_dp),
    "availability": Parser(".toml", read_availability),
    "table design": Parser(".toml", read_table_design),
    "world": Parser(".toml", read_world),
    "base map": Parser(".mbtiles", _read_base_map),
    "census": Parser(".gpkg", _read_census),
}  # fmt: skip
