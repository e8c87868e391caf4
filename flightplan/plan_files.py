"""A survey plan as a folder: plan.json holds everything, the files beside it are for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flightplan.areas import write_area
from flightplan.errors import OverflyError, PlanError, UnreadableFileError
from flightplan.formats import write_formats, write_survey_plan
from flightplan.messages import from_stored, to_stored
from flightplan.plain_values import from_plain, to_plain
from flightplan.plan import SurveyPlan
from flightplan.plan_page import plan_page
from flightplan.plan_picture import plan_png

PLAN_FILE, AREA_FILE, LINES_FILE = "plan.json", "area.geojson", "lines.geojson"
NOT_COVERED_FILE, PAGE_FILE, PICTURE_FILE = "not_covered.geojson", "plan.html", "plan.png"

VERSION = 1
_MAX_BYTES = 256 * 1024 * 1024


def save_plan(plan: SurveyPlan, folder: Path | str) -> dict[str, dict[str, str]]:
    """Write a plan as a folder, and return the files of each sortie by format, relative to the folder.

    `load_plan` reads it back equal; the same plan gives the same bytes. Raises PlanError when the folder holds another
    plan: its sorties would lie among these.
    """
    folder = Path(folder)
    document = {"type": "overfly plan", "version": VERSION, "plan": to_plain(plan), "messages": _messages(plan)}
    text = _json_text(document)
    try:
        if (folder / PLAN_FILE).is_file() and (folder / PLAN_FILE).read_text(encoding="utf-8") != text:
            raise PlanError(
                "there is another plan in this folder", where=str(folder), hint="Choose a folder of its own"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_area(plan.area, folder / AREA_FILE)
        _write_json(folder / LINES_FILE, lines_geojson(plan))
        if plan.not_covered is not None:
            _write_json(folder / NOT_COVERED_FILE, _not_covered_geojson(plan))
        files = {}
        for sortie in plan.sorties:
            written = write_formats(sortie.mission, folder / sortie.identifier)
            survey = write_survey_plan(sortie.mission, plan.camera, folder / sortie.identifier)
            if survey is not None:
                written["survey"] = survey
            files[sortie.identifier] = {kind: path.name for kind, path in written.items()}
        _write(folder / PAGE_FILE, plan_page(plan))
        (folder / PICTURE_FILE).write_bytes(plan_png(plan))
        # Last, so that a folder with a plan.json is a whole one.
        _write(folder / PLAN_FILE, text)
    except OSError as error:
        if isinstance(error, OverflyError):
            raise
        raise UnreadableFileError(
            f"cannot be written: {error.strerror}", where=str(error.filename or folder)
        ) from error
    return files


def load_plan(path: Path | str) -> SurveyPlan:
    """Read a plan from its folder or its plan.json.

    Raises UnreadableFileError, naming the place in the file, when it is not one.
    """
    path = Path(path)
    file = path / PLAN_FILE if path.is_dir() else path
    if not file.is_file():
        raise UnreadableFileError("there is no plan here", where=str(file), hint="`overfly plan` makes one")
    if file.stat().st_size > _MAX_BYTES:
        raise UnreadableFileError("is too large for a plan", where=str(file))
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"is not JSON: {error}", where=str(file)) from error
    if not isinstance(document, dict) or document.get("type") != "overfly plan":
        raise UnreadableFileError("is JSON but not an overfly plan", where=str(file))
    if document.get("version") != VERSION:
        raise UnreadableFileError(
            f"is a plan of version {document.get('version')!r}; this overfly reads version {VERSION}", where=str(file)
        )
    try:
        plan = from_plain(SurveyPlan, document.get("plan"))
    except UnreadableFileError as error:
        place = f"{file}, {error.where}" if error.where else str(file)
        raise UnreadableFileError(error.what, where=place, hint=error.hint) from error
    return _with_messages(plan, document.get("messages"))


def load_plan_to_fly(path: Path | str) -> SurveyPlan:
    """Read a plan that has sorties; PlanError says why there are none in one that was read from others' flights."""
    plan = load_plan(path)
    if plan.as_flown:
        raise PlanError(
            "there is nothing to fly in this plan: its lines were read from the pictures of others' flights",
            where=str(path),
            hint="`overfly plan` plans sorties",
        )
    return plan


def lines_geojson(plan: SurveyPlan) -> dict[str, Any]:
    """Return the transects of a plan as a GeoJSON FeatureCollection, one feature each."""
    sorties = {t: s.identifier for s in plan.sorties for t in s.transects}
    features = [
        {
            "type": "Feature",
            "properties": {
                "transect": t.identifier,
                "stratum": t.stratum,
                "position": t.position,
                "length_m": round(t.length_m, 2),
                "strip_width_m": round(plan.design.strip_width_m, 3),
                "strip_area_m2": round(t.strip_area_m2, 1),
                "sortie": sorties.get(t.identifier),
            },
            "geometry": {"type": "MultiLineString", "coordinates": to_plain(t.segments)},
        }
        for stratum in plan.strata
        for t in stratum.transects
    ]
    return {"type": "FeatureCollection", "features": features}


def _messages(plan: SurveyPlan) -> list[dict[str, Any]]:
    """What the plan's warnings and notes were made from, beside their texts, which are in the plan as before."""
    said = dict.fromkeys((*plan.warnings, *plan.notes))
    return [{"text": str(text), **kept} for text in said if (kept := to_stored(text)) is not None]


def _with_messages(plan: SurveyPlan, messages: object) -> SurveyPlan:
    """Return a plan whose warnings and notes know again what they were made from; older plans do not say."""
    listed = messages if isinstance(messages, list) else []
    kept = {m["text"]: m for m in listed if isinstance(m, Mapping) and isinstance(m.get("text"), str)}
    warnings, notes = (
        tuple(from_stored(text, kept.get(text)) for text in texts) for texts in (plan.warnings, plan.notes)
    )
    return replace(plan, warnings=warnings, notes=notes)


def _not_covered_geojson(plan: SurveyPlan) -> dict[str, Any]:
    properties = {"role": "not covered", "area_m2": round(plan.not_covered_m2, 1)}
    feature = {"type": "Feature", "properties": properties, "geometry": to_plain(plan.not_covered)}
    return {"type": "FeatureCollection", "features": [feature]}


def _write_json(path: Path, document: Any) -> None:
    _write(path, _json_text(document))


def _json_text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
