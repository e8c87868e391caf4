"""The census for others: one module per standard, each written from the same records.

    export_survey(census, "2026-wet", "darwincore", Path("2026-wet.zip"), sensitive={"rhino"})

Sensitive species are made coarse where the records are read (`records`), so no standard can forget it. Their estimates
are told per stratum all the same, as in the report. What others observed comes the other way: `importing`. Live
services are in `services`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from counts.census import Census
from counts.exchange.darwincore import export_darwincore
from counts.exchange.earthranger import export_earthranger
from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.geojson import export_geojson
from counts.exchange.geopackage_copy import export_geopackage
from counts.exchange.labels import export_coco, export_yolo
from counts.exchange.names import gather_named
from counts.exchange.records import SurveyRecords
from counts.exchange.smart import export_smart
from counts.exchange.tables import export_csv
from flightplan.errors import CensusError

__all__ = ["STANDARDS", "ExportOptions", "Exported", "export_survey"]

STANDARDS: dict[str, Callable[[SurveyRecords, Path, ExportOptions], Exported]] = {
    "csv": export_csv,
    "geojson": export_geojson,
    "geopackage": export_geopackage,
    "coco": export_coco,
    "yolo": export_yolo,
    "darwincore": export_darwincore,
    "smart": export_smart,
    "earthranger": export_earthranger,
}
_FOLDERS = ("csv", "geojson", "yolo", "earthranger")


def export_survey(
    census: Census,
    survey_name: str,
    standard: str,
    out: Path,
    *,
    sensitive: Collection[str] = (),
    options: ExportOptions | None = None,
) -> Exported:
    """Write a survey in a standard to `out`: a folder for csv, geojson, yolo and earthranger, else a file.

    The same census gives the same bytes. Files that are there already are replaced, others in the folder left alone; a
    census is never replaced. Raises CensusError for an unknown standard, survey or sensitive species, and for a folder
    where a file is wanted, or the other way round.
    """
    if standard not in STANDARDS:
        raise CensusError(f"there is no standard {standard!r}", hint=f"There are: {', '.join(STANDARDS)}")
    if standard in _FOLDERS and out.exists() and not out.is_dir():
        raise CensusError(f"is a file, and {standard} is written into a folder", where=str(out))
    if standard not in _FOLDERS and out.is_dir():
        raise CensusError(f"is a folder, and {standard} is written to one file", where=str(out))
    with census.reading() as session:
        records, named = gather_named(session, survey_name, sensitive, options or ExportOptions())
    return STANDARDS[standard](records, out, named)
