"""What `overfly plan --json` prints: of one plan, and of several that are the parts of one area."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flightplan.areas import StudyArea
from flightplan.design import StratumDesign, Transect
from flightplan.errors import PlanError
from flightplan.formats import SUFFIXES, cannot_be_written
from flightplan.plain_values import to_plain
from flightplan.plan import SurveyPlan
from flightplan.plan_files import PAGE_FILE


def plan_document(plan: SurveyPlan, folder: Path, files: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return what `overfly plan --json` prints."""
    return {
        "plan": str(folder),
        "lines": sum(len(s.transects) for s in plan.strata),
        "length_km": round(plan.length_m / 1000, 3),
        "duration_min": round(plan.duration_s / 60, 2),
        "metres_outside": plan.metres_outside,
        "coverage": plan.coverage,
        "not_covered_m2": round(plan.not_covered_m2, 1),
        "area_km2": round(sum(s.area_m2 for s in plan.strata) / 1e6, 4),
        "heading_deg": plan.design.heading_deg,
        "spacing_m": plan.design.spacing_m,
        "strip_width_m": plan.design.strip_width_m,
        "altitude_agl_m": plan.altitude_agl_m,
        "gsd_cm": plan.gsd_cm,
        "speed_mps": plan.speed_mps,
        "drones": plan.drones,
        "makespan_min": None if plan.makespan_s is None else round(plan.makespan_s / 60, 2),
        "batteries": len(plan.sorties),
        "images": sum(s.image_count or 0 for s in plan.sorties),
        "storage_gb": round(sum(s.storage_mb or 0.0 for s in plan.sorties) / 1000, 3),
        "return_height_m": plan.return_height_m,
        "separation": to_plain(plan.separation),
        "wind": to_plain(plan.wind),
        "terrain": to_plain(plan.terrain),
        "delivered": to_plain(plan.delivered),
        "sorties": [
            {
                "name": s.identifier,
                "transects": list(s.transects),
                "items": len(s.mission.items),
                "energy_share": round(s.energy_share, 4),
                "duration_min": round(s.duration_s / 60, 2),
                "length_km": round(s.length_m / 1000, 3),
                "drone": s.drone,
                "launch": s.launch,
                "takeoff_min": round(s.takeoff_offset_s / 60, 2),
                "transit_offset_m": s.transit_offset_m,
                "return_height_m": s.return_height_m,
                "furthest_m": s.furthest_m,
                "hidden_share": None if s.visibility is None else round(s.visibility.hidden_share, 4),
                "images": s.image_count,
                "storage_mb": s.storage_mb,
                "files": {kind: str(folder / name) for kind, name in files[s.identifier].items()},
            }
            for s in plan.sorties
        ],
        "strata": [_stratum(plan, s) for s in plan.strata],
        "transects": [_transect(plan, t) for s in plan.strata for t in s.transects],
        "warnings": list(plan.warnings),
        "notes": [*plan.notes, *_without_files(plan, files)],
        "map": str(folder / PAGE_FILE),
    }


def _without_files(plan: SurveyPlan, files: dict[str, dict[str, str]]) -> list[str]:
    """Return which formats some sorties have no file in, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for sortie in plan.sorties:
        if all(suffix[1:] in files[sortie.identifier] for suffix in SUFFIXES):
            continue
        for suffix, reason in cannot_be_written(sortie.mission).items():
            found.setdefault((suffix, reason), []).append(sortie.identifier)
    return [f"no {SUFFIXES[suffix]} file for {', '.join(names)}: {reason}" for (suffix, reason), names in found.items()]


def joined_document(documents: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Return one document of the plans of an area's parts: sums, all sorties and warnings, and each part's own."""
    names = [Path(d["plan"]).name for d in documents]
    area_km2 = sum(d["area_km2"] for d in documents)
    return {
        "plan": str(folder),
        **{key: sum(d[key] for d in documents) for key in ("lines", "length_km", "duration_min", "metres_outside")},
        **{key: sum(d[key] for d in documents) for key in ("batteries", "images", "storage_gb")},
        "coverage": sum(d["coverage"] * d["area_km2"] for d in documents) / area_km2,
        "not_covered_m2": sum(d["not_covered_m2"] for d in documents),
        "area_km2": area_km2,
        **{key: documents[0][key] for key in ("altitude_agl_m", "gsd_cm", "speed_mps")},
        **{key: [v for d in documents for v in d[key]] for key in ("strata", "transects")},
        "sorties": [
            {**s, "name": f"{n}/{s['name']}"} for n, d in zip(names, documents, strict=True) for s in d["sorties"]
        ],
        **{
            key: [f"{n}: {text}" for n, d in zip(names, documents, strict=True) for text in d[key]]
            for key in ("warnings", "notes")
        },
        "parts": list(documents),
    }


def design_of_part(design: dict[str, Any], part: StudyArea, parts: Sequence[StudyArea]) -> dict[str, Any]:
    """Return what was asked of a design as far as it is for one part of an area.

    Raises PlanError for an effort in all, since how much of it a part should have is not known, and for a stratum
    that no part has.
    """
    if any(design.get(key) is not None for key in ("total_lines", "total_length_m")):
        raise PlanError(
            "an effort in all cannot be shared out over parts that are planned each on their own",
            where=part.name,
            hint="Say --spacing, --fraction or --lines",
        )
    spacings, known = design["stratum_spacing_m"], {s.name for p in parts for s in p.strata}
    for name in spacings:
        if name not in known:
            raise PlanError(f"there is no stratum {name!r}", hint=f"There are: {', '.join(sorted(known))}")
    own = {s.name for s in part.strata}
    return {**design, "stratum_spacing_m": {name: value for name, value in spacings.items() if name in own}}


def _stratum(plan: SurveyPlan, stratum: StratumDesign) -> dict[str, Any]:
    strips_m2 = sum(t.strip_area_m2 for t in stratum.transects)
    return {
        "name": stratum.name,
        "area_km2": round(stratum.area_m2 / 1e6, 4),
        "spacing_m": plan.design.spacing_in(stratum.name),
        "lines": len(stratum.transects),
        "length_km": round(sum(t.length_m for t in stratum.transects) / 1000, 3),
        "strip_area_km2": round(strips_m2 / 1e6, 4),
        "sampled_share": round(strips_m2 / stratum.area_m2, 4),
        "possible_transects": stratum.possible_transects,
    }


def _transect(plan: SurveyPlan, transect: Transect) -> dict[str, Any]:
    return {
        "name": transect.identifier,
        "stratum": transect.stratum,
        "length_m": round(transect.length_m, 2),
        "strip_width_m": round(plan.design.strip_width_m, 3),
        "strip_area_m2": round(transect.strip_area_m2, 1),
    }
