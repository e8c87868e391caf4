"""What works on this machine and what does not."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path

from sqlalchemy.orm import Session

import overfly
from counts.audit import Flaw, verify
from counts.census import Census

_OLDEST_SQLITE = (3, 35)
_LEAST_MEMORY_GB = 2.0
_VENDOR = ("maplibre-gl-csp.js", "maplibre-gl-csp-worker.js", "maplibre-gl.css", "openseadragon.min.js", "pmtiles.js")
ROOMS = ("flightplan", "detect", "counts", "sim", "overfly")


class Verdict(StrEnum):
    """How a check ended: an `OPTIONAL` one that is absent keeps nothing from working but what it names."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    OPTIONAL = "absent"


@dataclass(frozen=True)
class Check:
    """One thing looked at, what was seen, and what to do where it is not right."""

    name: str
    verdict: Verdict
    seen: str
    remedy: str | None = None


def examine() -> tuple[Check, ...]:
    """Look at everything that overfly needs here; never raises."""
    return tuple(_checks())


def examine_census(location: str) -> tuple[Check, ...]:
    """Look at one census: its file, and the chains of its audit. Raises CensusError when it cannot be opened."""
    with Census.open(location, create=False) as census, census.reading() as session:
        damage = [] if census.engine.dialect.name != "sqlite" else _damage(session)
        found = verify(session)
    name = Path(location).name if "://" not in location else "census"
    if damage:
        return (Check(name, Verdict.FAIL, f"is damaged: {damage[0]}", "Restore it from a copy."),)
    whole = Check(name, Verdict.PASS, "the file is sound")
    if found.sound:
        said = f"{found.entries} entries of {len(found.writers)} writers; {found.rows} rows are as they were written"
        return (whole, Check("audit", Verdict.PASS, said))
    remedy = "Compare it with a copy, and ask who has the file."
    return (whole, *(Check("audit", Verdict.FAIL, _flaw(f), remedy) for f in found.flaws))


def _damage(session: Session) -> list[str]:
    found = session.connection().exec_driver_sql("PRAGMA quick_check").scalars().all()
    return [str(line) for line in found if line != "ok"]


def _flaw(flaw: Flaw) -> str:
    return flaw.what if flaw.writer is None else f"{flaw.writer}, entry {flaw.sequence}: {flaw.what}"


def _checks() -> Iterator[Check]:
    yield _python()
    yield _one_house()
    for name, why in _REQUIRED.items():
        yield _required(name, why)
    probes = (_shipped_detector, _coordinates, _raster_and_vector, _database, _languages, _review_libraries)
    for probe in (*probes, _machine, _writes):
        yield _guarded(probe)
    for name, (why, extra) in _OPTIONAL.items():
        yield _optional(name, why, extra)


_REQUIRED = {
    "numpy": "arrays",
    "scipy": "statistics",
    "shapely": "geometry",
    "pyproj": "coordinates",
    "rasterio": "rasters",
    "pyogrio": "vector files",
    "sqlalchemy": "the census",
    "alembic": "the census",
    "onnxruntime": "detection",
    "dronekit": "vehicles",
    "pymavlink": "vehicles",
    "PIL": "images",
    "babel": "numbers and dates in a report's language",
    "jinja2": "pages",
    "defusedxml": "XML of others",
    "rich": "the screen of a flight",
}
_OPTIONAL = {
    "ultralytics": ("training, and .pt models", "yolo"),
    "psycopg": ("a census in PostgreSQL", "postgis"),
    "ortools": ("several drones", "fleet"),
    "fastapi": ("the review page", "web"),
    "typst": ("a report as PDF", "report"),
    "openvino": ("faster networks on Intel processors", "openvino"),
    "ray": ("detection on several machines", "cluster"),
    "fsspec": ("pictures in object stores and archives", "remote"),
    "av": ("videos", "video"),
    "statsmodels": ("density surfaces", "density"),
    "httpx": ("EarthRanger and SMART Connect", "services"),
}


def _python() -> Check:
    seen = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("python", Verdict.PASS, seen)
    return Check("python", Verdict.FAIL, seen, "overfly is tested on Python 3.11 to 3.13.")


def _one_house() -> Check:
    folders = {}
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        origin = spec.origin if spec else None
        folders[room] = Path(origin).resolve().parents[1] if origin else None
    if len(set(folders.values())) != 1 or None in folders.values():
        seen = "; ".join(f"{room}: {folder or 'missing'}" for room, folder in folders.items())
        return Check(
            "one house", Verdict.FAIL, seen, "Another package shadows a room: reinstall overfly in a fresh venv."
        )
    try:
        installed = importlib.metadata.version("overfly")
    except importlib.metadata.PackageNotFoundError:
        return Check("one house", Verdict.FAIL, "not installed", "Install it: pip install overfly")
    if installed != overfly.__version__:
        seen = f"installed as {installed}, imported as {overfly.__version__}"
        return Check("one house", Verdict.FAIL, seen, "Reinstall overfly.")
    return Check("one house", Verdict.PASS, f"overfly {installed} in {folders['overfly']}")


def _required(name: str, why: str) -> Check:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Check(name, Verdict.FAIL, str(error), f"Needed for {why}: reinstall overfly.")
    return Check(name, Verdict.PASS, f"{getattr(module, '__version__', 'present')} ({why})")


def _optional(name: str, why: str, extra: str) -> Check:
    if importlib.util.find_spec(name) is None:
        return Check(name, Verdict.OPTIONAL, f"not installed; needed only for {why}", f"pip install 'overfly[{extra}]'")
    return Check(name, Verdict.PASS, f"{importlib.metadata.version(name)} ({why})")


def _guarded(probe: Callable[[], Check]) -> Check:
    name = probe.__name__.removeprefix("_").replace("_", " ")
    try:
        return probe()
    except Exception as error:  # a doctor reports what it meets, whatever it is
        return Check(name, Verdict.FAIL, f"{type(error).__name__}: {error}", "Reinstall overfly.")


def _shipped_detector() -> Check:
    from detect.detectors import load_detector
    from detect.models import shipped_model

    detector = load_detector(shipped_model())
    seen = f"{', '.join(detector.names)} [{detector.content_hash[:12]}], for simulation and demonstration only"
    return Check("shipped detector", Verdict.PASS, seen)


def _coordinates() -> Check:
    import pyproj

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PROJ's own words for what is said below
        group = pyproj.transformer.TransformerGroup("EPSG:4326+5773", "EPSG:4979", always_xy=True)
    if group.best_available:
        return Check("coordinates", Verdict.PASS, f"PROJ {pyproj.proj_version_str}, with a geoid grid")
    return Check(
        "coordinates",
        Verdict.OPTIONAL,
        f"PROJ {pyproj.proj_version_str}, no geoid grid: sea-level heights are not turned into ellipsoidal ones",
        "apt-get install proj-data",
    )


def _raster_and_vector() -> Check:
    import pyogrio
    from rasterio.drivers import raster_driver_extensions

    missing = [d for d in ("GeoJSON", "ESRI Shapefile", "GPKG") if d not in pyogrio.list_drivers()]
    missing += [] if "GTiff" in raster_driver_extensions().values() else ["GTiff"]
    if missing:
        return Check(
            "raster and vector", Verdict.FAIL, f"GDAL lacks {', '.join(missing)}", "Reinstall rasterio and pyogrio."
        )
    return Check("raster and vector", Verdict.PASS, f"GDAL {'.'.join(map(str, pyogrio.__gdal_version__))}")


def _database() -> Check:
    with closing(sqlite3.connect(":memory:")) as probe:
        probe.execute("CREATE VIRTUAL TABLE near USING rtree(id, west, east, south, north)")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        seen = f"SQLite {sqlite3.sqlite_version}"
        return Check("database", Verdict.FAIL, seen, "Use a Python whose SQLite is 3.35 or newer.")
    return Check("database", Verdict.PASS, f"SQLite {sqlite3.sqlite_version}, with R-trees")


def _languages() -> Check:
    from counts.report import LOCALES
    from counts.report.words import Words

    for language in LOCALES:
        Words(language)
    return Check("languages", Verdict.PASS, f"reports in {', '.join(LOCALES)}")


def _review_libraries() -> Check:
    folder = Path(str(resources.files("counts.review"))) / "vendor"
    missing = [name for name in _VENDOR if not (folder / name).is_file()]
    if not missing:
        return Check("review libraries", Verdict.PASS, "maps and whole frames can be shown")
    seen = f"{', '.join(missing)} not built in: the review page has no map and no whole frames"
    return Check(
        "review libraries", Verdict.OPTIONAL, seen, "In a clone: make web. Else install the wheel of a release."
    )


def _machine() -> Check:
    processors = os.cpu_count() or 1
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return Check("machine", Verdict.PASS, f"{processors} processors")
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    seen = f"{processors} processors, {memory_gb:.0f} GB of memory"
    if memory_gb < _LEAST_MEMORY_GB:
        return Check("machine", Verdict.OPTIONAL, seen, "Detection and large counts want 2 GB: close other programs.")
    return Check("machine", Verdict.PASS, seen)


def _writes() -> Check:
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe"
        probe.write_bytes(b"x")
        status = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if status is None:
        return Check("writes", Verdict.PASS, "a temporary folder can be written")
    free_gb = status.f_bavail * status.f_frsize / 1e9
    if free_gb < 1:
        return Check("writes", Verdict.FAIL, f"{free_gb:.1f} GB free in {tempfile.gettempdir()}", "Free some space.")
    return Check("writes", Verdict.PASS, f"{free_gb:.0f} GB free in {tempfile.gettempdir()}")
