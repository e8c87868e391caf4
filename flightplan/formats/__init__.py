"""Mission files of every ground station: one module each, read by content, written by suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flightplan.camera import Camera
from flightplan.errors import MissionFormatError, UnreadableFileError
from flightplan.formats import litchi, wpl, wpml
from flightplan.formats.checks import archive_of, read_bytes, refuse, text_of
from flightplan.formats.geojson import read_geojson, write_geojson
from flightplan.formats.kml import read_kml, write_kml
from flightplan.formats.losses import lost_in
from flightplan.formats.qgc_plan import read_qgc_plan, write_qgc_plan
from flightplan.formats.qgc_survey import survey_plan
from flightplan.formats.wpml_writer import write_wpml
from flightplan.mission import Mission

__all__ = [
    "SUFFIXES",
    "cannot_be_written",
    "fence_and_rally_paths",
    "lost_in",
    "read_mission",
    "read_mission_and_rest",
    "write_fence_and_rally",
    "write_formats",
    "write_mission",
    "write_survey_plan",
]

SUFFIXES = {
    ".plan": "QGroundControl plan",
    ".waypoints": "QGC WPL 110 (Mission Planner, MAVProxy)",
    ".kmz": "DJI WPML",
    ".kml": "KML",
    ".csv": "Litchi",
    ".geojson": "GeoJSON",
}
"""Formats that can be written, by the suffix of their files."""

_WRITERS: dict[str, Callable[[Mission], str | bytes]] = {
    ".plan": write_qgc_plan,
    ".waypoints": wpl.write_wpl,
    ".kmz": write_wpml,
    ".kml": write_kml,
    ".csv": litchi.write_litchi,
    ".geojson": write_geojson,
}


def read_mission(path: Path | str) -> Mission:
    """Read a mission file of any known format; which one it is follows from its content.

    Raises UnreadableFileError when the file cannot be read at all, MissionFormatError, naming the place in it, when it
    does not say what to fly. What a format cannot carry is absent from the result.
    """
    return read_mission_and_rest(path)[0]


def read_mission_and_rest(path: Path | str) -> tuple[Mission, tuple[str, ...]]:
    """Read a mission file as `read_mission` does, and say what in it has no place in a mission here, a phrase each."""
    unread: dict[str, None] = {}
    mission = _read(Path(path), unread)
    return mission, tuple(unread)


def _read(path: Path, unread: dict[str, None]) -> Mission:
    data, where = read_bytes(path), str(path)
    if data.startswith(b"PK\x03\x04"):
        return _read_archive(data, where, unread)
    if b"\x00" in data[:1024]:
        refuse("a binary file, not a mission", where)
    text = text_of(data, where)
    start = text.lstrip()[:2048]
    if start.startswith("QGC WPL"):
        return wpl.read_wpl(text, where)
    if start.startswith("{"):
        return read_geojson(text, where) if _is_geojson(text, path) else read_qgc_plan(text, where)
    if start.startswith("<"):
        return wpml.read_wpml(data, where, unread) if wpml.is_wpml(data) else read_kml(data, where)
    if start.startswith("RALLY "):
        return wpl.read_old_rally(text, where)
    first = start.splitlines()[0] if start else ""
    if litchi.is_litchi(first):
        return litchi.read_litchi(text, where, unread)
    if _is_two_numbers(first):
        return wpl.read_old_fence(text, where)
    return refuse("no mission file of a kind known here", where, f"Known: {', '.join(SUFFIXES.values())}")


def write_mission(mission: Mission, path: Path | str) -> Path:
    """Write a mission in the format of the file's suffix, and return the path; `lost_in` names what it drops.

    Raises MissionFormatError for a suffix that is none of `SUFFIXES`, or a mission that the format cannot say.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        refuse(f"{path.suffix or 'no suffix'!r} is no known kind of mission file", str(path), _known())
    try:
        content = _checked(writer, mission)
    except MissionFormatError as error:
        raise MissionFormatError(error.what, where=str(path), hint=error.hint) from error
    _write(path, content)
    return path


def write_formats(mission: Mission, stem: Path | str) -> dict[str, Path]:
    """Write a mission in every format beside each other, and return the files by format.

    `stem` is the path without a suffix: `plan/sortie-01` gives `plan/sortie-01.plan` and so on. A fence and rally
    points also go to a WPL file each, for Mission Planner and MAVProxy. A format that cannot say this mission is left
    out.
    """
    stem = Path(stem)
    files: dict[str, Path] = {}
    for suffix in SUFFIXES:
        try:
            files[suffix[1:]] = write_mission(mission, stem.with_name(stem.name + suffix))
        except MissionFormatError:
            if suffix in (".plan", ".waypoints"):
                raise
    return files | write_fence_and_rally(mission, stem)


def cannot_be_written(mission: Mission) -> dict[str, str]:
    """Return the formats, by suffix, that cannot say this mission, and why; `write_formats` leaves them out."""
    found = {}
    for suffix, writer in _WRITERS.items():
        try:
            _checked(writer, mission)
        except MissionFormatError as error:
            found[suffix] = error.what
    return found


def write_fence_and_rally(mission: Mission, stem: Path | str) -> dict[str, Path]:
    """Write what a .waypoints file does not hold to files of their own, and return them by what they hold."""
    files = fence_and_rally_paths(mission, stem)
    for kind, path in files.items():
        _write(path, wpl.write_wpl_fence(mission) if kind == "fence" else wpl.write_wpl_rally(mission))
    return files


def fence_and_rally_paths(mission: Mission, stem: Path | str) -> dict[str, Path]:
    """Return the files for a fence and rally points, where a mission has them: `stem`.fence.waypoints and so on."""
    held = {"fence": mission.fence or mission.fence_circles, "rally": mission.rally}
    return {kind: Path(stem).with_name(f"{Path(stem).name}.{kind}.waypoints") for kind, any_ in held.items() if any_}


def write_survey_plan(mission: Mission, camera: Camera, stem: Path | str) -> Path | None:
    """Write `stem`.survey.plan, in which QGroundControl shows the lines as a survey; None where none can be shown so.

    To look at, with polygon, camera and overlaps. The one to fly is the .plan of plain items beside it: QGroundControl
    lays a survey's lines anew when a setting is touched, and knows nothing then of what this plan was checked against.
    """
    text = survey_plan(mission, camera)
    if text is None:
        return None
    path = Path(stem).with_name(Path(stem).name + ".survey.plan")
    _write(path, text)
    return path


def _checked(writer: Callable[[Mission], str | bytes], mission: Mission) -> str | bytes:
    places = [mission.home, *((item.longitude_deg, item.latitude_deg) for item in mission.items)]
    if (0.0, 0.0) in places:
        refuse("a position at exactly 0, 0, which stands for no position in mission files", "the mission")
    return writer(mission)


def _read_archive(data: bytes, where: str, unread: dict[str, None]) -> Mission:
    members = archive_of(data, where)
    waylines = [name for name in members if name.lower().endswith(".wpml")]
    if len(waylines) == 1:
        return wpml.read_wpml(members[waylines[0]], f"{where}, {waylines[0]}", unread)
    kml = [name for name in members if name.lower().endswith(".kml")]
    if not waylines and len(kml) == 1:
        return read_kml(members[kml[0]], f"{where}, {kml[0]}")
    return refuse(f"an archive with {len(waylines)} .wpml and {len(kml)} .kml files, not one mission", where)


def _is_geojson(text: str, path: Path) -> bool:
    return path.suffix.lower() == ".geojson" or ('"FeatureCollection"' in text and '"fileType"' not in text)


def _is_two_numbers(line: str) -> bool:
    try:
        return len([float(part) for part in line.split()]) == 2
    except ValueError:
        return False


def _write(path: Path, content: str | bytes) -> None:
    try:
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise UnreadableFileError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _known() -> str:
    return "Known: " + ", ".join(f"{suffix} ({name})" for suffix, name in SUFFIXES.items())
